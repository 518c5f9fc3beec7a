"""Whose frame is it: which key the stack in a dongle takes a frame by, and what moves its map of addresses."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from simulator_hub import HUB, NETWORK_KEY, FakeHub, in_virtual_time, spec

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.simulator import zdo
from hanctl.simulator.network.addresses import ROOM, AddressMap
from hanctl.simulator.network.medium import BROADCAST_RX_ON, ApsFrame, Link, Medium, Node
from hanctl.simulator.network.stack import SendError, Stack
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY, JoinKind, Network
from hanctl.simulator.quirks import Quirks
from hanctl.simulator.zcl import READ_ATTRIBUTES, ZclFrame

A, B, STRANGER = (from_bytes(bytes([n]) * 8) for n in (0xAA, 0xBB, 0x66))
KEYS = {A: b"a" * 16, B: b"b" * 16}
FRESH = 0x7777
COMBINATIONS = [Quirks(honours_nonce=h, compares_nonce=c) for h, c in ((True, False), (True, True), (False, False))]
both = pytest.mark.parametrize("ember", [True, False], ids=["ember", "z-stack"])


class Device:
    """A node that says what it is told to, under whatever address and key."""

    def __init__(self, air: Air, eui64: Eui64) -> None:
        self.eui64 = eui64
        self.nwk: int | None = None
        self.powered = True
        self.sleepy = False
        self.link = Link()
        self.heard: list[ApsFrame] = []
        self._air = air
        air.medium.attach(self)

    def takes(self, frame: ApsFrame) -> bool:
        return frame.readable(KEYS.get(self.eui64))

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)

    async def say(self, *, source: int | None = None, key: bytes | None = None, **fields: Any) -> bool:
        """Send an encrypted frame; whether the dongle acknowledged it."""
        assert self.nwk is not None
        own = self.nwk if source is None else source
        key = key or KEYS[self.eui64]
        frame = ApsFrame(own, 0, 0x0109, 0x0019, 1, 1, 1, b"said", encrypted=True, link_key=key, **fields)
        return await self.send(frame)

    async def send(self, frame: ApsFrame) -> bool:
        said: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._air.medium.to_coordinator(self, frame, said.set_result)
        return await said

    async def announce(self, eui64: Eui64, nwk: int) -> None:
        payload = zdo.device_annce(1, eui64, nwk, 0x8E)
        await self.send(ApsFrame(self.nwk or 1, BROADCAST_RX_ON, 0, zdo.DEVICE_ANNCE, 0, 0, 1, payload))
        await asyncio.sleep(0.1)

    async def answer(self, eui64: Eui64, nwk: int, status: int = 0) -> None:
        payload = bytes([1, status]) + to_bytes(eui64) + nwk.to_bytes(2, "little")
        await self.send(ApsFrame(self.nwk or 1, 0, 0, zdo.IEEE_ADDR_REQ | zdo.RESPONSE, 0, 0, 1, payload))


class Air:
    """A stack with A and B on its network, each with a key of its own, and a stranger with the network key alone."""

    def __init__(self, *, ember: bool = True, quirks: Quirks = COMBINATIONS[0]) -> None:
        self.medium = Medium(random.Random(1))
        self.stack = Stack(HUB, self.medium, quirks=quirks)
        self.stack.addresses.ember = ember
        self.stack.listener = self
        self.conflicts: list[int] = []
        self.stack.conflict = self.conflicts.append
        self.frames: list[ApsFrame] = []
        self.stack.power_on()
        self.stack.form(Network(15, 0x1234, bytes(8), NETWORK_KEY))
        self.stack.permit(1000)
        self.a, self.b, self.stranger = (Device(self, eui64) for eui64 in (A, B, STRANGER))
        for device in (self.a, self.b):
            self.stack.add_transient_key(device.eui64, b"j" * 16)
            device.nwk = self.stack.admit(device, b"j" * 16)
            self.stack.import_link_key(device.eui64, KEYS[device.eui64])
        self.stranger.nwk = 0x6666

    @property
    def at(self) -> int:
        """B's true address."""
        assert self.b.nwk is not None
        return self.b.nwk

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        if frame.profile:
            self.frames.append(frame)

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None: ...

    def partner_key_event(self, requester: Eui64, outcome: str) -> None: ...

    def stack_changed(self) -> None: ...

    async def reaches(self, nwk: int) -> tuple[SendError | None, list[Eui64]]:
        """Send an encrypted frame to an address: the error, and who read it."""
        marks = {device: len(device.heard) for device in (self.a, self.b, self.stranger)}
        frame = ApsFrame(0, nwk, 0x0109, 0x0019, 1, 1, 1, b"told", encrypted=True)
        error = self.stack.send(frame, lambda _: None)
        await asyncio.sleep(20)
        return error, [device.eui64 for device, mark in marks.items() if len(device.heard) > mark]


