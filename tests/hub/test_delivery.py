"""Images get to displays whatever the air, the dongle and the displays do: in virtual time, on both radios."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from delivery_bench import OTA, Radio, Rig, Scenario, image, join_all, run, spec
from ota_responses import decode_response

from hanctl.base import virtual
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.network.medium import ApsFrame, Done, Node
from hanctl.simulator.network.stack import SendError
from hanctl.updates.serving import ota

IMAGE = image(5000)
SMALL = image(500)

Play = Callable[..., None]


ON_BOTH = pytest.mark.parametrize("joined", ["ezsp", "znp"], indirect=True)
"""What a dongle's own memory and confirmations decide; of the rest, Z-Stack's form is slow."""


@pytest.fixture(scope="module", params=["ezsp", pytest.param("znp", marks=pytest.mark.slow)])
def joined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Radio, Path]:
    radio: Radio = request.param
    directory = tmp_path_factory.mktemp(radio)
    virtual.run(join_all(directory, radio, 4))
    return radio, directory


@pytest.fixture
def play(joined: tuple[Radio, Path], tmp_path: Path) -> Play:
    radio, directory = joined

    def play(scenario: Scenario, *specs: DeviceSpec, sections: dict[str, Any] | None = None) -> None:
        run(directory, tmp_path / "bench", radio, scenario, list(specs) or [spec(1)], sections or {})

    return play


# --- a bad air


@pytest.mark.parametrize("loss", [0.0, 0.1, 0.2, 0.3])
def test_frames_are_lost(play: Play, loss: float) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        assert (rig.medium.counts.lost > 20) == (loss > 0)

    play(scenario, spec(1, link={"loss": loss}), spec(2, link={"loss": loss}))


def test_frames_come_twice(play: Play) -> None:
    """Each request and each answer may be heard twice, as when an acknowledgement is lost."""

    async def scenario(rig: Rig) -> None:
        rng = random.Random(5)
        down, up = rig.down, rig.up

        def from_coordinator(frame: ApsFrame, done: Done) -> None:
            down(frame, done)
            if not frame.broadcast and rng.random() < 0.3:
                down(frame, lambda _: None)

        def to_coordinator(node: Node, frame: ApsFrame, done: Done) -> None:
            up(node, frame, done)
            if rng.random() < 0.3:
                up(node, frame, lambda _: None)

        rig.down = from_coordinator
        rig.up = to_coordinator
        numbers = rig.order(IMAGE)
        await rig.until_confirmed(numbers, IMAGE)
        # What is heard twice is told once.
        told = [r.event.type for r in rig.hub.ledger.events(update=numbers[0])]
        assert len(told) == len(set(told)) == 10

    play(scenario)


def test_the_air_is_dead_for_five_minutes(play: Play) -> None:
    """The client gives the image up after a minute, and comes back by itself."""

    async def scenario(rig: Rig) -> None:
        numbers = rig.order(IMAGE)
        await rig.until_downloading()
        for device in rig.devices:
            device.link.loss = 0.999999
        await asyncio.sleep(300)
        for device in rig.devices:
            device.link.loss = 0.0
        await rig.until_confirmed(numbers, IMAGE)
        assert rig.device().counts.aborts == 1

    play(scenario)


def test_a_client_takes_five_minutes_for_each_block(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(SMALL), SMALL)

    play(scenario, spec(1, ota={"think_time_s": 300}))


def test_a_client_is_silent_for_five_minutes_before_its_end_request(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        (ended, _) = rig.requests(ota.Command.UPGRADE_END_REQUEST)[0]
        (last, _) = rig.requests(ota.Command.IMAGE_BLOCK_REQUEST)[-1]
        assert ended - last > 300

    play(scenario, spec(1, timings={"verify_tick_s": 301, "verify_bytes_per_tick": 1 << 20}))


@pytest.mark.parametrize("busy_poll_s", [0.25, 2.0])
def test_a_display_polls_every_thirty_seconds(play: Play, busy_poll_s: float) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)

    play(scenario, spec(1, sleepy=True, poll_interval_s=30, busy_poll_interval_s=busy_poll_s))


def test_a_sleepy_display_misses_every_frame_it_did_not_ask_for(play: Play) -> None:
    """Notification and activation command included: it is offered the image, and released, when it asks."""

    async def scenario(rig: Rig) -> None:
        down, asked = rig.down, rig.requests
        answers: dict[int, int] = {
            ota.Command.QUERY_NEXT_IMAGE_RESPONSE: ota.Command.QUERY_NEXT_IMAGE_REQUEST,
            ota.Command.IMAGE_BLOCK_RESPONSE: ota.Command.IMAGE_BLOCK_REQUEST,
            ota.Command.UPGRADE_END_RESPONSE: ota.Command.UPGRADE_END_REQUEST,
        }

        def from_coordinator(frame: ApsFrame, done: Done) -> None:
            request = answers.get(frame.payload[2]) if frame.cluster == OTA and frame.payload[0] & 0x01 else None
            solicited = request is not None and asked(request)[-1:] and asked(request)[-1][1][1] == frame.payload[1]
            if frame.profile == 0 or solicited or rig.device().running_version == 2:
                down(frame, done)
            else:
                asyncio.get_running_loop().call_later(7.68, done, False)

        # It was on the mains when it joined, and is on record as sleeping since.
        devices = rig.hub.ledger.devices
        devices.put(replace(next(each for each in devices.all() if each.eui64 == rig.device().eui64), sleepy=True))
        rig.down = from_coordinator
        numbers = rig.order(IMAGE, activation="hold")
        await rig.until(lambda: rig.update(numbers[0]).state == "holding", 7200)
        await rig.hub.updates.activate(numbers[0])
        await rig.until_confirmed(numbers, IMAGE)

    play(scenario, spec(1, sleepy=True, poll_interval_s=30))


# --- pages


def test_pages_are_spaced_as_asked_and_end_with_the_image(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        device = rig.device()
        assert device.counts.pages == -(-len(IMAGE) // 1024)
        assert rig.requests(ota.Command.IMAGE_BLOCK_REQUEST) == []
        blocks = rig.blocks()
        assert all(len(block.data) == 32 for _, block in blocks[:-1])
        assert blocks[-1][1].file_offset + len(blocks[-1][1].data) == len(IMAGE)
        within = [b - a for (a, first), (b, second) in pairwise(blocks) if second.file_offset % 1024]
        assert min(within) >= 0.05 - 1e-6
        assert sum(within) / len(within) < 0.06
        pages = [frame for frame in rig.sent if frame[1].cluster == OTA and frame[1].payload[2] == 0x05]
        assert not any(frame.ack_request for _, frame in pages)

    play(scenario, spec(1, ota={"page_mode": True}))


def test_no_spacing_is_ten_milliseconds(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        within = [b - a for (a, _), (b, block) in pairwise(rig.blocks()) if block.file_offset % 1024]
        assert min(within) >= 0.01 - 1e-6

    play(scenario, spec(1, ota={"page_mode": True}, timings={"page_spacing_ms": 0}))


@pytest.mark.parametrize("loss", [0.1, 0.3])
def test_what_is_lost_of_a_page_is_asked_for_block_by_block(play: Play, loss: float) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        assert rig.requests(ota.Command.IMAGE_BLOCK_REQUEST)

    play(scenario, spec(1, ota={"page_mode": True}, link={"loss": loss}))


def test_a_page_of_blocks_that_no_frame_holds_is_refused_and_the_client_asks_for_blocks(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        assert rig.device().counts.pages == 1

    play(scenario, spec(1, ota={"page_mode": True}, timings={"page_block": 63}))


@ON_BOTH
def test_pages_and_blocks_share_the_air(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)

    play(scenario, spec(1, ota={"page_mode": True}), spec(2), spec(3, ota={"page_mode": True}), spec(4))


# --- the minimum block period


def spacing(rig: Rig) -> float:
    """The least time between two requests for different blocks that were served."""
    times: dict[int, float] = {}
    for at, frame in rig.requests(ota.Command.IMAGE_BLOCK_REQUEST):
        times[int.from_bytes(frame[12:16], "little")] = at
    ordered = sorted(times.values())
    # Before the first one or two blocks the period is not known yet.
    return min(b - a for a, b in pairwise(ordered[3:]))


@pytest.mark.parametrize(("unit", "period_ms"), [("ms", 200), ("s", 2000)])
def test_a_period_is_told_in_the_unit_that_the_client_counts_in(play: Play, unit: str, period_ms: int) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        told = period_ms if unit == "ms" else period_ms // 1000
        assert [wait.minimum_block_period for wait in rig.waits()] == [told]
        assert spacing(rig) >= period_ms / 1000

    play(scenario, spec(1, ota={"min_block_period": unit}), sections={"ota": {"block_period_ms": period_ms}})


@pytest.mark.parametrize("unit", ["ms", "s"])
def test_the_unit_is_found_out_where_the_revision_does_not_say(
    play: Play, unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanctl.simulator.device.attributes._REVISIONS", {"ms": 4, "s": 4})

    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(SMALL), SMALL)
        assert [wait.minimum_block_period for wait in rig.waits()] == [60, 2000 if unit == "ms" else 2]
        assert spacing(rig) >= 2.0

    play(scenario, spec(1, ota={"min_block_period": unit}), sections={"ota": {"block_period_ms": 2000}})


def test_a_client_that_negotiates_no_period_is_told_to_wait_before_each_block(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(SMALL), SMALL)
        assert {(wait.current_time, wait.request_time) for wait in rig.waits()} == {(0, 2)}
        assert all(wait.minimum_block_period is None for wait in rig.waits())
        assert spacing(rig) >= 2.0

    play(scenario, sections={"ota": {"block_period_ms": 2000}})


def test_nobody_is_told_to_wait_where_all_is_well(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        assert rig.waits() == []

    play(scenario, spec(1, ota={"min_block_period": "ms"}), spec(2, ota={"min_block_period": "s"}), spec(3), spec(4))


# --- the dongle


@ON_BOTH
def test_a_dongle_that_is_full_slows_sending_and_fails_nothing(play: Play) -> None:
    """For forty seconds of each eighty it has no room for anything; after fifty a client would give up."""

    async def scenario(rig: Rig) -> None:
        rig.refuse(lambda frame: rig.now % 80 < 40 and frame.profile != 0)
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)

    play(scenario, spec(1, ota={"think_time_s": 0.5}), spec(2, ota={"think_time_s": 0.5}))


@ON_BOTH
def test_a_dongle_with_room_for_two_frames_serves_four_displays(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)
        assert sum(device.counts.retries for device in rig.devices) == 0

    async def small(rig: Rig) -> None:
        on_the_way = 0
        stack = rig.bench.world.stack
        down = rig.down

        def from_coordinator(frame: ApsFrame, done: Done) -> None:
            nonlocal on_the_way
            on_the_way += 1

            def ended(delivered: bool) -> None:
                nonlocal on_the_way
                on_the_way -= 1
                done(delivered)

            down(frame, ended)

        rig.down = from_coordinator
        assert stack.up
        rig.refuse(lambda frame: on_the_way >= 2)
        await scenario(rig)

    play(small, *[spec(n, ota={"think_time_s": 0.0}) for n in range(1, 5)])


@ON_BOTH
def test_confirmations_that_never_come_fail_nothing(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        rng = random.Random(2)
        stack = rig.bench.world.stack
        take = stack.send

        def send(frame: ApsFrame, done: Done) -> SendError | None:
            return take(frame, done if frame.profile == 0 or rng.random() < 0.8 else lambda _: None)

        stack.send = send  # type: ignore[method-assign]
        await rig.until_confirmed(rig.order(IMAGE), IMAGE)

    bad = {"loss": 0.1}
    play(scenario, spec(1, ota={"think_time_s": 0.2}, link=bad), spec(2, ota={"think_time_s": 0.2}, link=bad))


@ON_BOTH
def test_a_retry_is_not_answered_twice(play: Play) -> None:
    """The dongle takes its time: the client asks again, and the answer to the first request is still to come."""

    async def scenario(rig: Rig) -> None:
        numbers = rig.order(SMALL)
        await rig.until_downloading()
        stop = rig.now + 20
        rig.refuse(lambda frame: rig.now < stop and frame.profile != 0)
        await rig.until_confirmed(numbers, SMALL)
        offsets = [block.file_offset for _, block in rig.blocks() if block.status == ota.OtaStatus.SUCCESS]
        assert rig.device().counts.retries >= 3
        assert len(offsets) == len(set(offsets))

    play(scenario, spec(1, ota={"think_time_s": 0.1}))


@ON_BOTH
def test_own_traffic_goes_before_blocks(play: Play) -> None:
    """While four displays fetch as fast as they can through a narrow dongle, a command waits for one frame at most."""

    async def scenario(rig: Rig) -> None:
        down = rig.down
        waiting: list[tuple[ApsFrame, Done]] = []

        def from_coordinator(frame: ApsFrame, done: Done) -> None:
            # One frame after the other, a tenth of a second each: four displays want more.
            waiting.append((frame, done))
            if len(waiting) == 1:
                asyncio.get_running_loop().call_later(0.1, pass_on)

        def pass_on() -> None:
            frame, done = waiting[0]

            def ended(delivered: bool) -> None:
                done(delivered)
                waiting.pop(0)
                if waiting:
                    asyncio.get_running_loop().call_later(0.1, pass_on)

            down(frame, ended)

        rig.down = from_coordinator
        rig.refuse(lambda frame: len(waiting) >= 2)
        numbers = rig.order(IMAGE)
        await rig.until(lambda: all(d.storage.offset > 1000 for d in rig.devices), 600)
        for _ in range(10):
            began = rig.now
            read = await rig.hub.han.read_attributes(rig.device().eui64, cluster=0x0000, attributes=[0x0004])
            assert read[0x0004] == "hanctl"
            assert rig.now - began < 0.5
            await asyncio.sleep(0.37)
        await rig.until_confirmed(numbers, IMAGE)

    play(scenario, *[spec(n) for n in range(1, 5)])


@ON_BOTH
def test_a_busy_air_is_relieved_by_a_minimum_block_period(play: Play) -> None:
    """Where blocks wait longer than is wanted, displays are told to ask less often, and are told when it is over."""

    async def scenario(rig: Rig) -> None:
        data = image(30_000)
        numbers = rig.order(data)
        await rig.until(lambda: all(d.storage.offset > 1000 for d in rig.devices), 600)
        slow = rig.now + 20
        rig.refuse(lambda frame: rig.now < slow and frame.cluster == OTA and rig.now % 0.5 < 0.35)
        await rig.until(lambda: rig.now >= slow, 600)
        for device in rig.devices:
            waits = [decode_response(5, frame[3:]) for _, frame in rig.commands(5, to=device) if frame[3] == 0x97]
            assert any(wait.minimum_block_period >= 250 for wait in waits)
        await rig.until_confirmed(numbers, data)
        assert rig.waits()[-1].minimum_block_period == 0

    displays = [spec(n, ota={"min_block_period": "ms"}) for n in range(1, 5)]
    play(scenario, *displays, sections={"ota": {"busy_ms": 100}})
