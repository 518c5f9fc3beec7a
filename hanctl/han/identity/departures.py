"""Check claims that a device left: anybody with the network key can say so in any device's name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from zigpy.zdo.types import ZDOCmd

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.han import zdo
from hanctl.han.exchange import Exchange
from hanctl.han.identity.addresses import Addresses
from hanctl.han.tasks import Tasks
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DeviceLeft
from hanctl.model.records import Device
from hanctl.radio.errors import DongleGone

ANSWER_TIMEOUT_S = 10.0
PAUSE_S = 2.0
"""Between two looks for one device, however often it is said to have left."""


class Departures:
    """Treat a device as gone if somebody says so and it does not answer; its key and its trust stay.

    That somebody else may answer in its name does no harm: it stays where it was. ``gone`` is called with each device
    that has left, before that is recorded.
    """

    def __init__(
        self, ledger: Ledger, exchange: Exchange, tasks: Tasks, addresses: Addresses, gone: Callable[[Eui64], None]
    ) -> None:
        self._ledger = ledger
        self._addresses = addresses
        self._exchange = exchange
        self._tasks = tasks
        self._gone = gone
        self._looking: set[Eui64] = set()

    def said(self, eui64: Eui64, nwk: int) -> None:
        """Check a claim that the device at this address left."""
        if eui64 not in self._looking and self._at(eui64, nwk) is not None:
            self._looking.add(eui64)
            self._tasks.start(self._look(eui64, nwk))

    async def _look(self, eui64: Eui64, nwk: int) -> None:
        try:
            device = self._at(eui64, nwk)
            if device is not None and not await self._answers(device, nwk):
                self._left(eui64, nwk)
            await asyncio.sleep(PAUSE_S)
        finally:
            self._looking.discard(eui64)

    async def _answers(self, device: Device, nwk: int) -> bool:
        try:
            response = await self._exchange.request_zdo(
                nwk=nwk,
                cluster=ZDOCmd.IEEE_addr_req,
                build=lambda tsn: zdo.ieee_addr_req(tsn, nwk),
                timeout_s=ANSWER_TIMEOUT_S,
                sleepy=device.sleepy,
            )
            return zdo.parse_addr_rsp(response)[0] == device.eui64
        except DongleGone:
            # Whether it is there shows when the dongle is back.
            return True
        except HanctlError:
            return False

    def _left(self, eui64: Eui64, nwk: int) -> None:
        device = self._at(eui64, nwk)
        if device is None:
            return
        self._gone(eui64)
        with self._ledger.transaction():
            self._addresses.release(device, "left")
            self._ledger.record(DeviceLeft(device=eui64))

    def _at(self, eui64: Eui64, nwk: int) -> Device | None:
        device = self._ledger.devices.get(eui64)
        return device if device is not None and device.nwk == nwk else None
