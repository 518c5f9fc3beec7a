"""Firmware files as found in the field, served byte for byte: where the folder that holds them is there."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from hanctl.base import virtual
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import parse_eui64
from hanctl.hil.bench import Bench
from hanctl.images.image import OtaImage, parse
from hanctl.simulator.device.spec import DeviceSpec

pytestmark = pytest.mark.slow

FOLDER = Path(os.environ.get("HANCTL_IMAGES", Path(__file__).parents[3] / "shared" / "images"))
DISPLAY = parse_eui64("00:0d:6f:00:0b:00:00:01")
INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"


def loadable() -> list[Any]:
    found = []
    for path in sorted(FOLDER.glob("*.*")):
        try:
            parse(path.read_bytes())
        except HanctlError:
            continue
        found.append(pytest.param(path, id=path.name))
    none = pytest.param(None, marks=pytest.mark.skip(reason="no folder of field images; name one in HANCTL_IMAGES"))
    return found or [none]


def make_spec(image: OtaImage) -> DeviceSpec:
    header = image.header
    return DeviceSpec.model_validate(
        {
            "name": "display",
            "eui64": DISPLAY,
            "type": "ppmid",
            "install_code": INSTALL_CODE,
            "manufacturer_code": header.manufacturer_code,
            "image_type": header.image_type,
            "hardware_version": header.hardware_min,
            "running_version": 0,
            "ota": {"image_body": image.form},
        }
    )


async def serve(path: Path, directory: Path) -> bytes:
    data = path.read_bytes()
    bench = Bench(directory, [make_spec(parse(data))])
    bench.world.plug()
    hub = await bench.start()
    await hub.join(DISPLAY, INSTALL_CODE)
    device = bench.world.device("display")
    device.power_on()
    async with asyncio.timeout(7 * 86400):
        while (known := hub.ledger.devices.get(DISPLAY)) is None or known.state != "interviewed":
            await asyncio.sleep(5)
        image = hub.updates.add_image(data, name=path.name)
        update = hub.updates.start(DISPLAY, image.file_sha256)
        while (now := hub.ledger.updates.get(update.id)) is None or now.state != "confirmed":
            assert now is not None and now.state != "failed", now
            await asyncio.sleep(10)
    assert dict(bench.world.dongle.faults) == {}
    flash = device.flash_image()
    await bench.close()
    return flash


@pytest.mark.parametrize("path", loadable())
def test_served_to_the_last_byte(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    total = int.from_bytes(data[52:56], "little")
    assert virtual.run(serve(path, tmp_path)) == data[:total]
