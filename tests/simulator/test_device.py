"""A simulated device on its network: joining, coming back, leaving, and what it answers."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path

import pytest
from simulator_hub import DEVICE, IMAGE_TYPE, MANUFACTURER, NETWORK_KEY, NEW, FakeHub, in_virtual_time, spec

from hanctl.base.eui64 import to_bytes
from hanctl.simulator import zcl, zdo
from hanctl.simulator.device.ota.types import OtaState
from hanctl.simulator.network.medium import ApsFrame
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY, WILDCARD, JoinKind, Network
from hanctl.simulator.zcl import ZclFrame

NEVER = {"start_delay_s": [1e6, 1e6]}


async def joined(**fields: object) -> FakeHub:
    """A device on the network whose OTA client sleeps."""
    hub = FakeHub(spec(timings=NEVER, **fields))
    hub.start()
    await hub.wait_for(lambda: hub.device.nwk is not None)
    await asyncio.sleep(5)
    return hub


def read(*attributes: int, to_client: bool = False) -> ZclFrame:
    payload = b"".join(struct.pack("<H", a) for a in attributes)
    return ZclFrame(50, zcl.READ_ATTRIBUTES, payload, to_client=to_client)


# --- attributes that it has not


@pytest.mark.parametrize(
    ("cluster", "to_client"),
    [
        (0x0000, False),
        (0x0019, True),
        (0x0700, True),
        (0x0702, True),
        (0x0703, True),
        (0x0705, True),
        (0x0707, True),
        (0x0708, True),
        (0x0709, True),
        (0x0709, False),
        (0x0800, False),
        (0x0800, True),
    ],
)
@in_virtual_time
async def test_each_unknown_attribute_is_answered_by_its_id(cluster: int, to_client: bool) -> None:
    hub = await joined()
    unknown = [0x5000, 0xEFFF, 0x7A31, 0x9B02, 0x5001]
    answer = await hub.ask(read(*unknown, to_client=to_client), cluster=cluster)
    assert answer is not None and answer.command == zcl.READ_ATTRIBUTES_RESPONSE
    assert answer.to_client is not to_client
    expected = b"".join(struct.pack("<HB", attribute, zcl.UNSUPPORTED_ATTRIBUTE) for attribute in unknown)
    assert answer.payload == expected


@in_virtual_time
async def test_a_known_attribute_among_unknown_ones_is_answered_in_its_place() -> None:
    hub = await joined()
    answer = await hub.ask(read(0x5000, 0x0002, 0xEFFF, to_client=True))
    assert answer is not None
    assert answer.payload == bytes.fromhex("005086 020000 23 01000000 ffef86")


# --- on and off the network


@in_virtual_time
async def test_it_joins_with_its_install_code_and_announces_itself() -> None:
    hub = await joined()
    assert hub.joins == [JoinKind.UNSECURED_JOIN]
    announcements = [f for _, f in hub.heard if f.cluster == zdo.DEVICE_ANNCE and f.profile == 0]
    assert len(announcements) == 1
    assert announcements[0].destination == 0xFFFD
    assert announcements[0].payload[1:] == struct.pack("<H", hub.device.nwk) + to_bytes(DEVICE) + b"\x8e"


@in_virtual_time
async def test_it_keeps_trying_until_joining_is_permitted() -> None:
    hub = FakeHub(spec(timings=NEVER))
    hub.start(permit=False)
    await asyncio.sleep(1000)
    assert hub.device.nwk is None
    hub.permit()
    assert await hub.wait_for(lambda: hub.device.nwk is not None) < 6


@in_virtual_time
async def test_another_key_does_not_let_it_in() -> None:
    hub = FakeHub(spec(timings=NEVER))
    hub.start(permit=False)
    hub.stack.permit(200)
    hub.stack.add_transient_key(DEVICE, bytes(16))
    await asyncio.sleep(100)
    assert hub.device.nwk is None


@in_virtual_time
async def test_without_an_install_code_it_has_the_well_known_key() -> None:
    hub = FakeHub(spec(install_code="", timings=NEVER))
    hub.start(permit=False)
    hub.stack.permit(200)
    hub.stack.add_transient_key(WILDCARD, WELL_KNOWN_KEY)
    assert await hub.wait_for(lambda: hub.device.nwk is not None) < 10


@in_virtual_time
async def test_it_comes_back_to_its_address_after_a_power_cut() -> None:
    hub = await joined()
    before = hub.device.nwk
    await asyncio.sleep(300)
    hub.device.power_cycle(60)
    delivered = asyncio.get_running_loop().create_future()
    hub.stack.send(ApsFrame(0, before or 0, 0, 0, 0, 0, 1, b""), delivered.set_result)
    assert not await delivered
    await hub.wait_for(lambda: hub.device.online)
    await asyncio.sleep(1)
    assert hub.device.nwk == before
    assert hub.joins[-1] is JoinKind.SECURED_REJOIN
    assert len([f for _, f in hub.heard if f.cluster == zdo.DEVICE_ANNCE]) == 2


@in_virtual_time
async def test_a_new_network_is_noticed_and_joined_once_permitted() -> None:
    hub = await joined()
    hub.stack.form(Network(15, 0x4321, bytes(8), bytes(reversed(NETWORK_KEY))))
    await hub.wait_for(lambda: hub.device.nwk is None, 200)
    hub.permit()
    await hub.wait_for(lambda: hub.device.nwk is not None, 10)
    assert hub.device.nwk in {c.nwk for c in hub.stack.children.values()}


@in_virtual_time
async def test_it_outlives_an_unplugged_dongle() -> None:
    hub = FakeHub(spec())
    hub.script[1] = lambda _: None
    hub.start()
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    hub.stack.power_off()
    await asyncio.sleep(100)
    hub.stack.power_on()
    hub.stack.start()
    hub.stack.endpoints[1] = zdo.Endpoint(1, 0x0109, 0x0500, 0, (0x0019,), ())
    hub.script[1] = hub.offer
    await hub.wait_for(lambda: hub.device.running_version == NEW)


@pytest.mark.parametrize(("flags", "kind"), [(0x00, JoinKind.UNSECURED_JOIN), (0x80, JoinKind.SECURED_REJOIN)])
@in_virtual_time
async def test_it_leaves_when_told_and_forgets_unless_told_to_rejoin(flags: int, kind: JoinKind) -> None:
    hub = await joined()
    answer = await hub.ask_zdo(zdo.MGMT_LEAVE_REQ, b"\x07" + to_bytes(DEVICE) + bytes([flags]))
    assert answer == b"\x07\x00"
    await hub.wait_for(lambda: len(hub.joins) > 1 and hub.joins[-1] is not JoinKind.LEFT, 60)
    assert hub.joins[-1] is kind
    assert (JoinKind.LEFT in hub.joins) == (flags == 0)


@in_virtual_time
async def test_what_it_keeps_lasts_in_a_directory() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        first = FakeHub(spec(ota={"think_time_s": 1.0}), directory=directory)
        first.start()
        await first.wait_for(lambda: first.device.storage.offset > 500)
        nwk, kept = first.device.nwk, first.device.flash_image()
        first.device.power_off()

        second = FakeHub(spec(), directory=directory)
        second.stack.children.update(first.stack.children)
        second.stack.network = first.stack.network
        second.start(permit=False)
        second.stack.start()
        assert second.device.flash_image() == kept
        await second.until(OtaState.DOWNLOAD)
        assert second.device.nwk == nwk
        await second.wait_for(lambda: second.device.running_version == NEW)
        second.device.power_off()

        third = FakeHub(spec(), directory=directory)
        assert (third.device.running_version, third.device.flash_image()) == (NEW, second.file)


@in_virtual_time
async def test_no_power_means_no_timers() -> None:
    hub = await joined(sleepy=True)
    hub.device.power_cycle(10)
    hub.device.power_off()
    await asyncio.sleep(100)
    assert not hub.device.powered
    hub.device.power_on()
    await hub.wait_for(lambda: hub.device.online, 30)


@in_virtual_time
async def test_power_can_be_cut_at_a_time() -> None:
    hub = await joined(power_cut=[{"after_s": 900, "off_s": 1}, {"after_s": 100, "off_s": 20}])
    took = await hub.wait_for(lambda: not hub.device.powered)
    assert 90 < took < 101
    await hub.wait_for(lambda: hub.device.powered)
    await asyncio.sleep(800)
    assert hub.events.count("power: power cut") == 1
    await asyncio.sleep(200)
    assert hub.events.count("power: power cut") == 2


# --- ZDO


@in_virtual_time
async def test_its_descriptors_tell_what_it_is() -> None:
    hub = await joined()
    own = struct.pack("<H", hub.device.nwk)
    node = await hub.ask_zdo(zdo.NODE_DESC_REQ, b"\x01" + own)
    assert node is not None and node[1] == 0
    assert struct.unpack_from("<BBBH", node, 4) == (1, 0x40, 0x8E, MANUFACTURER)
    assert await hub.ask_zdo(zdo.ACTIVE_EP_REQ, b"\x02" + own) == b"\x02\x00" + own + b"\x01\x01"
    simple = await hub.ask_zdo(zdo.SIMPLE_DESC_REQ, b"\x03" + own + b"\x01")
    assert simple is not None
    endpoint, profile, device_id = struct.unpack_from("<BHH", simple, 5)
    assert (endpoint, profile, device_id) == (1, 0x0109, 0x0502)
    clusters = struct.unpack(f"<{(len(simple) - 10) // 2}H", simple[11 : 11 + (len(simple) - 11) // 2 * 2])
    assert 0x0000 in clusters


@in_virtual_time
async def test_a_sleepy_device_says_so_and_answers_when_it_polls() -> None:
    hub = await joined(sleepy=True, poll_interval_s=5.0)
    await asyncio.sleep(30)
    own = struct.pack("<H", hub.device.nwk)
    node = await hub.ask_zdo(zdo.NODE_DESC_REQ, b"\x01" + own)
    assert node is not None
    assert (node[4] & 0x07, node[6] & 0x08) == (2, 0)


# --- ZCL


@in_virtual_time
async def test_basic_tells_maker_model_power_source_and_version() -> None:
    hub = await joined(manufacturer_name="Acme", model="D1", running_version=0x01020304)
    answer = await hub.ask(read(0x0004, 0x0005, 0x0007, 0x4000, 0x0010), cluster=0x0000)
    assert answer is not None
    assert not answer.cluster_specific and answer.command == zcl.READ_ATTRIBUTES_RESPONSE and answer.to_client is True
    assert answer.payload == (
        b"\x04\x00\x00\x42\x04Acme" + b"\x05\x00\x00\x42\x02D1" + b"\x07\x00\x00\x30\x01"
        b"\x00\x40\x00\x42\x0801020304" + b"\x10\x00\x86"
    )


@in_virtual_time
async def test_ota_attributes_are_on_the_client_side() -> None:
    hub = await joined(running_version=7)
    answer = await hub.ask(read(0x0002, 0x0007, to_client=True))
    assert answer is not None and answer.to_client is False
    assert answer.payload == b"\x02\x00\x00\x23\x07\x00\x00\x00" + b"\x07\x00\x00\x21\x34\x12"
    answer = await hub.ask(read(0x0002, to_client=False))
    assert answer is not None and answer.command == zcl.DEFAULT_RESPONSE
    assert answer.payload[1] == zcl.UNSUPPORTED_CLUSTER


@in_virtual_time
async def test_smart_energy_in_clear_is_refused_in_clear() -> None:
    hub = await joined()
    answer = await hub.ask(read(0x0002, to_client=True), encrypted=False)
    assert answer is not None and answer.payload == bytes([zcl.READ_ATTRIBUTES, zcl.FAILURE])
    assert not hub.heard[-1][1].encrypted


@in_virtual_time
async def test_in_the_home_automation_profile_nothing_is_encrypted() -> None:
    hub = FakeHub(spec(profile=0x0104))
    hub.start()
    await hub.wait_for(lambda: hub.device.running_version == NEW)
    assert {f.profile for _, f in hub.heard} == {0, 0x0104}
    assert not any(f.encrypted for _, f in hub.heard)


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (ZclFrame(50, 0x02, b"\x04\x00\x42\x01A" + b"\x99\x00\x20\x01"), (0x04, b"\x88\x04\x00\x86\x99\x00")),
        (ZclFrame(50, 0x0C, b"\x04\x00\x02"), (0x0D, b"\x00\x04\x00\x42\x05\x00\x42")),
        (ZclFrame(50, 0x06, b""), (zcl.DEFAULT_RESPONSE, b"\x06\x81")),
        (ZclFrame(50, 0x00, b"\x04"), (zcl.DEFAULT_RESPONSE, b"\x00\x80")),
        (ZclFrame(50, 0x00, b"\x04\x00", manufacturer=0x1111), (0x01, b"\x04\x00\x86")),
        (ZclFrame(50, 0x00, b"", cluster_specific=True), (zcl.DEFAULT_RESPONSE, b"\x00\x81")),
    ],
)
@in_virtual_time
async def test_other_commands_get_what_zcl_says(frame: ZclFrame, answer: tuple[int, bytes]) -> None:
    hub = await joined()
    got = await hub.ask(frame, cluster=0x0000)
    assert got is not None and (got.command, got.payload) == answer
    assert got.manufacturer == frame.manufacturer


@in_virtual_time
async def test_a_default_response_is_never_answered() -> None:
    hub = await joined()
    assert await hub.ask(ZclFrame(50, zcl.DEFAULT_RESPONSE, b"\x00\x01"), cluster=0x0000) is None
    assert await hub.ask(ZclFrame(51, zcl.DEFAULT_RESPONSE, b"\x00\x01"), cluster=0x0B04) is None


@in_virtual_time
async def test_frames_for_other_endpoints_or_profiles_are_not_answered() -> None:
    hub = await joined(profile=0x0109, endpoint=[{"number": 9, "device_id": 0x0502, "input_clusters": [0]}])
    assert await hub.ask(read(0x0004), cluster=0x0000) is None


def test_its_endpoints_follow_its_type() -> None:
    esme = spec(type="esme")
    assert [(e.endpoint, e.device_id) for e in esme.endpoints] == [(1, 0x0500), (2, 0x0501)]
    for kind in ("ppmid", "ihd", "hcalcs", "esme"):
        with_ota = [e for e in spec(type=kind).endpoints if 0x0019 in e.output_clusters]
        assert len(with_ota) == 1
        assert all(0x0000 in e.input_clusters for e in spec(type=kind).endpoints)
    assert spec().image_type == IMAGE_TYPE


@pytest.mark.parametrize("seed", range(5))
@in_virtual_time
async def test_no_frame_can_break_it(seed: int) -> None:
    rng = random.Random(seed)
    hub = FakeHub(spec(ota={"page_mode": bool(seed % 2)}), seed=seed)
    hub.start()
    await hub.wait_for(lambda: hub.device.online)
    broken: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: broken.append(context))
    for _ in range(2000):
        zdo_frame = rng.random() < 0.3
        cluster = rng.choice([0x0000, 0x0002, 0x0004, 0x0006, 0x8001, 0x8006, 0x0034] if zdo_frame else [0, 0x19])
        payload = rng.randbytes(rng.randrange(30))
        if not zdo_frame and rng.random() < 0.8:
            payload = bytes([rng.choice([0x08, 0x09, 0x18, 0x19]), 1, rng.randrange(14)]) + payload
        endpoint, profile = (0, 0) if zdo_frame else (1, 0x0109)
        hub.device.receive(
            ApsFrame(0, hub.device.nwk or 0, profile, cluster, endpoint, endpoint, 1, payload, encrypted=True)
        )
        await asyncio.sleep(rng.random())
    assert broken == []


@in_virtual_time
async def test_what_is_under_another_key_is_neither_heard_nor_acknowledged() -> None:
    hub = await joined()
    nwk, established = hub.device.nwk or 0, bytes(range(16))

    async def reaches_the_device(size: int, *, encrypted: bool = True) -> bool:
        delivered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        read = ZclFrame(3, zcl.READ_ATTRIBUTES, struct.pack("<H", 0x0006) * size, to_client=True)
        frame = ApsFrame(0, nwk, 0x0109, 0x0019, 1, 1, hub.stack.next_counter(), read.encode(), encrypted=encrypted)
        assert hub.stack.send(frame, delivered.set_result) is None
        return await delivered

    async def reaches_the_hub(destination_endpoint: int) -> bool:
        heard = len(hub.heard)
        hub.device._send(0, 0x0109, 0x000A, 1, destination_endpoint, b"\x00\x01\x00\x00\x00", encrypted=True)
        await asyncio.sleep(20)
        return len(hub.heard) > heard

    hub.stack.fragment(longest=1500)
    assert await reaches_the_device(1) and await reaches_the_device(50) and await reaches_the_hub(1)
    assert hub.medium.counts.undecryptable == 0

    # Only one of the two has the new key.
    hub.stack.import_link_key(hub.device.eui64, established)
    heard = len(hub.heard)
    assert not await reaches_the_device(1)
    assert hub.medium.counts.undecryptable == 4
    assert not await reaches_the_device(50)
    assert hub.medium.counts.undecryptable == 8
    assert len(hub.heard) == heard
    assert not await reaches_the_hub(1)
    assert await reaches_the_device(1, encrypted=False)

    hub.stack.erase_link_key(hub.device.eui64)
    assert await reaches_the_device(1) and await reaches_the_hub(1)
