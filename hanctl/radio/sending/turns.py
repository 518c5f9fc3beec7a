"""One long message to a device at a time."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """A lock for each destination, kept as long as somebody holds or awaits it.

    A device has memory for one or two messages in the making.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def of(self, nwk: int) -> asyncio.Lock:
        """The lock of this destination."""
        lock = self._locks.get(nwk)
        if lock is None:
            lock = self._locks[nwk] = asyncio.Lock()
        return lock
