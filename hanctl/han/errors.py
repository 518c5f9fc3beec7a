"""Errors of the HAN layer."""

from __future__ import annotations

from typing import Any

from hanctl.base.errors import ExitCode, HanctlError
from hanctl.radio.errors import DeliveryFailed


class TimedOut(HanctlError):
    """A device took a request and did not answer it in time."""

    code = "timed-out"
    exit_code = ExitCode.TIMED_OUT


class Unproven(TimedOut):
    """A request was answered from the device's address, but by nobody who could read the request.

    ``response`` is the last such answer.
    """

    code = "unproven"

    def __init__(self, message: str, hint: str, response: Any) -> None:
        super().__init__(message, hint)
        self.response = response


class MalformedZcl(HanctlError):
    """A ZCL frame that does not follow its own layout."""

    code = "malformed-zcl"


class MalformedZdo(HanctlError):
    """A ZDO frame that does not follow its own layout."""

    code = "malformed-zdo"


class NoKey(DeliveryFailed):
    """A Smart Energy message was not sent: no key was established with its destination yet."""

    code = "no-key"
