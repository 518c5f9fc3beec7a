"""Displays as they are in the field, on simulated dongles, in virtual time: each gets the verdict it deserves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from display_bench import DAY, SHOWN, Radio, Rig, display, play, serving
from full_disk import fill, make_room

from hanctl.images.build import Fields, build
from hanctl.radio import heartbeat
from hanctl.tenancy.controls import Wanted
from hanctl.tenancy.service import Provider


@pytest.fixture(params=["ezsp", pytest.param("znp", marks=pytest.mark.slow)])
def radio(request: pytest.FixtureRequest) -> Radio:
    chosen: Radio = request.param
    return chosen


@pytest.fixture(autouse=True)
def seldom_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub asks its dongle every five minutes whether it lives: that is most of the work of days in virtual time."""
    monkeypatch.setattr(heartbeat, "PERIOD_S", 300.0)


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_each_kind_of_display_gets_its_verdict(radio: Radio, tmp_path: Path) -> None:
    specs = [
        display(1),
        display(2, tenancy={"behaviour": "deaf"}),
        display(3, tenancy={"behaviour": "reference"}),
        display(4, tenancy={"behaviour": "reference", "refuses_with": 0x8D}),
        display(5, "ihd", sleepy=True),
        display(6, "ihd"),
        serving(7, reports=False),
        serving(8, behaviour="deaf"),
        display(9, "esme"),
        display(10, endpoint=[{"number": 1, "device_id": 0x0502, "output_clusters": [0x0019]}]),
    ]

    async def scenario(rig: Rig) -> None:
        await rig.join()
        change = rig.change()
        await asyncio.sleep(600)
        verdicts = {number: rig.of(number).verdict for number in range(1, 11) if number != 9}
        assert verdicts == {
            1: "reported cleared",
            2: "acknowledged only",
            3: "refused",
            4: "refused",
            5: "acknowledged only",
            6: "acknowledged only",
            7: "seen cleared",
            8: "still shows",
            10: "silent",
        }
        assert [number for number in range(1, 9) if rig.is_clear(number)] == [1, 5, 6, 7]
        assert "0x86" in rig.of(3).basis and "0x8d" in rig.of(4).basis
        assert rig.of(8).basis.startswith(
            "read back: 0x0702:0x0421 0x0705:0x0211 — a Read Attributes Response under its"
        )
        assert "cannot be told" in rig.of(10).basis
        report = rig.daemon.tenancy.report(change.id)
        # A meter is where a change comes from: it is told nothing.
        assert rig.device(9).eui64 not in {each.eui64 for each in report.devices}
        assert report.outstanding == 7
        # Both fuels, in the order of their numbers, under numbers that grow.
        assert len(rig.device(1).tenancy.published) == 2
        assert rig.device(1).tenancy.published == sorted(set(rig.device(1).tenancy.published))

    play(tmp_path, radio, specs, scenario)


def test_a_change_of_supplier_is_no_evidence_with_a_reference_stack_that_says_success(
    radio: Radio, tmp_path: Path
) -> None:
    supplier = {"data": [{**SHOWN[0], "supplier": True}]}
    specs = [display(1, tenancy=supplier), display(2, tenancy={"behaviour": "reference", **supplier})]

    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.change("supplier", providers={"electricity": Provider(17, "One"), "gas": Provider(18, "One", "0800 1")})
        await asyncio.sleep(60)
        assert [rig.of(1).verdict, rig.of(2).verdict] == ["reported cleared", "acknowledged only"]
        assert [rig.is_clear(1), rig.is_clear(2)] == [True, False]

    play(tmp_path, radio, specs, scenario)


def test_a_display_that_was_off_for_a_week_is_told_when_it_returns_and_flagged_daily_until_then(
    radio: Radio, tmp_path: Path
) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.device(1).power_off()
        rig.change()
        await asyncio.sleep(6.9 * DAY)
        assert rig.of(1).verdict == "silent" and rig.of(1).overdue
        flagged = rig.told("change.overdue", 1)
        assert [each["days"] for each in flagged] == [1, 2, 3, 4, 5, 6]
        rig.device(1).power_on()
        await asyncio.sleep(60)
        assert (rig.of(1).verdict, rig.is_clear(1), rig.of(1).overdue) == ("reported cleared", True, False)
        await asyncio.sleep(2 * DAY)
        assert len(rig.told("change.overdue", 1)) == 6

    play(tmp_path, radio, [display(1)], scenario)


