"""A hub and its displays on real air, with losses, a sleeper, pages and power cuts: all as on ideal air."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Literal

import pytest

from hanctl.base import virtual
from hanctl.hil.bench import Bench
from hanctl.images.build import Fields, build
from hanctl.simulator.device.spec import DeviceSpec

CODE = "83FED3407A939723A5C639B26916D505C3B5"
IMAGE = build(random.Random(4).randbytes(2000), Fields(manufacturer_code=0x1234, image_type=1, file_version=2))
SPECS = [
    DeviceSpec.model_validate(
        {
            "name": f"display {n}",
            "eui64": f"00:0d:6f:00:0b:00:00:0{n}",
            "type": "ppmid",
            "install_code": CODE,
            "running_version": 1,
            "timings": {"start_delay_s": (1, 5)},
            **special,
        }
    )
    for n, special in (
        (1, {"link": {"loss": 0.3}}),
        (2, {"sleepy": True, "poll_interval_s": 3.0, "link": {"loss": 0.1}}),
        (3, {"ota": {"page_mode": True, "max_data_size": 48}}),
    )
]


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_updates_go_well(tmp_path: Path, radio: Literal["ezsp", "znp"]) -> None:
    async def main() -> None:
        bench = Bench(tmp_path, SPECS, radio=radio, air="real")
        devices = bench.world.devices
        bench.world.plug()
        hub = await bench.start()
        for device in devices:
            await hub.join(device.eui64, CODE)
            device.power_on()
        async with asyncio.timeout(3600):
            while any(each.state != "interviewed" for each in hub.ledger.devices.all()):
                await asyncio.sleep(1)
            record = hub.updates.add_image(IMAGE, name="new.ota")
            for device in devices:
                hub.updates.start(device.eui64, record.file_sha256, activation="now")
            while any(device.storage.offset < 500 for device in devices[:1]):
                await asyncio.sleep(0.1)
            # The dongle and a display lose power in the middle.
            bench.world.unplug()
            bench.world.power_cycle("display 1", 3.0)
            await asyncio.sleep(5)
            bench.world.plug()
            while len(hub.ledger.events(type="activation.notice")) < len(devices):
                await asyncio.sleep(1)
        for device in devices:
            assert device.running_version == 2
            assert device.flash_image() == IMAGE
        assert bench.world.dongle.faults == {}
        await bench.close()

    virtual.run(main())
