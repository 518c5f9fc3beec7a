"""A reload in mid-transfer, over true serial bytes and in virtual time: network and transfer notice nothing of it."""

from __future__ import annotations

import asyncio

import pytest
from update_rig import Play, Rig

from hanctl.base.errors import HanctlError


def test_a_transfer_goes_on_at_the_new_pace_over_the_same_line(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        network, told = rig.hub.network, len(rig.told("dongle.opened"))
        paced = rig.hub.updates.delivery.pacing
        assert paced.period_ms == 0
        rig.bench.configure(ota={"block_period_ms": 400})
        rig.hub.reloads.ask()
        await rig.until(lambda: paced.period_ms == 400, 5)
        assert [event["applied"] for event in rig.told("config.reloaded")] == [["ota.block_period_ms"]]
        await rig.check_confirmed(number)
        # The very same network state: the radio was not opened anew, nor was it restarted behind it.
        assert rig.hub.network is network
        assert len(rig.told("dongle.opened")) == told
        assert rig.told("dongle.lost") == rig.told("update.interrupted") == rig.told("device.left") == []
        assert rig.bytes_served_twice() == 0

    play(scenario)


def test_a_transfer_goes_on_under_a_configuration_that_is_refused(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        network = rig.hub.network
        rig.bench.configure(firmware={"signatures": "require"}, ota={"block_period_ms": 400})
        with pytest.raises(HanctlError):
            rig.hub.reloads.reload()
        await asyncio.sleep(1)
        assert rig.hub.updates.delivery.pacing.period_ms == 0
        await rig.check_confirmed(number)
        assert rig.hub.network is network
        assert rig.bytes_served_twice() == 0

    play(scenario)
