"""Faults that a simulated display may have, and the integrity code that a good one checks."""

from __future__ import annotations

import asyncio

import pytest
from simulator_hub import NEW, FakeHub, in_virtual_time, spec

from hanctl.base.eui64 import parse_eui64
from hanctl.crypto.mmo import mmo_hash
from hanctl.images.build import Fields, build
from hanctl.simulator.device.ota import frames as ota
from hanctl.simulator.device.ota import image as ota_image
from hanctl.simulator.device.ota.types import OtaState

DEVICE = parse_eui64("00:0d:6f:00:0b:00:00:01")
NAMED = ota.ImageId(0x1234, 1, 2)
UNSEALED = build(bytes(range(200)), Fields(0x1234, 1, 2), elements=[(0x0003, bytes(16))])
SEALED = UNSEALED[:-16] + mmo_hash(UNSEALED[:-16])


def look(data: bytes) -> None:
    ota_image.verify(data, expected=NAMED, eui64=DEVICE, hardware_version=None, body="zigbee")


def test_an_image_is_held_against_its_integrity_code() -> None:
    look(SEALED)
    for at in (80, len(SEALED) - 1):
        damaged = bytearray(SEALED)
        damaged[at] ^= 1
        with pytest.raises(ota_image.BadImage, match="integrity code"):
            look(bytes(damaged))


def test_makers_differ_on_whether_the_code_covers_its_own_tag_and_length() -> None:
    without = UNSEALED[:-16] + mmo_hash(UNSEALED[:-22])
    look(without)
    with pytest.raises(ota_image.BadImage, match="integrity code"):
        look(without[:80] + bytes([without[80] ^ 1]) + without[81:])


@in_virtual_time
async def test_one_that_ignores_hold_activates() -> None:
    hub = FakeHub(spec(ota={"ignores_hold": True}))
    hub.hold = True
    hub.start()
    await hub.wait_for(lambda: hub.device.running_version == NEW)
    assert hub.device.counts.ends == 1


@in_virtual_time
async def test_one_that_forgets_its_download_begins_anew() -> None:
    hub = FakeHub(spec(ota={"forgets_download": True}, power_cut=[{"offset": 500, "off_s": 30}]))
    hub.start()
    await hub.until(OtaState.WAITING_FOR_UPGRADE)
    blocks = hub.requests(ota.IMAGE_BLOCK_REQUEST)
    assert sum(payload[9:13] == bytes(4) for _, payload in blocks) == 2


@in_virtual_time
async def test_one_that_checks_nothing_takes_another_file() -> None:
    hub = FakeHub(spec(ota={"checks_image": False}))
    hub.file = bytes(len(hub.file))
    hub.start()
    await hub.until(OtaState.WAITING_FOR_UPGRADE)


@in_virtual_time
async def test_one_that_a_power_cut_kills_stays_off() -> None:
    hub = FakeHub(spec(dies_of_power_cut=True))
    hub.start()
    await hub.until(OtaState.DOWNLOAD)
    hub.device.power_cycle(5)
    await asyncio.sleep(600)
    assert not hub.device.powered
