"""Errors of the HAN layer."""

from __future__ import annotations

from hanctl.errors import ExitCode, HanctlError
from hanctl.radio.errors import DeliveryFailed


class TimedOut(HanctlError):
    """A device took a request and did not answer it in time."""

    code = "timed-out"
    exit_code = ExitCode.TIMED_OUT


class MalformedZcl(HanctlError):
    """A ZCL frame that does not follow its own layout."""

    code = "malformed-zcl"


class MalformedZdo(HanctlError):
    """A ZDO frame that does not follow its own layout."""

    code = "malformed-zdo"


class NoKey(DeliveryFailed):
    """A Smart Energy message was not sent: no key was established with its destination yet."""

    code = "no-key"
