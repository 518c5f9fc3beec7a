"""Keep the network addresses of devices: the one place that sets or clears the address in a device's record.

An address is not an identity; a key is. Announcements, address responses and the words "joined" and "rejoined" of the
dongle are *claims*: anybody with the network key can make the dongle and the hub hear them. A claim about a device that
has shown what it is only makes the hub look where its dongle has the device, and ask there for a secret that it alone
can read (``secret.py``). Source: identity.md, "What is sound".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.base.lately import Lately
from hanctl.han.exchange import Exchange
from hanctl.han.life import Life
from hanctl.han.tasks import Tasks
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DeviceClaimed, DeviceJoined
from hanctl.model.records import Device, DeviceState
from hanctl.radio.errors import DongleGone
from hanctl.radio.frames import FIRST_BROADCAST

log = structlog.get_logger()

LOOK_GAP_S = 2.0
"""However many claims there are about a device, the hub looks no sooner again."""
PROOF_S = 30.0
"""A device that moved has so long to prove itself at its new address; one that was heard at its old one lately has one
try."""
TRY_S = 2.0
HELD_S = 10.0
"""For so long after a claim was found untrue the next are undone at once, without asking; as long again each time that
the device proves meanwhile that it is where the hub has it."""
REPAIR_GAP_S = 0.02
TOLD_GAP_S = 3600.0
"""One event in an hour says that somebody claims to be a device."""

Challenge = Callable[[Device, int], Awaitable[bool]]
"""Asks for a secret at an address: whether the device itself answered from there. Raises HanctlError."""


def is_device_address(nwk: int) -> bool:
    """Tell whether a device can have this network address: not the hub's own, a reserved or a broadcast address."""
    return 0 < nwk < FIRST_BROADCAST


@dataclass(slots=True)
class _Look:
    """A claim that is being checked. ``voided``: somebody claimed something else meanwhile.

    ``again``: there was a claim since the dongle was last asked where the device is, which is checked next.
    """

    life: Life
    voided: bool = False
    again: bool = False
    where: int | None = None
    over: asyncio.Event | None = None


