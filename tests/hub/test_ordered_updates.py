"""Orders and activation over true serial bytes: dates, windows, sleepers, races, chains, batteries, a full disk."""

from __future__ import annotations

import asyncio
import random
import struct
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from full_disk import fill, make_room
from update_rig import DISPLAY, IMAGE, NEW, OLD, SLEEPER, Play, Rig, make_spec

from hanctl.base.errors import Refused
from hanctl.images.build import Fields, build
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.ota.types import OtaState, Output
from hanctl.updates.serving import ota

pytestmark = [
    pytest.mark.usefixtures("seldom_asked"),
    # Of dates and orders the radio knows nothing; test_whole_update.py has both.
    pytest.mark.parametrize(
        "joined", ["ezsp", pytest.param("znp", marks=pytest.mark.slow)], indirect=True, scope="session"
    ),
]

LONDON = ZoneInfo("Europe/London")
NEWER = 0x00010002
NEXT_IMAGE = build(random.Random(8).randbytes(3000), Fields(manufacturer_code=0x1234, image_type=1, file_version=NEWER))


def told_times(device: SimulatedDevice) -> list[tuple[int, int]]:
    """From now on: (current time, upgrade time) of each Upgrade End Response the device gets, read by its own eyes."""
    times: list[tuple[int, int]] = []
    receive = device.client.receive

    def noting(command: int, payload: bytes, **how: Any) -> list[Output]:
        if command == ota.Command.UPGRADE_END_RESPONSE:
            times.append(struct.unpack_from("<II", payload, 8))
        return receive(command, payload, **how)

    device.client.receive = noting  # type: ignore[method-assign]
    return times


def local(moment: datetime) -> str:
    return moment.astimezone(LONDON).strftime("%H:%M")


# --- when it is activated


