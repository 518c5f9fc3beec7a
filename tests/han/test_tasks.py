"""What becomes of tasks that fail."""

from __future__ import annotations

import asyncio

import structlog.testing

from hanctl.base import virtual
from hanctl.base.errors import HanctlError
from hanctl.han.tasks import Tasks
from hanctl.ledger.errors import LedgerError, LedgerFull


def test_a_ledger_that_fails_is_told_a_full_one_is_not_and_all_else_is_logged() -> None:
    async def scenario() -> None:
        tasks, told = Tasks(), list[LedgerError]()
        tasks.on_ledger_error = told.append
        broken = LedgerError("the disk is gone")

        async def fail(error: Exception) -> None:
            await asyncio.sleep(0)
            raise error

        with structlog.testing.capture_logs() as logged:
            for error in (broken, LedgerFull("no room"), HanctlError("something else")):
                tasks.start(fail(error))
            await asyncio.sleep(1)
        assert told == [broken]
        assert [entry["event"] for entry in logged] == ["a background task failed"]

    virtual.run(scenario())
