"""Three days of a rig with five displays in virtual time: what a hub that runs for weeks must not do.

A daily update of every display, and two changes of tenancy. After the first day, in which all that is made once is
made, nothing may grow; and of events that are older than the ledger keeps them, only evidence stays.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from hanctl.base import virtual
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.simulator.device.spec import DeviceSpec

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

CODE = "83FED3407A939723A5C639B26916D505C3B5"
HOUR_S = 3600.0
DAYS = 3
GROWTH = 0.02
EVIDENCE_A_DAY = 90
"""Events that stay, of some 150 a day: five activation notices, and what five displays did about a change."""
OF_BLOCKS = 0.002
"""Their number is steadier than the pages they lie in: a leak of one for each block of an image would be seen."""


def specs() -> list[DeviceSpec]:
    def spec(number: int, **more: Any) -> DeviceSpec:
        return DeviceSpec.model_validate(
            {
                "name": f"display {number}",
                "eui64": f"00:0d:6f:00:0b:00:00:{number:02x}",
                "type": "ppmid",
                "install_code": CODE,
                "running_version": 1,
                "tenancy": {"queries": "midnight"},
                **more,
            }
        )

    return [*(spec(number) for number in range(1, 5)), spec(5, type="ihd", sleepy=True, poll_interval_s=30.0)]


@dataclass(frozen=True)
class Measure:
    """What a process holds, between two days."""

    blocks: int
    """Blocks of memory that Python has given out."""
    resident: int
    """Bytes."""
    tasks: int
    descriptors: int
    events: int
    """In the ledger."""


def measure(hub: Daemon) -> Measure:
    gc.collect()
    return Measure(
        sys.getallocatedblocks(),
        int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        len(asyncio.all_tasks()),
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        len(hub.ledger.events()),
    )


async def soak(bench: Bench) -> list[Measure]:
    bench.world.plug()
    hub = await bench.start()
    rng = random.Random(1)
    for device in bench.world.devices:
        await hub.join(device.eui64, CODE)
        device.power_on()
        while (found := hub.ledger.devices.get(device.eui64)) is None or found.state != "interviewed":
            await asyncio.sleep(1)
    measures = []
    started = hub.clock.monotonic()
    for day in range(DAYS):
        image = build(rng.randbytes(20000), Fields(manufacturer_code=0x1234, image_type=1, file_version=2 + day))
        digest = hub.updates.add_image(image, name="daily.ota").file_sha256
        for device in bench.world.devices:
            hub.updates.start(device.eui64, digest)
        await asyncio.sleep(12 * HOUR_S)
        if day != 1:
            hub.tenancy.orders.order("tenancy")
        await asyncio.sleep(started + (day + 1) * 24 * HOUR_S - hub.clock.monotonic())
        assert [device.running_version for device in bench.world.devices] == [2 + day] * 5
        assert hub.ledger.updates.all(open_only=True) == []
        measures.append(measure(hub))
    return measures


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_nothing_grows(radio: Literal["ezsp", "znp"], tmp_path: Path) -> None:
    async def main() -> list[Measure]:
        bench = Bench(tmp_path, specs(), radio=radio, sections={"retention": {"days": 1}})
        try:
            return await soak(bench)
        finally:
            await bench.close()

    first, second, last = measures = virtual.run(main())
    print(*measures, sep="\n")
    assert last.blocks <= first.blocks * (1 + OF_BLOCKS)
    assert last.resident <= first.resident * (1 + GROWTH)
    assert last.tasks == first.tasks
    assert last.descriptors == first.descriptors
    assert last.events <= second.events + EVIDENCE_A_DAY
