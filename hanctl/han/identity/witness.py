"""Tell who sent frames from a device's address, by the dongle's counter of each link key.

The dongle tells that a frame was encrypted, not under which key: whoever has any link key with the hub can write
another's source address (identity.md, "Verdict first"). But each link key has a counter of the frames that were taken
under it. Between two readings, the frames from a device's address are its own if its counter rose by at least as many
as were heard (plus its acknowledgements, if counted), and no other key's counter rose by more than its own device's
frames explain.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import structlog

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.han.exchange import Arrived, Exchange
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device

log = structlog.get_logger()

Whose = Literal["its own", "not its own", "unclear"]
OtherKeys = Literal["silent", "perhaps", "spoke"]
"""Whether other keys were used for more than their own devices' frames, as far as their counters tell."""

LEARN_TRIES = 3
"""Tries to find out whether a device's acknowledgements are counted, while other frames of it come between."""
SETTLE_S = 0.3
"""Acknowledgements on the way from a device are waited for so long, before its frames are judged."""
JUDGEMENTS_KEPT = 16
"""Judgements remembered of each device, for frames that waited while others were judged."""


@dataclass(slots=True)
class _Traffic:
    """Frames under some link key between the hub and a device's address, counted since the hub started.

    ``on_the_way``: those of the hub that were neither acknowledged nor given up.
    """

    heard: int = 0
    acknowledged: int = 0
    on_the_way: int = 0


@dataclass(frozen=True, slots=True)
class _Mark:
    """A reading of one key's counter, and what had been counted by then."""

    counter: int
    heard: int
    acknowledged: int


@dataclass(frozen=True, slots=True)
class _Window:
    """Verdict on the device's frames up to number ``upto``. ``strict``: the other keys were read too.

    ``alone``: exactly one frame came, and no acknowledgement can have; so any rise is that frame's. With more, frames
    that the dongle counted but the hub never got could hide a forged one.
    """

    upto: int
    whose: Whose
    strict: bool
    alone: bool


@dataclass(slots=True)
class _Known:
    """State of one device's key since the dongle was opened, or the key was given.

    ``others``: readings of the other keys, at this device's last judgement, and ``strays``: how many frames were
    nobody's by then. ``acks_count``: whether its acknowledgements make its counter rise; None: not found out.
    ``fresh``: it answered a secret since, so that nothing older of it passes the dongle. ``counted``: False where the
    dongle tells no counter of its key, as of one that does not fit its table.
    """

    own: _Mark | None = None
    others: dict[Eui64, _Mark] = field(default_factory=dict)
    strays: int = 0
    windows: deque[_Window] = field(default_factory=lambda: deque(maxlen=JUDGEMENTS_KEPT))
    acks_count: bool | None = None
    fresh: bool = False
    counted: bool = True


