"""Link keys between devices: given by the dongle's firmware, to devices that have established keys, and told of."""

from __future__ import annotations

import asyncio
from typing import Any

from dongle_lab import Lab, address, in_a_lab

METER, DISPLAY = 1, 2
BOTH: dict[int, Any] = {
    METER: {"type": "esme"},
    DISPLAY: {"trust": {"partners": [address(METER)]}},
}


@in_a_lab(devices=2, different=BOTH)
async def test_a_display_and_a_meter_get_a_key_of_their_own(lab: Lab) -> None:
    hub = await lab.start()
    await lab.join(hub, DISPLAY)
    await asyncio.sleep(20)
    meter, display = lab.device(METER), lab.device(DISPLAY)
    assert display.storage.link_key is not None and display.storage.partner_keys == {}
    await lab.join(hub, METER)
    await asyncio.sleep(60)
    (key,) = display.storage.partner_keys.values()
    assert meter.storage.partner_keys == {address(DISPLAY): key}
    assert key not in lab.installed.values(), "it is nobody's key with the trust centre"
    assert await lab.is_served(hub, DISPLAY)
    if lab.world.dongle.__class__.__name__.startswith("Ezsp"):
        told = [each.event.type for each in hub.ledger.events(device=address(DISPLAY))]
        assert [each for each in told if each.startswith("partner_key")] == [
            "partner_key.refused",
            "partner_key.given",
        ]
        (refused,) = lab.events(hub, "partner_key.refused")
        assert "no established key" in refused.reason


@in_a_lab(devices=2, different=BOTH | {METER: {"trust": {"silent_after": "join"}}})
async def test_nobody_gets_a_key_with_a_device_that_has_none_of_its_own(lab: Lab) -> None:
    hub = await lab.start()
    await lab.join(hub)
    await asyncio.sleep(120)
    assert lab.device(DISPLAY).storage.link_key is not None
    assert lab.device(DISPLAY).storage.partner_keys == lab.device(METER).storage.partner_keys == {}
