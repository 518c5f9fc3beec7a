"""Send one long message at a time to each device."""

from __future__ import annotations

import asyncio
from weakref import WeakValueDictionary


class Turns:
    """One lock per destination, kept as long as somebody holds or awaits it.

    A device has memory for reassembling one or two messages.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def of(self, nwk: int) -> asyncio.Lock:
        """Return the lock of this destination."""
        lock = self._locks.get(nwk)
        if lock is None:
            lock = self._locks[nwk] = asyncio.Lock()
        return lock
