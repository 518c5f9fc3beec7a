"""Do something at most once in an interval, for each key."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from hanctl.base.clock import Clock

K = TypeVar("K", bound=Hashable)


class Lately(Generic[K]):
    """Remember when something was last done for each key, and tell whether that was less than ``gap_s`` seconds ago.

    ``most``: how many keys are remembered, those of the latest; None: all.
    """

    def __init__(self, clock: Clock, gap_s: float, most: int | None = None) -> None:
        self._clock = clock
        self._gap_s = gap_s
        self._most = most
        self._done: dict[K, float] = {}

    def __contains__(self, key: K) -> bool:
        return self.left(key) > 0

    def __len__(self) -> int:
        return len(self._done)

    def left(self, key: K) -> float:
        """Return the seconds until it may be done again; 0 or less: it may."""
        done = self._done.get(key)
        return 0.0 if done is None else done + self._gap_s - self._clock.monotonic()

    def add(self, key: K) -> None:
        """Note that it is done now."""
        self._done.pop(key, None)
        self._done[key] = self._clock.monotonic()
        if self._most is not None and len(self._done) > self._most:
            del self._done[next(iter(self._done))]

    def first(self, key: K) -> bool:
        """Note that it is done now, unless it was done lately; tell whether it was not."""
        if key in self:
            return False
        self.add(key)
        return True

    def forget(self, key: K) -> None:
        """Allow it again at once for this key."""
        self._done.pop(key, None)

    def clear(self) -> None:
        """Allow it again at once for every key."""
        self._done.clear()
