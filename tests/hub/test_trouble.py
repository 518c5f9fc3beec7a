"""A dongle in trouble while an update goes on: the hub says what it is, reopens it, and the update ends well."""

from __future__ import annotations

import asyncio
from pathlib import Path

from update_rig import Play, Rig

from hanctl.hil import memory
from hanctl.simulator.ezsp import EzspDongle
from hanctl.simulator.world import DONGLE_EUI64, Kind, World
from hanctl.simulator.znp import ZnpDongle


def test_a_dongle_that_hangs_is_noticed_within_ten_seconds_and_goes_on_after_a_power_cycle(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        dongle = rig.bench.world.dongle
        assert isinstance(dongle, EzspDongle | ZnpDongle)
        dongle.hang()
        await rig.until(lambda: rig.hub.network is None, 10)
        await asyncio.sleep(60)
        (lost,) = rig.told("dongle.lost")
        assert lost["reason"]
        assert {each["reason"] for each in rig.told("dongle.reopening")} != set()
        rig.bench.world.unplug()
        await asyncio.sleep(1)
        rig.bench.world.plug()
        await rig.until(lambda: rig.hub.network is not None, 10)
        await rig.check_confirmed(number)

    play(scenario)


def test_an_idle_dongle_that_hangs_is_noticed_as_soon(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await asyncio.sleep(600)
        dongle = rig.bench.world.dongle
        assert isinstance(dongle, EzspDongle | ZnpDongle)
        dongle.hang()
        await rig.until(lambda: rig.hub.network is None, 11)

    play(scenario)


def test_a_dongle_that_resets_itself_in_mid_transfer_costs_a_second(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        dongle = rig.bench.world.dongle
        if isinstance(dongle, EzspDongle):
            dongle.reset()
        elif isinstance(dongle, ZnpDongle):
            dongle.crash()
        await rig.until(lambda: bool(rig.told("dongle.lost")), 2)
        await rig.until(lambda: rig.hub.network is not None, 5)
        await rig.check_confirmed(number)
        assert len(rig.told("network.formed")) == 1

    play(scenario)


def test_a_dongle_with_the_other_radios_firmware_is_said_to_be_none_and_the_right_one_is_taken_again(
    play: Play, tmp_path: Path
) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        bench = rig.bench
        other: Kind = "znp" if isinstance(bench.world.dongle, EzspDongle) else "ezsp"
        bench.world.unplug()
        memory.unplug(bench.name)
        wrong = World.build([], kind=other, eui64=DONGLE_EUI64[other])
        wrong.plug()
        memory.plug(bench.name, wrong.dongle)
        await rig.until(lambda: any("answers as" in each["reason"] for each in rig.told("dongle.reopening")), 60)
        wrong.unplug()
        memory.unplug(bench.name)
        memory.plug(bench.name, bench.world.dongle)
        bench.world.plug()
        await rig.until(lambda: rig.hub.network is not None, 10)
        await rig.check_confirmed(number)

    play(scenario)


def test_a_noisy_serial_line_spoils_nothing(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        dongle = rig.bench.world.dongle
        if isinstance(dongle, EzspDongle):
            dongle.noise.drop = dongle.noise.corrupt = 0.02
        elif isinstance(dongle, ZnpDongle):
            dongle.line.corrupt = 0.0002
        await rig.until_state(number, "confirmed")
        if isinstance(dongle, EzspDongle):
            dongle.noise.drop = dongle.noise.corrupt = 0
        elif isinstance(dongle, ZnpDongle):
            dongle.line.corrupt = 0
        await rig.check_confirmed(number)
        dongle.faults.clear()

    play(scenario)
