"""Implement the Radio interface for one dongle over a zigpy application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import structlog
import zigpy.backups
import zigpy.exceptions
import zigpy.types as t
import zigpy.zdo.types as zdo_t

from hanctl.base.errors import DongleError, HanctlError
from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.radio.application import HubApplication, Sink
from hanctl.radio.errors import DeliveryFailed, DongleGone, NetworkStartFailed
from hanctl.radio.finding.network_backup import summary
from hanctl.radio.finding.opening import opening_error
from hanctl.radio.frames import (
    FIRST_BROADCAST,
    ZDO_PROFILE,
    IncomingFrame,
    NetworkState,
    Outcome,
    OutgoingFrame,
    RadioListener,
)
from hanctl.radio.heartbeat import heartbeat
from hanctl.radio.sending.numbers import FrameTags
from hanctl.radio.sending.sender import BUSY, Sender
from hanctl.radio.settings import DongleSettings
from hanctl.radio.tap import FrameTap

log = structlog.get_logger()
T = TypeVar("T")
z: Any = t
"""zigpy's types as constructors: half of them carry no annotations."""

CONNECT_TIMEOUT_S = 10.0
HUNG_UP_WITHIN_S = 3.0
"""A line that is lost later was closed by the radio library itself, which gave up waiting for an answer."""
START_TIMEOUT_S = 180.0
"""Forming writes some two thousand NVRAM items on a real ZNP dongle."""
STOP_TIMEOUT_S = 5.0
LONGEST_PERMIT_S = 254
BUSY_RETRIES_S = (0.02, 0.05, 0.1, 0.2, 0.4)


