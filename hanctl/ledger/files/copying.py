"""Copy the ledger soon after the start, once a day, and within an hour after a device joined."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from hanctl.base.clock import Clock
from hanctl.ledger.errors import CopyError
from hanctl.ledger.files.copies import Copy, copies_of, last_written, write_copy
from hanctl.ledger.ledger import Ledger, Recorded
from hanctl.model.events import BackupFailed, BackupWritten, DeviceInterviewed, DeviceLeft, HubStarted, KeyEstablished

SOON_S = 60.0
"""After the start, unless an earlier one ended before it came to a copy."""
APART_S = 3600.0
"""Between two copies that nobody asked for: a hub that is started again and again keeps its older ones."""
DAILY_S = 86400.0
MEMBERS = (DeviceInterviewed, DeviceLeft, KeyEstablished)
"""Events after which a ledger of before would not know who is on the network."""


class LedgerCopies:
    """Write copies of the ledger, each with its event: ``run`` on schedule, ``create`` at once.

    Made before this start is recorded.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._last_start = ledger.last_event(HubStarted.type)
        self._due: float | None = None
        self._earliest = 0.0
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()

    async def create(self) -> Copy:
        """Write a copy now. Raises CopyError; LedgerDamaged, which is to end the hub; LedgerFull, with the copy there.

        The work is done in a thread, while the hub continues.
        """
        async with self._writing:
            started = self._clock.monotonic()
            self._earliest, self._due = started + APART_S, started + DAILY_S
            try:
                copy = await asyncio.to_thread(write_copy, self._ledger.path, self._clock.now())
            except CopyError:
                self._due = self._earliest
                raise
            finally:
                # What was to be wiped meanwhile had to wait for the copy, which was reading.
                self._ledger.household.wipe()
        self._ledger.record(BackupWritten(kind="ledger", path=str(copy.path)))
        return copy

    async def run(self) -> None:
        """Write copies when they are due, until cancelled. Raises LedgerError."""
        if self._due is None:
            self._due = self._earliest = self._clock.monotonic() + self._first_wait()
        unsubscribe = self._ledger.subscribe(self._recorded)
        try:
            while True:
                self._wake.clear()
                pause = self._due - self._clock.monotonic()
                if pause > 0:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._wake.wait()
                    continue
                try:
                    await self.create()
                except CopyError as error:
                    self._ledger.record(BackupFailed(kind="ledger", reason=str(error)))
        finally:
            unsubscribe()

    def _first_wait(self) -> float:
        newest = last_written(copies_of(self._ledger.path))
        # Where an earlier start came to no copy, this one may end as early: what is due is not put off again.
        missed = self._last_start is not None and (newest is None or self._last_start.time > newest)
        soon = 0.0 if missed else SOON_S
        age = APART_S if newest is None else (self._clock.now() - newest) / timedelta(seconds=1)
        # A copy of a time to come says nothing: a clock was wrong.
        return max(soon, APART_S - age) if age >= 0 else soon

    def _recorded(self, recorded: Recorded) -> None:
        if isinstance(recorded.event, MEMBERS):
            soon = max(self._clock.monotonic() + SOON_S, self._earliest)
            self._due = soon if self._due is None else min(self._due, soon)
            self._wake.set()