# --- the key


@pytest.mark.parametrize("quirks", COMBINATIONS)
@in_virtual_time
async def test_an_honest_frame_is_taken_on_each_combination(quirks: Quirks) -> None:
    air = Air(quirks=quirks)
    for extended in (False, True, None):
        assert await air.a.say(extended_nonce=extended)
    assert [frame.source for frame in air.frames] == [air.a.nwk] * 3


@pytest.mark.parametrize(
    ("quirks", "extended", "taken"),
    [
        (COMBINATIONS[0], True, True),
        (COMBINATIONS[0], None, True),
        (COMBINATIONS[0], False, False),
        (COMBINATIONS[1], True, False),
        (COMBINATIONS[1], None, False),
        (COMBINATIONS[2], True, False),
        (COMBINATIONS[2], False, False),
    ],
)
@in_virtual_time
async def test_a_foreign_address_needs_the_own_eui64_in_the_frame(
    quirks: Quirks, extended: bool | None, taken: bool
) -> None:
    air = Air(quirks=quirks)
    assert await air.a.say(source=air.at, extended_nonce=extended) is taken
    assert [(f.source, f.encrypted) for f in air.frames] == ([(air.at, True)] if taken else [])
    assert sum(air.stack.dropped.values()) == (0 if taken else 4)


@pytest.mark.parametrize("quirks", COMBINATIONS)
@in_virtual_time
async def test_the_nonce_must_be_of_whose_key_it_is(quirks: Quirks) -> None:
    air = Air(quirks=quirks)
    assert not await air.a.say(secured_by=B, extended_nonce=True)
    assert not await air.a.say(source=air.at, secured_by=B, extended_nonce=True)
    assert not await air.a.say(secured_by=B, extended_nonce=False)
    assert not await air.a.say(key=KEYS[B], extended_nonce=True)
    # Who has B's key is B, on whatever hardware.
    assert await air.a.say(source=air.at, key=KEYS[B], secured_by=B, extended_nonce=True)


@pytest.mark.parametrize(("honours", "taken"), [(True, True), (False, False)])
@in_virtual_time
async def test_from_an_unknown_address_only_the_eui64_in_the_frame_helps(honours: bool, taken: bool) -> None:
    air = Air(quirks=Quirks(honours_nonce=honours))
    assert not await air.b.say(source=FRESH, extended_nonce=False)
    assert air.stack.dropped == {"unknown address": 4}
    assert await air.b.say(source=FRESH, extended_nonce=True) is taken
    # To the dongle the extended form leaves no trace in its map.
    assert air.stack.eui64_of(FRESH) is None


@in_virtual_time
async def test_a_node_without_an_entry_is_read_under_the_well_known_key_where_the_build_does_so() -> None:
    air = Air()
    said: dict[str, Any] = {"key": WELL_KNOWN_KEY, "secured_by": STRANGER, "extended_nonce": True}
    assert not await air.stranger.say(**said)
    air.stack.stranger_key = WELL_KNOWN_KEY
    assert await air.stranger.say(source=air.at, **said)
    assert air.frames[-1].source == air.at
    # Not so a node that has one.
    assert not await air.stranger.say(key=WELL_KNOWN_KEY, secured_by=B, extended_nonce=True)


# --- counters


@in_virtual_time
async def test_a_recorded_frame_is_taken_once_until_the_key_is_written_or_the_counters_are_lost() -> None:
    air = Air()
    await air.b.say()
    recorded = air.frames[0]
    assert recorded.security_counter == 1
    assert air.stack.counters.of(B) == 1 and air.stack.counters.of(A) == 0
    assert not await air.b.send(recorded)
    assert not await air.a.send(replace(recorded, secured_by=B, extended_nonce=True))
    assert air.stack.dropped == {"had before": 8}
    await air.b.say()
    assert not await air.b.send(recorded)
    air.stack.import_link_key(B, KEYS[B])
    assert air.stack.counters.of(B) == 0
    assert await air.b.send(recorded)
    assert not await air.b.send(recorded)
    air.stack.counters.boot()
    assert await air.b.send(recorded)


