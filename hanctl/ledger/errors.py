"""Errors of the ledger."""

from __future__ import annotations

from hanctl.errors import ExitCode, HanctlError


class LedgerError(HanctlError):
    """The ledger file cannot be opened, read or written."""

    code = "ledger"
    exit_code = ExitCode.STATE


class LedgerTooNew(LedgerError):
    """The ledger was written by a newer hanctl."""

    code = "ledger-too-new"
