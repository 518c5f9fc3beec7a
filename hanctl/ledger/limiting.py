"""Limit the events that somebody else can cause, so that nobody fills the ledger or pushes out what is in it.

Of each kind of event the first are recorded in full; the rest of an interval is counted, and told as one event. What
frames with a made-up address cause is counted together, whatever addresses they use. Intervals double while it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hanctl.base.clock import Clock
from hanctl.model.event import Event
from hanctl.model.limit_events import EventsCounted

IN_FULL = 5
"""Events of one kind and device that are recorded in full in one interval."""
IN_FULL_TOGETHER = 25
"""Events of one kind that are recorded in full in the shortest interval, whatever devices they are of."""
SHORTEST_S, LONGEST_S = 600.0, 3600.0
TELL_S = 60.0

K = TypeVar("K")
_Key = tuple[type[Event], str | None, int | None]


@dataclass(slots=True)
class _Count:
    """Events of one key: since when, in full, and counted. ``last``: device that the last was about."""

    since: float
    interval_s: float
    in_full: int = 0
    counted: int = 0
    last: str | None = None


class Limiting:
    """Decide which events are recorded in full, and record the number of the others.

    ``is_known``: whether a device is on record with a key of its own; others are counted together. ``record`` writes an
    event.
    """

    def __init__(self, clock: Clock, is_known: Callable[[str], bool], record: Callable[[Event], object]) -> None:
        self._clock = clock
        self._is_known = is_known
        self._record = record
        self._counts: dict[_Key, _Count] = {}
        self._together: dict[type[Event], _Count] = {}

    def note(self, event: Event) -> None:
        """Record the event, or count it."""
        now = self._clock.monotonic()
        device, update = getattr(event, "device", None), getattr(event, "update", None)
        key = (type(event), device if device is not None and self._is_known(device) else None, update)
        count = _current(self._counts, key, now)
        together = _current(self._together, type(event), now)
        # What touches an open update has few senders: one for each device that has one.
        if count.in_full < IN_FULL and (update is not None or together.in_full < IN_FULL_TOGETHER):
            count.in_full += 1
            together.in_full += 1
            self._record(event)
        else:
            count.counted += 1
            count.last = device

    def tell(self, *, everything: bool = False) -> None:
        """Record what was counted in intervals that are over; ``everything``: and in those that are not."""
        now = self._clock.monotonic()
        for key, count in list(self._counts.items()):
            over = now - count.since >= count.interval_s
            if count.counted and (over or everything):
                kind, _, update = key
                self._record(
                    EventsCounted(
                        of=kind.type,
                        count=count.counted,
                        seconds=round(now - count.since),
                        device=count.last,
                        update=update,
                    )
                )
                self._counts[key] = _Count(now, min(2 * count.interval_s, LONGEST_S), in_full=IN_FULL)
            elif over:
                del self._counts[key]

    async def run(self) -> None:
        """Tell what was counted, now and then, until cancelled."""
        while True:
            await asyncio.sleep(TELL_S)
            self.tell()


def _current(counts: dict[K, _Count], key: K, now: float) -> _Count:
    count = counts.get(key)
    if count is None or (not count.counted and now - count.since >= count.interval_s):
        count = counts[key] = _Count(now, SHORTEST_S)
    return count
