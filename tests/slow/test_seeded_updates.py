"""A hundred seeded updates in virtual time, with loss, killed hubs, pulled dongles and power cuts: all end right."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

import pytest

from hanctl import virtual
from hanctl.errors import HanctlError
from hanctl.eui64 import parse_eui64
from hanctl.firmware.build import Fields, build
from hanctl.hil.bench import Bench
from hanctl.ledger.records import Update
from hanctl.ledger.update_events import ActivationNotice
from hanctl.ledger.update_states import OPEN_STATES
from hanctl.simulator.device_spec import DeviceSpec

pytestmark = pytest.mark.slow

Radio = Literal["ezsp", "znp"]
RUNS = 50
"""For each radio."""

DISPLAY = parse_eui64("00:0d:6f:00:0b:00:00:01")
INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
OLD, NEW = 0x00010000, 0x00010001
DAY_S = 86400.0


def make_spec(rng: random.Random) -> DeviceSpec:
    return DeviceSpec.model_validate(
        {
            "name": "display",
            "eui64": DISPLAY,
            "type": "ppmid",
            "install_code": INSTALL_CODE,
            "running_version": OLD,
            "sleepy": rng.random() < 0.25,
            "poll_interval_s": rng.uniform(1, 6),
            "link": {"delay_s": rng.uniform(0.002, 0.05), "loss": rng.choice([0, 0.02, 0.1, 0.2])},
            "ota": {"think_time_s": rng.uniform(0, 0.3)},
            "power_cut": [{"offset": rng.randrange(1, 4000), "off_s": rng.uniform(1, 60)}]
            if rng.random() < 0.3
            else [],
        }
    )


class Operator:
    """What happens around an update: the orders of a person, and mishaps at seeded moments."""

    def __init__(self, bench: Bench, rng: random.Random, image: bytes) -> None:
        self.bench = bench
        self.rng = rng
        self.image = image
        self.update_id = 0

    async def patiently(self, act: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """As a person would: try again when the hub is down or refuses for now."""
        while True:
            try:
                await act()
            except (HanctlError, AttributeError):
                await asyncio.sleep(20)
            else:
                return

    async def join(self) -> None:
        hub = await self.bench.start()
        await hub.join(DISPLAY, INSTALL_CODE)
        self.bench.world.device("display").power_on()
        while True:
            await asyncio.sleep(5)
            device = hub.ledger.devices.get(DISPLAY)
            if device is not None and device.state == "interviewed":
                return

    async def order(self, activation: Literal["now", "hold"]) -> None:
        assert self.bench.hub is not None
        image = self.bench.hub.updates.add_image(self.image, name="soak.ota")
        self.update_id = self.bench.hub.updates.start(DISPLAY, image.file_sha256, activation=activation).id

    def update(self) -> Update | None:
        hub = self.bench.hub
        return hub.ledger.updates.get(self.update_id) if hub is not None else None

    async def mishaps(self) -> None:
        for _ in range(self.rng.randrange(1, 5)):
            await asyncio.sleep(self.rng.expovariate(1 / 25))
            if self.rng.random() < 0.5:
                await self.bench.kill()
                await asyncio.sleep(self.rng.uniform(0, 40))
                await self.patiently(self.bench.start)
            else:
                self.bench.world.unplug()
                await asyncio.sleep(self.rng.uniform(0.1, 60))
                self.bench.world.plug()

    async def release_when_holding(self) -> None:
        while True:
            update = self.update()
            if update is not None and update.state not in OPEN_STATES - {"holding"}:
                break
            await asyncio.sleep(30)
        if update.state == "holding":
            await asyncio.sleep(self.rng.uniform(0, 4000))

            async def release() -> None:
                assert self.bench.hub is not None
                await self.bench.hub.updates.activate(self.update_id)

            await self.patiently(release)

    async def until_over(self) -> Update:
        while True:
            update = self.update()
            if update is not None and update.state not in OPEN_STATES:
                return update
            await asyncio.sleep(10)


async def one_update(radio: Radio, seed: int, directory: Path) -> None:
    rng = random.Random(f"{radio}-{seed}")
    payload = rng.randbytes(rng.randrange(1500, 6000))
    image = build(payload, Fields(manufacturer_code=0x1234, image_type=0x0001, file_version=NEW))
    version = rng.choice([13, 14, 18]) if radio == "ezsp" else None
    bench = Bench(directory, [make_spec(rng)], radio=radio, protocol_version=version, seed=seed)
    bench.world.plug()
    operator = Operator(bench, rng, image)
    activation: Literal["now", "hold"] = "now" if rng.random() < 0.5 else "hold"
    async with asyncio.timeout(2 * DAY_S):
        await operator.join()
        await operator.order(activation)
        trouble = asyncio.create_task(operator.mishaps())
        if activation == "hold":
            await operator.release_when_holding()
        update = await operator.until_over()
        await trouble
        if bench.hub is None:
            await bench.start()
        # Nothing may come twice: give it more than the longest of a client's timers to do so.
        await asyncio.sleep(4000)
    assert bench.hub is not None
    device = bench.world.device("display")
    notices = [r.event for r in bench.hub.ledger.events(type="activation.notice")]
    faults = dict(bench.world.dongle.faults)
    await bench.close()
    assert update.state == "confirmed", update.reason
    assert device.running_version == NEW
    assert device.flash_image() == image
    assert [type(n) for n in notices] == [ActivationNotice]
    assert faults == {}


@pytest.fixture(scope="session")
def formed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Radio], Path]:
    """A bench directory whose dongle has formed its network: forming takes most of a short run's work."""
    made: dict[Radio, Path] = {}

    def make(radio: Radio) -> Path:
        if radio not in made:
            made[radio] = tmp_path_factory.mktemp(radio)

            async def form() -> None:
                bench = Bench(made[radio], [], radio=radio)
                bench.world.plug()
                await bench.start()
                await bench.close()

            virtual.run(form())
        return made[radio]

    return make


@pytest.mark.parametrize("seed", range(RUNS))
@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_update(radio: Radio, seed: int, tmp_path: Path, formed: Callable[[Radio], Path]) -> None:
    directory = tmp_path / "bench"
    shutil.copytree(formed(radio), directory)
    try:
        virtual.run(one_update(radio, seed, directory))
    except BaseException:
        print(f"replay: pytest -m slow 'tests/slow/test_seeded_updates.py::test_update[{radio}-{seed}]'")
        raise
