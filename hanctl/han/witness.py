"""Whose frames came from a device's address, by what the dongle counted under each link key.

The dongle tells that a frame was encrypted, not under which key: whoever has any link key with the hub can write
another's source address (identity.md, "Verdict first"). But each link key has a counter of the frames that were taken
under it. Between two readings, a frame that came from B's address is B's where B's counter rose as often as frames
came from there, and no other key's counter rose further than frames came from its own device's address.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Literal

import structlog

from hanctl.errors import HanctlError
from hanctl.eui64 import Eui64
from hanctl.han.exchange import Exchange
from hanctl.ledger.ledger import Ledger

log = structlog.get_logger()

Whose = Literal["its own", "not its own", "unclear"]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A reading of one key's counter, and how many frames the hub had from the device's address by then."""

    counter: int
    heard: int


class Witness:
    """Reads the counters where something hangs on it, and remembers the last reading of each key."""

    def __init__(self, ledger: Ledger, exchange: Exchange) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._heard: Counter[Eui64] = Counter()
        self._marks: dict[Eui64, _Mark] = {}
        self._fresh: set[Eui64] = set()
        self._reading = asyncio.Lock()

    def heard(self, eui64: Eui64) -> None:
        """Count a frame under some link key that came from the device's address."""
        self._heard[eui64] += 1

    def forget(self, eui64: Eui64 | None = None) -> None:
        """Forget what was read: the dongle was opened (None), or the device has another key.

        A dongle that restarted knows no counters, or old ones: until the device proves itself anew, its older frames
        can be replayed (identity.md §5).
        """
        if eui64 is None:
            self._marks.clear()
            self._fresh.clear()
        else:
            self._marks.pop(eui64, None)
            self._fresh.discard(eui64)

    def proved(self, eui64: Eui64) -> None:
        """Note that the device answered a secret: no frame that it sent before passes the dongle from now on."""
        self._fresh.add(eui64)

    def is_fresh(self, eui64: Eui64) -> bool:
        """Tell whether older frames of the device can no longer be replayed."""
        return eui64 in self._fresh

    async def mark(self, eui64: Eui64) -> None:
        """Read the device's counter, for what comes from now on to be judged by."""
        async with self._reading:
            if eui64 not in self._marks:
                await self._read(eui64)

    async def judge(self, eui64: Eui64, *, alone: bool = False) -> Whose:
        """Tell whose the frames were that came from the device's address since the last reading.

        ``alone``: only the device's own counter is read, which shows a forgery, and shows none only as far as the
        dongle counts nothing that it does not hand on. "unclear": the counters are not told, or say too little.
        """
        async with self._reading:
            return await self._judge(eui64, alone)

    async def _judge(self, eui64: Eui64, alone: bool) -> Whose:
        before = self._marks.get(eui64)
        now = await self._read(eui64)
        if before is None or now is None or now.counter < before.counter:
            return "unclear"
        if now.counter - before.counter < now.heard - before.heard:
            return "not its own"
        if alone:
            return "its own" if self.is_fresh(eui64) else "unclear"
        others = [d.eui64 for d in self._ledger.devices.all() if d.present and d.eui64 != eui64]
        explained = [await self._is_explained(other) for other in others]
        return "its own" if all(explained) and self.is_fresh(eui64) else "unclear"

    async def _is_explained(self, eui64: Eui64) -> bool:
        """Whether everything under this device's key came from its own address."""
        before = self._marks.get(eui64)
        now = await self._read(eui64)
        return before is not None and now is not None and 0 <= now.counter - before.counter <= now.heard - before.heard

    async def _read(self, eui64: Eui64) -> _Mark | None:
        try:
            counter = await self._exchange.radio.key_counter(eui64)
        except HanctlError as error:
            log.debug("a key's counter was not read", device=eui64, reason=str(error))
            counter = None
        if counter is None:
            self._marks.pop(eui64, None)
            return None
        mark = self._marks[eui64] = _Mark(counter, self._heard[eui64])
        return mark
