"""ZigpyRadio over an application that stands in for bellows' and zigpy-znp's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from types import SimpleNamespace
from typing import Any, cast

import pytest
import zigpy.exceptions
import zigpy.types as t

from hanctl.base.eui64 import Eui64
from hanctl.radio.application import HubApplication, Sink
from hanctl.radio.dongle import ZigpyRadio
from hanctl.radio.errors import DeliveryFailed, DongleGone, NetworkStartFailed
from hanctl.radio.frames import IncomingFrame, OutgoingFrame
from hanctl.radio.settings import DongleSettings

SETTINGS = DongleSettings("ezsp", "tcp://nowhere", channel=15)
FRAME = OutgoingFrame(0x1234, 1, 1, 0x0109, 0x0019, b"\x19\x01\x02")


class Status(Enum):
    ALLOCATION_FAILED = 1
    NWK_NO_ROUTE = 2


class StandIn:
    MOST_ON_THE_WAY = 16

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.formed = False
        self.packets: list[t.ZigbeePacket] = []
        self.shutdowns = 0
        self.sleepy: list[int] = []
        self.recovered: list[int] = []
        self.deliver: Callable[[t.ZigbeePacket], Any] | None = None
        self.initialize_error: Exception | None = None
        self.state = SimpleNamespace(
            node_info=SimpleNamespace(nwk=0, ieee=t.EUI64.convert("00:0d:6f:00:00:00:00:01")),
            network_info=SimpleNamespace(
                channel=20, pan_id=0x1A62, extended_pan_id=t.EUI64.convert("11:22:33:44:55:66:77:88")
            ),
        )

    async def connect(self) -> None: ...

    async def initialize(self, *, auto_form: bool) -> None:
        assert auto_form
        if self.initialize_error is not None:
            raise self.initialize_error

    async def shutdown(self, *, db: bool) -> None:
        self.shutdowns += 1

    async def alive(self) -> None: ...

    def firmware(self) -> str:
        return "stand-in"

    def takes(self, frame: OutgoingFrame) -> bool:
        return False

    async def prepare_sleepy(self, nwk: int) -> None:
        self.sleepy.append(nwk)

    async def recover(self, nwk: int, status: str) -> bool:
        self.recovered.append(nwk)
        return status == "NWK_NO_ROUTE"

    async def close_network(self) -> None: ...

    async def key_capacity(self) -> int:
        return 12

    async def send_packet(self, packet: t.ZigbeePacket) -> None:
        self.packets.append(packet)
        if self.deliver is not None:
            await self.deliver(packet)


class Listener:
    def __init__(self) -> None:
        self.frames: list[IncomingFrame] = []
        self.joined: list[tuple[Eui64, int]] = []
        self.lost: list[str] = []

    def frame_received(self, frame: IncomingFrame) -> None:
        self.frames.append(frame)

    def device_joined(self, eui64: Eui64, nwk: int) -> None:
        self.joined.append((eui64, nwk))

    def device_left(self, eui64: Eui64, nwk: int) -> None: ...

    def address_conflict(self, nwk: int) -> None: ...

    def partner_key_asked(self, eui64: Eui64, given: bool, detail: str) -> None: ...

    def join_denied(self, eui64: Eui64, how: str) -> None: ...

    def dongle_lost(self, reason: str) -> None:
        self.lost.append(reason)


class Opened:
    def __init__(self) -> None:
        self.listener = Listener()
        self.radio = ZigpyRadio(SETTINGS, lambda settings, sink: cast(HubApplication, self._made(sink)))

    def _made(self, sink: Sink) -> StandIn:
        self.app = StandIn(sink)
        return self.app


@pytest.fixture
async def opened() -> Opened:
    opened = Opened()
    await opened.radio.start(opened.listener)
    return opened


def failing(error: Exception, times: int = 1_000) -> Callable[[t.ZigbeePacket], Any]:
    left = times

    async def deliver(packet: t.ZigbeePacket) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            raise error

    return deliver


async def test_the_network_is_told_as_it_is() -> None:
    opened = Opened()
    state = await opened.radio.start(opened.listener)
    assert state.dongle_eui64 == "00:0d:6f:00:00:00:00:01"
    assert state.extended_pan_id == "11:22:33:44:55:66:77:88"
    assert (state.channel, state.pan_id, state.formed) == (20, 0x1A62, False)


async def test_nothing_is_heard_before_the_start_is_done() -> None:
    opened = Opened()
    opened.app.sink.node_joined(t.EUI64.convert("00:0d:6f:00:0a:90:69:e7"), 5)
    await opened.radio.start(opened.listener)
    assert opened.listener.joined == []
    opened.app.sink.node_joined(t.EUI64.convert("00:0d:6f:00:0a:90:69:e7"), 5)
    assert opened.listener.joined == [("00:0d:6f:00:0a:90:69:e7", 5)]


async def test_a_network_that_does_not_start() -> None:
    opened = Opened()
    opened.app.initialize_error = zigpy.exceptions.FormationFailure("no\nluck")
    with pytest.raises(NetworkStartFailed, match="no luck"):
        await opened.radio.start(opened.listener)
    assert opened.app.shutdowns == 1


async def test_a_frame_as_zigpy_gets_it(opened: Opened) -> None:
    await opened.radio.send(FRAME)
    (packet,) = opened.app.packets
    assert (packet.src_ep, packet.dst_ep, packet.profile_id, packet.cluster_id) == (1, 1, 0x0109, 0x0019)
    assert packet.data.serialize() == FRAME.payload
    assert packet.priority == t.PacketPriority.CRITICAL
    assert t.TransmitOptions.ACK in packet.tx_options


@pytest.mark.parametrize("nwk", [0x0000, *range(0xFFF8, 0x10000)])
async def test_nothing_that_is_to_be_encrypted_goes_where_no_key_is(opened: Opened, nwk: int) -> None:
    told: list[str] = []
    frame = replace(FRAME, destination_nwk=nwk, aps_encrypted=True, outcome=told.append)
    with pytest.raises(DeliveryFailed, match="no link key"):
        await opened.radio.send(frame)
    opened.radio.post(frame)
    assert opened.app.packets == [] and told == ["dropped"]


async def test_frames_in_flight_have_numbers_of_their_own(opened: Opened) -> None:
    gate = asyncio.Event()

    async def wait(packet: t.ZigbeePacket) -> None:
        await gate.wait()

    opened.app.deliver = wait
    sends = [asyncio.create_task(opened.radio.send(FRAME)) for _ in range(256)]
    await asyncio.sleep(0)
    with pytest.raises(DeliveryFailed):
        await opened.radio.send(FRAME)
    assert len({packet.tsn for packet in opened.app.packets}) == 256
    gate.set()
    await asyncio.gather(*sends)
    await opened.radio.send(FRAME)


@pytest.mark.parametrize(
    "error",
    [
        zigpy.exceptions.DeliveryError("not acknowledged"),
        TimeoutError(),
        AttributeError("'NoneType' object has no attribute 'send'"),
        zigpy.exceptions.ControllerException("not running"),
        RuntimeError("closed"),
    ],
)
async def test_whatever_a_library_raises_is_a_failed_delivery(opened: Opened, error: Exception) -> None:
    opened.app.deliver = failing(error)
    with pytest.raises(DeliveryFailed) as caught:
        await opened.radio.send(FRAME)
    assert str(caught.value)


async def test_a_busy_dongle_is_asked_again(opened: Opened) -> None:
    error = zigpy.exceptions.DeliveryError("busy", status=cast(Any, Status.ALLOCATION_FAILED))
    opened.app.deliver = failing(error, times=2)
    await opened.radio.send(FRAME)
    assert len(opened.app.packets) == 3


async def test_a_route_is_repaired_once(opened: Opened) -> None:
    opened.app.deliver = failing(zigpy.exceptions.DeliveryError("no route", status=cast(Any, Status.NWK_NO_ROUTE)))
    with pytest.raises(DeliveryFailed):
        await opened.radio.send(FRAME)
    assert len(opened.app.packets) == 2
    assert opened.app.recovered == [0x1234]


async def test_losing_the_line_ends_all_sends_at_once_and_is_told_once(opened: Opened) -> None:
    async def never(packet: t.ZigbeePacket) -> None:
        await asyncio.Event().wait()

    opened.app.deliver = never
    sends = [asyncio.create_task(opened.radio.send(FRAME)) for _ in range(10)]
    await asyncio.sleep(0)
    opened.app.sink.line_lost("unplugged")
    opened.app.sink.line_lost("the watchdog says so too")
    results = await asyncio.wait_for(asyncio.gather(*sends, return_exceptions=True), 1)
    assert all(isinstance(result, DongleGone) for result in results)
    assert opened.listener.lost == ["unplugged"]
    with pytest.raises(DongleGone):
        await opened.radio.send(FRAME)
    with pytest.raises(DongleGone):
        await opened.radio.close_join()


async def test_stopping_twice_and_after_a_loss(opened: Opened) -> None:
    opened.app.sink.line_lost("unplugged")
    await opened.radio.stop()
    await opened.radio.stop()
    assert opened.app.shutdowns == 1
    opened.app.sink.line_lost("late")
    assert opened.listener.lost == ["unplugged"]


async def test_a_device_is_asked_to_leave(opened: Opened) -> None:
    await opened.radio.remove(Eui64("00:0d:6f:00:0a:90:69:e7"), 0x1234)
    (packet,) = opened.app.packets
    assert (packet.profile_id, packet.cluster_id, packet.dst_ep) == (0, 0x0034, 0)
    assert packet.data.serialize()[1:] == bytes.fromhex("e769900a006f0d00 00")
