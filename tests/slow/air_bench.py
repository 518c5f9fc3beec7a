"""Displays that fetch the same image together on real air, from the hub or from the yardstick, in virtual time."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from yardstick import Yardstick, yardstick

from hanctl.base import virtual
from hanctl.base.eui64 import parse_eui64
from hanctl.hil.bench import Bench
from hanctl.images.build import Fields, build
from hanctl.simulator.air.constants import BAUD
from hanctl.simulator.air.medium import RealMedium
from hanctl.simulator.device.event import SimulatedDeviceEvent
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.world import World

Radio = Literal["ezsp", "znp"]
CODE = "83FED3407A939723A5C639B26916D505C3B5"
OLD, NEW = 1, 2
SIZE = 10_000


def image(size: int = SIZE) -> bytes:
    fields = Fields(manufacturer_code=0x1234, image_type=1, file_version=NEW)
    return build(random.Random(3).randbytes(size), fields)


def spec(number: int, turn_around_s: float) -> DeviceSpec:
    return DeviceSpec.model_validate(
        {
            "name": f"display {number}",
            "eui64": parse_eui64(f"00:0d:6f:00:0b:00:01:{number:02x}"),
            "type": "ppmid",
            "install_code": CODE,
            "running_version": OLD,
            "start_delay_s": 0.1 * number,
            "timings": {"start_delay_s": (5.0, 6.0)},
            "ota": {"think_time_s": turn_around_s},
        }
    )


@dataclass(frozen=True)
class Result:
    """``goodput``: bytes per second of all together; seconds that the fastest and the slowest took; of the channel, the
    part of the time that it was in use, and the part of frames that came again."""

    goodput: float
    fastest_s: float
    slowest_s: float
    in_use: float
    again: float


class Watch:
    """From the first download's beginning to the last one's end."""

    def __init__(self, world: World) -> None:
        assert isinstance(world.medium, RealMedium)
        self._world = world
        self._counts = world.medium.channel.counts
        self._before = (0, 0, 0)
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        world.listen(self._happened)

    def _happened(self, event: SimulatedDeviceEvent) -> None:
        now, counts = asyncio.get_running_loop().time(), self._counts
        if event.kind == "ota" and event.text == "download":
            if not self.began:
                self._before = (counts.used_us, counts.frames, counts.retries)
            self.began[event.device] = now
        elif event.kind == "ota" and event.text == "verify image":
            self.ended[event.device] = now

    async def result(self, data: bytes) -> Result:
        devices = self._world.devices
        async with asyncio.timeout(100_000):
            while len(self.ended) < len(devices):
                await asyncio.sleep(0.1)
        counts = self._counts
        used, frames, again = (
            after - before
            for before, after in zip(self._before, (counts.used_us, counts.frames, counts.retries), strict=True)
        )
        seconds = max(self.ended.values()) - min(self.began.values())
        each = [self.ended[name] - self.began[name] for name in self.ended]
        async with asyncio.timeout(1000):
            while any(device.running_version != NEW for device in devices):
                await asyncio.sleep(1)
        assert all(device.flash_image() == data for device in devices)
        return Result(len(devices) * len(data) / seconds, min(each), max(each), used / 1e6 / seconds, again / frames)


async def _by_yardstick(displays: int, turn_around_s: float, seed: int) -> Result:
    data = image()
    specs = [spec(n + 1, turn_around_s) for n in range(displays)]
    world = World.build(specs, air="real", make_dongle=yardstick(data), seed=seed)
    assert isinstance(world.dongle, Yardstick)
    world.start()
    await asyncio.sleep(60)
    watch = Watch(world)
    world.dongle.serve()
    result = await watch.result(data)
    world.stop()
    return result


async def _by_hub(directory: Path, radio: Radio, displays: int, turn_around_s: float, baud: int, seed: int) -> Result:
    data = image()
    specs = [spec(n + 1, turn_around_s) for n in range(displays)]
    bench = Bench(directory, specs, radio=radio, air="real", baud=baud, seed=seed)
    bench.world.plug()
    hub = await bench.start()
    for device in bench.world.devices:
        await hub.join(device.eui64, CODE)
        device.power_on()
    devices = hub.ledger.devices
    async with asyncio.timeout(1000):
        while any((d := devices.get(s.eui64)) is None or d.state != "interviewed" for s in specs):
            await asyncio.sleep(1)
    await asyncio.sleep(60)
    watch = Watch(bench.world)
    record = hub.updates.add_image(data, name="new.ota")
    for each in specs:
        hub.updates.start(each.eui64, record.file_sha256, activation="now")
    result = await watch.result(data)
    assert bench.world.dongle.faults == {}
    await bench.close()
    return result


def by_yardstick(displays: int, turn_around_s: float = 0.0, *, seed: int = 0) -> Result:
    """What the air allows."""
    return virtual.run(_by_yardstick(displays, turn_around_s, seed))


def by_hub(
    directory: Path, radio: Radio, displays: int, turn_around_s: float = 0.0, *, baud: int = BAUD, seed: int = 0
) -> Result:
    """What the hub makes of it."""
    return virtual.run(_by_hub(directory, radio, displays, turn_around_s, baud, seed))
