"""Errors of household data."""

from __future__ import annotations

from hanctl.base.errors import ExitCode, HanctlError


class BadData(HanctlError):
    """Data that cannot be stored: says what is wrong and where, never the value. Nothing was changed."""

    code = "bad-data"
    exit_code = ExitCode.USAGE


class BadValue(Exception):
    """One value does not fit its type. ``path``: the names and numbers that lead to it, from the value given."""

    def __init__(self, reason: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(reason)
        self.path = path

    def below(self, key: str | int) -> BadValue:
        """Return the same error with ``key`` before its path."""
        return BadValue(str(self), (key, *self.path))