class Witness:
    """Read the key counters when something depends on it, and remember the last readings."""

    def __init__(self, ledger: Ledger, exchange: Exchange) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._traffic: defaultdict[Eui64, _Traffic] = defaultdict(_Traffic)
        self._known: defaultdict[Eui64, _Known] = defaultdict(_Known)
        self._strays = 0
        self._reading = asyncio.Lock()
        self._nothing_on_the_way = asyncio.Event()
        exchange.on_way = self._on_its_way

    # --- what passes

    def heard(self, eui64: Eui64) -> int:
        """Count a frame under some link key that came from the device's address; returns its number."""
        traffic = self._traffic[eui64]
        traffic.heard += 1
        return traffic.heard

    def stray(self) -> None:
        """Count a frame under some link key that came from an address that is nobody's."""
        self._strays += 1

    async def _read(self, eui64: Eui64) -> _Mark | None:
        known = self._known[eui64]
        if not known.counted:
            return None
        try:
            counter = await self._exchange.radio.key_counter(eui64)
        except HanctlError as error:
            log.debug("a key's counter was not read", device=eui64, reason=str(error))
            return None
        if counter is None:
            known.counted = False
            return None
        traffic = self._traffic[eui64]
        return _Mark(counter, traffic.heard, traffic.acknowledged)

    def _present(self) -> list[Device]:
        return [device for device in self._ledger.devices.all() if device.present]

    def _on_its_way(self, nwk: int) -> Arrived:
        eui64 = self._ledger.devices.eui64_at(nwk)
        # Whose address it was counts: by the time it is acknowledged the device may have another, or none.
        traffic = _Traffic() if eui64 is None else self._traffic[eui64]
        traffic.on_the_way += 1
        return partial(self._arrived, traffic)

    def _arrived(self, traffic: _Traffic, acknowledged: bool) -> None:
        traffic.on_the_way -= 1
        traffic.acknowledged += acknowledged
        if not traffic.on_the_way:
            self._nothing_on_the_way.set()

    # --- what is known

    def forget(self, eui64: Eui64 | None = None) -> None:
        """Forget what was read: the dongle was opened (None), or the device has another key.

        A dongle that restarted knows no counters, or old ones: until the device proves itself anew, its older frames
        can be replayed (identity.md §5).
        """
        if eui64 is None:
            self._known.clear()
        else:
            self._known.pop(eui64, None)

    def proved(self, eui64: Eui64) -> None:
        """Note that the device answered a secret: no frame that it sent before passes the dongle from now on."""
        self._known[eui64].fresh = True

    def is_ready(self, eui64: Eui64) -> bool:
        """Tell whether the device's frames can be judged."""
        known = self._known[eui64]
        return known.fresh and known.acks_count is not None

    def wants_proof(self, eui64: Eui64) -> bool:
        """Tell whether a secret that the device answers would teach anything."""
        known = self._known[eui64]
        return not known.fresh or (known.counted and known.acks_count is None)

    async def mark(self) -> None:
        """Read the counters of all devices that were not read yet, for what comes from now on to be judged by."""
        async with self._reading:
            marks = {device.eui64: await self._read(device.eui64) for device in self._present()}
            for eui64, mark in marks.items():
                known = self._known[eui64]
                if known.own is None:
                    known.own, known.strays = mark, self._strays
                    known.others = {other: each for other, each in marks.items() if each is not None}
                for other, each in marks.items():
                    if each is not None:
                        known.others.setdefault(other, each)

    async def learn(self, eui64: Eui64, ask: Callable[[], Awaitable[bool]]) -> None:
        """Make the device answer two secrets (``ask``), and learn whether acknowledgements raise its counter.

        After the first nothing of its past can be replayed, and its counter is what it is now, whatever the dongle had
        kept of it; the second is one answer and one acknowledgement, where nothing comes between. Raises what ``ask``
        raises.
        """
        if not await ask():
            return
        for _ in range(LEARN_TRIES):
            before = await self._begin(eui64)
            if before is None or not await ask():
                return
            async with self._reading:
                now = await self._read(eui64)
            counts = None if now is None else _acks_count(before, now)
            if counts is not None:
                self._known[eui64].acks_count = counts
                return

    async def _begin(self, eui64: Eui64) -> _Mark | None:
        """Read the device's counter anew: what comes from now on is judged by that, of other devices too.

        After a start of the dongle the first frame of each device makes its counter jump, by however much.
        """
        async with self._reading:
            mark = self._known[eui64].own = await self._read(eui64)
            if mark is not None:
                for known in self._known.values():
                    known.others[eui64] = mark
            return mark

    # --- judging

    async def judge(self, eui64: Eui64, number: int, *, strict: bool) -> Whose:
        """Tell whose a frame was that came from the device's address, by its number.

        Not ``strict``: the other keys are not read. This misses a forgery only if the dongle counted frames of the
        device that it did not hand on. "unclear": the counters are not told, or say too little.
        """
        if strict:
            await self._settled(eui64)
        async with self._reading:
            known = self._known[eui64]
            if known.own is not None and number <= known.own.heard:
                window = next((each for each in known.windows if each.upto >= number), None)
                if window is None:
                    return "unclear"
                if strict and not window.strict and window.whose == "its own":
                    # The other keys were last read before: what they tell now is of this window too, if it is the last.
                    last = window is known.windows[-1]
                    return _strictly("its own", await self._others(eui64), window.alone) if last else "unclear"
                return window.whose
            before, now = known.own, await self._read(eui64)
            whose = self._by_own_counter(eui64, before, now, strict=strict)
            alone = before is not None and now is not None and self._is_alone(eui64, before, now)
            # What was not its own is explained by that: the other keys begin anew from here.
            if strict or whose == "not its own":
                whose = _strictly(whose, await self._others(eui64), alone)
            known.own = None if now is None else self._with_early_acks(eui64, before, now)
            if now is not None:
                known.windows.append(_Window(now.heard, whose, strict, alone))
            return whose

    def _is_alone(self, eui64: Eui64, before: _Mark, now: _Mark) -> bool:
        """Tell whether one frame came between the readings, and no acknowledgement can have."""
        told = (now.heard - before.heard, now.acknowledged - before.acknowledged)
        return told == (1, 0) and not self._traffic[eui64].on_the_way

    def _by_own_counter(self, eui64: Eui64, before: _Mark | None, now: _Mark | None, *, strict: bool) -> Whose:
        known = self._known[eui64]
        # A dongle that tells nothing may tell 0 each time.
        if before is None or now is None or not before.counter <= now.counter or not now.counter:
            return "unclear"
        wanted, perhaps = now.heard - before.heard, 0
        if known.acks_count:
            wanted += now.acknowledged - before.acknowledged
            # One that was counted and not reported yet looks like a frame of the device.
            perhaps = self._traffic[eui64].on_the_way if strict else 0
        rise = now.counter - before.counter
        if rise < wanted:
            return "not its own"
        return "its own" if rise >= wanted + perhaps and self.is_ready(eui64) else "unclear"

    async def _settled(self, eui64: Eui64) -> None:
        """Wait a little for the acknowledgements that are on the way from the device."""
        if not self._known[eui64].acks_count:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while self._traffic[eui64].on_the_way:
                    self._nothing_on_the_way.clear()
                    await self._nothing_on_the_way.wait()

    def _with_early_acks(self, eui64: Eui64, before: _Mark | None, now: _Mark) -> _Mark:
        """Return the reading that includes acknowledgements counted already but not reported yet."""
        known, on_the_way = self._known[eui64], self._traffic[eui64].on_the_way
        if before is None or not known.acks_count or not on_the_way:
            return now
        told = now.heard - before.heard + now.acknowledged - before.acknowledged
        early = min(on_the_way, max(0, now.counter - before.counter - told))
        return replace(now, acknowledged=now.acknowledged + early)

    async def _others(self, eui64: Eui64) -> OtherKeys:
        """Tell whether the frames of their own devices explain the counters of all other keys.

        All of them together: one whose key is used in the name of a third, or of nobody, is no witness against this
        device. "perhaps": one tells no counter, or has acknowledgements on the way that may be counted already.
        """
        known = self._known[eui64]
        others, perhaps, unreadable_rise = known.others, False, False
        unexplained, known.strays = known.strays - self._strays, self._strays
        early: dict[Eui64, int] = {}
        for other in (device.eui64 for device in self._present() if device.eui64 != eui64):
            before, now = others.get(other), await self._read(other)
            if now is None:
                others.pop(other, None)
                perhaps = True
                continue
            others[other] = now
            if before is None or now.counter < before.counter:
                unreadable_rise = True
                continue
            surplus = now.counter - before.counter - (now.heard - before.heard)
            if self._known[other].acks_count is not False:
                surplus -= now.acknowledged - before.acknowledged
                # One that is on the way explains a rise that there is, and nothing where there is none.
                early[other] = min(self._traffic[other].on_the_way, max(0, surplus))
            unexplained += surplus
        left = max(0, unexplained)
        for other, most in early.items():
            # What frames in others' names explain was no acknowledgement.
            mark, taken = others[other], min(most, left)
            others[other] = replace(mark, acknowledged=mark.acknowledged + taken)
            left -= taken
        if unreadable_rise or left:
            return "spoke"
        return "perhaps" if perhaps or unexplained > 0 else "silent"


def _strictly(whose: Whose, others: OtherKeys, alone: bool) -> Whose:
    """Keep "its own" only if the other keys were silent, or perhaps silent and the frame came alone."""
    if whose != "its own" or others == "silent" or (others == "perhaps" and alone):
        return whose
    return "unclear"


def _acks_count(before: _Mark, now: _Mark) -> bool | None:
    """Tell whether acknowledgements made a counter rise between two readings; None: that cannot be told from them.

    Frames that others sent in the device's name make more of what was heard: they hide that acknowledgements count, but
    are never taken for that; and that they do not count is believed of one answer and one acknowledgement alone.
    """
    heard, acknowledged = now.heard - before.heard, now.acknowledged - before.acknowledged
    rise = now.counter - before.counter
    if acknowledged and rise == heard + acknowledged:
        return True
    return False if (heard, acknowledged, rise) == (1, 1, 1) else None
