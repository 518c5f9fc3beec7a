"""A signed image over true serial bytes: what the device has in its flash is what was signed."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from hanctl.base import virtual
from hanctl.base.eui64 import parse_eui64
from hanctl.hil.bench import Bench
from hanctl.images.build import Fields, build_signed
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.certificate import DIGITAL_SIGNATURE

DISPLAY = parse_eui64("00:0d:6f:00:0b:00:00:01")
INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
AUTHORITY = BenchAuthority.create()
IMAGE = build_signed(
    random.Random(8).randbytes(2000),
    Fields(manufacturer_code=0x1234, image_type=1, file_version=2),
    AUTHORITY.issue(DISPLAY, valid_from=0, usage=DIGITAL_SIGNATURE),
)


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_a_required_signature_arrives_whole(tmp_path: Path, radio: str) -> None:
    root = tmp_path / "root.json"
    root.write_text(json.dumps({name.replace(" ", "_"): value for name, value in AUTHORITY.show().items()}))
    spec = DeviceSpec.model_validate(
        {
            "name": "display",
            "eui64": DISPLAY,
            "type": "ppmid",
            "install_code": INSTALL_CODE,
            "manufacturer_code": 0x1234,
            "image_type": 1,
            "running_version": 1,
        }
    )

    async def scenario() -> bytes:
        sections = {"firmware": {"signatures": "require", "signature_roots": str(root)}}
        bench = Bench(tmp_path, [spec], radio=radio, sections=sections)  # type: ignore[arg-type]
        bench.world.plug()
        hub = await bench.start()
        await hub.join(DISPLAY, INSTALL_CODE)
        device = bench.world.device("display")
        device.power_on()
        async with asyncio.timeout(86400):
            while (known := hub.ledger.devices.get(DISPLAY)) is None or known.state != "interviewed":
                await asyncio.sleep(1)
            await hub.store.judge(IMAGE)
            update = hub.updates.start(DISPLAY, hub.updates.add_image(IMAGE, name="signed.ota").file_sha256)
            while (now := hub.ledger.updates.get(update.id)) is None or now.state != "confirmed":
                assert now is not None and now.state != "failed", now
                await asyncio.sleep(1)
        flash = device.flash_image()
        await bench.close()
        assert bench.world.dongle.faults == {}
        return flash

    assert virtual.run(scenario()) == IMAGE
