"""Watch the wall clock: a small computer without a battery-backed clock starts in the past and is corrected later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from hanctl.base.clock import Clock
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.rows import time_text
from hanctl.model.events import ClockBehind, ClockSet

LOOK_S = 5.0
LEAST_S = 5.0
"""Less than this is a clock that is kept right, and nothing to tell."""
BELIEVED_AFTER_S = 900.0
"""A clock that is still behind then is right, or nobody will put it right: it was ahead when the last event came."""


class ClockWatch:
    """Watch of the wall clock, made before this start records an event. ``on_set`` is called after a setting."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._last = ledger.last_event_time()
        self._since = clock.monotonic()
        self._offset = self._read()
        self.on_set: list[Callable[[], None]] = []

    def doubtful(self) -> bool:
        """Tell whether the clock is behind the last event before the start, and so cannot be trusted."""
        young = self._clock.monotonic() - self._since < BELIEVED_AFTER_S
        return young and self._last is not None and _behind(self._clock.now(), self._last)

    def tell(self) -> None:
        """Record an event if the clock is behind."""
        now = self._clock.now()
        if self._last is not None and _behind(now, self._last):
            self._ledger.record(ClockBehind(now=time_text(now), last_event=time_text(self._last)))

    async def run(self) -> None:
        """Notice settings of the clock, until cancelled. Raises LedgerError."""
        while True:
            await asyncio.sleep(LOOK_S)
            offset = self._read()
            if abs(offset - self._offset) < timedelta(seconds=LEAST_S):
                # It may be kept right by small steps, which are not to add up.
                self._offset = offset
                continue
            seconds = round((offset - self._offset) / timedelta(seconds=1), 1)
            self._offset = offset
            for callback in tuple(self.on_set):
                callback()
            try:
                self._ledger.record(ClockSet(seconds=seconds))
            except LedgerFull:
                # What was due is done all the same; who reads the events sees it by their times.
                continue

    def _read(self) -> datetime:
        """Return what the clock would have shown at the monotonic time 0."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic())


def _behind(now: datetime, last: datetime) -> bool:
    return last - now >= timedelta(seconds=LEAST_S)
