"""Manage the link keys that the hub put into the dongle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.han.exchange import Exchange
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device

log = structlog.get_logger()


class LinkKeys:
    """Put keys into the dongle, which alone keeps them. ``reachable`` returns a device and its address."""

    def __init__(self, ledger: Ledger, exchange: Exchange, reachable: Callable[[Eui64], tuple[Device, int]]) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._reachable = reachable

    async def install(self, eui64: Eui64, key: bytes) -> None:
        """Install this key for the device in the dongle. Raises NotFound, KeyTableFull, DeliveryFailed, DongleGone."""
        _, nwk = self._reachable(eui64)
        await self._exchange.radio.install_link_key(eui64, nwk, key)

    async def keep(self, eui64: Eui64, key: bytes, kept: Callable[[Device], None]) -> None:
        """Put the key that a device joined with where the dongle keeps established ones, as it is to have no other.

        A dongle forgets a joining key (joining.REARM_S) and tells no counter of it. ``kept`` is told of the device.
        """
        try:
            await self.install(eui64, key)
        except HanctlError as error:
            log.info("the key that a device joined with is not kept by the dongle", device=eui64, reason=str(error))
            return
        device = self._ledger.devices.get(eui64)
        if device is not None:
            kept(device)

    async def remove(self, eui64: Eui64) -> None:
        """Remove the key installed for a device from the dongle. Raises DeliveryFailed, DongleGone."""
        await self._exchange.radio.remove_link_key(eui64)

    async def backup(self) -> dict[str, Any]:
        """Return the network with all keys, as Open Coordinator Backup (secret). Raises DeliveryFailed, DongleGone."""
        return await self._exchange.radio.backup()

    async def forget_removed(self) -> None:
        """Remove the keys of removed devices from the dongle, if that was not possible at the time."""
        for device in self._ledger.devices.all():
            if device.state == "removed" and device.keyed_at is not None:
                await self.forget(device.eui64)

    async def forget(self, eui64: Eui64) -> None:
        """Remove the key of a removed device from the dongle; if that fails, ``forget_removed`` does it later."""
        try:
            await self.remove(eui64)
        except HanctlError as error:
            log.warning("the dongle did not forget the device's key", device=eui64, reason=str(error))
            return
        device = self._ledger.devices.get(eui64)
        if device is not None and device.state == "removed" and device.keyed_at is not None:
            self._ledger.devices.put(replace(device, keyed_at=None))
