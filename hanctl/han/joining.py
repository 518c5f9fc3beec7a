"""Manage join windows: the network is open to one device, for a time, with its own key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Literal

import structlog

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.han.exchange import Exchange
from hanctl.han.identity.addresses import Addresses
from hanctl.han.tasks import Tasks
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import JoinClosed, JoinOpened

log = structlog.get_logger()

REARM_S = 240
"""A dongle stays open for at most 254 s, and forgets a joining key after 300 s. Source: comms_hub.md §6."""

CloseReason = Literal["joined", "timed out", "cancelled", "dongle lost"]


@dataclass(slots=True)
class _Window:
    """``came``: the dongle told of the device's join."""

    until: float
    keeper: asyncio.Task[None]
    link_key: bytes = field(repr=False)
    came: bool = False


class JoinWindows:
    """The open join windows. Each opening and closing is an event.

    ``on_joined`` gets each device that joined in its window, and the key it joined with.
    """

    def __init__(self, ledger: Ledger, exchange: Exchange, tasks: Tasks, addresses: Addresses) -> None:
        self._ledger = ledger
        self._addresses = addresses
        self._exchange = exchange
        self._tasks = tasks
        self.on_joined: Callable[[Eui64, bytes], None] = lambda *_: None
        self._open: dict[Eui64, _Window] = {}
        # Opening and closing are several commands each: mixed, they could leave the network open to nobody.
        self._dongle = asyncio.Lock()

    async def open(self, eui64: Eui64, link_key: bytes, seconds: int) -> None:
        """Open a window, or open it again, for ``seconds``. Raises DeliveryFailed, DongleGone."""
        until = asyncio.get_running_loop().time() + seconds
        await self._arm(eui64, link_key, until)
        running = self._open.pop(eui64, None)
        if running is not None:
            running.keeper.cancel()
        self._ledger.record(JoinOpened(device=eui64, seconds=seconds))
        self._open[eui64] = _Window(until, self._tasks.start(self._keep_open(eui64, link_key, until)), link_key)

    def remaining(self) -> Mapping[Eui64, float]:
        """Return the devices whose window is open, with the seconds left."""
        now = asyncio.get_running_loop().time()
        return {eui64: max(0.0, window.until - now) for eui64, window in self._open.items()}

    def came(self, eui64: Eui64) -> None:
        """Take note that the device joined, as the dongle says."""
        if eui64 in self._open:
            self._open[eui64].came = True

    def spoke(self, eui64: Eui64) -> None:
        """Close the window of a device that joined, once it is heard; before that, anybody can speak in its name."""
        if eui64 in self._open and self._open[eui64].came:
            self.close(eui64, "joined")

    def close(self, eui64: Eui64, reason: CloseReason) -> None:
        """Close this device's window, if it has one; the dongle closes with the last window."""
        window = self._open.pop(eui64, None)
        if window is None:
            return
        if window.keeper is not asyncio.current_task():
            window.keeper.cancel()
        with self._ledger.transaction():
            if reason == "timed out":
                self._never_spoke(eui64)
            self._ledger.record(JoinClosed(device=eui64, reason=reason))
        if reason == "joined":
            self.on_joined(eui64, window.link_key)
        if not self._open and reason != "dongle lost":
            self._tasks.start(self._close_network())

    def _never_spoke(self, eui64: Eui64) -> None:
        # A dongle may tell of a device that cannot read the network's key, as it joins with another install code.
        device = self._ledger.devices.get(eui64)
        if device is not None and device.state == "joined":
            self._addresses.release(device, "expected")

    def close_all(self, reason: CloseReason) -> None:
        """Close every window."""
        for eui64 in tuple(self._open):
            self.close(eui64, reason)

    async def shut(self) -> None:
        """Close every window and the network, and return when that is done."""
        if not self._open:
            return
        self.close_all("cancelled")
        await self._close_network()

    async def _keep_open(self, eui64: Eui64, link_key: bytes, until: float) -> None:
        loop = asyncio.get_running_loop()
        while (left := until - loop.time()) > REARM_S:
            await asyncio.sleep(REARM_S)
            try:
                await self._arm(eui64, link_key, until)
            except HanctlError as error:
                log.warning("the network could not be held open", device=eui64, reason=str(error))
        await asyncio.sleep(left)
        self.close(eui64, "timed out")

    async def _arm(self, eui64: Eui64, link_key: bytes, until: float) -> None:
        # The dongle has one window for all, and the last word counts: a short one must not cut a longer one off.
        async with self._dongle:
            last = max([until, *(window.until for window in self._open.values())])
            left = last - asyncio.get_running_loop().time()
            await self._exchange.radio.open_join(eui64, link_key, min(ceil(left), REARM_S))

    async def _close_network(self) -> None:
        async with self._dongle:
            if self._open:
                return
            try:
                await self._exchange.radio.close_join()
            except HanctlError as error:
                log.warning("the network could not be closed; the dongle closes it by itself", reason=str(error))
