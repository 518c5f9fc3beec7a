"""Findings of an examination: one line each, with what to do unless it is ok."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hanctl.base.errors import HanctlError

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. ``hint`` is empty only if the status is ok."""

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
    """Make a failed finding of an error of the hub's own code."""
    return fail(check, str(error), error.hint or "see docs/cli.md")
