"""Handle devices that appear on the network: record addresses of known ones, tell strangers to leave."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from zigpy.zdo.types import ZDOCmd

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.base.lately import Lately
from hanctl.han import zdo
from hanctl.han.exchange import Exchange
from hanctl.han.identity.addresses import Addresses, is_device_address
from hanctl.han.life import Life
from hanctl.han.tasks import Tasks
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import JoinRefused
from hanctl.model.records import Device
from hanctl.radio.frames import IncomingFrame

log = structlog.get_logger()

IDENTIFY_TIMEOUT_S = 10.0
QUIET_S = 60.0
"""How long one stranger is not asked, and not told, again."""
STRANGERS_KEPT = 64


class Arrivals:
    """Admit devices of the ledger that no user removed; all others are strangers."""

    def __init__(self, ledger: Ledger, clock: Clock, exchange: Exchange, tasks: Tasks, addresses: Addresses) -> None:
        self._ledger = ledger
        self._addresses = addresses
        self._clock = clock
        self._exchange = exchange
        self._tasks = tasks
        self._held: dict[int, IncomingFrame] = {}
        self._refused = Lately[Eui64](clock, QUIET_S, most=STRANGERS_KEPT)
        self._unidentified = Lately[int](clock, QUIET_S, most=STRANGERS_KEPT)

    def arrived(self, eui64: Eui64, nwk: int, life: Life, *, sleepy: bool | None = None) -> Device | None:
        """Handle a claim that the device is at this address. Returns its record if it is.

        None: it is a stranger, who is told to leave, or the claim is being checked. ``sleepy``: as announced.
        """
        device = self._ledger.devices.get(eui64)
        if device is None or device.state == "removed":
            self._addresses.conflict(nwk)
            self._refuse(eui64, nwk, _why(device))
            return None
        return self._addresses.claim(device, nwk, life, sleepy=sleepy)

    def denied(self, eui64: Eui64, how: str, *, expected: bool) -> None:
        """Record that the dongle denied a device, which tried ``how``; ``expected``: its join window is open."""
        if expected:
            # It comes again at once; where its key is the wrong one, the window's end tells.
            return
        device = self._ledger.devices.get(eui64)
        if how == "join" and device is not None and device.state != "removed":
            reason = "the network is not open to it: its join window has closed"
        elif how == "join":
            reason = _why(device)
        else:
            reason = "it tried to rejoin without the network key, and the dongle has no key of its own for it"
        self._refused_once(eui64, reason)

    def identify(self, frame: IncomingFrame, then: Callable[[Device, IncomingFrame], None]) -> None:
        """Ask the sender of a frame, whose address is on nobody's record, who it is; ``then`` gets both,
        once the device has shown that it is there.

        One frame of each sender, the latest, is held meanwhile: a device that knows the hub asks again anyway.
        """
        nwk = frame.source_nwk
        if nwk in self._held:
            self._held[nwk] = frame
        elif len(self._held) < STRANGERS_KEPT and nwk not in self._unidentified:
            self._held[nwk] = frame
            self._tasks.start(self._identify(nwk, then))

    async def tell_to_leave(self, eui64: Eui64, nwk: int) -> None:
        """Ask a device to leave; a failed delivery is logged."""
        try:
            await self._exchange.radio.remove(eui64, nwk)
        except HanctlError as error:
            log.warning("the device did not take the request to leave", device=eui64, reason=str(error))

    async def _identify(self, nwk: int, then: Callable[[Device, IncomingFrame], None]) -> None:
        try:
            device = await self._who_is_at(nwk)
        finally:
            frame = self._held.pop(nwk)
        if device is not None:
            then(device, frame)

    async def _who_is_at(self, nwk: int) -> Device | None:
        """Ask the node at an unknown address who it is; return its device once settled, None if it is not the hub's."""
        try:
            response = await self._exchange.request_zdo(
                nwk=nwk,
                cluster=ZDOCmd.IEEE_addr_req,
                build=lambda tsn: zdo.ieee_addr_req(tsn, nwk),
                timeout_s=IDENTIFY_TIMEOUT_S,
            )
            eui64, told = zdo.parse_addr_rsp(response)
        except HanctlError as error:
            log.info("an unknown node did not say who it is", nwk=nwk, reason=str(error))
            self._unidentified.add(nwk)
            return None
        if told != nwk:
            self._unidentified.add(nwk)
            return None
        self.arrived(eui64, nwk, Life.FRAME)
        await self._addresses.settled(eui64)
        device = self._ledger.devices.by_nwk(nwk)
        if device is not None and device.eui64 == eui64:
            self._unidentified.forget(nwk)
            return device
        self._unidentified.add(nwk)
        return None

    def _refuse(self, eui64: Eui64, nwk: int, reason: str) -> None:
        # Who is on record at the address did not say so, and is not told.
        if self._refused_once(eui64, reason) and self._ledger.devices.by_nwk(nwk) is None and is_device_address(nwk):
            self._tasks.start(self.tell_to_leave(eui64, nwk))

    def _refused_once(self, eui64: Eui64, reason: str) -> bool:
        """Record a refusal, unless one of this device was recorded just now."""
        if not self._refused.first(eui64):
            return False
        self._ledger.note(JoinRefused(device=eui64, reason=reason))
        return True


def _why(device: Device | None) -> str:
    """Say why a device may not be on the network."""
    return "never seen before: nobody added it (hanctl join)" if device is None else "it was removed"
