"""What an examination says: one line each, and what to do where it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hanctl.base.errors import HanctlError

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. ``hint`` is empty only where the status is ok."""

    check: str
    status: Status
    message: str
    hint: str = ""


def ok(check: str, message: str) -> Finding:
    return Finding(check, "ok", message)


def warn(check: str, message: str, hint: str) -> Finding:
    return Finding(check, "warn", message, hint)


def fail(check: str, message: str, hint: str) -> Finding:
    return Finding(check, "fail", message, hint)


def failed(check: str, error: HanctlError) -> Finding:
    """An error of the hub's own code, as it would tell it."""
    return fail(check, str(error), error.hint or "see docs/cli.md")
