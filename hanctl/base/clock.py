"""The clock of the process, passed to everything that needs the time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Source of wall-clock time (UTC, aware) and of monotonic time (seconds)."""

    def now(self) -> datetime:
        """Return the present time (aware, UTC)."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never goes back."""


class LoopClock:
    """Wall-clock time that advances with an event loop's own time.

    On an ordinary loop this is the system clock at construction plus elapsed monotonic time; on a virtual-time
    loop it is virtual.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start: datetime) -> None:
        self._loop = loop
        self._start = start
        self._origin = loop.time()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time() - self._origin)

    def monotonic(self) -> float:
        return self._loop.time()


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
