"""Errors of the ledger."""

from __future__ import annotations

from pathlib import Path

from hanctl.base.errors import ExitCode, HanctlError


class LedgerError(HanctlError):
    """The ledger file cannot be opened, read or written."""

    code = "ledger"
    exit_code = ExitCode.STATE


class LedgerFull(LedgerError):
    """The disk has no room for the write; nothing of it was written. It may be tried again."""

    code = "ledger-full"


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer hanctl."""

    code = "ledger-too-new"


class LedgerDamaged(LedgerError):
    """The ledger's file is damaged. A start replaces it by the last good copy."""

    code = "ledger-damaged"

    @classmethod
    def found(cls, path: Path, reason: str) -> LedgerDamaged:
        """Make the error for the ledger at ``path``, in SQLite's words."""
        return cls(
            f"the ledger {path} cannot be used: {' '.join(reason.split())}",
            "start hanctl again: the last good backup takes its place",
        )


class CopyError(LedgerError):
    """A copy of the ledger cannot be written or used."""

    code = "ledger-copy"
