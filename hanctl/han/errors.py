"""Errors of the HAN layer."""

from __future__ import annotations

from hanctl.errors import ExitCode, HanctlError


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
