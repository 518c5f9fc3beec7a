"""Prune old events once a day, so that the ledger's file stops growing (it does not shrink)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from hanctl.base.clock import Clock
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.room import as_there_is_room
from hanctl.model.events import LedgerPruned

FIRST_S = 600.0
"""A clock that was wrong at the start is right by then."""
PERIOD_S = 86400.0
BATCH = 500
LIMITED_PART = 10
"""Events that anybody can cause: a tenth of the limit at most, beside the others."""
PAUSE_S = 0.2
"""Between two transactions, so that devices are answered meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits: events older than ``days`` are removed, and the oldest beyond the number ``events``."""

    days: int = 365
    events: int = 250_000


class Retention:
    """Keep the ledger within its limits. ``run`` does the work."""

    def __init__(self, ledger: Ledger, clock: Clock, limits: Limits) -> None:
        self._ledger = ledger
        self._clock = clock
        self._limits = limits

    async def run(self) -> None:
        """Prune until cancelled."""
        await asyncio.sleep(FIRST_S)
        while True:
            await as_there_is_room(self.prune)
            await asyncio.sleep(PERIOD_S)

    async def prune(self) -> None:
        """Remove old events, some at a time, except those that are evidence (``Pruning``)."""
        oldest_wanted = self._clock.now() - timedelta(days=self._limits.days)
        by_age = self._ledger.pruning.first_since(oldest_wanted)
        too_old = self._ledger.last_event_id() if by_age is None else by_age
        below = max(too_old, self._ledger.pruning.first_of_last(self._limits.events, limited=False))
        limited_below = max(
            too_old, self._ledger.pruning.first_of_last(max(1, self._limits.events // LIMITED_PART), limited=True)
        )
        place, removed = 0, 0
        while ids := self._ledger.pruning.remove(place, below, limited_below, oldest_wanted, BATCH):
            place = ids[-1]
            removed += len(ids)
            await asyncio.sleep(PAUSE_S)
        if removed:
            self._ledger.record(LedgerPruned(events=removed, below=below))