@in_virtual_time
async def test_each_frame_raises_the_counter_of_the_key_that_read_it() -> None:
    air = Air()
    await air.a.say(source=air.at, extended_nonce=True)
    assert (air.stack.counters.of(A), air.stack.counters.of(B)) == (1, 0)
    await air.b.say(security_counter=500)
    assert (air.stack.counters.of(A), air.stack.counters.of(B)) == (1, 500)
    # An acknowledgement of an encrypted frame is encrypted too.
    assert await air.reaches(air.at) == (None, [B])
    assert (air.stack.counters.of(A), air.stack.counters.of(B)) == (1, 501)


@in_virtual_time
async def test_a_frame_in_clear_or_under_a_wrong_key_raises_nothing() -> None:
    air = Air()
    await air.stranger.say(source=air.at, key=KEYS[A], secured_by=B, extended_nonce=True, security_counter=9999)
    await air.stranger.send(ApsFrame(air.at, 0, 0x0109, 0x0019, 1, 1, 1, b"clear", security_counter=9999))
    assert air.stack.counters.live == {}
    assert [f.payload for f in air.frames] == [b"clear"]


@in_virtual_time
async def test_repeats_over_a_bad_link_are_under_counters_of_their_own() -> None:
    air = Air()
    air.b.link.loss = 0.25
    said = await asyncio.gather(*(air.b.say() for _ in range(60)))
    assert sum(said) > 50
    assert air.stack.dropped == {}
    counters = [frame.security_counter for frame in air.frames]
    assert len(set(counters)) == len(counters) == len(air.frames) > 50


# --- the map


@both
@in_virtual_time
async def test_an_announcement_at_a_fresh_address_moves_a_device_that_stays_where_it_was(ember: bool) -> None:
    air = Air(ember=ember)
    await air.stranger.announce(B, FRESH)
    assert (air.stack.nwk_of(B), air.stack.eui64_of(air.at), air.conflicts) == (FRESH, None, [])
    assert not await air.b.say(extended_nonce=False)
    assert await air.reaches(air.at) == (SendError.NO_LINK_KEY, [])
    # B says where it is, which repairs the map.
    await air.b.announce(B, air.at)
    assert await air.b.say(extended_nonce=False)
    assert await air.reaches(air.at) == (None, [B])


@in_virtual_time
async def test_z_stack_refuses_an_announcement_at_a_used_address_and_ember_drops_the_address() -> None:
    for ember in (False, True):
        air = Air(ember=ember)
        await air.stranger.announce(B, air.a.nwk or 0)
        assert air.conflicts == [air.a.nwk]
        assert air.stack.nwk_of(B) == air.b.nwk
        assert air.stack.eui64_of(air.a.nwk or 0) == (None if ember else A)
        assert await air.a.say(extended_nonce=False) is not ember
        assert await air.b.say(extended_nonce=False)


@in_virtual_time
async def test_z_stack_believes_an_answer_even_at_a_used_address() -> None:
    air = Air(ember=False)
    await air.stranger.answer(B, air.a.nwk or 0, status=0x81)
    assert air.stack.nwk_of(B) == air.at
    await air.stranger.answer(B, air.a.nwk or 0)
    assert (air.stack.nwk_of(B), air.stack.nwk_of(A), air.conflicts) == (air.a.nwk, None, [])
    # What is sent to A's address is under B's key now: nobody reads it.
    assert await air.reaches(air.a.nwk or 0) == (None, [])
    # Both say where they are, A last, as it is B that must leave the address first.
    for device in (air.a, air.b, air.a):
        await device.announce(device.eui64, device.nwk or 0)
    assert (air.stack.nwk_of(A), air.stack.nwk_of(B)) == (air.a.nwk, air.at)
    assert air.conflicts == [air.a.nwk]


@both
@in_virtual_time
async def test_what_is_sent_goes_under_the_key_of_whom_the_map_has_there(ember: bool) -> None:
    air = Air(ember=ember)
    air.a.nwk, nwk = FRESH, air.a.nwk
    await air.a.announce(A, FRESH)
    assert await air.reaches(FRESH) == (None, [A])
    assert await air.reaches(nwk or 0) == (SendError.NO_LINK_KEY, [])


