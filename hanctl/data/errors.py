"""Errors of household data."""

from __future__ import annotations

from hanctl.base.errors import ExitCode, HanctlError


class BadData(HanctlError):
    """Data that cannot be stored: says what is wrong and where, never the value. Nothing was changed."""

    code = "bad-data"
    exit_code = ExitCode.USAGE


class BadValue(Exception):
    """One value does not fit its type. ``path``: the names and numbers that lead to it, from the value given.

    ``unknown``: the last of them is no name that hanctl knows, and not to be repeated.
    """

    def __init__(self, reason: str, path: tuple[str | int, ...] = (), *, unknown: bool = False) -> None:
        super().__init__(reason)
        self.path = path
        self.unknown = unknown

    @property
    def place(self) -> str:
        """The place in words, as the subject of the reason."""
        known = self.path[:-1] if self.unknown else self.path
        name = ".".join(str(part) for part in known) or "the file"
        return f"a name in {name}" if self.unknown else name

    def below(self, key: str | int) -> BadValue:
        """Return the same error with ``key`` before its path."""
        return BadValue(str(self), (key, *self.path), unknown=self.unknown)