def test_a_date_far_ahead_is_kept_by_the_hub(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        times = told_times(rig.device())
        date = rig.bench.clock.now() + timedelta(hours=5)
        number = rig.order(activation="at", activate_at=date)
        await rig.until_state(number, "holding")
        await rig.until(lambda: rig.bench.clock.now() >= date - timedelta(seconds=10), 86400)
        assert (rig.update(number).state, rig.device().running_version) == ("holding", OLD)
        await rig.check_confirmed(number)
        activated = rig.update(number).activated_at
        assert activated is not None and timedelta() <= activated - date < timedelta(seconds=5)
        assert len(times) > 5 and set(times[:-1]) == {(0, ota.HOLD)} and times[-1] == (0, 0)

    play(scenario)


def test_a_date_is_kept_over_a_kill_and_given_at_the_next_start(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        date = rig.bench.clock.now() + timedelta(minutes=30)
        number = rig.order(activation="at", activate_at=date)
        await rig.until_state(number, "holding")
        await rig.bench.kill()
        await asyncio.sleep(1900)
        assert rig.device().running_version == OLD
        await rig.restart()
        await rig.check_confirmed(number)

    play(scenario)


def test_what_is_ordered_at_once_waits_for_its_window(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        opens = rig.bench.clock.now() + timedelta(hours=1)
        window = f"{local(opens)}-{local(opens + timedelta(minutes=20))}"
        number = rig.order(window=window)
        await rig.until_state(number, "holding")
        assert f"activation window, {window}" in (rig.hub.updates.progress(number).waits_for or "")
        await rig.check_confirmed(number)
        activated = rig.update(number).activated_at
        assert activated is not None and timedelta(minutes=-1) <= activated - opens < timedelta(minutes=1)

    play(scenario)


def test_a_transfer_stops_and_starts_with_its_window(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        now = rig.bench.clock.now()
        opens = (now + timedelta(minutes=10)).replace(second=0, microsecond=0)
        number = rig.order(transfer_window=f"{local(opens)}-{local(opens + timedelta(minutes=1))}")
        await asyncio.sleep(300)
        assert rig.update(number).state == "ordered"
        assert "transfer window" in (rig.hub.updates.progress(number).waits_for or "")
        await rig.until_state(number, "transferring")
        started = rig.update(number).transfer_started_at
        assert started is not None and opens <= started < opens + timedelta(minutes=1)
        await rig.until(lambda: "transfer window" in (rig.hub.updates.progress(number).waits_for or ""))
        await asyncio.sleep(120)
        offset = rig.device().storage.offset
        await asyncio.sleep(3600)
        assert (rig.device().storage.offset, rig.device().ota_state) == (offset, OtaState.DOWNLOAD)
        assert rig.device().counts.aborts == 0

    # Two minutes for the whole, so that one minute is not enough.
    play(scenario, make_spec("display", ota={"think_time_s": 1.2}))


def test_a_device_that_decides_itself_is_never_told_to_activate(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        times = told_times(rig.device())
        # Before it is asked, the hub cannot know: the order is changed when it is.
        number = rig.order(activation="now")
        await rig.until_state(number, "holding")
        assert rig.update(number).activation == "by-device"
        assert rig.device().ota_state is OtaState.OUT_OF_BAND
        with pytest.raises(Refused, match="decides itself"):
            await rig.hub.updates.activate(number)
        await asyncio.sleep(2 * 3600)
        rig.device().activate_out_of_band()
        await rig.check_confirmed(number)
        assert set(times) == {(0, ota.HOLD)}
        with pytest.raises(Refused, match="decides itself"):
            rig.order(data=NEXT_IMAGE)
        rig.order(data=NEXT_IMAGE, activation="by-device")

    play(scenario, make_spec("display", ota={"activation_policy": 1}))


# --- the release and its device


def test_a_release_that_is_sent_while_the_sleeper_sleeps_is_given_at_its_poll(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(SLEEPER, activation="hold")
        await rig.until_state(number, "holding")
        await asyncio.sleep(120)
        sleeper = rig.device("sleeper")
        assert (await rig.hub.updates.activate(number)).state == "holding"
        assert "take the activation command" in (rig.hub.updates.progress(number).waits_for or "")
        await rig.check_confirmed(number, SLEEPER)
        assert sleeper.counts.applied_unasked == 0
        assert len(rig.told("update.released")) == len(rig.told("update.activating")) == 1

    # Frames for it are held for 7.68 s, and it fetches them every 150 s: few are there when it comes.
    play(scenario, make_spec("sleeper", poll_interval_s=150.0))


@pytest.mark.parametrize("heard", [False, True])
def test_a_cancellation_that_races_the_release_ends_as_the_device_has_it(play: Play, heard: bool) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(activation="hold")
        await rig.until_state(number, "holding")
        device = rig.device()
        if not heard:
            device.medium.nodes.remove(device)
        releasing = asyncio.create_task(rig.hub.updates.activate(number))
        await asyncio.sleep(0.01)
        assert rig.hub.updates.cancel(number).state == "in_doubt"
        assert (await releasing).state == "in_doubt"
        await asyncio.sleep(10)
        if not heard:
            device.medium.nodes.append(device)
        await rig.until(lambda: rig.update(number).ended_at is not None)
        await asyncio.sleep(4000)
        if heard:
            assert (rig.update(number).state, device.running_version) == ("confirmed", NEW)
        else:
            assert (rig.update(number).state, device.running_version) == ("cancelled", OLD)
            assert device.flash_image() == b""
        assert len(rig.told("activation.notice")) == heard

    play(scenario, make_spec("display", link={"delay_s": 0.05}))


@pytest.mark.parametrize("away", ["killed", "unplugged"])
def test_an_absence_in_which_a_waiting_device_may_have_activated_is_told(play: Play, away: str) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(activation="hold")
        await rig.until_state(number, "holding")
        for seconds, doubts in ((5, 0), (45, 1)):
            await asyncio.sleep(60)
            if away == "killed":
                await rig.bench.kill()
            else:
                rig.bench.world.unplug()
            await asyncio.sleep(seconds)
            if away == "killed":
                await rig.restart()
            else:
                rig.bench.world.plug()
            await asyncio.sleep(30)
            assert len(rig.told("update.in_doubt")) == doubts
        (doubt,) = rig.told("update.in_doubt")
        assert doubt["level"] == "warning" and "activated by itself" in doubt["cause"]
        assert rig.update(number).state == "holding"
        await rig.hub.updates.activate(number)
        await rig.check_confirmed(number)

    play(scenario)


def test_a_device_that_does_not_activate_for_want_of_answers_is_not_doubted(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(activation="hold")
        await rig.until_state(number, "holding")
        await asyncio.sleep(60)
        await rig.bench.kill()
        await asyncio.sleep(600)
        await rig.restart()
        await asyncio.sleep(60)
        assert rig.told("update.in_doubt") == []
        assert rig.update(number).state == "holding"

    play(scenario, make_spec("display", ota={"timeout_policy": 1}))


def test_a_device_that_goes_and_is_never_seen_again_can_be_given_up(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_state(number, "activating")
        rig.device().power_off()
        with pytest.raises(Refused, match="told to activate"):
            rig.hub.updates.cancel(number)
        await rig.until_state(number, "in_doubt")
        await asyncio.sleep(3600)
        assert f"hanctl update cancel {number}" in (rig.hub.updates.progress(number).waits_for or "")
        assert rig.hub.updates.cancel(number).state == "cancelled"
        assert rig.told("activation.notice") == []

    play(scenario)


def test_a_device_in_doubt_is_confirmed_when_it_comes_back_after_hours(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_state(number, "activating")
        rig.device().power_off()
        await rig.until_state(number, "in_doubt")
        await asyncio.sleep(3600)
        rig.device().storage.apply(runs=True)
        rig.device().power_on()
        await rig.check_confirmed(number)

    play(scenario)


# --- two orders, and images


def test_a_second_order_is_refused_or_takes_the_place_of_the_first(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        first = rig.order()
        await rig.until_middle()
        with pytest.raises(Refused, match=f"already has update {first}"):
            rig.order(data=NEXT_IMAGE)
        second = rig.order(data=NEXT_IMAGE, supersede=True)
        assert rig.update(first).state == "superseded"
        await rig.until_state(second, "activating")
        with pytest.raises(Refused, match="nothing can take its place"):
            rig.order(data=NEXT_IMAGE, supersede=True)
        await rig.until_state(second, "confirmed")
        device = rig.device()
        assert (device.running_version, device.flash_image()) == (NEWER, NEXT_IMAGE)
        assert device.counts.aborts == 1
        assert [one["update"] for one in rig.told("activation.notice")] == [second]
        assert rig.told("ota.request_refused") == []

    play(scenario)


def test_the_same_image_ordered_otherwise_goes_on_where_the_first_order_was(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        first = rig.order(activation="hold")
        await rig.until_middle()
        second = rig.order(supersede=True)
        await rig.check_confirmed(second)
        assert rig.update(first).state == "superseded"
        assert rig.device().counts.aborts == 0

    play(scenario)


@pytest.mark.parametrize("when", ["ordered", "served"])
def test_an_image_that_vanishes_is_told_and_waited_for(play: Play, when: str) -> None:
    async def scenario(rig: Rig) -> None:
        if when == "ordered":
            rig.bench.world.device("display").power_off()
        number = rig.order()
        if when == "served":
            await rig.until_middle()
        image = rig.hub.store.get(rig.update(number).file_sha256)
        with pytest.raises(Refused, match=f"update {number}"):
            rig.hub.updates.remove_image(image.file_sha256)
        await rig.bench.kill()
        for path in rig.hub_directory.glob(f"firmware_store/{image.file_sha256}.*"):
            path.unlink()
        await rig.restart()
        rig.device().power_on()
        await asyncio.sleep(1800)
        assert [one["file_sha256"] for one in rig.told("update.image_missing")] == [image.file_sha256]
        assert rig.update(number).state in {"notified", "transferring"}
        rig.hub.updates.add_image(IMAGE, name="again.ota")
        await rig.check_confirmed(number)
        assert rig.device().counts.aborts == 0

    play(scenario)


def test_steps_of_a_pathway_are_taken_in_order_and_over_a_kill(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        rig.hub.updates.add_image(IMAGE, name="step.ota", requires=(OLD,))
        last = rig.hub.updates.add_image(NEXT_IMAGE, name="last.ota", requires=(NEW,))
        first = rig.hub.updates.start(DISPLAY, last.file_sha256).id
        assert rig.update(first).file_version == NEW
        await rig.until_state(first, "activating")
        await rig.bench.kill()
        await asyncio.sleep(20)
        await rig.restart()
        await rig.until_state(first, "confirmed")
        (second,) = rig.hub.ledger.updates.all(open_only=True)
        assert (second.follows, second.file_version, second.old_version) == (first, NEWER, NEW)
        await rig.until_state(second.id, "confirmed")
        assert rig.device().running_version == NEWER
        assert [one["update"] for one in rig.told("activation.notice")] == [first, second.id]

    play(scenario)


# --- power


def battery(**spec: Any) -> dict[str, Any]:
    return {"battery": {"percent": 30.0, **spec}}


async def interviewed(rig: Rig) -> None:
    """The bench's device joined before it had a battery."""
    await rig.hub.han.interview(DISPLAY)


def test_a_device_with_a_low_battery_is_asked_to_be_plugged_in_and_then_updated(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await interviewed(rig)
        number = rig.order()
        await asyncio.sleep(3600)
        device = rig.device()
        assert rig.update(number).state == "ordered"
        assert "mains power: the device is on battery, 30 %" in (rig.hub.updates.progress(number).waits_for or "")
        assert list(device.display.shown.values()) == ["Please plug in"]
        assert [one["message"] for one in rig.told("message.confirmed")] == device.display.confirmed == [number]
        assert len(rig.told("update.power_low")) == len(rig.told("message.shown")) == 1
        assert device.display.battery is not None
        device.display.battery.plugged_in = True
        await rig.check_confirmed(number)
        assert device.display.shown == {}
        assert len(rig.told("message.withdrawn")) == len(rig.told("update.power_good")) == 1

    play(scenario, make_spec("display", **battery(confirms_after_s=60.0)))


def test_a_change_of_tenancy_takes_the_question_from_the_display_and_it_is_asked_again(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await interviewed(rig)
        number = rig.order()
        await asyncio.sleep(3600)
        rig.hub.tenancy.orders.order("tenancy")
        # As a display does that carries out Cancel All Messages.
        rig.device().display.shown.clear()
        await asyncio.sleep(3600)
        assert list(rig.device().display.shown) == [number]
        # Once before, and anew after the two fuels' commands: after each, or after both where they come at once.
        withdrawn, shown = rig.told("message.withdrawn"), rig.told("message.shown")
        assert 1 <= len(withdrawn) <= 2 and len(shown) == len(withdrawn) + 1
        assert shown[-1]["id"] > rig.told("change.told")[-1]["id"]

    play(scenario, make_spec("display", **battery()))


def test_the_display_is_asked_over_a_kill_and_the_question_is_taken_back_when_the_update_is_cancelled(
    play: Play,
) -> None:
    async def scenario(rig: Rig) -> None:
        await interviewed(rig)
        number = rig.order()
        await asyncio.sleep(60)
        await rig.bench.kill()
        await asyncio.sleep(60)
        await rig.restart()
        await asyncio.sleep(60)
        assert list(rig.device().display.shown) == [number]
        assert len(rig.told("message.shown")) == 1
        rig.hub.updates.cancel(number)
        await asyncio.sleep(600)
        assert rig.device().display.shown == {}

    play(scenario, make_spec("display", **battery()))


@pytest.mark.parametrize(
    ("spec", "options", "warnings"),
    [
        (battery(percent=60.0), {}, 0),
        (battery(plugged_in=True), {}, 0),
        (battery(), {"ignore_power": True}, 0),
        # It says that it is on battery, and has no Power Configuration cluster to say how full that is.
        ({"power_source": 3}, {}, 1),
    ],
)
def test_a_device_with_power_enough_or_of_unknown_power_is_updated_at_once(
    play: Play, spec: dict[str, Any], options: dict[str, Any], warnings: int
) -> None:
    async def scenario(rig: Rig) -> None:
        await interviewed(rig)
        number = rig.order(**options)
        await rig.check_confirmed(number)
        assert rig.device().display.shown == {}
        assert len(rig.told("update.power_unknown")) == warnings

    play(scenario, make_spec("display", **spec))


# --- a full disk


def test_a_full_disk_in_mid_transfer_is_told_and_the_transfer_goes_on_when_there_is_room(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        before = len(rig.told_of(number))
        ledger = rig.hub.ledger
        fill(ledger)
        await asyncio.sleep(600)
        # Whatever else happens has to wait as well, and ends nothing.
        rig.bench.world.unplug()
        await asyncio.sleep(20)
        rig.bench.world.plug()
        rig.device().power_cycle(5)
        await asyncio.sleep(3600)
        assert ledger.full_since is not None
        assert not any(task.done() for task in rig.hub._tasks)
        assert len(rig.told_of(number)) <= before + 3
        assert rig.hub.network is not None
        assert rig.device().running_version == OLD, "it is never told to activate what is not on record"
        make_room(ledger)
        await rig.check_confirmed(number)
        (stalled,) = rig.told("ledger.stalled")
        assert stalled["seconds"] > 3000
        kinds = [event["type"] for event in rig.told_of(number)]
        assert [kinds.count(f"{stage}.notice") for stage in ("delivery", "transfer", "activation")] == [1, 1, 1]

    play(scenario)
