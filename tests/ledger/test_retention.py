"""What the ledger forgets, what it never does, and that its file stops growing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hand_clock import START, HandClock

from hanctl.base import virtual
from hanctl.base.clock import Clock, LoopClock
from hanctl.base.eui64 import Eui64
from hanctl.hil.bench import Bench
from hanctl.ledger import retention
from hanctl.ledger.files.last_dongle import known_network, last_dongle
from hanctl.ledger.ledger import Ledger, Recorded
from hanctl.ledger.retention import Limits, Retention
from hanctl.model.change_events import ChangeOverdue, ChangeTold
from hanctl.model.events import DeviceLeft, DongleOpened, HubStarted, LedgerPruned, NetworkResumed, OtaRequestRefused
from hanctl.model.records import Device, Update
from hanctl.model.update_events import ActivationNotice, UpdateOrdered, UpdateResumed, UpdateVerifying

DEVICE = Eui64("00:0d:6f:00:0a:90:69:e7")
LEFT = DeviceLeft(device=DEVICE)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: HandClock) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite", clock)
    opened.devices.put(Device(DEVICE, START, device_type="ppmid", state="interviewed", nwk=1))
    opened.record(HubStarted(version="1"))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_S", 0)


def prune(ledger: Ledger, clock: Clock, days: int = 365, events: int = 250_000) -> None:
    asyncio.run(Retention(ledger, clock, Limits(days, events)).prune())


def types(ledger: Ledger) -> list[str]:
    return [type(recorded.event).type for recorded in ledger.events()]


def order(ledger: Ledger) -> Update:
    update = ledger.updates.create(
        device=DEVICE,
        file_sha256="ab" * 32,
        manufacturer_image_sha256=None,
        manufacturer_code=0x1234,
        image_type=1,
        file_version=2,
        size=1000,
        activation="now",
        ordered_at=START,
    )
    ledger.record(
        UpdateOrdered(
            device=DEVICE,
            update=update.id,
            file_sha256="ab" * 32,
            file_version=2,
            activation="now",
            activate_at=None,
            follows=None,
            cause="by command",
        )
    )
    ledger.record(UpdateResumed(device=DEVICE, update=update.id, offset=5))
    return update


def end(ledger: Ledger, clock: HandClock, update: Update) -> None:
    way = [UpdateVerifying(device=DEVICE, update=update.id, was=was, cause="so") for was in ("ordered", "verifying")]
    ledger.updates.put(replace(update, state="confirmed", ended_at=clock.now()), *way)
    ledger.record(notice(update.id))


def notice(update: int) -> ActivationNotice:
    return ActivationNotice(
        device=DEVICE,
        update=update,
        device_type="ppmid",
        outcome="activated",
        result_code=0,
        old_version=1,
        new_version=2,
        file_sha256="ab" * 32,
        manufacturer_image_sha256=None,
        ordered_at="2026-03-01T12:00:00Z",
        transferred_at=None,
        activated_at=None,
        confirmed_at=None,
        confirmed_by=None,
        reason=None,
    )


def test_what_is_older_goes_but_for_the_first_event_and_that_is_told(ledger: Ledger, clock: HandClock) -> None:
    for _ in range(1200):
        ledger.record(LEFT)
    clock.pass_days(10)
    young = ledger.record(LEFT)
    prune(ledger, clock, days=10)
    assert types(ledger) == ["hub.started"] + ["device.left"] * 1201
    clock.pass_days(0.001)
    prune(ledger, clock, days=10)
    assert types(ledger) == ["hub.started", "device.left", "ledger.pruned"]
    first, kept, told = ledger.events()
    assert (first.id, kept.id, told.id) == (1, young.id, young.id + 1)
    assert told.event.model_dump() == {"events": 1200, "below": young.id}
    prune(ledger, clock, days=10)
    assert ledger.last_event_id() == told.id


def test_by_which_network_and_dongle_the_hub_is_known_stays(ledger: Ledger, clock: HandClock) -> None:
    place: dict[str, Any] = {"channel": 15, "pan_id": 1, "extended_pan_id": "00:11:22:33:44:55:66:77"}
    for _ in range(2):
        ledger.record(DongleOpened(path="/dev/x", radio="ezsp", dongle_eui64=DEVICE, firmware="7.4"))
        ledger.record(NetworkResumed(**place))
    clock.pass_days(400)
    prune(ledger, clock, days=365)
    assert types(ledger) == ["hub.started", "dongle.opened", "network.resumed", "ledger.pruned"]
    assert known_network(ledger) == place["extended_pan_id"]
    assert last_dongle(ledger.path) == DEVICE


def test_of_too_many_the_oldest_go(ledger: Ledger, clock: HandClock) -> None:
    for _ in range(3000):
        ledger.record(LEFT)
    prune(ledger, clock, events=1000)
    assert [recorded.id for recorded in ledger.events()] == [1, *range(2002, 3003)]


def test_what_counts_is_how_many_there_are_and_not_their_numbers(ledger: Ledger, clock: HandClock) -> None:
    for _ in range(1500):
        ledger.record(LEFT)
    # As after a backup of the ledger has taken its place.
    with ledger.transaction():
        ledger._execute("UPDATE sqlite_sequence SET seq = seq + 1000000 WHERE name = 'events'")
    ledger.record(LEFT)
    prune(ledger, clock, events=2000)
    assert len(ledger.events()) == 1502
    prune(ledger, clock, events=1000)
    assert len(ledger.events()) == 1000 + 2


def test_the_story_of_an_update_stays_until_long_after_its_end_and_its_notice_for_good(
    ledger: Ledger, clock: HandClock
) -> None:
    update = order(ledger)
    ledger.record(LEFT)
    ledger.record(OtaRequestRefused(device=DEVICE, update=update.id, request="image block", reason="no"))
    ledger.record(UpdateResumed(device=DEVICE, update=update.id, offset=6))
    clock.pass_days(400)
    story = ["hub.started", "update.ordered", "update.resumed", "ota.request_refused", "update.resumed"]
    prune(ledger, clock)
    assert types(ledger) == [*story, "ledger.pruned"]
    end(ledger, clock, update)
    clock.pass_days(364)
    prune(ledger, clock, events=1)
    assert types(ledger) == [*story, "activation.notice", "ledger.pruned"]
    clock.pass_days(2)
    prune(ledger, clock)
    assert types(ledger)[:2] == ["hub.started", "activation.notice"]
    found = ledger.updates.get(update.id)
    assert found is not None
    assert found.state == "confirmed"


def test_the_message_that_a_display_still_shows_keeps_its_event(ledger: Ledger, clock: HandClock) -> None:
    update = order(ledger)
    end(ledger, clock, update)
    ended = ledger.updates.get(update.id)
    assert ended is not None
    ledger.updates.put(replace(ended, message=update.id))
    clock.pass_days(1000)
    prune(ledger, clock)
    assert types(ledger)[:2] == ["hub.started", "update.ordered"]


def test_evidence_of_a_change_stays_and_what_is_said_every_day_does_not(ledger: Ledger, clock: HandClock) -> None:
    ledger.record(ChangeTold(device=DEVICE, change=1, fuel="gas", command="x"))
    ledger.record(ChangeOverdue(device=DEVICE, change=1, verdict="unknown", days=1))
    clock.pass_days(1000)
    ledger.record(LEFT)
    prune(ledger, clock)
    assert types(ledger) == ["hub.started", "change.told", "device.left", "ledger.pruned"]


def test_a_notice_goes_with_its_place_in_the_outbox_and_not_before_it_was_taken(
    ledger: Ledger, clock: HandClock
) -> None:
    ledger.outbox.types = frozenset({"device.left"})
    taken, waiting = ledger.record(LEFT), ledger.record(LEFT)
    accepted = ledger.outbox.get(taken.id)
    assert accepted is not None
    ledger.outbox.put(replace(accepted, attempts=1, delivered_at=clock.now()))
    clock.pass_days(1000)
    ledger.record(HubStarted(version="2"))
    prune(ledger, clock)
    assert [recorded.id for recorded in ledger.events()][:2] == [1, waiting.id]
    assert ledger.outbox.get(taken.id) is None
    assert [pending.event for pending in ledger.outbox.pending()] == [waiting.id]


def test_nobody_else_can_delete_an_event(ledger: Ledger, clock: HandClock, tmp_path: Path) -> None:
    ledger.record(LEFT)
    clock.pass_days(1000)
    ledger.record(LEFT)
    prune(ledger, clock)
    other = sqlite3.connect(tmp_path / "ledger.sqlite")
    for (number,) in other.execute("SELECT id FROM events").fetchall():
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute("DELETE FROM events WHERE id = ?", (number,))
    other.close()


def test_the_file_stops_growing(ledger: Ledger, clock: HandClock, tmp_path: Path) -> None:
    def pages() -> int:
        other = sqlite3.connect(tmp_path / "ledger.sqlite")
        (count,) = other.execute("PRAGMA page_count").fetchone()
        other.close()
        return int(count)

    sizes = []
    for _ in range(6):
        with ledger.transaction():
            for _ in range(2000):
                ledger.record(LEFT)
        prune(ledger, clock, events=1000)
        sizes.append(pages())
    assert sizes[-1] <= sizes[1] * 1.05


def test_it_is_pruned_soon_after_the_start_and_then_every_day(tmp_path: Path) -> None:
    async def scenario() -> list[float]:
        clock = LoopClock(asyncio.get_running_loop(), START)
        ledger = Ledger.open(tmp_path / "ledger.sqlite", clock)
        heard: list[Recorded] = []
        ledger.subscribe(heard.append)
        working = asyncio.create_task(Retention(ledger, clock, Limits(days=1, events=1000)).run())
        for _ in range(4):
            ledger.record(LEFT)
            ledger.record(LEFT)
            await asyncio.sleep(86400)
        working.cancel()
        ledger.close()
        pruned = [recorded.time for recorded in heard if isinstance(recorded.event, LedgerPruned)]
        return [(time - START).total_seconds() for time in pruned]

    assert virtual.run(scenario()) == pytest.approx([600 + day * 86400 for day in (1, 2, 3)], abs=1)


def test_a_hub_has_its_retention(tmp_path: Path) -> None:
    async def scenario() -> int:
        bench = Bench(tmp_path, [], sections={"retention": {"days": 1, "events": 1000}})
        bench.world.plug()
        hub = await bench.start()
        with hub.ledger.transaction():
            for _ in range(1500):
                hub.ledger.record(LEFT)
        await asyncio.sleep(700)
        kept = len(hub.ledger.events(type="device.left"))
        await bench.close()
        return kept

    # But for what the hub itself had to say.
    assert 990 < virtual.run(scenario()) <= 1000
