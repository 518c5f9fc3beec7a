"""Stock zigpy as host of a peer benchmark: ``host_zigpy.py RADIO URL DATABASE IMAGE NUMBER [idle]``.

bellows or zigpy-znp, unmodified, with ``device.update_firmware``. It runs in one loop, as ZHA has it for TCP ports.
"idle": it starts and updates nothing.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from pathlib import Path
from typing import Any

import zigpy.device
from hosts import say, tell_cpu_when_asked
from zigpy.ota import OtaImageWithMetadata
from zigpy.ota.image import parse_ota_image
from zigpy.ota.providers import BaseOtaImageMetadata

MODULES = {"ezsp": "bellows.zigbee.application", "znp": "zigpy_znp.zigbee.application"}


def config(radio: str, url: str, database: str) -> dict[str, Any]:
    return {
        "device": {"path": url},
        "database_path": None if database == "none" else database,
        "backup_enabled": False,
        "topology_scan_enabled": False,
        "startup_energy_scan": False,
        "ota": {"enabled": False},
        "network": {
            "channel": 15,
            "pan_id": 0x1A62,
            "extended_pan_id": "11:22:33:44:55:66:77:88",
            "key": list(range(16)),
        },
        **({"use_thread": False} if radio == "ezsp" else {}),
    }


async def main(radio: str, url: str, database: str, image: str, number: str, mode: str = "update") -> None:
    application: Any = importlib.import_module(MODULES[radio]).ControllerApplication
    # bellows loses its endpoints in the resets of forming, and has them only after a start that resumes.
    app = await application.new(config(radio, url, database), auto_form=True)
    await app.shutdown()
    app = await application.new(config(radio, url, database), auto_form=False)

    def displays() -> list[Any]:
        return [d for d in app.devices.values() if d.nwk != 0 and d.is_initialized]

    if len(displays()) < int(number):
        await app.permit(254)
        say("open")
    while len(displays()) < int(number):
        await asyncio.sleep(0.05)
    say("joined")
    if mode == "idle":
        await asyncio.Event().wait()
    await asyncio.sleep(2)
    firmware, _ = parse_ota_image(Path(image).read_bytes())
    header = firmware.header
    metadata = BaseOtaImageMetadata(
        file_version=header.file_version, manufacturer_id=header.manufacturer_id, image_type=header.image_type
    )
    # Only the wait after the update: the figures are taken before.
    zigpy.device.AFTER_OTA_ATTR_READ_DELAY = 1

    async def update(device: Any) -> None:
        result = await device.update_firmware(OtaImageWithMetadata(metadata=metadata, firmware=firmware))
        say("host", ieee=str(device.ieee), result=str(result))

    results = await asyncio.gather(*map(update, displays()), return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            say("host", error=repr(result))
    say("over")
    await asyncio.Event().wait()


if __name__ == "__main__":
    tell_cpu_when_asked()
    asyncio.run(main(*sys.argv[1:]))
