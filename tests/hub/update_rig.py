"""A hub with devices that joined earlier, over true serial bytes and a simulated HAN."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.model.records import Activation, Update
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.ota.types import OtaState
from hanctl.simulator.device.spec import DeviceSpec

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
        self.hub_directory = directory / "hub"
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

    def order(
        self, eui64: Eui64 = DISPLAY, *, activation: Activation = "now", data: bytes = IMAGE, **options: Any
    ) -> int:
        image = self.hub.updates.add_image(data, name="new.ota")
        return self.hub.updates.start(eui64, image.file_sha256, activation=activation, **options).id

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


Play = Callable[..., None]
"""Runs a scenario with the devices given, or with the display."""
