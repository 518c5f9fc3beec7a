"""Whole updates over true serial bytes and a simulated HAN, in virtual time: what goes well, and each thing that goes
wrong once."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

import pytest

from hanctl import virtual
from hanctl.daemon import Daemon
from hanctl.errors import Refused
from hanctl.eui64 import Eui64, parse_eui64
from hanctl.firmware import decisions, ota
from hanctl.firmware.build import Fields, build
from hanctl.hil.bench import Bench
from hanctl.ledger.records import Activation, Update
from hanctl.simulator.device import SimulatedDevice
from hanctl.simulator.device_spec import DeviceSpec
from hanctl.simulator.ota_types import OtaState

Radio = Literal["ezsp", "znp"]

DISPLAY = parse_eui64("00:0d:6f:00:0b:00:00:01")
SLEEPER = parse_eui64("00:0d:6f:00:0b:00:00:02")
INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
OLD, NEW = 0x00010000, 0x00010001
IMAGE = build(random.Random(7).randbytes(5000), Fields(manufacturer_code=0x1234, image_type=1, file_version=NEW))
HALF = len(IMAGE) // 2
SPECS: dict[str, dict[str, Any]] = {
    "display": {"eui64": DISPLAY, "type": "ppmid"},
    "sleeper": {"eui64": SLEEPER, "type": "ihd", "sleepy": True},
}


def make_spec(name: str, **special: Any) -> DeviceSpec:
    """A device that downloads in ten seconds, so that there is a middle."""
    common = {"name": name, "install_code": INSTALL_CODE, "running_version": OLD}
    ota_client = {"think_time_s": 0.1, **special.pop("ota", {})}
    return DeviceSpec.model_validate({**common, **SPECS[name], "ota": ota_client, **special})


class Rig:
    """A hub with devices that joined earlier, after its start."""

    def __init__(self, directory: Path, radio: Radio, specs: list[DeviceSpec]) -> None:
        self.bench = Bench(directory, specs, radio=radio)
        self.served: dict[Eui64, list[tuple[int, int]]] = {}

    @property
    def hub(self) -> Daemon:
        assert self.bench.hub is not None
        return self.bench.hub

    def device(self, name: str = "display") -> SimulatedDevice:
        return self.bench.world.device(name)

    async def start(self) -> None:
        self.bench.world.plug()
        await self.bench.start()
        for device in self.bench.world.devices:
            device.power_on()
        await self.until(lambda: all(device.online for device in self.bench.world.devices))

    async def restart(self) -> None:
        await self.bench.start()

    async def until(self, condition: Callable[[], bool], seconds: float = 7200) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.5)

    def order(self, eui64: Eui64 = DISPLAY, *, activation: Activation = "now") -> int:
        image = self.hub.updates.add_image(IMAGE, name="new.ota")
        return self.hub.updates.start(eui64, image.file_sha256, activation=activation).id

    def update(self, number: int) -> Update:
        update = self.hub.ledger.updates.get(number)
        assert update is not None
        return update

    async def until_state(self, number: int, state: str, seconds: float = 7200) -> None:
        await self.until(lambda: self.update(number).state == state, seconds)

    async def until_middle(self, name: str = "display") -> None:
        await self.until(lambda: self.device(name).storage.offset > HALF)
        assert self.device(name).ota_state is OtaState.DOWNLOAD

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [recorded.as_dict() for recorded in self.hub.ledger.events(type=kind)]

    def told_of(self, number: int) -> list[dict[str, Any]]:
        return [recorded.as_dict() for recorded in self.hub.ledger.events(update=number)]

    def bytes_served_twice(self, eui64: Eui64 = DISPLAY) -> int:
        total = sum(length for _, length in self.served[eui64])
        covered = {byte for offset, length in self.served[eui64] for byte in range(offset, offset + length)}
        return total - len(covered)

    async def check_confirmed(self, number: int, eui64: Eui64 = DISPLAY) -> None:
        """It ends well, and so it stays: one notice, however long one waits."""
        await self.until_state(number, "confirmed")
        await asyncio.sleep(600)
        device = self.device(eui64)
        assert device.running_version == NEW
        assert device.flash_image() == IMAGE
        notices = [notice for notice in self.told("activation.notice") if notice["device"] == eui64]
        assert [(one["update"], one["old_version"], one["new_version"]) for one in notices] == [(number, OLD, NEW)]
        record = self.hub.ledger.devices.get(eui64)
        assert record is not None
        assert record.current_version == NEW


Scenario = Callable[[Rig], Coroutine[Any, Any, None]]


async def join_all(directory: Path, radio: Radio) -> None:
    """Form the network, and let every device join by its install code."""
    bench = Bench(directory, [make_spec(name) for name in SPECS], radio=radio)
    bench.world.plug()
    hub = await bench.start()
    for device in bench.world.devices:
        await hub.join(device.eui64, INSTALL_CODE)
        device.power_on()
        async with asyncio.timeout(120):
            while (found := hub.ledger.devices.get(device.eui64)) is None or found.state != "interviewed":
                await asyncio.sleep(1)
    types = [event.event.type for event in hub.ledger.events()]
    await bench.close()
    assert types.count("device.joined") == types.count("device.interviewed") == len(SPECS)
    assert bench.world.dongle.faults == {}


@pytest.fixture(scope="module", params=["ezsp", "znp"])
def joined(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Radio, Path]:
    """The state of a hub, its dongle and its devices once all have joined: that takes most of a short run's work."""
    radio: Radio = request.param
    directory = tmp_path_factory.mktemp(radio)
    virtual.run(join_all(directory, radio))
    return radio, directory


Play = Callable[..., None]


@pytest.fixture
def play(joined: tuple[Radio, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Run a scenario on a copy of that state."""
    radio, formed = joined

    def run(scenario: Scenario, *specs: DeviceSpec) -> None:
        directory = tmp_path / "bench"
        shutil.copytree(formed, directory)

        async def whole() -> None:
            rig = Rig(directory, radio, list(specs) or [make_spec("display")])
            answer = decisions.image_block

            def noted(request: ota.ImageBlockRequest, situation: decisions.Situation) -> decisions.Decision:
                decision = answer(request, situation)
                if decision.served_to is not None:
                    offset = int(request.file_offset)
                    rig.served.setdefault(situation.device, []).append((offset, decision.served_to - offset))
                return decision

            monkeypatch.setattr(decisions, "image_block", noted)
            await rig.start()
            await scenario(rig)
            await rig.bench.close()
            assert rig.bench.world.dongle.faults == {}

        virtual.run(whole())

    return run


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

    play(scenario, make_spec("display", power_cut=[{"offset": HALF, "off_s": 30}]))


@pytest.mark.parametrize("away", ["killed", "unplugged"])
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
