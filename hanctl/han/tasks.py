"""Tasks that somebody owns, and that end with their owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import structlog

from hanctl.ledger.errors import LedgerError, LedgerFull

log = structlog.get_logger()


class Tasks:
    """A set of running tasks. A task that fails is logged; ``cancel`` ends them all.

    ``on_ledger_error`` is told of a ledger that fails: a hub that cannot write must not go on. A full one is not told:
    nothing was done, and what came comes again.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self.on_ledger_error: Callable[[LedgerError], None] = lambda _: None

    def start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Run ``work`` in the background."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def cancel(self) -> None:
        """Cancel what runs, and what is started meanwhile, and wait for its end."""
        while running := self._running - {asyncio.current_task()}:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if task.cancelled() or (error := task.exception()) is None or isinstance(error, LedgerFull):
            return
        if isinstance(error, LedgerError):
            self.on_ledger_error(error)
        else:
            log.error("a background task failed", exc_info=error)
