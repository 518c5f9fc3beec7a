"""Schedule events in whole microseconds of the event loop's time.

Each event happens at its own time, however late the loop comes to it, and what follows from it is not late as well: so
the air keeps its speed in real time, where timers are late by up to a millisecond.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import itertools
from collections.abc import Callable

Event = Callable[[], None]


class Agenda:
    """The events to come. They run in the context in which the agenda was made, those of the same time in order."""

    def __init__(self) -> None:
        self._events: list[tuple[int, int, Event]] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._running: int | None = None
        self._context = contextvars.copy_context()

    @property
    def now(self) -> int:
        """Return the time of the running event, else the loop's."""
        return _loop_time() if self._running is None else self._running

    @property
    def late_s(self) -> float:
        """Return by how many seconds the loop is late for the running event."""
        return max(0, _loop_time() - self.now) / 1e6

    def at(self, when: int, event: Event) -> None:
        """Schedule ``event`` for ``when``."""
        heapq.heappush(self._events, (when, next(self._numbers), event))
        if self._running is None and self._events[0][2] is event:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._events:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._events[0][0] / 1e6, self._run, context=self._context)

    def _run(self) -> None:
        self._timer = None
        try:
            while self._events and self._events[0][0] <= _loop_time():
                self._running, _, event = heapq.heappop(self._events)
                event()
        finally:
            self._running = None
            self._set_timer()


def _loop_time() -> int:
    return round(asyncio.get_running_loop().time() * 1e6)
