"""The stack in a dongle: joining by key, the key table's limit, sending limits, and its own ZDO."""

from __future__ import annotations

import asyncio
import random
import struct

import pytest
from simulator_hub import DEVICE, HUB, NETWORK_KEY, in_virtual_time, spec

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.simulator import zdo
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.network.medium import ApsFrame, Medium, Node
from hanctl.simulator.network.stack import SendError, Stack
from hanctl.simulator.network.trust_centre import WILDCARD, JoinKind, Network

KEY = bytes(range(16, 32))


class Host:
    """The personality above a stack."""

    def __init__(self) -> None:
        self.medium = Medium(random.Random(1))
        self.stack = Stack(HUB, self.medium, key_table_size=3)
        self.stack.listener = self
        self.frames: list[ApsFrame] = []
        self.joins: list[tuple[JoinKind, bool]] = []
        self.changes = 0
        self.stack.power_on()
        self.stack.form(Network(15, 0x1234, bytes(8), NETWORK_KEY))
        self.node = SimulatedDevice(spec(), self.medium, self.stack)

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        self.frames.append(frame)

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        self.joins.append((kind, denied))

    def partner_key_event(self, requester: Eui64, outcome: str) -> None: ...

    def stack_changed(self) -> None:
        self.changes += 1

    def admitted(self) -> int:
        self.stack.permit(60)
        self.stack.add_transient_key(DEVICE, KEY)
        nwk = self.stack.admit(self.node, KEY)
        assert nwk is not None
        return nwk


def frame(destination: int, *, size: int = 10, encrypted: bool = False, profile: int = 0x0109) -> ApsFrame:
    return ApsFrame(0, destination, profile, 0x0019, 1, 1, 1, bytes(size), encrypted=encrypted)


@in_virtual_time
async def test_joining_needs_permission_and_the_right_key() -> None:
    host = Host()
    assert host.stack.admit(host.node, KEY) is None
    host.stack.permit(60)
    assert host.stack.admit(host.node, KEY) is None
    host.stack.add_transient_key(DEVICE, bytes(16))
    assert host.stack.admit(host.node, KEY) is None
    host.stack.add_transient_key(DEVICE, KEY)
    nwk = host.stack.admit(host.node, KEY)
    assert nwk is not None and host.stack.nwk_of(DEVICE) == nwk and host.stack.eui64_of(nwk) == DEVICE
    assert host.joins == [(JoinKind.UNSECURED_JOIN, denied) for denied in (True, False, False)]


@in_virtual_time
async def test_permission_and_transient_keys_expire() -> None:
    host = Host()
    host.stack.permit(60)
    host.stack.add_transient_key(DEVICE, KEY)
    await asyncio.sleep(61)
    assert host.stack.admit(host.node, KEY) is None
    host.stack.permit(254)
    await asyncio.sleep(240)
    assert host.stack.admit(host.node, KEY) is None
    assert host.stack.transient_keys() == {}


@in_virtual_time
async def test_the_wildcard_key_serves_unless_install_codes_are_wanted() -> None:
    host = Host()
    host.stack.permit(60)
    host.stack.add_transient_key(WILDCARD, KEY)
    host.stack.policy.install_codes_only = True
    assert host.stack.admit(host.node, KEY) is None
    host.stack.policy.install_codes_only = False
    assert host.stack.admit(host.node, KEY) is not None


@in_virtual_time
async def test_a_device_comes_back_with_the_network_key_alone() -> None:
    host = Host()
    nwk = host.admitted()
    host.stack.permit(0)
    assert host.stack.readmit(host.node, bytes(16)) is None
    assert host.stack.readmit(host.node, NETWORK_KEY) == nwk
    assert host.joins[-1] == (JoinKind.SECURED_REJOIN, False)


def test_a_full_key_table_is_an_error() -> None:
    stack = Stack(HUB, Medium(random.Random(1)), key_table_size=2)
    keys = [from_bytes(bytes([n]) * 8) for n in range(3)]
    assert stack.import_link_key(keys[0], KEY) and stack.import_link_key(keys[1], KEY)
    assert not stack.import_link_key(keys[2], KEY)
    assert stack.import_link_key(keys[0], bytes(16))
    assert stack.erase_link_key(keys[0]) and not stack.erase_link_key(keys[0])
    assert stack.import_link_key(keys[2], KEY)


@pytest.mark.parametrize(("size", "encrypted", "fits"), [(82, False, True), (83, False, False), (74, True, False)])
@in_virtual_time
async def test_payloads_have_a_limit(size: int, encrypted: bool, fits: bool) -> None:
    host = Host()
    error = host.stack.send(frame(host.admitted(), size=size, encrypted=encrypted), lambda _: None)
    assert error is (None if fits else SendError.TOO_LONG)


@in_virtual_time
async def test_frames_in_flight_have_a_limit() -> None:
    host = Host()
    nwk = host.admitted()
    errors = [host.stack.send(frame(nwk), lambda _: None) for _ in range(30)]
    assert errors.count(None) == 20 and errors[-1] is SendError.BUSY
    await asyncio.sleep(30)
    assert host.stack.send(frame(nwk), lambda _: None) is None


@in_virtual_time
async def test_encryption_needs_a_key_and_sending_a_network() -> None:
    host = Host()
    assert host.stack.send(frame(0x7777, encrypted=True), lambda _: None) is SendError.NO_LINK_KEY
    host.stack.leave()
    assert host.stack.send(frame(0x7777), lambda _: None) is SendError.NETWORK_DOWN
    assert not host.stack.start()


@in_virtual_time
async def test_the_host_can_ask_its_own_zdo() -> None:
    host = Host()
    host.stack.endpoints[1] = zdo.Endpoint(1, 0x0109, 0x0500, 0, (0x0019,), ())
    request = ApsFrame(0, 0, 0, zdo.MATCH_DESC_REQ, 0, 0, 1, b"\x09" + struct.pack("<HHBHB", 0, 0x0109, 1, 0x0019, 0))
    assert host.stack.send(request, lambda _: None) is None
    await asyncio.sleep(0.1)
    assert host.frames[0].payload == b"\x09\x00\x00\x00\x01\x01"


@pytest.mark.parametrize(
    ("profile", "cluster", "found"), [(0x0109, 0x0019, True), (0x0104, 0x0019, False), (0x0109, 0x0700, False)]
)
def test_match_descriptors_compares_profile_and_clusters(profile: int, cluster: int, found: bool) -> None:
    node = zdo.NodeDescription(HUB, 0, 0, 0x8F, 0, (zdo.Endpoint(1, 0x0109, 0x0500, 0, (0x0019,), ()),))
    payload = b"\x01" + struct.pack("<HHBHB", 0xFFFD, profile, 1, cluster, 0)
    broadcast = zdo.answer(node, zdo.MATCH_DESC_REQ, payload, broadcast=True)
    unicast = zdo.answer(node, zdo.MATCH_DESC_REQ, payload, broadcast=False)
    assert (broadcast is not None) == found
    assert unicast is not None and unicast[1][1] == (zdo.SUCCESS if found else zdo.NO_MATCH)


def test_a_truncated_zdo_request_is_answered_as_invalid() -> None:
    node = zdo.NodeDescription(HUB, 0, 0, 0x8F, 0, ())
    assert zdo.answer(node, zdo.NODE_DESC_REQ, b"\x05", broadcast=False) == (0x8002, b"\x05\x80")
