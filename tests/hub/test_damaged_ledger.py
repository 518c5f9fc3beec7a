"""A ledger that is damaged while devices are at work: its last backup takes its place, and what is open goes on."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from update_rig import DISPLAY, NEW, Play, Rig

from hanctl.base.errors import ExitCode
from hanctl.hub.daemon import Daemon
from hanctl.ledger.errors import LedgerDamaged
from hanctl.model.events import DeviceLeft

HOUR = 3600.0


def damage(rig: Rig) -> None:
    """All but the first page of the ledger is lost."""
    for path in (rig.hub_directory / "ledger.sqlite", rig.hub_directory / "ledger.sqlite-wal"):
        if path.exists():
            with path.open("r+b") as file:
                size = path.stat().st_size
                file.seek(4096)
                file.write(os.urandom(max(0, size - 4096)))


async def damaged_and_restarted(rig: Rig) -> None:
    await rig.bench.kill()
    damage(rig)
    await rig.restart()


def test_an_update_that_the_backup_knows_goes_on(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await asyncio.sleep(120)
        number = rig.order()
        await rig.until_middle()
        await rig.hub.copies.create()
        known = [event["id"] for event in rig.told_of(number)]
        await damaged_and_restarted(rig)
        assert [event["id"] for event in rig.told_of(number)][: len(known)] == known
        (restored,) = rig.told("ledger.restored")
        assert Path(restored["kept"]).exists()
        await rig.check_confirmed(number)
        for kind in ("update.ordered", "delivery.notice", "transfer.notice", "activation.notice"):
            assert len(rig.told(kind)) == 1, kind
        assert len(rig.told("network.formed")) == 1

    play(scenario)


def test_an_update_that_the_backup_does_not_know_ends_at_the_device_and_can_be_ordered_again(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        await asyncio.sleep(120)
        await rig.hub.copies.create()
        lost = rig.order()
        await rig.until_middle()
        await damaged_and_restarted(rig)
        assert rig.hub.ledger.updates.get(lost) is None
        await asyncio.sleep(HOUR)
        assert rig.device().running_version != NEW
        device = rig.hub.ledger.devices.get(DISPLAY)
        assert device is not None and device.state == "interviewed"
        again = rig.order()
        assert again > lost
        await rig.check_confirmed(again)

    play(scenario)


def test_damage_that_is_met_at_work_ends_the_hub_and_the_next_start_heals_it(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        number = rig.order()
        await rig.until_middle()
        await rig.hub.copies.create()
        await rig.bench.kill()
        # SQLite's own cache would hide the damage: it is one that a hub meets, and no start.
        hub = Daemon(rig.bench._config, rig.bench.clock, serve=False)
        running = asyncio.create_task(hub.run())
        await rig.until(lambda: hub.network is not None)
        hub.ledger._connection.execute("PRAGMA cache_size = 0")
        damage(rig)
        with pytest.raises(LedgerDamaged) as ended:
            async with asyncio.timeout(HOUR):
                await running
        assert ended.value.exit_code is ExitCode.STATE
        assert "hanctl again" in ended.value.hint
        await rig.restart()
        await rig.check_confirmed(number)

    play(scenario)


@pytest.mark.slow
@pytest.mark.usefixtures("seldom_asked")
def test_backups_are_written_by_themselves(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        def written() -> int:
            return sum(event["kind"] == "ledger" for event in rig.told("backup.written"))

        await asyncio.sleep(HOUR / 4)
        assert written() == 1
        for _ in range(5):
            await rig.bench.kill()
            await rig.restart()
            await asyncio.sleep(300)
        assert written() == 1, "starts that follow each other do not push old backups out"
        await asyncio.sleep(HOUR)
        assert written() == 2
        await asyncio.sleep(3 * 24 * HOUR)
        assert written() == 5
        rig.hub.ledger.record(DeviceLeft(device=DISPLAY))
        await asyncio.sleep(HOUR)
        assert written() == 6, "who is on the network is known to a backup within the hour"

    play(scenario)