class Addresses:
    """Set addresses of devices. ``on_moved`` gets each device that proved itself at a new address, and how.

    ``challenge``: see ``Challenge``; ``can_prove``: whether the device has what it needs to answer one: a key, and an
    endpoint that is known. ``under_way``: what tells whether something is being done with a device that cannot, which a
    claim may not interrupt.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        exchange: Exchange,
        tasks: Tasks,
        challenge: Challenge,
        can_prove: Callable[[Device], bool],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._exchange = exchange
        self._tasks = tasks
        self._challenge = challenge
        self._can_prove = can_prove
        self.under_way: list[Callable[[Eui64], bool]] = []
        self.on_moved: Callable[[Device, Life], None] = lambda *_: None
        self._looks: dict[Eui64, _Look] = {}
        self._looked = Lately[Eui64](clock, LOOK_GAP_S)
        self._told = Lately[Eui64](clock, TOLD_GAP_S)
        self._placed = Lately[Eui64](clock, LOOK_GAP_S)
        self._waiting_for_life: set[Eui64] = set()
        self._held = Lately[Eui64](clock, HELD_S)
        self._repairing: set[Eui64] = set()

    def claim(self, device: Device, nwk: int, life: Life, *, sleepy: bool | None = None) -> Device | None:
        """Check a claim that the device is at this address.

        Returns its record if it is there: it was before, or nothing contradicts it. None: the claim is being checked,
        and ``on_moved`` is called if the device proves it.
        """
        if not is_device_address(nwk):
            self.doubt(device.eui64, nwk)
            return None
        self._void(device.eui64, nwk)
        if device.nwk == nwk:
            return self._in_place(device, sleepy)
        other = self._ledger.devices.by_nwk(nwk)
        if other is not None:
            # The dongle has one device at an address: it may have forgotten where that one is.
            self._look_into(other.eui64, Life.FRAME)
        if other is not None or (device.state != "expected" and self._can_prove(device)):
            self._look_into(device.eui64, life)
            return None
        if device.nwk is not None and self._is_under_way(device.eui64):
            # Were the claim true, the device would begin anew, and be asked from where it does.
            self._look_into(device.eui64, life)
            return None
        return self._place(device, nwk, sleepy)

    async def settled(self, eui64: Eui64) -> None:
        """Wait until no claim about the device is being checked."""
        look = self._looks.get(eui64)
        if look is not None:
            look.over = look.over or asyncio.Event()
            await look.over.wait()

    def doubt(self, eui64: Eui64, nwk: int) -> None:
        """Check a device about which something impossible was said that the dongle may have believed."""
        device = self._ledger.devices.get(eui64)
        if device is not None and device.nwk is not None and self._can_prove(device):
            self._void(eui64, nwk)
            self._look_into(eui64, Life.FRAME)

    def conflict(self, nwk: int) -> None:
        """Check the device at an address where another is said to be: the dongle may have forgotten it."""
        self._void(None, nwk)
        owner = self._ledger.devices.by_nwk(nwk)
        if owner is not None:
            self._look_into(owner.eui64, Life.ANNOUNCED)

    async def remind(self, eui64: Eui64) -> None:
        """Tell the dongle the address of a device if it does not know it, e.g. after its start.

        Raises DeliveryFailed, DongleGone.
        """
        device = self._ledger.devices.get(eui64)
        if device is not None and device.nwk is not None and await self._exchange.radio.address_of(eui64) is None:
            await self._exchange.radio.repair_address(eui64, device.nwk)

    def release(self, device: Device, state: DeviceState, **changes: Any) -> Device:
        """Take the device's address away, and store it with these changes; returns its new record."""
        released = replace(device, state=state, nwk=None, **changes)
        self._ledger.devices.put(released)
        return released

    # --- inside

    def _is_under_way(self, eui64: Eui64) -> bool:
        return any(each(eui64) for each in self.under_way)

    def _in_place(self, device: Device, sleepy: bool | None) -> Device:
        """Confirm the address of the device; other parts of the claim count only until the device is asked itself."""
        state = _arrived(device)
        if device.endpoints or sleepy is None:
            sleepy = device.sleepy
        if (device.state, device.sleepy) == (state, sleepy):
            return device
        return self._place(device, device.nwk, sleepy)

    def _place(self, device: Device, nwk: int | None, sleepy: bool | None) -> Device:
        state = _arrived(device)
        there = replace(
            device,
            nwk=nwk,
            state=state,
            sleepy=device.sleepy if sleepy is None else sleepy,
            joined_at=device.joined_at or self._clock.now(),
        )
        with self._ledger.transaction():
            self._ledger.devices.put(there)
            if device.state != state or (device.nwk != nwk and device.eui64 not in self._placed):
                assert nwk is not None
                self._placed.add(device.eui64)
                self._ledger.record(DeviceJoined(device=device.eui64, nwk=nwk, rejoin=device.joined_at is not None))
        return there

    def _void(self, eui64: Eui64 | None, nwk: int) -> None:
        """Void pending answers of a device and an address that a new claim names."""
        owner = self._ledger.devices.eui64_at(nwk)
        for each, look in self._looks.items():
            if look.where == nwk or each in (eui64, owner):
                look.voided = True

    def _look_into(self, eui64: Eui64, life: Life) -> None:
        if eui64 in self._held and eui64 not in self._repairing:
            self._repairing.add(eui64)
            self._tasks.start(self._undo(eui64))
        look = self._looks.get(eui64)
        if look is None:
            self._begin_look(eui64, _Look(life))
        else:
            look.again = True

    def _begin_look(self, eui64: Eui64, look: _Look) -> None:
        self._looks[eui64] = look
        self._tasks.start(self._look(eui64, look))

    async def _undo(self, eui64: Eui64) -> None:
        """Have the dongle know the device where the hub has it, as what was said of it was untrue a moment ago."""
        try:
            device = self._ledger.devices.get(eui64)
            if device is not None and device.nwk is not None:
                await self._exchange.radio.repair_address(eui64, device.nwk)
            await asyncio.sleep(REPAIR_GAP_S)
        except HanctlError as error:
            log.info("the dongle was not told where a device is", device=eui64, reason=str(error))
        finally:
            self._repairing.discard(eui64)

    async def _look(self, eui64: Eui64, look: _Look) -> None:
        try:
            if eui64 in self._looked:
                await asyncio.sleep(self._looked.left(eui64))
            await self._prove(eui64, look)
        except DongleGone:
            # It is placed anew by what is heard when the dongle is back.
            pass
        except HanctlError as error:
            log.info("the dongle did not say where a device is", device=eui64, reason=str(error))
        except asyncio.CancelledError:
            look.again = False
            raise
        finally:
            self._looked.add(eui64)
            del self._looks[eui64]
            if look.again:
                self._begin_look(eui64, _Look(look.life, over=look.over))
            elif look.over is not None:
                look.over.set()

    async def _prove(self, eui64: Eui64, look: _Look) -> None:
        """Ask the device for a secret at the dongle's address of it, until it proves itself or time is up."""
        again = eui64 in self._waiting_for_life
        self._waiting_for_life.discard(eui64)
        until = self._clock.monotonic() + PROOF_S
        while (left := until - self._clock.monotonic()) > 0:
            device = self._ledger.devices.get(eui64)
            look.again = False
            where = await self._exchange.radio.address_of(eui64)
            if device is None or device.state == "removed":
                return
            if where == device.nwk:
                await self._hold(device)
                return
            if not self._can_prove(device):
                if device.nwk is not None and self._is_under_way(eui64):
                    self._held.add(eui64)
                    await self._exchange.radio.repair_address(eui64, device.nwk)
                return
            if where is None or not is_device_address(where) or self._ledger.devices.eui64_at(where) is not None:
                # Nobody can be asked there; and an address on record is not given to another.
                break
            look.voided, look.where = False, where
            lively = device.nwk is not None and self._spoke_lately(device)
            answered = await self._answers(device, where, min(TRY_S, left) if lively else left)
            # Before and after: a dongle whose map was moved meanwhile may have encrypted to somebody else.
            if answered and not look.voided and await self._exchange.radio.address_of(eui64) == where:
                self._moved(eui64, where, look.life)
                return
            if lively:
                break
            await asyncio.sleep(min(LOOK_GAP_S, max(0.0, until - self._clock.monotonic())))
        else:
            if device is not None and device.sleepy and not again:
                self._waiting_for_life.add(eui64)
                return
        await self._unproven(eui64)

    async def _hold(self, device: Device) -> None:
        """Go on undoing claims about a device only if it proves itself where both the dongle and the hub have it."""
        if device.eui64 in self._held and device.nwk is not None and self._can_prove(device):
            self._held.forget(device.eui64)
            if await self._answers(device, device.nwk, TRY_S):
                self._held.add(device.eui64)

    def _spoke_lately(self, device: Device) -> bool:
        return device.last_seen is not None and (self._clock.now() - device.last_seen).total_seconds() < PROOF_S

    async def _answers(self, device: Device, where: int, left: float) -> bool:
        try:
            async with asyncio.timeout(left):
                return await self._challenge(device, where)
        except TimeoutError:
            return False
        except DongleGone:
            raise
        except HanctlError as error:
            log.debug("a device did not prove itself", device=device.eui64, nwk=where, reason=str(error))
            return False

    def _moved(self, eui64: Eui64, where: int, life: Life) -> None:
        device = self._ledger.devices.get(eui64)
        if (
            device is None
            or device.state in ("removed", "expected")
            or self._ledger.devices.eui64_at(where) is not None
        ):
            return
        self.on_moved(self._place(device, where, None), life)

    async def _unproven(self, eui64: Eui64) -> None:
        """Repair the dongle's address of a device that nobody proved to be elsewhere."""
        device = self._ledger.devices.get(eui64)
        if device is None or device.state == "removed":
            return
        self.claimed(eui64, "it was said to be at another address, and did not prove it")
        if device.nwk is not None:
            self._held.add(eui64)
            await self._exchange.radio.repair_address(eui64, device.nwk)

    def claimed(self, eui64: Eui64, how: str) -> None:
        """Record, at most once an hour, that somebody claims to be the device."""
        if self._told.first(eui64):
            self._ledger.note(DeviceClaimed(device=eui64, how=how))


def _arrived(device: Device) -> DeviceState:
    """Return the state of a device that is on the network now."""
    if device.state == "expected":
        return "joined"
    if device.state == "left":
        return "interviewed" if device.endpoints else "joined"
    return device.state