@both
@pytest.mark.parametrize("nwk", [0x0000, 0xFFF8, 0xFFFD, 0xFFFF])
@in_virtual_time
async def test_nobody_is_at_a_reserved_address(ember: bool, nwk: int) -> None:
    air = Air(ember=ember)
    await air.stranger.announce(B, nwk)
    await air.stranger.answer(B, nwk)
    await air.stranger.announce(HUB, FRESH)
    assert air.stack.nwk_of(B) == air.at
    assert air.stack.eui64_of(0) == HUB and air.stack.eui64_of(FRESH) is None


@pytest.mark.parametrize("quirks", [Quirks(announcements_move=False), Quirks(answers_move=False)])
@both
@in_virtual_time
async def test_either_kind_of_claim_may_move_nothing(ember: bool, quirks: Quirks) -> None:
    air = Air(ember=ember, quirks=quirks)
    await air.stranger.announce(B, FRESH)
    assert air.stack.nwk_of(B) == (FRESH if quirks.announcements_move else air.at)
    await air.stranger.answer(B, FRESH + 1)
    assert air.stack.nwk_of(B) == (FRESH + 1 if quirks.answers_move else FRESH)


def test_hearsay_fills_the_map_only_so_far() -> None:
    for ember in (True, False):
        known = AddressMap()
        known.ember = ember
        known.put(A, 1)
        for number in range(2 * ROOM):
            known.answered(from_bytes(bytes([number]) * 8), 100 + number)
        assert sum(known.eui64_of(100 + number) is not None for number in range(2 * ROOM)) == ROOM - 1
        known.put(B, 2)
        assert (known.eui64_of(1), known.eui64_of(2)) == (A, B)


@in_virtual_time
async def test_a_rejoin_may_come_with_another_address() -> None:
    air = Air()
    assert air.stack.readmit(air.b, NETWORK_KEY, FRESH) == FRESH
    assert air.stack.nwk_of(B) == FRESH
    taken = air.stack.readmit(air.b, NETWORK_KEY, air.a.nwk)
    assert taken not in (None, air.a.nwk) and air.stack.nwk_of(A) == air.a.nwk
    assert air.stack.readmit(air.b, NETWORK_KEY) == taken


@in_virtual_time
async def test_whoever_associates_under_a_devices_eui64_moves_it_without_its_key() -> None:
    air = Air()
    forger = Device(air, B)
    assert air.stack.admit(forger, b"?" * 16) is None
    assert air.stack.nwk_of(B) not in (None, air.at)
    assert not await air.b.say(extended_nonce=False)
    # And whoever has the network key may rejoin as it.
    assert air.stack.readmit(forger, NETWORK_KEY, FRESH) == FRESH == air.stack.nwk_of(B)
    assert air.stack.link_key(B) == KEYS[B]


# --- acknowledgements


@pytest.mark.parametrize(("encrypted", "believed", "delivered"), [(True, True, True), (True, False, False)])
@in_virtual_time
async def test_anybody_may_acknowledge_for_a_device_that_is_off(
    encrypted: bool, believed: bool, delivered: bool
) -> None:
    air = Air(quirks=Quirks(forged_acks=believed))
    air.b.powered = False
    air.medium.forge_acknowledgements(air.stranger, air.at)
    outcomes: list[bool] = []
    frame = ApsFrame(0, air.at, 0x0109, 0x0019, 1, 1, 1, b"told", encrypted=encrypted)
    assert air.stack.send(frame, outcomes.append) is None
    await asyncio.sleep(30)
    assert outcomes == [delivered]
    assert not air.b.heard and air.stack.counters.of(B) == 0


@in_virtual_time
async def test_what_goes_in_clear_is_acknowledged_by_whoever_does() -> None:
    air = Air(quirks=Quirks(forged_acks=False))
    air.b.powered = False
    outcomes: list[bool] = []
    frame = ApsFrame(0, air.at, 0, 0x0005, 0, 0, 1, b"told")
    air.stack.send(frame, outcomes.append)
    await asyncio.sleep(30)
    air.medium.forge_acknowledgements(air.stranger, air.at)
    air.stack.send(frame, outcomes.append)
    await asyncio.sleep(30)
    assert outcomes == [False, True]


