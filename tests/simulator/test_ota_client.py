"""The OTA client against a scripted server: each exit of its states. Source: comms_hub.md §1.5–1.8."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable
from itertools import pairwise

import pytest
from simulator_hub import IMAGE_TYPE, MANUFACTURER, NEW, FakeHub, image, in_virtual_time, spec

from hanctl.simulator import zcl
from hanctl.simulator.device.ota import frames as ota
from hanctl.simulator.device.ota.types import OtaState
from hanctl.simulator.zcl import ZclFrame

QUERY, BLOCK, PAGE, END = (
    ota.QUERY_NEXT_IMAGE_REQUEST,
    ota.IMAGE_BLOCK_REQUEST,
    ota.IMAGE_PAGE_REQUEST,
    ota.UPGRADE_END_REQUEST,
)


def silence(_: ZclFrame) -> None:
    return None


def wait_for_data(request: ZclFrame, current: int, at: int, period: bytes = b"") -> ZclFrame:
    payload = bytes([zcl.WAIT_FOR_DATA]) + struct.pack("<II", current, at) + period
    return request.answered(ota.IMAGE_BLOCK_RESPONSE, payload, cluster_specific=True)


def offset_of(payload: bytes) -> int:
    return int(struct.unpack_from("<I", payload, 9)[0])


def gaps(hub: FakeHub, command: int) -> list[float]:
    """Seconds between the requests of one command."""
    return [round(b - a, 2) for (a, _), (b, _) in pairwise(hub.requests(command))]


async def waiting(hub: FakeHub) -> None:
    """Bring the client to WAITING_FOR_UPGRADE with activation on hold."""
    hub.hold = True
    hub.start()
    await hub.until(OtaState.WAITING_FOR_UPGRADE)
    await asyncio.sleep(1)


# --- the whole way


@in_virtual_time
async def test_an_update_from_joining_to_the_new_version() -> None:
    hub = FakeHub(spec())
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    await hub.wait_for(lambda: hub.device.running_version == NEW)
    assert hub.device.flash_image() == hub.file
    assert not hub.device.powered
    await hub.until(OtaState.DELAY)
    assert hub.device.powered
    assert await hub.attribute(0x0002) == NEW
    states = [e.removeprefix("ota: ") for e in hub.events if e.startswith("ota: ")]
    assert states == [s.value for s in list(OtaState)[1:9]] + ["delay"]


@in_virtual_time
async def test_everything_to_the_server_is_under_the_link_key() -> None:
    hub = FakeHub(spec())
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert all(f.encrypted for _, f in hub.heard if f.cluster == 0x0019 and f.profile)


@in_virtual_time
async def test_the_status_attribute_follows_the_states() -> None:
    hub = FakeHub(spec(timings={"start_delay_s": [60, 60]}))
    hub.start()
    await hub.until(OtaState.DELAY)
    assert (await hub.attribute(0x0006), await hub.attribute(0x0008)) == (0, 0xFFFF)
    hub.script[BLOCK] = lambda r: wait_for_data(r, 0, 30)
    await hub.until(OtaState.DOWNLOAD)
    await asyncio.sleep(1)
    assert (await hub.attribute(0x0006), await hub.attribute(0x0008)) == (5, IMAGE_TYPE)
    hub.script[BLOCK] = silence
    await asyncio.sleep(31)
    assert await hub.attribute(0x0006) == 1
    hub.script[BLOCK] = hub.block
    hub.hold = True
    await hub.until(OtaState.WAITING_FOR_UPGRADE)
    assert await hub.attribute(0x0006) == 3
    assert await hub.attribute(0x0004) == NEW
    assert await hub.attribute(0x0001) == len(hub.file)
    hub.command(ota.UPGRADE_END_RESPONSE, hub.requests(END)[0][1][1:] + bytes(8))
    await hub.until(OtaState.COUNTDOWN)
    assert await hub.attribute(0x0006) == 4


# --- DELAY, DISCOVER_SERVER, GET_SERVER_EUI


@in_virtual_time
async def test_start_delay_is_random_between_1_and_255_s() -> None:
    delays = []
    for seed in range(8):
        hub = FakeHub(spec(timings={}), seed=seed)
        hub.start()
        await hub.until(OtaState.DELAY)
        delays.append(await hub.until(OtaState.DISCOVER_SERVER))
        hub.device.power_off()
    assert all(1 <= d <= 256 for d in delays)
    assert len({round(d) for d in delays}) > 5


@in_virtual_time
async def test_no_server_is_looked_for_again_after_ten_minutes() -> None:
    hub = FakeHub(spec())
    hub.start()
    hub.stack.endpoints.clear()
    await hub.until(OtaState.DISCOVER_SERVER)
    await asyncio.sleep(1300)
    searches = [t for t, f in hub.heard if f.profile == 0 and f.cluster == 0x0006]
    assert [round(b - a, 1) for a, b in pairwise(searches)] == [602.2, 602.2]
    assert hub.device.ota_state is OtaState.DISCOVER_SERVER


@in_virtual_time
async def test_the_server_is_asked_for_its_eui64() -> None:
    hub = FakeHub(spec())
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    assert hub.device.client.server_eui64 == hub.stack.eui64


# --- QUERY_NEXT_IMAGE


@in_virtual_time
async def test_five_unanswered_queries_lead_to_discovery_after_ten_minutes() -> None:
    hub = FakeHub(spec())
    hub.script[QUERY] = silence
    hub.start()
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    await hub.until(OtaState.DISCOVER_SERVER)
    assert gaps(hub, QUERY) == [3.25] * 4
    waited = await hub.wait_for(lambda: hub.device.ota_state is OtaState.QUERY_NEXT_IMAGE)
    assert 600 <= waited < 601


@in_virtual_time
async def test_no_image_is_asked_for_again_after_five_minutes() -> None:
    hub = FakeHub(spec(hardware_version=0x0203))
    hub.script[QUERY] = lambda r: r.answered(2, bytes([zcl.NO_IMAGE_AVAILABLE]), cluster_specific=True)
    hub.start()
    await asyncio.sleep(1000)
    assert set(gaps(hub, QUERY)) <= {300.0, 300.01, 300.02}
    assert hub.requests(QUERY)[0][1] == struct.pack("<BHHIH", 1, MANUFACTURER, IMAGE_TYPE, 1, 0x0203)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"manufacturer": 0x4321}, zcl.INVALID_FIELD),
        ({"image_type": 9}, zcl.INVALID_FIELD),
        ({"size": 0}, zcl.INVALID_FIELD),
        ({"size": 50_000_000}, zcl.INSUFFICIENT_SPACE),
    ],
)
@in_virtual_time
async def test_an_unusable_offer_is_refused(changed: dict[str, int], status: int) -> None:
    hub = FakeHub(spec())
    hub.script[QUERY] = lambda r: hub.offer(r, **changed)
    hub.start()
    await asyncio.sleep(60)
    assert hub.default_responses(ota.QUERY_NEXT_IMAGE_RESPONSE) == [status]
    assert hub.device.ota_state is OtaState.QUERY_NEXT_IMAGE
    assert hub.requests(BLOCK) == []


@in_virtual_time
async def test_a_short_offer_is_malformed() -> None:
    hub = FakeHub(spec())
    hub.script[QUERY] = lambda r: r.answered(2, b"\x00\x34\x12", cluster_specific=True)
    hub.start()
    await asyncio.sleep(60)
    assert hub.default_responses(ota.QUERY_NEXT_IMAGE_RESPONSE) == [zcl.MALFORMED_COMMAND]


@in_virtual_time
async def test_the_running_version_is_not_downloaded() -> None:
    hub = FakeHub(spec(running_version=NEW))
    hub.start()
    await asyncio.sleep(60)
    assert hub.requests(BLOCK) == []


@in_virtual_time
async def test_a_downgrade_is_refused_where_it_is_not_allowed() -> None:
    hub = FakeHub(spec(running_version=5, ota={"allow_downgrade": False}))
    hub.start()
    await asyncio.sleep(60)
    assert [p[0] for _, p in hub.requests(END)] == [zcl.INVALID_IMAGE]
    assert hub.requests(BLOCK) == []


# --- Image Notify


@in_virtual_time
async def test_a_notification_ends_the_start_delay_and_the_query_period() -> None:
    hub = FakeHub(spec(timings={"start_delay_s": [200, 200]}))
    hub.script[QUERY] = lambda r: r.answered(2, bytes([zcl.NO_IMAGE_AVAILABLE]), cluster_specific=True)
    hub.start()
    await hub.until(OtaState.DELAY)
    hub.command(ota.IMAGE_NOTIFY, b"\x00\x64", quiet=False)
    assert await hub.wait_for(lambda: len(hub.requests(QUERY)) == 1) < 1
    await asyncio.sleep(20)
    hub.command(ota.IMAGE_NOTIFY, b"\x00\x64")
    assert await hub.wait_for(lambda: len(hub.requests(QUERY)) == 2) < 1
    await asyncio.sleep(5)
    # Success is told only where the sender wants a Default Response.
    assert hub.default_responses(ota.IMAGE_NOTIFY) == [zcl.SUCCESS]


@in_virtual_time
async def test_a_notification_in_mid_download_is_refused() -> None:
    hub = FakeHub(spec(ota={"think_time_s": 1.0}))
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    hub.command(ota.IMAGE_NOTIFY, b"\x00\x64")
    await asyncio.sleep(1)
    assert hub.default_responses(ota.IMAGE_NOTIFY) == [zcl.FAILURE]
    assert hub.device.ota_state is OtaState.DOWNLOAD


@pytest.mark.parametrize(
    ("payload", "concerned"),
    [
        (struct.pack("<BB", 0, 100), True),
        (struct.pack("<BBHHI", 3, 100, MANUFACTURER, IMAGE_TYPE, NEW), True),
        (struct.pack("<BBHHI", 3, 100, MANUFACTURER, IMAGE_TYPE, 1), False),
        (struct.pack("<BBH", 1, 100, 0x4321), False),
        (struct.pack("<BBHH", 2, 100, MANUFACTURER, 0x0009), False),
        (struct.pack("<BBHH", 2, 100, MANUFACTURER, 0xFFFF), False),
        (struct.pack("<BB", 0, 0), False),
        (struct.pack("<BB", 4, 100), False),
        (struct.pack("<BBB", 0, 100, 0), False),
    ],
)
@in_virtual_time
async def test_a_broadcast_notification_is_heeded_only_where_it_fits(payload: bytes, concerned: bool) -> None:
    hub = FakeHub(spec())
    hub.script[QUERY] = lambda r: r.answered(2, bytes([zcl.NO_IMAGE_AVAILABLE]), cluster_specific=True)
    hub.start()
    await asyncio.sleep(30)
    before = len(hub.requests(QUERY))
    hub.command(ota.IMAGE_NOTIFY, payload, to=0xFFFD, quiet=False)
    await asyncio.sleep(30)
    assert len(hub.requests(QUERY)) - before == int(concerned)
    assert hub.default_responses(ota.IMAGE_NOTIFY) == []


@in_virtual_time
async def test_a_device_can_be_deaf_to_notifications() -> None:
    hub = FakeHub(spec(timings={"start_delay_s": [200, 200]}, ota={"ignore_notify": True}))
    hub.start()
    await hub.until(OtaState.DELAY)
    hub.command(ota.IMAGE_NOTIFY, b"\x00\x64")
    await asyncio.sleep(60)
    assert hub.device.ota_state is OtaState.DELAY


# --- DOWNLOAD


@in_virtual_time
async def test_ten_unanswered_block_requests_abort_the_download() -> None:
    hub = FakeHub(spec())
    hub.script[BLOCK] = silence
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    took = await hub.until(OtaState.QUERY_NEXT_IMAGE)
    await asyncio.sleep(1)
    assert took == pytest.approx(10 * 3.25 + 9 * 2.0, abs=0.1)
    assert gaps(hub, BLOCK) == [5.25] * 9
    assert [p[0] for _, p in hub.requests(END)] == [zcl.ABORT]
    assert hub.device.flash_image() == b""
    await asyncio.sleep(298)
    assert len(hub.requests(QUERY)) == 1
    await asyncio.sleep(3)
    assert len(hub.requests(QUERY)) == 2


@in_virtual_time
async def test_nine_missed_answers_and_a_good_one_start_the_count_again() -> None:
    hub = FakeHub(spec())
    asked = 0

    def every_tenth(request: ZclFrame) -> ZclFrame | None:
        nonlocal asked
        asked += 1
        return hub.block(request) if asked % 10 == 0 else None

    hub.file = image(300)
    hub.script[BLOCK] = every_tenth
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert hub.device.flash_image() == hub.file


@pytest.mark.parametrize(
    ("current", "at", "seconds"),
    [(0, 7, 7), (1000, 1010, 10), (0, 100_000, 3600), (50, 20, 300), (0, 0, 0)],
)
@in_virtual_time
async def test_wait_for_data_is_honoured_up_to_an_hour(current: int, at: int, seconds: float) -> None:
    hub = FakeHub(spec())
    hub.script[BLOCK] = lambda r: wait_for_data(r, current, at) if len(hub.requests(BLOCK)) == 1 else hub.block(r)
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert gaps(hub, BLOCK)[0] == pytest.approx(seconds, abs=0.1)
    assert offset_of(hub.requests(BLOCK)[1][1]) == 0


@pytest.mark.parametrize(("unit", "seconds"), [("ms", 0.5), ("s", 500.0)])
@in_virtual_time
async def test_the_minimum_block_period_is_taken_in_the_clients_unit(unit: str, seconds: float) -> None:
    hub = FakeHub(spec(ota={"min_block_period": unit}), image(200))

    def pace(request: ZclFrame) -> ZclFrame:
        (period,) = struct.unpack_from("<H", request.payload, 14)
        return hub.block(request) if period == 500 else wait_for_data(request, 0, 0, b"\xf4\x01")

    hub.script[BLOCK] = pace
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert gaps(hub, BLOCK) == [pytest.approx(seconds, abs=0.05)] * 6
    assert hub.requests(BLOCK)[0][1][0] == 0x02


@pytest.mark.parametrize("in_default_response", [False, True])
@pytest.mark.parametrize("status", [zcl.ABORT, zcl.NO_IMAGE_AVAILABLE])
@in_virtual_time
async def test_the_server_can_end_a_download(status: int, in_default_response: bool) -> None:
    hub = FakeHub(spec())

    def stop(request: ZclFrame) -> ZclFrame:
        if in_default_response:
            return request.default_response(status)
        return request.answered(ota.IMAGE_BLOCK_RESPONSE, bytes([status]), cluster_specific=True)

    hub.script[BLOCK] = lambda r: hub.block(r) if len(hub.requests(BLOCK)) < 5 else stop(r)
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    await asyncio.sleep(60)
    assert hub.requests(END) == []
    assert hub.device.flash_image() == b""
    assert len(hub.requests(BLOCK)) == 5


@in_virtual_time
async def test_unsupported_block_requests_end_the_download() -> None:
    hub = FakeHub(spec())
    hub.script[BLOCK] = lambda r: r.default_response(zcl.UNSUP_COMMAND)
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    assert len(hub.requests(BLOCK)) == 1


@in_virtual_time
async def test_blocks_at_another_offset_are_ignored_in_silence() -> None:
    hub = FakeHub(spec())
    hub.script[BLOCK] = lambda r: [hub.block_at(r, 2000, 48), hub.block_at(r, 48, 48), hub.block(r)]
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert hub.device.flash_image() == hub.file
    assert hub.default_responses(ota.IMAGE_BLOCK_RESPONSE) == []


@in_virtual_time
async def test_blocks_of_another_image_and_oversized_ones_are_invalid() -> None:
    hub = FakeHub(spec(profile=0x0104))

    def wrong(request: ZclFrame) -> ZclFrame:
        other = struct.pack("<BHHIIB", 0, MANUFACTURER, IMAGE_TYPE, 77, 0, 4) + b"abcd"
        long = b"\x00" + request.payload[1:9] + struct.pack("<IB", 0, 64) + bytes(64)
        payload = other if len(hub.requests(BLOCK)) == 1 else long
        return request.answered(ota.IMAGE_BLOCK_RESPONSE, payload, cluster_specific=True)

    hub.script[BLOCK] = lambda r: wrong(r) if len(hub.requests(BLOCK)) < 3 else hub.block(r)
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert hub.default_responses(ota.IMAGE_BLOCK_RESPONSE) == [zcl.INVALID_VALUE] * 2
    assert gaps(hub, BLOCK)[:2] == [5.25, 5.25]
    assert hub.device.flash_image() == hub.file


@in_virtual_time
async def test_a_block_shorter_than_it_says_is_malformed() -> None:
    hub = FakeHub(spec())

    def short(request: ZclFrame) -> ZclFrame:
        payload = b"\x00" + request.payload[1:9] + struct.pack("<IB", 0, 20) + bytes(10)
        return request.answered(ota.IMAGE_BLOCK_RESPONSE, payload, cluster_specific=True)

    hub.script[BLOCK] = lambda r: short(r) if len(hub.requests(BLOCK)) == 1 else hub.block(r)
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert hub.default_responses(ota.IMAGE_BLOCK_RESPONSE) == [zcl.MALFORMED_COMMAND]


@in_virtual_time
async def test_a_storage_that_fails_aborts() -> None:
    hub = FakeHub(spec(ota={"write_error_at": 1000}))
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    await asyncio.sleep(1)
    assert [p[0] for _, p in hub.requests(END)] == [zcl.ABORT]


@in_virtual_time
async def test_the_request_carries_the_eui64_where_configured() -> None:
    hub = FakeHub(spec(ota={"send_eui64": True, "max_data_size": 40}))
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    control, most, eui64 = struct.unpack_from("<B12xB8s", hub.requests(BLOCK)[0][1])
    assert (control, most) == (0x01, 40)
    assert eui64[::-1].hex(":") == hub.device.eui64


@in_virtual_time
async def test_commands_from_another_node_are_not_authorized() -> None:
    hub = FakeHub(spec(ota={"think_time_s": 5.0}))
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    outputs = hub.device.client.receive(
        ota.IMAGE_BLOCK_RESPONSE, bytes([zcl.ABORT]), source=0x5555, broadcast=False, now=hub.now
    )
    assert [getattr(o, "status", None) for o in outputs] == [zcl.NOT_AUTHORIZED]
    assert hub.device.ota_state is OtaState.DOWNLOAD


# --- pages


def page_answers(hub: FakeHub, missing: set[int] = frozenset()) -> Callable[[ZclFrame], list[ZclFrame]]:  # type: ignore[assignment]
    """A server of pages that leaves out the blocks at some offsets."""

    def answer(request: ZclFrame) -> list[ZclFrame]:
        _, _, _, _, start, most, size, _ = struct.unpack_from("<BHHIIBHH", request.payload)
        end = min(start + size, len(hub.file))
        return [hub.block_at(request, o, min(most, end - o)) for o in range(start, end, most) if o not in missing]

    return answer


@in_virtual_time
async def test_page_mode_fetches_pages_to_the_end_of_the_file() -> None:
    hub = FakeHub(spec(ota={"page_mode": True}))
    hub.script[PAGE] = page_answers(hub)
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert hub.device.flash_image() == hub.file
    assert hub.requests(BLOCK) == []
    assert len(hub.requests(PAGE)) == 3


@in_virtual_time
async def test_gaps_of_a_page_are_asked_for_block_by_block() -> None:
    hub = FakeHub(spec(ota={"page_mode": True}, timings={"start_delay_s": [1, 1], "page_size": 512}))
    hub.script[PAGE] = page_answers(hub, {64, 96, 3040})
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert hub.device.flash_image() == hub.file
    assert [offset_of(p) for _, p in hub.requests(BLOCK)] == [64, 96, 3040]


@in_virtual_time
async def test_a_server_without_pages_is_asked_for_blocks() -> None:
    hub = FakeHub(spec(ota={"page_mode": True}))
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert hub.device.flash_image() == hub.file
    assert len(hub.requests(PAGE)) == 1


@in_virtual_time
async def test_a_page_of_which_nothing_comes_is_an_error_and_ten_abort() -> None:
    hub = FakeHub(spec(ota={"page_mode": True}))
    hub.script[PAGE] = silence
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    await asyncio.sleep(1)
    assert gaps(hub, PAGE) == [7.0] * 9
    assert [p[0] for _, p in hub.requests(END)] == [zcl.ABORT]


@in_virtual_time
async def test_a_page_in_other_blocks_than_asked_for_aborts() -> None:
    hub = FakeHub(spec(ota={"page_mode": True}))
    hub.script[PAGE] = lambda r: hub.block_at(r, 0, 40)
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    await asyncio.sleep(1)
    assert [p[0] for _, p in hub.requests(END)] == [zcl.ABORT]


# --- power


@pytest.mark.parametrize("seed", range(11))
@in_virtual_time
async def test_a_power_cut_anywhere_resumes_where_it_was(seed: int) -> None:
    size = len(image())
    cut = random.Random(seed).randrange(1, size) if seed else size
    hub = FakeHub(spec(power_cut=[{"offset": cut, "off_s": 30}]), seed=seed)
    hub.start()
    await hub.wait_for(lambda: "power: power cut" in hub.events)
    kept = len(hub.device.flash_image())
    assert cut <= kept <= min(cut + 47, size)
    await hub.until(OtaState.COUNTDOWN)
    assert hub.device.flash_image() == hub.file
    offsets = [offset_of(p) for _, p in hub.requests(BLOCK)]
    assert len(hub.requests(QUERY)) == 1
    # The request at the cut may have been on its way: asked for once more, and none before it.
    assert sorted(set(offsets)) == list(range(0, len(hub.file), 48))
    assert len(offsets) - len(set(offsets)) <= 1


@in_virtual_time
async def test_a_complete_image_is_verified_again_after_a_power_cut() -> None:
    hub = FakeHub(spec())
    await waiting(hub)
    hub.device.power_cycle(10)
    await hub.until(OtaState.VERIFY_IMAGE)
    await hub.until(OtaState.WAITING_FOR_UPGRADE)
    await asyncio.sleep(1)
    assert len(hub.requests(END)) == 2
    assert len(hub.requests(QUERY)) == 1


# --- VERIFY_IMAGE


@pytest.mark.parametrize("fault", ["rejects", "magic", "size", "no image", "version", "destination"])
@in_virtual_time
async def test_a_bad_image_is_reported_and_deleted(fault: str) -> None:
    good = image(200)
    files = {
        "rejects": good,
        "magic": b"\x00" + good[1:],
        "size": good + b"\x00",
        "no image": good[:56] + b"\x05" + good[57:],
        "version": good[:14] + b"\x07" + good[15:],
        "destination": good[:6] + b"\x40\x00\x02\x00" + good[10:52] + struct.pack("<I", 270) + bytes(8) + good[56:],
    }
    hub = FakeHub(spec(ota={"reject_image": fault == "rejects"}), files[fault])
    hub.script[QUERY] = lambda r: hub.offer(r, version=NEW)
    hub.start()
    await hub.until(OtaState.VERIFY_IMAGE)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    await asyncio.sleep(1)
    assert [p[0] for _, p in hub.requests(END)] == [zcl.INVALID_IMAGE]
    assert hub.device.flash_image() == b""
    assert hub.device.running_version == 1


@pytest.mark.parametrize(("body", "accepted"), [("zigbee", False), ("gb", True), ("any", True)])
@in_virtual_time
async def test_a_body_without_elements_needs_a_device_that_takes_it(body: str, accepted: bool) -> None:
    good = image(200)
    opaque = good[:56] + b"Certicom" * 26
    opaque = opaque[:52] + struct.pack("<I", len(opaque)) + opaque[56:]
    hub = FakeHub(spec(ota={"image_body": body}), opaque)
    hub.start()
    await hub.until(OtaState.VERIFY_IMAGE)
    await hub.until(OtaState.COUNTDOWN if accepted else OtaState.QUERY_NEXT_IMAGE)


# --- WAITING_FOR_UPGRADE, COUNTDOWN, OUT_OF_BAND


@in_virtual_time
async def test_on_hold_it_polls_hourly() -> None:
    hub = FakeHub(spec())
    await waiting(hub)
    await asyncio.sleep(3 * 3600 + 10)
    assert gaps(hub, END) == [pytest.approx(3600, abs=0.1)] * 3
    assert hub.device.running_version == 1


@in_virtual_time
async def test_ten_missed_answers_in_total_activate_by_themselves() -> None:
    hub = FakeHub(spec())
    await waiting(hub)
    for _ in range(3):
        hub.deaf = True
        await asyncio.sleep(3600)
        missed = len(hub.requests(END))
        hub.deaf = False
        await asyncio.sleep(20)
        assert len(hub.requests(END)) >= missed
    hub.deaf = True
    await hub.wait_for(lambda: hub.device.running_version == NEW)
    assert hub.device.client.counts.applied_unasked == 1


@in_virtual_time
async def test_one_outage_of_33_seconds_is_enough() -> None:
    hub = FakeHub(spec())
    await waiting(hub)
    await asyncio.sleep(3500)
    hub.deaf = True
    await hub.wait_for(lambda: hub.device.running_version == NEW, 150)
    assert gaps(hub, END)[1:] == [3.25] * 9


@in_virtual_time
async def test_the_timeout_policy_forbids_it() -> None:
    hub = FakeHub(spec(ota={"timeout_policy": 1}))
    await waiting(hub)
    hub.deaf = True
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    assert hub.device.running_version == 1
    assert hub.device.flash_image() == b""


@in_virtual_time
async def test_a_refused_upgrade_deletes_the_image() -> None:
    hub = FakeHub(spec())
    hub.script[END] = lambda r: r.default_response(zcl.ABORT)
    hub.start()
    await hub.until(OtaState.WAITING_FOR_UPGRADE)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    assert hub.device.flash_image() == b""
    queries = len(hub.requests(QUERY))
    assert await hub.wait_for(lambda: len(hub.requests(QUERY)) > queries) == pytest.approx(300, abs=1)


@in_virtual_time
async def test_the_server_activates_without_being_asked() -> None:
    hub = FakeHub(spec())
    await waiting(hub)
    await asyncio.sleep(1000)
    wildcards = struct.pack("<HHIII", 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0, 0)
    hub.command(ota.UPGRADE_END_RESPONSE, wildcards)
    assert await hub.wait_for(lambda: hub.device.running_version == NEW) == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize(
    ("current", "upgrade", "seconds"),
    [(0, 0, 3), (0, 1, 3), (0, 120, 120), (5000, 5600, 600), (0, 90_000, 3600), (100, 50, 3600)],
)
@in_virtual_time
async def test_countdown_is_between_three_seconds_and_an_hour(current: int, upgrade: int, seconds: float) -> None:
    hub = FakeHub(spec())
    hub.script[END] = lambda r: hub.end_answer(r, current, upgrade)
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    assert await hub.wait_for(lambda: hub.device.running_version == NEW) == pytest.approx(seconds, abs=0.6)


@in_virtual_time
async def test_a_countdown_cannot_be_changed() -> None:
    hub = FakeHub(spec())
    hub.script[END] = lambda r: hub.end_answer(r, 0, 600)
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    hub.command(ota.UPGRADE_END_RESPONSE, hub.requests(END)[0][1][1:] + struct.pack("<II", 0, 0xFFFFFFFF))
    await asyncio.sleep(10)
    assert hub.default_responses(ota.UPGRADE_END_RESPONSE) == [zcl.FAILURE]
    await hub.wait_for(lambda: hub.device.running_version == NEW, 600)


@in_virtual_time
async def test_an_upgrade_end_response_for_another_image_is_invalid() -> None:
    hub = FakeHub(spec())
    await waiting(hub)
    hub.command(ota.UPGRADE_END_RESPONSE, struct.pack("<HHIII", MANUFACTURER, IMAGE_TYPE, 3, 0, 0))
    await asyncio.sleep(60)
    assert hub.default_responses(ota.UPGRADE_END_RESPONSE) == [zcl.INVALID_VALUE]
    assert hub.device.ota_state is OtaState.WAITING_FOR_UPGRADE


@in_virtual_time
async def test_out_of_band_activation_is_not_the_servers() -> None:
    hub = FakeHub(spec(ota={"activation_policy": 1}))
    hub.hold = True
    hub.start()
    await hub.until(OtaState.OUT_OF_BAND)
    assert await hub.attribute(0x0006) == 6
    hub.command(ota.UPGRADE_END_RESPONSE, hub.requests(END)[0][1][1:] + bytes(8))
    await asyncio.sleep(8000)
    assert hub.default_responses(ota.UPGRADE_END_RESPONSE) == [zcl.NOT_AUTHORIZED]
    assert (hub.device.ota_state, hub.device.running_version) == (OtaState.OUT_OF_BAND, 1)
    hub.device.activate_out_of_band()
    await hub.wait_for(lambda: hub.device.running_version == NEW, 5)


@in_virtual_time
async def test_a_device_may_roll_back_after_activation() -> None:
    hub = FakeHub(spec(ota={"roll_back": True}))
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    hub.script[QUERY] = lambda r: r.answered(2, bytes([zcl.NO_IMAGE_AVAILABLE]), cluster_specific=True)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    assert hub.device.running_version == 1
    assert await hub.attribute(0x0002) == 1


@in_virtual_time
async def test_a_boot_loader_that_returns_leads_to_a_query_after_five_minutes() -> None:
    hub = FakeHub(spec(ota={"bootload_returns": True}))
    hub.start()
    await hub.until(OtaState.COUNTDOWN)
    await hub.until(OtaState.QUERY_NEXT_IMAGE)
    queries = len(hub.requests(QUERY))
    assert await hub.wait_for(lambda: len(hub.requests(QUERY)) > queries) == pytest.approx(300, abs=1)


# --- sleepers and bad links


@in_virtual_time
async def test_a_sleepy_device_is_updated_too() -> None:
    hub = FakeHub(spec(sleepy=True, poll_interval_s=7.0))
    hub.start()
    await hub.wait_for(lambda: hub.device.running_version == NEW)
    assert hub.device.flash_image() == hub.file


@pytest.mark.parametrize("seed", range(5))
@in_virtual_time
async def test_a_lossy_link_changes_no_byte(seed: int) -> None:
    hub = FakeHub(spec(link={"loss": 0.3, "delay_s": 0.05}), seed=seed)
    hub.start()
    await hub.wait_for(lambda: hub.device.running_version == NEW)
    assert hub.device.flash_image() == hub.file
