"""Errors of household data."""

from __future__ import annotations

from hanctl.base.errors import ExitCode, HanctlError


class BadData(HanctlError):
    """Data that cannot be held: what is wrong, and where. Nothing was changed. The value itself is not told."""

    code = "bad-data"
    exit_code = ExitCode.USAGE


class BadValue(Exception):
    """One value does not fit its type. ``path``: the names and numbers that lead to it, from the value given."""

    def __init__(self, reason: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(reason)
        self.path = path

    def below(self, key: str | int) -> BadValue:
        """The same, as seen from what holds the value under ``key``."""
        return BadValue(str(self), (key, *self.path))
