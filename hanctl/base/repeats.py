"""Tell of something at once when it first comes, and from then on how often it came, once in an interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

GAP_S = 60.0
MOST_KEYS = 100


class Repeats(Generic[K]):
    """Count what repeats. ``tell`` is called with the key and the number of repeats of each interval that had some."""

    def __init__(self, tell: Callable[[K, int], None], gap_s: float = GAP_S) -> None:
        self._tell = tell
        self._gap_s = gap_s
        self._counts: dict[K, int] = {}

    def first(self, key: K) -> bool:
        """Return whether this is the first in a while, to be told now; a repeat is counted.

        What comes outside of an event loop, or of more kinds than are kept apart, is never a repeat.
        """
        if key in self._counts:
            self._counts[key] += 1
            return False
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return True
        if len(self._counts) < MOST_KEYS:
            self._counts[key] = 0
            loop.call_later(self._gap_s, self._over, key, loop)
        return True

    def _over(self, key: K, loop: asyncio.AbstractEventLoop) -> None:
        repeats = self._counts.pop(key)
        if repeats:
            self._counts[key] = 0
            loop.call_later(self._gap_s, self._over, key, loop)
            self._tell(key, repeats)