class ZigpyRadio:
    """Implements Radio. ``application`` builds the radio library's application around a sink.

    One object is one opening: after ``stop``, or after the dongle was lost, make another.
    """

    def __init__(
        self,
        settings: DongleSettings,
        application: Callable[[DongleSettings, Sink], HubApplication],
        tap: FrameTap | None = None,
    ) -> None:
        self._settings = settings
        self._tap = tap or FrameTap()
        self._application = application(settings, self)
        self._listener: RadioListener | None = None
        self._lost: str | None = None
        self._stopped = False
        self._scopes: set[asyncio.Timeout] = set()
        self._numbers = FrameTags()
        self._sender = Sender(self._application, self._numbers, self._application.MOST_ON_THE_WAY)
        self._long_ways: set[asyncio.Task[None]] = set()
        self._heartbeat: asyncio.Task[None] | None = None
        self._leave_requests = 0

    # --- Radio

    async def start(self, listener: RadioListener) -> NetworkState:
        app = self._application
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S) as scope, self._ended_by_loss(scope):
                await app.connect()
        except Exception as error:
            hung_up = self._lost is not None and asyncio.get_running_loop().time() - began < HUNG_UP_WITHIN_S
            await self.stop()
            raise opening_error(error, self._settings, hung_up=hung_up) from error
        try:
            async with asyncio.timeout(START_TIMEOUT_S) as scope, self._ended_by_loss(scope):
                await app.initialize(auto_form=True)
                capacity = await app.key_capacity()
        except Exception as error:
            lost = self._lost
            await self.stop()
            if isinstance(error, DongleError):
                raise
            if lost is not None:
                raise DongleGone(f"the dongle was lost while starting: {lost}", "check cable and power") from error
            raise NetworkStartFailed(
                f"the dongle answers, but its network did not start ({_one_line(error)})",
                "unplug the dongle and replug it; if that does not help, check its firmware",
            ) from error
        if self._lost is not None:
            await self.stop()
            raise DongleGone(f"the dongle was lost while starting: {self._lost}", "check cable and power")
        self._listener = listener
        self._heartbeat = asyncio.create_task(heartbeat(app.alive, self.line_lost))
        state = self._network_state(capacity)
        if not state.formed and state.channel != self._settings.channel:
            log.warning(
                "the dongle's network is on another channel than configured; it was resumed as it is",
                channel=state.channel,
                configured=self._settings.channel,
            )
        return state

    async def stop(self) -> None:
        self._listener = None
        if self._stopped:
            return
        self._stopped = True
        self._sender.close()
        self._end_pending()
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._application.shutdown(db=False)

    async def send(self, frame: OutgoingFrame) -> None:
        if _cannot_be_encrypted(frame):
            raise DeliveryFailed(f"0x{frame.destination_nwk:04x} has no link key: what is to be encrypted is not sent")
        if self._tap.listeners:
            await self._send_heard(frame)
        else:
            await self._send_now(frame)

    def post(self, frame: OutgoingFrame) -> None:
        if _cannot_be_encrypted(frame):
            log.error("what is to be encrypted is not sent where it cannot be", nwk=frame.destination_nwk)
            if frame.outcome is not None:
                frame.outcome("dropped")
            return
        if self._tap.listeners:
            frame = self._tap.posted(frame)
        if self._lost is not None or self._stopped or self._goes_short(frame):
            self._sender.post(frame)
        else:
            task = asyncio.get_running_loop().create_task(self._send_long_way(frame))
            self._long_ways.add(task)
            task.add_done_callback(self._long_ways.discard)

    def backlog(self) -> float:
        return self._sender.backlog()

    async def open_join(self, eui64: Eui64, link_key: bytes, seconds: int) -> None:
        seconds = min(seconds, LONGEST_PERMIT_S)
        await self._guarded(lambda: self._application.open_network(_ieee(eui64), link_key, seconds))

    async def close_join(self) -> None:
        await self._guarded(self._application.close_network)

    async def remove(self, eui64: Eui64, nwk: int) -> None:
        self._leave_requests = (self._leave_requests + 1) & 0xFF
        request = bytes([self._leave_requests]) + _ieee(eui64).serialize() + bytes([0x00])
        await self.send(
            OutgoingFrame(
                destination_nwk=nwk,
                destination_endpoint=0,
                source_endpoint=0,
                profile=ZDO_PROFILE,
                cluster=int(zdo_t.ZDOCmd.Mgmt_Leave_req),
                payload=request,
            )
        )

    async def install_link_key(self, eui64: Eui64, nwk: int, key: bytes) -> None:
        await self._guarded(lambda: self._application.install_link_key(_ieee(eui64), nwk, key))

    async def remove_link_key(self, eui64: Eui64) -> None:
        await self._guarded(lambda: self._application.remove_link_key(_ieee(eui64)))

    async def address_of(self, eui64: Eui64) -> int | None:
        return await self._guarded(lambda: self._application.address_of(_ieee(eui64)))

    async def repair_address(self, eui64: Eui64, nwk: int) -> None:
        await self._guarded(lambda: self._application.repair_address(_ieee(eui64), nwk))

    async def key_counter(self, eui64: Eui64) -> int | None:
        return await self._guarded(lambda: self._application.key_counter(_ieee(eui64)))

    async def backup(self) -> dict[str, Any]:
        app = self._application
        await self._guarded(lambda: app.load_network_info(load_devices=True))
        backup = zigpy.backups.NetworkBackup(network_info=app.state.network_info, node_info=app.state.node_info)
        content = backup.as_open_coordinator_json()
        summary(content)
        return content

    # --- Sink

    def frame_received(self, frame: IncomingFrame) -> None:
        if self._tap.listeners:
            self._tap.received(frame)
        if self._listener is not None:
            self._listener.frame_received(frame)

    def node_joined(self, ieee: t.EUI64, nwk: int) -> None:
        if self._listener is not None:
            self._listener.device_joined(from_bytes(ieee.serialize()), nwk)

    def node_left(self, ieee: t.EUI64, nwk: int) -> None:
        if self._listener is not None:
            self._listener.device_left(from_bytes(ieee.serialize()), nwk)

    def address_conflict(self, nwk: int) -> None:
        if self._listener is not None:
            self._listener.address_conflict(nwk)

    def partner_key_asked(self, ieee: t.EUI64, given: bool, detail: str) -> None:
        if self._listener is not None:
            self._listener.partner_key_asked(from_bytes(ieee.serialize()), given, detail)

    def node_denied(self, ieee: t.EUI64, how: str) -> None:
        if self._listener is not None:
            self._listener.join_denied(from_bytes(ieee.serialize()), how)

    def line_lost(self, reason: str) -> None:
        if self._lost is not None or self._stopped:
            return
        self._lost = reason
        self._sender.close()
        self._end_pending()
        if self._listener is not None:
            self._listener.dongle_lost(reason)

    # --- inside

    def _network_state(self, capacity: int) -> NetworkState:
        node, network = self._application.state.node_info, self._application.state.network_info
        return NetworkState(
            dongle_eui64=from_bytes(node.ieee.serialize()),
            radio=self._settings.radio,
            firmware=self._application.firmware(),
            channel=int(network.channel),
            pan_id=int(network.pan_id),
            extended_pan_id=from_bytes(network.extended_pan_id.serialize()),
            formed=self._application.formed,
            key_capacity=capacity,
        )

    async def _send_heard(self, frame: OutgoingFrame) -> None:
        ended = self._tap.sent(frame)
        try:
            await self._send_now(frame)
        except BaseException:
            ended("failed")
            raise
        ended("delivered")

    async def _send_now(self, frame: OutgoingFrame) -> None:
        short = self._goes_short(frame)
        await self._guarded(lambda: self._sender.send(frame) if short else self._send(frame))

    def _goes_short(self, frame: OutgoingFrame) -> bool:
        return frame.destination_nwk < FIRST_BROADCAST and self._application.takes(frame)

    async def _send_long_way(self, frame: OutgoingFrame) -> None:
        outcome: Outcome = "delivered"
        try:
            await self._guarded(lambda: self._send(frame))
        except HanctlError as error:
            # The device asks again where it still wants to know.
            log.debug("a frame was not delivered", nwk=frame.destination_nwk, reason=str(error))
            outcome = "failed"
        if frame.outcome is not None:
            frame.outcome(outcome)

    async def _send(self, frame: OutgoingFrame) -> None:
        """Send by the library what cannot take the fast path: broadcasts, long messages, ZDO on Z-Stack."""
        unicast = frame.destination_nwk < FIRST_BROADCAST
        if frame.sleepy and unicast:
            await self._application.prepare_sleepy(frame.destination_nwk)
        delays = iter(BUSY_RETRIES_S)
        recovered = False
        while True:
            try:
                await self._send_once(frame, unicast)
            except zigpy.exceptions.DeliveryError as error:
                status = _status_name(error)
                if status in BUSY and (delay := next(delays, None)) is not None:
                    await asyncio.sleep(delay)
                elif not recovered and unicast and await self._application.recover(frame.destination_nwk, status):
                    recovered = True
                else:
                    raise
            else:
                return

    async def _send_once(self, frame: OutgoingFrame, unicast: bool) -> None:
        options = t.TransmitOptions.NONE
        if frame.aps_ack and unicast:
            options |= t.TransmitOptions.ACK
        if frame.aps_encrypted:
            options |= t.TransmitOptions.APS_Encryption
        tsn = self._numbers.take()
        try:
            await self._application.send_packet(
                t.ZigbeePacket(
                    # Critical packets pass zigpy's limiter by: an answer must not wait behind another device's silence.
                    priority=t.PacketPriority.CRITICAL,
                    src=t.AddrModeAddress(t.AddrMode.NWK, self._application.state.node_info.nwk),
                    src_ep=z.uint8_t(frame.source_endpoint),
                    dst=_destination(frame.destination_nwk),
                    dst_ep=z.uint8_t(frame.destination_endpoint),
                    tsn=z.uint8_t(tsn),
                    profile_id=z.uint16_t(frame.profile),
                    cluster_id=z.uint16_t(frame.cluster),
                    data=t.SerializableBytes(frame.payload),
                    tx_options=options,
                    extended_timeout=frame.sleepy,
                )
            )
        finally:
            self._numbers.give_back(tsn)

    async def _guarded(self, action: Callable[[], Awaitable[T]]) -> T:
        """Run an action, end it at once if the dongle is lost, and raise only errors of this layer."""
        self._check_open()
        try:
            async with asyncio.timeout(None) as scope, self._ended_by_loss(scope):
                return await action()
        except (DeliveryFailed, DongleError):
            raise
        except Exception as error:
            self._check_open(error)
            raise DeliveryFailed(_one_line(error)) from error

    def _check_open(self, cause: Exception | None = None) -> None:
        if self._lost is not None or self._stopped:
            reason = self._lost or "it was closed"
            raise DongleGone(f"the dongle is gone: {reason}", "it is reopened as soon as it is back") from cause

    @contextlib.asynccontextmanager
    async def _ended_by_loss(self, scope: asyncio.Timeout) -> AsyncIterator[None]:
        self._scopes.add(scope)
        try:
            yield
        finally:
            self._scopes.discard(scope)

    def _end_pending(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._scopes:
            self._scopes.pop().reschedule(now)


def _ieee(eui64: Eui64) -> t.EUI64:
    return t.EUI64.deserialize(to_bytes(eui64))[0]


def _cannot_be_encrypted(frame: OutgoingFrame) -> bool:
    """Tell whether a frame should be encrypted but nobody there has a key: a dongle would send it in clear."""
    return frame.aps_encrypted and not 0 < frame.destination_nwk < FIRST_BROADCAST


def _destination(nwk: int) -> t.AddrModeAddress:
    if nwk >= FIRST_BROADCAST:
        return t.AddrModeAddress(t.AddrMode.Broadcast, z.BroadcastAddress(nwk))
    return t.AddrModeAddress(t.AddrMode.NWK, z.NWK(nwk))


def _status_name(error: BaseException) -> str:
    status = getattr(error, "status", None)
    return str(getattr(status, "name", status))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text or ("no confirmation in time" if isinstance(error, TimeoutError) else type(error).__name__)
