"""Errors of the ledger."""

from __future__ import annotations

from hanctl.errors import ExitCode, HanctlError


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
