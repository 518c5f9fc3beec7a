"""Errors of the ledger."""

from __future__ import annotations

from pathlib import Path

from hanctl.base.errors import ExitCode, HanctlError


class LedgerError(HanctlError):
    """The ledger file cannot be opened, read or written."""

    code = "ledger"
    exit_code = ExitCode.STATE


class LedgerFull(LedgerError):
    """There is no room for what was to be written, and nothing of it was. It may be tried again."""

    code = "ledger-full"


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer hanctl."""

    code = "ledger-too-new"


class LedgerDamaged(LedgerError):
    """What is in the ledger's file is no sound database any more. A start puts the last good copy in its place."""

    code = "ledger-damaged"

    @classmethod
    def found(cls, path: Path, reason: str) -> LedgerDamaged:
        """The damage of the ledger at ``path``, in SQLite's words."""
        return cls(
            f"the ledger {path} cannot be used: {' '.join(reason.split())}",
            "start hanctl again: the last good backup takes its place",
        )


class CopyError(LedgerError):
    """A copy of the ledger cannot be written, or not be used."""

    code = "ledger-copy"
