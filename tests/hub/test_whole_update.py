"""Whole updates over true serial bytes and a simulated HAN, in virtual time: what goes well, and each thing that goes
wrong once."""

from __future__ import annotations

import asyncio

import pytest
from update_rig import DISPLAY, HALF, NEW, OLD, SLEEPER, Play, Rig, make_spec

from hanctl.base.errors import Refused
from hanctl.simulator.device.ota.types import OtaState
from hanctl.updates.serving import decisions


def test_activated_at_once(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.check_confirmed(number)
        steps = [event["type"] for event in rig.told_of(number)]
        assert steps == [
            "update.ordered",
            "delivery.notice",
            "update.notified",
            "update.transferring",
            "update.verifying",
            "update.transferred",
            "transfer.notice",
            "update.activating",
            "update.confirmed",
            "activation.notice",
        ]
        assert rig.bytes_served_twice() == 0

    play(scenario)


def test_held_until_released(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(activation="hold")
        await rig.until_state(number, "holding")
        # Four of the device's hourly polls: each is told to hold on.
        await asyncio.sleep(4 * 3600)
        assert (rig.update(number).state, rig.device().ota_state) == ("holding", OtaState.WAITING_FOR_UPGRADE)
        assert rig.device().counts.ends == 5
        assert (await rig.hub.updates.activate(number)).state == "activating"
        await rig.check_confirmed(number)
        assert [event["cause"] for event in rig.told("update.activating")] == [
            "by command; the device took the command"
        ]

    play(scenario)


def test_cancelled_in_mid_transfer_and_ordered_again(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        first = rig.order()
        await rig.until_middle()
        rig.hub.updates.cancel(first)
        await rig.until(lambda: rig.device().counts.aborts == 1, 10)
        assert rig.device().flash_image() == b""
        await asyncio.sleep(3600)
        assert rig.device().running_version == OLD
        assert rig.told("update.transferred") == rig.told("ota.request_refused") == []
        second = rig.order()
        await rig.check_confirmed(second)
        assert rig.update(first).state == "cancelled"

    play(scenario)


def test_cancelled_while_it_holds(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(activation="hold")
        await rig.until_state(number, "holding")
        rig.hub.updates.cancel(number)
        await asyncio.sleep(2 * 3600)
        device = rig.device()
        assert (device.running_version, device.counts.aborts, device.flash_image()) == (OLD, 1, b"")
        with pytest.raises(Refused):
            await rig.hub.updates.activate(number)
        assert rig.told("activation.notice") == []

    play(scenario)


def test_killed_in_mid_transfer(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        at = rig.device().storage.offset
        await rig.bench.kill()
        await asyncio.sleep(20)
        await rig.restart()
        await rig.check_confirmed(number)
        assert [event["offset"] for event in rig.told("update.resumed")] == [at]
        assert rig.bytes_served_twice() < decisions.MAX_BLOCK

    play(scenario)


@pytest.mark.parametrize("state", ["holding", "activating"])
def test_killed_between_steps(play: Play, state: str) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(activation="hold")
        if state == "activating":
            await rig.until_state(number, "holding")
            await rig.hub.updates.activate(number)
        await rig.until_state(number, state)
        await rig.bench.kill()
        await asyncio.sleep(20)
        await rig.restart()
        if state != "activating":
            await rig.until_state(number, "holding")
            await rig.hub.updates.activate(number)
        await rig.check_confirmed(number)
        assert rig.bytes_served_twice() < decisions.MAX_BLOCK

    play(scenario)


def test_unplugged_and_replugged_in_mid_transfer(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        rig.bench.world.unplug()
        await asyncio.sleep(15)
        assert rig.hub.network is None
        rig.bench.world.plug()
        await rig.check_confirmed(number)
        assert len(rig.told("dongle.lost")) == 1
        assert len(rig.told("network.formed")) == 1
        assert rig.bytes_served_twice() < decisions.MAX_BLOCK

    play(scenario)


def test_ordered_while_the_dongle_is_away(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        # Let the device ask by itself first, so that it is silent for the next five minutes.
        await rig.until(lambda: rig.device().counts.queries == 1)
        rig.bench.world.unplug()
        await asyncio.sleep(5)
        number = rig.order()
        await asyncio.sleep(10)
        assert rig.update(number).state == "ordered"
        rig.bench.world.plug()
        await rig.until(lambda: rig.hub.network is not None, 15)
        await asyncio.sleep(1)
        assert len(rig.told("update.notified")) == 1
        await rig.check_confirmed(number)

    play(scenario)


def test_an_absence_longer_than_the_device_waits_costs_the_download_and_nothing_else(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        rig.bench.world.unplug()
        await asyncio.sleep(600)
        assert rig.device().counts.aborts == 1
        rig.bench.world.plug()
        await rig.check_confirmed(number)
        assert [event["offset"] for event in rig.told("update.resumed")] == [0]

    play(scenario)


def test_power_cut_in_mid_transfer(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.check_confirmed(number)
        assert rig.told("device.left") == []
        assert rig.bytes_served_twice() < decisions.MAX_BLOCK
        (resumed,) = rig.told("update.resumed")
        assert HALF <= resumed["offset"] < HALF + decisions.MAX_BLOCK

    play(scenario, make_spec("display", power_cut=[{"offset": HALF, "off_s": 30}]))


@pytest.mark.parametrize("away", ["killed", pytest.param("unplugged", marks=pytest.mark.slow)])
def test_a_device_that_missed_ten_answers_to_its_poll_activates_by_itself(play: Play, away: str) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(activation="hold")
        await rig.until_state(number, "holding")
        if away == "killed":
            await rig.bench.kill()
        else:
            rig.bench.world.unplug()
        await rig.until(lambda: rig.device().running_version == NEW)
        await asyncio.sleep(60)
        assert rig.device().counts.applied_unasked == 1
        if away == "killed":
            await rig.restart()
        else:
            rig.bench.world.plug()
        await rig.check_confirmed(number)
        (notice,) = rig.told("activation.notice")
        assert (notice["activated_at"], notice["confirmed_by"]) == (None, "version read back")

    play(scenario)


def test_a_sleepy_display(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order(SLEEPER, activation="hold")
        await rig.until_state(number, "holding")
        await asyncio.sleep(1800)
        await rig.hub.updates.activate(number)
        await rig.check_confirmed(number, SLEEPER)
        assert rig.told("device.left") == []

    play(scenario, make_spec("sleeper"))


def test_two_devices_at_once(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        numbers = {eui64: rig.order(eui64) for eui64 in (DISPLAY, SLEEPER)}
        await rig.until(lambda: {rig.update(number).state for number in numbers.values()} == {"transferring"})
        for eui64, number in numbers.items():
            await rig.check_confirmed(number, eui64)
            assert rig.bytes_served_twice(eui64) < decisions.MAX_BLOCK
        assert len(rig.told("activation.notice")) == 2

    # The one that starts first is slow enough to be still at it when the other has found its server.
    play(scenario, make_spec("display", ota={"think_time_s": 3}), make_spec("sleeper", ota={"think_time_s": 3}))


def test_an_image_that_the_device_rejects(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_state(number, "refused")
        await asyncio.sleep(3600)
        assert "INVALID_IMAGE" in (rig.update(number).reason or "")
        assert rig.device().running_version == OLD
        assert len(rig.told("update.transferring")) == len(rig.told("update.refused")) == 1
        assert [(one["alert_code"], one["reason_code"]) for one in rig.told("transfer.notice")] == [("8F89", 1)]
        assert rig.told("activation.notice") == []

    play(scenario, make_spec("display", ota={"reject_image": True}))


def test_a_device_that_rolls_back_is_not_sent_the_image_without_end(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_state(number, "failed")
        await asyncio.sleep(3600)
        assert f"still runs version 0x{OLD:08x}" in (rig.update(number).reason or "")
        assert rig.device().running_version == OLD
        assert len(rig.told("update.activating")) == len(rig.told("update.transferred")) == decisions.ACTIVATIONS
        assert [one["outcome"] for one in rig.told("transfer.notice")] == ["success"]
        assert [(one["outcome"], one["result_code"]) for one in rig.told("activation.notice")] == [("failed", 1)]

    play(scenario, make_spec("display", ota={"roll_back": True}))
