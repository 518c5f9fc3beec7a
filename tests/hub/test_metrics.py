"""What Prometheus is told of whole updates and joins, against what the devices did."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse
from update_rig import DISPLAY, IMAGE, INSTALL_CODE, SLEEPER, SPECS, Play, Radio, Rig, make_spec

from hanctl.base import virtual
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon


def samples(hub: Daemon) -> dict[str, float]:
    """Each sample by its name, with its labels' values behind it."""
    text = hub.metrics.exposition("text/plain")[0].decode()
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def test_an_update_is_counted_to_the_last_byte(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        half = samples(rig.hub)
        assert half["hanctl_updates transferring"] == 1
        assert 0 < half["hanctl_block_bytes_total"] < len(IMAGE)
        await rig.check_confirmed(number)
        told, blocks = samples(rig.hub), len(rig.served[rig.device().eui64])
        assert (told["hanctl_updates transferring"], told["hanctl_updates confirmed"]) == (0, 1)
        assert told["hanctl_updates_ended_total confirmed"] == told["hanctl_events_total activation.notice"] == 1
        assert told["hanctl_block_bytes_total"] == len(IMAGE)
        assert told["hanctl_blocks_total delivered"] == told["hanctl_block_response_seconds_count"] == blocks
        assert told["hanctl_block_confirmation_seconds_count"] == blocks
        # Nothing is faster confirmed than taken, and nobody waited for what an idle bench gives at once.
        taken, confirmed = (told[f"hanctl_block_{what}_seconds_sum"] for what in ("response", "confirmation"))
        assert 0 <= taken < confirmed < blocks * 0.1
        assert told["hanctl_blocks_asked_again_total"] == told["hanctl_blocks_total failed"] == 0

    play(scenario)


def test_a_lost_dongle_shows_and_so_does_what_it_cost(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        assert (before := samples(rig.hub))["hanctl_dongle_open"] == 1
        rig.bench.world.unplug()
        await rig.until(lambda: rig.hub.network is None)
        assert samples(rig.hub)["hanctl_dongle_open"] == 0
        assert samples(rig.hub)["hanctl_send_backlog_seconds"] == 0
        await asyncio.sleep(30)
        rig.bench.world.plug()
        await rig.check_confirmed(number)
        told = samples(rig.hub)
        assert (told["hanctl_dongle_open"], told["hanctl_dongle_losses_total"]) == (1, 1)
        assert told["hanctl_dongle_openings_total"] == before["hanctl_dongle_openings_total"] + 1
        assert told["hanctl_block_bytes_total"] >= len(IMAGE)

    play(scenario)


def test_after_a_restart_counters_begin_at_0_and_gauges_are_as_they_were(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.check_confirmed(rig.order())
        await rig.bench.kill()
        await rig.restart()
        told = samples(rig.hub)
        assert told["hanctl_block_bytes_total"] == told["hanctl_updates_ended_total confirmed"] == 0
        assert told["hanctl_events_total hub.started"] == 1
        assert (told["hanctl_updates confirmed"], told["hanctl_devices interviewed"]) == (1, len(SPECS))

    play(scenario)


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_joins_are_counted_by_how_they_ended(radio: Radio, tmp_path: Path) -> None:
    async def scenario() -> tuple[dict[str, float], dict[str, float]]:
        bench = Bench(tmp_path, [make_spec("display")], radio=radio)
        bench.world.plug()
        hub = await bench.start()
        for eui64 in (DISPLAY, SLEEPER):
            await hub.join(eui64, INSTALL_CODE, seconds=30)
        before = samples(hub)
        bench.world.devices[0].power_on()
        await asyncio.sleep(60)
        after = samples(hub)
        await bench.close()
        return before, after

    before, after = virtual.run(scenario())
    assert (before["hanctl_joins_open"], before["hanctl_devices expected"]) == (2, 2)
    assert (after["hanctl_joins_open"], after["hanctl_devices interviewed"]) == (0, 1)
    assert (after["hanctl_joins_total joined"], after["hanctl_joins_total timed out"]) == (1, 1)
