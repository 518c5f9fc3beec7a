"""A hub and displays that have joined, in virtual time, with a hand on the air between them and on the dongle."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

from ota_responses import decode_response

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.model.records import Update
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.network.medium import ApsFrame, Done, Node
from hanctl.simulator.network.stack import SendError
from hanctl.updates.serving import ota

Radio = Literal["ezsp", "znp"]
CODE = "83FED3407A939723A5C639B26916D505C3B5"
OLD, NEW = 1, 2
OTA = 0x0019


def address(number: int) -> Eui64:
    return parse_eui64(f"00:0d:6f:00:0b:00:01:{number:02x}")


def spec(number: int, **special: Any) -> DeviceSpec:
    """A display; ``ota`` and ``timings`` of it as far as they are not the reference client's."""
    common = {
        "name": f"display {number}",
        "eui64": address(number),
        "type": "ppmid",
        "install_code": CODE,
        "running_version": OLD,
        "start_delay_s": 0.2 * number,
        "timings": {"start_delay_s": (1.0, 5.0), **special.pop("timings", {})},
    }
    return DeviceSpec.model_validate(common | special)


def image(size: int, seed: int = 3) -> bytes:
    return build(random.Random(seed).randbytes(size), Fields(manufacturer_code=0x1234, image_type=1, file_version=NEW))


async def join_all(directory: Path, radio: Radio, number: int) -> None:
    """Form the network and let ``number`` displays join; their state is in the directory afterwards."""
    bench = Bench(directory, [spec(n) for n in range(1, number + 1)], radio=radio)
    bench.world.plug()
    hub = await bench.start()
    for device in bench.world.devices:
        await hub.join(device.eui64, CODE)
        device.power_on()
    async with asyncio.timeout(600):
        while any(
            (d := hub.ledger.devices.get(e.eui64)) is None or d.state != "interviewed" for e in bench.world.devices
        ):
            await asyncio.sleep(1)
    await bench.close()


class Rig:
    """The hub, started, with the displays of ``specs`` (1, 2, ... of those that joined)."""

    def __init__(self, directory: Path, radio: Radio, specs: list[DeviceSpec], sections: dict[str, Any]) -> None:
        self.bench = Bench(directory, specs, radio=radio, sections=sections)
        self.medium = self.bench.world.medium
        self.heard: list[tuple[float, ApsFrame]] = []
        """What displays sent, as it reached the dongle, and when."""
        self.sent: list[tuple[float, ApsFrame]] = []
        """What the dongle sent, and when."""
        self.down, self.up = self.medium.from_coordinator, self.medium.to_coordinator
        """The air in both directions: a scenario may put something in between."""
        self.medium.from_coordinator = self._down  # type: ignore[method-assign]
        self.medium.to_coordinator = self._up  # type: ignore[method-assign]

    def _down(self, frame: ApsFrame, done: Done) -> None:
        self.sent.append((self.now, frame))
        self.down(frame, done)

    def _up(self, node: Node, frame: ApsFrame, done: Done) -> None:
        self.heard.append((self.now, frame))
        self.up(node, frame, done)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def hub(self) -> Daemon:
        assert self.bench.hub is not None
        return self.bench.hub

    @property
    def devices(self) -> list[SimulatedDevice]:
        return self.bench.world.devices

    def device(self, number: int = 1) -> SimulatedDevice:
        return self.bench.world.device(f"display {number}")

    async def start(self) -> None:
        self.bench.world.plug()
        await self.bench.start()
        for device in self.devices:
            device.power_on()
        await self.until(lambda: all(d.online for d in self.devices), 600)
        await asyncio.sleep(10)

    def order(self, data: bytes, *, activation: Any = "now") -> list[int]:
        """Update every display; the numbers of the updates."""
        record = self.hub.updates.add_image(data, name="new.ota")
        return [self.hub.updates.start(d.eui64, record.file_sha256, activation=activation).id for d in self.devices]

    def update(self, number: int) -> Update:
        update = self.hub.ledger.updates.get(number)
        assert update is not None
        return update

    async def until(self, condition: Callable[[], bool], seconds: float, step: float = 0.5) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(step)

    async def until_confirmed(self, numbers: list[int], data: bytes, seconds: float = 20_000) -> None:
        await self.until(lambda: all(self.update(n).state == "confirmed" for n in numbers), seconds)
        for device in self.devices:
            assert device.flash_image() == data
            assert device.running_version == NEW
        notices = [r.as_dict()["update"] for r in self.hub.ledger.events(type="activation.notice")]
        assert sorted(notices) == sorted(numbers)

    async def until_downloading(self, seconds: float = 3600) -> None:
        await self.until(lambda: any(d.storage.offset > 0 for d in self.devices), seconds, step=0.05)

    def commands(self, command: int, *, to: SimulatedDevice | None = None) -> list[tuple[float, bytes]]:
        """OTA commands of the hub, as they were handed to the air: when, and the ZCL frame."""
        return [
            (at, f.payload)
            for at, f in self.sent
            if f.cluster == OTA
            and f.payload[0] & 0x01
            and f.payload[2] == command
            and (to is None or f.destination == to.nwk)
        ]

    def blocks(self) -> list[tuple[float, ota.ImageBlockResponse]]:
        """The hub's Image Block Responses, and when they were handed to the air."""
        return [(at, decode_response(5, frame[3:])) for at, frame in self.commands(5)]

    def waits(self) -> list[ota.ImageBlockResponse]:
        """Those that say WAIT_FOR_DATA."""
        return [block for _, block in self.blocks() if block.status == ota.OtaStatus.WAIT_FOR_DATA]

    def requests(self, command: int) -> list[tuple[float, bytes]]:
        """OTA commands of displays: when, and the ZCL frame."""
        return [
            (at, f.payload)
            for at, f in self.heard
            if f.cluster == OTA and f.payload[0] & 0x01 and f.payload[2] == command
        ]

    def refuse(self, wrong: Callable[[ApsFrame], bool]) -> None:
        """Have the dongle answer that it is full, for the frames that ``wrong`` says."""
        stack = self.bench.world.stack
        take = stack.send

        def send(frame: ApsFrame, done: Done) -> SendError | None:
            return SendError.BUSY if wrong(frame) else take(frame, done)

        stack.send = send  # type: ignore[method-assign]


Scenario = Callable[[Rig], Coroutine[Any, Any, None]]


def run(
    joined: Path, directory: Path, radio: Radio, scenario: Scenario, specs: list[DeviceSpec], sections: dict[str, Any]
) -> None:
    """Run a scenario on a copy of the state that ``join_all`` left."""
    shutil.copytree(joined, directory)

    async def whole() -> None:
        rig = Rig(directory, radio, specs, sections)
        await rig.start()
        await scenario(rig)
        await rig.bench.close()
        assert rig.bench.world.dongle.faults == {}

    virtual.run(whole())
