"""Report devices that show no sign of having cleared their data, once when it is overdue and then daily."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.ledger.ledger import Ledger
from hanctl.model.change_records import Change, ChangePart, Evidence
from hanctl.tenancy.controls import CONTACTOR_MASK, told
from hanctl.tenancy.evidence.records import Records
from hanctl.tenancy.telling.messenger import Messenger

DAILY = timedelta(days=1)
LOOK_S = 3600.0
"""It is looked at least so often."""


class Overdue:
    """Report devices without evidence of clearing ``after`` a change, or after they joined later."""

    def __init__(self, ledger: Ledger, records: Records, messenger: Messenger, clock: Clock, after: timedelta) -> None:
        self._ledger = ledger
        self._records = records
        self._messenger = messenger
        self._clock = clock
        self.after = after
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look again: there is a new change, or the clock was set."""
        self._wake.set()

    async def run(self) -> None:
        """Report devices when they are due, until cancelled. Raises LedgerError."""
        while True:
            self._wake.clear()
            next_at = self.look()
            pause = None
            if next_at is not None:
                pause = max(1.0, min(LOOK_S, (next_at - self._clock.now()) / timedelta(seconds=1)))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def look(self) -> datetime | None:
        """Report devices that are due. Returns when the next is due, or None."""
        now = self._clock.now()
        waits = []
        for change in self._records.done():
            for eui64 in self._records.devices(change.id):
                at = self._next(change, eui64)
                if at is not None and at <= now:
                    self._flag(change, eui64, now)
                    at = now + DAILY
                if at is not None:
                    waits.append(at)
        return min(waits, default=None)

    def _next(self, change: Change, eui64: Eui64) -> datetime | None:
        """Return when the device is due to be reported; None if nothing is outstanding or it is gone."""
        device = self._ledger.devices.get(eui64)
        known = self._records.of(change.id, eui64)
        if device is None or not device.present or self._records.judge(change.id, eui64).settled:
            return None
        if self._overtaken(change, eui64):
            return None
        flagged = [each.at for each in known if each.kind == "overdue"]
        return flagged[-1] + DAILY if flagged else _since(change, known) + self.after

    def _flag(self, change: Change, eui64: Eui64, now: datetime) -> None:
        known = self._records.of(change.id, eui64)
        verdict = self._records.judge(change.id, eui64).verdict
        self._records.overdue(change.id, eui64, verdict, (now - _since(change, known)).days)
        if verdict in {"silent", "still shows"}:
            self._messenger.again(change.id, eui64)

    def _overtaken(self, change: Change, eui64: Eui64) -> bool:
        """Tell whether a later change asks the device for all of this one, and so replaces it here."""
        return any(
            later.id > change.id
            and later.kind == change.kind
            and _covers(later, self._records.parts(later.id), change, self._records.parts(change.id))
            and self._records.of(later.id, eui64)
            for later in self._records.done()
        )


def _since(change: Change, known: list[Evidence]) -> datetime:
    """Return the time from which the device could have been told, and should have cleared its data."""
    assert change.done_at is not None
    joined = [each.at for each in known if each.kind == "joined later"]
    return max(joined[0] if joined else change.done_at, change.takes_effect)


def _covers(later: Change, later_parts: list[ChangePart], change: Change, parts: list[ChangePart]) -> bool:
    wanted, asked = told(change.kind, change.control) & ~CONTACTOR_MASK, told(later.kind, later.control)
    return {part.fuel for part in parts} <= {part.fuel for part in later_parts} and wanted & ~asked == 0
