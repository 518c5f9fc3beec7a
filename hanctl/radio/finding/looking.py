"""Identify a dongle and its network, without forming, starting or changing a network."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import zigpy.exceptions
import zigpy.zdo.types as zdo_t

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.radio import make_application
from hanctl.radio.application import Deaf, HubApplication
from hanctl.radio.errors import ForeignNetwork
from hanctl.radio.finding.opening import opening_error
from hanctl.radio.settings import DongleSettings

DISCONNECT_S = 3.0


@dataclass(frozen=True, slots=True)
class HeldNetwork:
    """The network in a dongle, without keys."""

    channel: int
    pan_id: int
    extended_pan_id: str


@dataclass(frozen=True, slots=True)
class Look:
    """Facts about a dongle. ``network`` None: it holds none, or not as its coordinator (``foreign``)."""

    eui64: Eui64
    firmware: str
    network: HeldNetwork | None = None
    foreign: bool = False


async def look_at(settings: DongleSettings, timeout_s: float) -> Look:
    """Open the dongle, ask it, and close it again. Raises the DongleError that a start of the hub would raise."""
    app = make_application(settings, Deaf())
    try:
        async with asyncio.timeout(timeout_s):
            await app.connect()
            return await _ask(app)
    except Exception as error:
        raise opening_error(error, settings) from error
    finally:
        with suppress(Exception):
            async with asyncio.timeout(DISCONNECT_S):
                await app.disconnect()  # type: ignore[no-untyped-call]


async def _ask(app: HubApplication) -> Look:
    eui64 = from_bytes((await app.own_address()).serialize())
    firmware = await app.ask_firmware()
    try:
        await app.load_network_info(load_devices=False)
    except zigpy.exceptions.NetworkNotFormed:
        return Look(eui64, firmware, foreign=await _is_foreign(app))
    network, node = app.state.network_info, app.state.node_info
    held = HeldNetwork(int(network.channel), int(network.pan_id), from_bytes(network.extended_pan_id.serialize()))
    return Look(eui64, firmware, held, foreign=node.logical_type != zdo_t.LogicalType.Coordinator)


async def _is_foreign(app: HubApplication) -> bool:
    try:
        await app.ensure_blank()
    except ForeignNetwork:
        return True
    return False
