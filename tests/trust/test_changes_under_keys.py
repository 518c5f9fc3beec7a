"""Changes of tenancy on a HAN where keys are required: told under an established key, and not before there is one."""

from __future__ import annotations

import asyncio

from dongle_lab import Lab, address, in_a_lab


@in_a_lab(devices=2, required=True)
async def test_a_display_that_joins_later_is_told_once_it_has_its_key(lab: Lab) -> None:
    hub = await lab.start()
    await lab.join(hub, 1)
    await asyncio.sleep(60)
    change = hub.tenancy.orders.order("tenancy")
    await lab.join(hub, 2)
    await asyncio.sleep(120)
    report = hub.tenancy.report(change.id)
    assert {each.eui64: each.verdict for each in report.devices} == {
        address(1): "reported cleared",
        address(2): "reported cleared",
    }
    assert len(lab.installed) == 2
    for number in (1, 2):
        keyed = lab.events(hub, "key.established", number)
        told = hub.ledger.events(type="change.told", device=address(number))
        assert keyed and len(told) == 2
        # Nothing that is to be encrypted came in clear, and nothing before the key.
        assert not lab.device(number)._zcl.ignored
