"""Evict devices that joined and established no key in time, with an event that says how far they came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.han.life import Life
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DeviceEvicted
from hanctl.model.records import Device


class Evictions:
    """One deadline for each device on the network without a key, or with one that it has not shown to have.

    A device can acknowledge the message that confirms its key, and yet not have the key. It shows that it has it by
    any frame under it; what is said in clear neither shows it nor is a reason to doubt it.

    A device that shows first signs of life has ``timeout_s`` from then on, and from each start of the hub or its
    dongle anew: it cannot ask a hub that is not there. ``how_far`` tells of a device what it did of key establishment,
    None where nothing; ``remove`` takes it off the HAN.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        timeout_s: float,
        *,
        how_far: Callable[[Eui64], str | None],
        remove: Callable[[Eui64, str], Awaitable[None]],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._timeout_s = timeout_s
        self._how_far = how_far
        self._remove = remove
        self._due: dict[Eui64, float] = {}
        self._spoke: set[Eui64] = set()
        self._unproven: set[Eui64] = set()
        self._lost: dict[Eui64, str] = {}
        self._changed = asyncio.Event()

    def alive(self, eui64: Eui64, life: Life) -> None:
        """Note a sign of life of a device."""
        device = self._ledger.devices.get(eui64)
        if device is None:
            self._settle(eui64)
            return
        if device.keyed_at is not None:
            self._keyed(eui64, life)
            return
        if life is not Life.JOINED:
            self._spoke.add(eui64)
        if eui64 not in self._due:
            self._due[eui64] = self._clock.monotonic() + self._timeout_s
            self._changed.set()

    def forget(self, eui64: Eui64) -> None:
        """Forget a device that was removed or is to join again; its time begins when it does."""
        self._settle(eui64)

    def doubt(self, eui64: Eui64) -> None:
        """Require a keyed device to show again, from now on, that it has its key."""
        if eui64 not in self._unproven:
            self._settle(eui64)
            self._unproven.add(eui64)
            self._due[eui64] = self._clock.monotonic() + self._timeout_s
            self._changed.set()

    def lost(self, eui64: Eui64, reason: str) -> None:
        """Evict a device at once that shares no key with the dongle any more."""
        self._lost[eui64] = reason
        self._due[eui64] = self._clock.monotonic()
        self._changed.set()

    def restart(self) -> None:
        """Restart the time of every device without a key, after the dongle (re)opens."""
        now = self._clock.monotonic()
        devices = self._ledger.devices.all()
        # An interview is under the new key: who passed it has the key.
        self._unproven = {each.eui64 for each in devices if each.state == "joined" and each.keyed_at is not None}
        waiting = [device.eui64 for device in devices if _waits(device)]
        self._due = dict.fromkeys([*waiting, *self._unproven], now + self._timeout_s)
        self._changed.set()

    def pause(self) -> None:
        """Stop the time of all devices while the dongle is gone."""
        self._due.clear()

    def remaining(self, eui64: Eui64) -> float | None:
        """Return seconds until the device is evicted; None if it will not be."""
        due = self._due.get(eui64)
        return None if due is None else max(0.0, due - self._clock.monotonic())

    async def run(self) -> None:
        """Evict devices whose time is over, until cancelled."""
        while True:
            self._changed.clear()
            next_due = min(self._due.values(), default=None)
            try:
                async with asyncio.timeout(None if next_due is None else next_due - self._clock.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                for eui64 in [each for each, due in self._due.items() if due <= self._clock.monotonic()]:
                    await self._over(eui64)

    async def _over(self, eui64: Eui64) -> None:
        device = self._ledger.devices.get(eui64)
        reason = self._lost.get(eui64) or self._reason(eui64)
        unproven = eui64 in self._unproven
        if device is not None and (_waits(device) or unproven):
            self._ledger.record(DeviceEvicted(device=eui64, reason=reason))
            await self._remove(eui64, "it does not have its key" if unproven else "it established no key in time")
        # Not before: what a full disk interrupts is still due.
        self._settle(eui64)

    def _reason(self, eui64: Eui64) -> str:
        if eui64 in self._unproven:
            return (
                f"a key was established, but nothing was heard under it in {self._timeout_s:g} s: it does not have it"
            )
        time = f"no key after {self._timeout_s:g} s: "
        progress = self._how_far(eui64)
        if progress is not None:
            return time + progress
        if eui64 in self._spoke:
            return time + "it spoke, but never asked for one (cluster 0x0800)"
        return time + "it was never heard after it had joined; is its install code right?"

    def _keyed(self, eui64: Eui64, life: Life) -> None:
        """Handle a sign of life of a device with a key."""
        if life is Life.KEYED:
            self._settle(eui64)
            self.doubt(eui64)
        elif eui64 not in self._unproven or life in (Life.SECURED, Life.INTERVIEWED):
            self._settle(eui64)

    def _settle(self, eui64: Eui64) -> None:
        self._due.pop(eui64, None)
        self._lost.pop(eui64, None)
        self._spoke.discard(eui64)
        self._unproven.discard(eui64)


def _waits(device: Device) -> bool:
    """Tell whether the device is on the network without a key."""
    return device.state in ("joined", "interviewed") and device.keyed_at is None