def test_a_reload_brings_the_time_forward_at_which_a_display_is_flagged(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.device(1).power_off()
        rig.change()
        await asyncio.sleep(DAY / 8)
        assert rig.told("change.overdue", 1) == []
        rig.configure(tenancy={"overdue_h": 2})
        rig.daemon.reloads.ask()
        await asyncio.sleep(60)
        assert len(rig.told("change.overdue", 1)) == 1

    play(tmp_path, "znp", [display(1)], scenario)


def test_queries_at_midnight_are_answered_and_not_found_before_there_is_a_change(tmp_path: Path) -> None:
    """It asks both endpoints for both kinds of change, each midnight of the hub's clock."""
    spec = display(1, tenancy={"queries": "midnight", "servers": [1, 2], "reports": False})

    async def scenario(rig: Rig) -> None:
        await rig.join()
        await asyncio.sleep(DAY)
        assert rig.device(1).tenancy.not_found == 4
        at = rig.clock.now() + timedelta(hours=30)
        rig.change(at=at)
        await asyncio.sleep(DAY)
        # It is to come, and no device is told before the moment.
        assert rig.device(1).tenancy.not_found == 8 and not rig.device(1).tenancy.published
        await asyncio.sleep(DAY)
        assert [command for command, _ in rig.device(1).tenancy.published] == [0, 0]
        assert {each["fuel"] for each in rig.told("change.queried", 1)} == {"electricity", "gas"}
        # Of suppliers there was no change: those two queries are answered as before.
        assert rig.device(1).tenancy.not_found == 10
        assert rig.of(1).verdict == "acknowledged only"

    play(tmp_path, "znp", [spec], scenario)


def test_of_a_date_to_come_a_display_is_told_at_once_and_judged_only_then(radio: Radio, tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        cut_off = rig.clock.now() + timedelta(hours=30)
        rig.change(cut_off=cut_off, control=Wanted(0x7B9C))
        await rig.until(lambda: len(rig.told("change.told", 1)) == 2)
        await asyncio.sleep(3600)
        rig.device(1).power_cycle(60)
        await asyncio.sleep(DAY)
        assert not rig.is_clear(1)
        assert not rig.told("change.still_shows") and not rig.told("change.overdue")
        await asyncio.sleep(8 * 3600)
        assert rig.clock.now() > cut_off and rig.is_clear(1)
        assert rig.of(1).verdict == "seen cleared" and not rig.told("change.still_shows")

    play(tmp_path, radio, [serving(1)], scenario)


def test_a_display_that_shows_its_cache_afterwards_is_found_out_where_it_serves_it(
    radio: Radio, tmp_path: Path
) -> None:
    caching = {"behaviour": "caching", "restore_after_s": 3600.0}

    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.change()
        await asyncio.sleep(300)
        # It reports that it cleared, and what it serves is gone.
        assert [rig.of(1).verdict, rig.of(2).verdict] == ["seen cleared", "reported cleared"]
        await asyncio.sleep(3 * 3600)
        assert [rig.is_clear(1), rig.is_clear(2)] == [False, False]
        assert rig.of(1).verdict == "still shows"
        # Of one that serves nothing only a person can tell.
        assert rig.of(2).verdict == "reported cleared"
        rig.daemon.tenancy.confirm(rig.device(2).eui64, "A. Smith", still_shows=True)
        assert (rig.of(2).verdict, rig.of(2).basis) == ("still shows", "seen by A. Smith")
        rig.daemon.tenancy.confirm(rig.device(2).eui64, "A. Smith")
        assert (rig.of(2).verdict, rig.of(2).basis) == ("operator confirmed", "by A. Smith")

    play(tmp_path, radio, [serving(1, **caching), display(2, tenancy=caching)], scenario)


def test_new_values_of_the_next_tenant_are_not_taken_for_the_last_ones(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.change()
        await asyncio.sleep(300)
        assert rig.of(1).verdict == "seen cleared"
        rig.device(1).tenancy.shown[0x0705, 0x0211] = 12
        await asyncio.sleep(3 * DAY)
        assert rig.of(1).verdict == "seen cleared"

    play(tmp_path, "znp", [serving(1, reports=False)], scenario)


def test_a_device_that_joins_later_is_told_of_the_last_change_of_each_kind(radio: Radio, tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join(1)
        rig.change()
        second = rig.change()
        supplier = rig.change("supplier", providers={"electricity": Provider(17, "One"), "gas": Provider(18, "One")})
        await asyncio.sleep(60)
        await rig.join(2)
        await asyncio.sleep(60)
        assert [command for command, _ in rig.device(2).tenancy.published] == [0, 0, 1, 1]
        concerned = [
            number
            for number in (1, 2, 3)
            if rig.device(2).eui64 in {each.eui64 for each in rig.daemon.tenancy.report(number).devices}
        ]
        assert concerned == [second.id, supplier.id]
        assert rig.of(2, second.id).lines[0].what == "it joined after the change"
        # And the one that was there was told of all three, in order.
        assert [command for command, _ in rig.device(1).tenancy.published] == [0, 0, 0, 0, 1, 1]

    play(tmp_path, radio, [display(1), display(2)], scenario)


def test_a_change_does_not_wait_for_an_update_and_says_so(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        image = build(bytes(3000), Fields(manufacturer_code=0x1234, image_type=1, file_version=2))
        added = rig.daemon.updates.add_image(image, name="new")
        update = rig.daemon.updates.start(rig.device(1).eui64, added.file_sha256)
        change = rig.change()
        await asyncio.sleep(60)
        assert any(f"update {update.id}" in note for note in change.notes)
        assert rig.of(1).verdict == "reported cleared"

    play(tmp_path, "znp", [display(1)], scenario)


@pytest.mark.parametrize(
    "after", [0.0, 0.03, 0.3, 20.0, *(pytest.param(after, marks=pytest.mark.slow) for after in (0.004, 0.1, 1.5))]
)
def test_a_kill_while_devices_are_told_leaves_none_untold(after: float, tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.change()
        await asyncio.sleep(after)
        await rig.kill()
        await asyncio.sleep(5)
        await rig.start()
        await asyncio.sleep(300)
        # It says once that it cleared: where the hub was dead just then, that it took the change is all that is known.
        assert rig.of(1).verdict in {"reported cleared", *(["acknowledged only"] if 0 < after < 1.5 else [])}
        assert [rig.of(number).verdict for number in (2, 3)] == ["acknowledged only"] * 2
        assert [rig.is_clear(number) for number in (1, 2, 3)] == [True, False, True]
        assert len(rig.told("change.done")) == 1

    specs = [display(1), display(2, tenancy={"behaviour": "deaf"}), display(3, "ihd", sleepy=True)]
    play(tmp_path, "ezsp", specs, scenario)


def test_a_full_disk_puts_a_change_off_and_ends_nothing(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.change()
        await asyncio.sleep(300)
        assert rig.of(1).verdict == "seen cleared" and rig.of(2).verdict == "acknowledged only"
        later = rig.daemon.clock.now() + timedelta(hours=1)
        rig.change("supplier", at=later, fuels=("gas",), providers={"gas": Provider(7, "Next Gas")})
        fill(rig.daemon.ledger)
        # Its moment comes, and what was told of the first is overdue; a display says that it is there.
        await asyncio.sleep(DAY / 8)
        assert rig.daemon.ledger.full_since is not None
        assert not [task for task in rig.daemon._tasks if task.done()]
        assert len(rig.told("change.done")) == 1 and rig.told("change.overdue") == []
        make_room(rig.daemon.ledger)
        await asyncio.sleep(600)
        assert len(rig.told("change.done")) == 2
        assert rig.of(1, 2).verdict in {"reported cleared", "acknowledged only"}
        assert len(rig.told("change.overdue", 2)) == 1

    specs = [serving(1), display(2, tenancy={"behaviour": "deaf"})]
    play(tmp_path, "znp", specs, scenario, tenancy={"overdue_h": 2})


def test_a_kill_before_the_moment_loses_no_change(radio: Radio, tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        await rig.join()
        rig.change(at=rig.clock.now() + timedelta(hours=1))
        await asyncio.sleep(1800)
        await rig.kill()
        await asyncio.sleep(7200)
        assert not rig.device(1).tenancy.published
        await rig.start()
        assert rig.daemon.tenancy.orders.get(1).state == "done"
        await asyncio.sleep(60)
        assert rig.of(1).verdict == "reported cleared"

    play(tmp_path, radio, [display(1)], scenario)