# --- honest devices


async def moving(**fields: Any) -> FakeHub:
    hub = FakeHub(spec(timings={"start_delay_s": [1e6, 1e6]}, **fields))
    hub.start()
    await hub.wait_for(lambda: hub.device.nwk is not None)
    await asyncio.sleep(5)
    hub.stack.addresses.ember = True
    return hub


async def understood(hub: FakeHub) -> bool:
    """Whether the device's encrypted answer to an encrypted question is taken."""
    if hub.device.nwk is None or hub.stack.eui64_of(hub.device.nwk) is None:
        return False
    return await hub.ask(ZclFrame(77, READ_ATTRIBUTES, b"\x02\x00", to_client=True)) is not None


@in_virtual_time
async def test_a_device_that_moves_says_where_it_is() -> None:
    hub = await moving()
    old = hub.device.nwk
    hub.device.move()
    await asyncio.sleep(5)
    assert hub.device.nwk not in (old, None)
    assert hub.stack.nwk_of(hub.device.eui64) == hub.device.nwk
    assert await understood(hub)
    hub.device.move(FRESH)
    await asyncio.sleep(5)
    assert (hub.device.nwk, hub.stack.eui64_of(FRESH)) == (FRESH, hub.device.eui64)
    # It keeps the address, over a power cut too.
    hub.device.power_cycle(5)
    await asyncio.sleep(60)
    assert (hub.device.nwk, hub.stack.nwk_of(hub.device.eui64)) == (FRESH, FRESH)
    assert await understood(hub)


@in_virtual_time
async def test_a_move_that_nobody_heard_of_is_silence_until_somebody_asks() -> None:
    hub = await moving()
    hub.device.announces = False
    old = hub.device.nwk
    hub.device.move()
    await asyncio.sleep(5)
    assert hub.stack.nwk_of(hub.device.eui64) == old
    heard = len(hub.heard)
    hub.device.send_zcl(0, 0x0019, (1, 1), ZclFrame(78, READ_ATTRIBUTES, b"\x00\x00"))
    await asyncio.sleep(30)
    assert hub.heard[heard:] == [] and hub.stack.dropped["unknown address"] == 4
    # NWK_addr_req goes to all, and the device answers from where it is.
    question = b"\x05" + to_bytes(hub.device.eui64) + b"\x00\x00"
    hub.stack.send(ApsFrame(0, BROADCAST_RX_ON, 0, zdo.NWK_ADDR_REQ, 0, 0, 9, question), lambda _: None)
    await asyncio.sleep(1)
    assert hub.stack.nwk_of(hub.device.eui64) == hub.device.nwk != old
    assert await understood(hub)


@in_virtual_time
async def test_a_rejoin_with_a_new_address_tells_the_map_without_an_announcement() -> None:
    hub = await moving(announces=False)
    old = hub.device.nwk
    hub.device.leave(rejoin=True, new_address=True)
    await hub.wait_for(lambda: hub.device.nwk is not None)
    assert hub.device.nwk != old and hub.joins[-1] is JoinKind.SECURED_REJOIN
    assert hub.stack.nwk_of(hub.device.eui64) == hub.device.nwk
    assert await understood(hub)


@pytest.mark.parametrize("moves", [True, False])
@in_virtual_time
async def test_a_device_whose_address_another_announces_moves_where_its_network_layer_does_so(moves: bool) -> None:
    hub = await moving()
    hub.stack.quirks = Quirks(conflict_moves_owner=moves)
    old = hub.device.nwk
    payload = zdo.device_annce(1, STRANGER, old or 0, 0x8E)
    hub.medium.to_coordinator(
        hub.device, ApsFrame(1, BROADCAST_RX_ON, 0, zdo.DEVICE_ANNCE, 0, 0, 1, payload), lambda _: None
    )
    await asyncio.sleep(10)
    assert (hub.device.nwk != old) is moves
    # Without that the dongle has nobody at the address, and hears nothing from there.
    assert await understood(hub) is moves


@in_virtual_time
async def test_a_device_goes_on_counting_after_a_power_cut() -> None:
    hub = await moving()
    assert await understood(hub)
    before = hub.stack.counters.of(hub.device.eui64)
    hub.device.power_cycle(5)
    await asyncio.sleep(60)
    assert await understood(hub)
    assert hub.stack.counters.of(hub.device.eui64) > before > 0
