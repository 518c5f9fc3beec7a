"""The ledger's promises: durable together or not at all, told after it is durable, private, never half migrated."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hand_clock import START, HandClock

from hanctl.base.errors import Refused
from hanctl.base.eui64 import Eui64
from hanctl.ledger.errors import LedgerError, LedgerFull, LedgerTooNew
from hanctl.ledger.ledger import Ledger, Recorded
from hanctl.model.events import DeviceLeft, HubStarted
from hanctl.model.records import Device, EndpointRecord, Image, Update
from hanctl.model.update_events import ActivationNotice, UpdateCancelled, UpdateNotified, UpdateVerifying
from hanctl.model.update_states import IllegalTransition, UpdateState

PPMID = Eui64("00:0d:6f:00:0a:90:69:e7")
IHD = Eui64("00:0d:6f:00:0a:90:69:e8")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, clock: HandClock) -> Iterator[Ledger]:
    opened = Ledger.open(path, clock)
    yield opened
    opened.close()


def order(ledger: Ledger, device: Eui64 = PPMID) -> Update:
    return ledger.updates.create(
        device=device,
        file_sha256="ab" * 32,
        manufacturer_image_sha256=None,
        manufacturer_code=0x1234,
        image_type=1,
        file_version=2,
        size=1000,
        activation="now",
        ordered_at=START,
    )


def test_the_file_and_its_companions_are_private(ledger: Ledger, path: Path) -> None:
    ledger.record(HubStarted(version="1"))
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert modes[path.name] == "0o600"
    assert set(modes.values()) == {"0o600"}


def test_records_come_back_as_they_were_after_reopening(ledger: Ledger, path: Path, clock: HandClock) -> None:
    device = Device(
        PPMID,
        START,
        device_type="ppmid",
        state="interviewed",
        nwk=0x1234,
        endpoints=(EndpointRecord(1, 0x0109, 0x0502, (0, 3), (0x19, 0x0700)),),
        manufacturer_name="Acme",
        sleepy=True,
        joined_at=START + timedelta(seconds=1, microseconds=5),
    )
    image = Image("ab" * 32, None, "gb", "x.ota", 0x1234, 1, 2, 2, "demo", 1000, 3, START, tags=(0, 0xF000))
    ledger.devices.put(device)
    ledger.images.put(image)
    update = order(ledger)
    changed = replace(
        update,
        state="notified",
        offset=500,
        notified_at=START + timedelta(minutes=1),
        activation="at",
        activate_at=START + timedelta(days=1),
        requires=(1, 2),
        steps=("cd" * 32,),
        allow_downgrade=True,
        notices=("delivery",),
    )
    ledger.updates.put(changed, UpdateNotified(device=PPMID, update=update.id, was="ordered", cause="so"))
    ledger.close()

    again = Ledger.open(path, clock)
    assert again.devices.get(PPMID) == device
    assert again.images.get(image.file_sha256) == image
    assert again.updates.get(update.id) == changed
    assert again.updates.open_for(PPMID) == changed
    again.close()


def test_a_network_address_belongs_to_one_device(ledger: Ledger) -> None:
    ledger.devices.put(Device(PPMID, START, nwk=1))
    ledger.devices.put(Device(IHD, START, nwk=1))
    found = ledger.devices.by_nwk(1)
    assert found is not None and found.eui64 == IHD
    loser = ledger.devices.get(PPMID)
    assert loser is not None and loser.nwk is None


def test_one_open_update_per_device(ledger: Ledger) -> None:
    ledger.devices.put(Device(PPMID, START))
    first = order(ledger)
    with pytest.raises(Refused, match=f"already has update {first.id}"):
        order(ledger)
    ended = UpdateCancelled(device=PPMID, update=first.id, was="ordered", cause="by command")
    ledger.updates.put(replace(first, state="cancelled"), ended)
    second = order(ledger)
    assert second.id > first.id
    assert [update.id for update in ledger.updates.all(open_only=True)] == [second.id]
    assert len(ledger.updates.all(device=PPMID)) == 2
    assert ledger.updates.all(device=IHD) == []


def test_an_update_goes_only_ways_of_the_table_and_each_is_told(ledger: Ledger) -> None:
    ledger.devices.put(Device(PPMID, START))
    update = order(ledger)

    def told(was: UpdateState) -> UpdateVerifying:
        return UpdateVerifying(device=PPMID, update=update.id, was=was, cause="so")

    wrong: list[tuple[UpdateState, list[UpdateVerifying]]] = [
        ("activating", [told("ordered")]),
        ("verifying", []),
        ("verifying", [told("notified")]),
        ("holding", [told("ordered")]),
        ("ordered", [told("ordered")]),
    ]
    for state, happened in wrong:
        with pytest.raises(IllegalTransition):
            ledger.updates.put(replace(update, state=state), *happened)
    assert ledger.updates.get(update.id) == update
    holding = replace(update, state="holding")
    ledger.updates.put(holding, told("ordered"), told("verifying"))
    assert ledger.updates.get(update.id) == holding


def test_a_full_disk_is_named_leaves_nothing_and_is_told_when_there_is_room(
    ledger: Ledger, path: Path, clock: HandClock
) -> None:
    ledger.record(HubStarted(version="1"))
    (pages,) = ledger._execute("PRAGMA page_count").fetchone()
    ledger._execute(f"PRAGMA max_page_count = {pages}")
    text = "x" * 20_000
    with pytest.raises(LedgerFull), ledger.transaction():
        ledger.record(DeviceLeft(device=PPMID))
        ledger.record(HubStarted(version=text))
    assert len(ledger.events()) == 1
    assert ledger.full_since == START
    clock.time += timedelta(seconds=90)
    ledger._execute("PRAGMA max_page_count = 1000000")
    ledger.record(HubStarted(version=text))
    assert [item.event.type for item in ledger.events()] == ["hub.started", "hub.started", "ledger.stalled"]
    assert ledger.events()[-1].event.model_dump() == {"seconds": 90}
    assert ledger.full_since is None


def test_a_failed_transaction_leaves_neither_rows_nor_events_nor_tellings(ledger: Ledger) -> None:
    told: list[Recorded] = []
    ledger.subscribe(told.append)
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.devices.put(Device(PPMID, START))
        ledger.record(DeviceLeft(device=PPMID))
        raise RuntimeError
    assert ledger.devices.all() == []
    assert ledger.events() == []
    assert told == []


def test_an_inner_failure_that_is_caught_undoes_only_the_inner(ledger: Ledger) -> None:
    told: list[Recorded] = []
    ledger.subscribe(told.append)
    with ledger.transaction():
        ledger.record(HubStarted(version="outer"))
        try:
            with ledger.transaction():
                ledger.devices.put(Device(PPMID, START))
                ledger.record(DeviceLeft(device=PPMID))
                raise KeyError
        except KeyError:
            pass
    assert ledger.devices.all() == []
    assert [item.event for item in told] == [HubStarted(version="outer")]
    assert [item.id for item in ledger.events()] == [item.id for item in told]


def test_subscribers_hear_events_after_they_are_durable_and_in_order(ledger: Ledger, path: Path) -> None:
    seen: list[tuple[int, str]] = []

    def on_event(recorded: Recorded) -> None:
        other = sqlite3.connect(path)
        durable = other.execute("SELECT max(id) FROM events").fetchone()[0]
        other.close()
        assert durable >= recorded.id
        seen.append((recorded.id, type(recorded.event).type))
        if isinstance(recorded.event, HubStarted):
            ledger.record(DeviceLeft(device=PPMID))

    later: list[int] = []
    ledger.subscribe(on_event)
    unsubscribe = ledger.subscribe(lambda recorded: later.append(recorded.id))
    with ledger.transaction():
        ledger.record(HubStarted(version="1"))
        assert seen == []
    assert [kind for _, kind in seen] == ["hub.started", "device.left"]
    assert later == [number for number, _ in seen]
    unsubscribe()
    ledger.record(DeviceLeft(device=PPMID))
    assert len(later) == 2


def test_a_failing_subscriber_stops_nobody(ledger: Ledger) -> None:
    told: list[int] = []

    def broken(recorded: Recorded) -> None:
        raise ValueError(recorded.id)

    ledger.subscribe(broken)
    ledger.subscribe(lambda recorded: told.append(recorded.id))
    recorded = ledger.record(HubStarted(version="1"))
    assert told == [recorded.id]


def test_events_are_found_by_device_update_type_and_place(ledger: Ledger) -> None:
    ledger.record(HubStarted(version="1"))
    left = ledger.record(DeviceLeft(device=PPMID))
    cancelled = ledger.record(UpdateCancelled(device=PPMID, update=7, was="notified", cause="by command"))
    assert [item.id for item in ledger.events(device=PPMID)] == [left.id, cancelled.id]
    assert ledger.events(update=7) == [cancelled]
    assert ledger.events(type="device.left") == [left]
    assert ledger.events(after=left.id) == [cancelled]
    assert len(ledger.events(limit=2)) == 2
    assert ledger.last_event_id() == cancelled.id
    assert cancelled.as_dict() == {
        "id": cancelled.id,
        "time": "2026-03-01T12:00:00.000000Z",
        "type": "update.cancelled",
        "level": "info",
        "device": PPMID,
        "update": 7,
        "was": "notified",
        "cause": "by command",
    }


def test_events_cannot_be_changed_or_deleted(ledger: Ledger, path: Path) -> None:
    ledger.record(HubStarted(version="1"))
    other = sqlite3.connect(path)
    for statement in ("UPDATE events SET time = ''", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()


def test_signs_of_life_are_written_once_a_minute_and_read_at_once(ledger: Ledger, path: Path) -> None:
    def on_disk() -> str | None:
        other = sqlite3.connect(path)
        value: str | None = other.execute("SELECT last_seen FROM devices").fetchone()[0]
        other.close()
        return value

    ledger.devices.put(Device(PPMID, START))
    ledger.touch(PPMID, START)
    ledger.touch(PPMID, START + timedelta(seconds=59))
    assert on_disk() == "2026-03-01T12:00:00.000000Z"
    device = ledger.devices.get(PPMID)
    assert device is not None and device.last_seen == START + timedelta(seconds=59)
    ledger.touch(PPMID, START + timedelta(seconds=60))
    assert on_disk() == "2026-03-01T12:01:00.000000Z"
    ledger.touch(PPMID, START + timedelta(seconds=70))
    ledger.close()
    assert on_disk() == "2026-03-01T12:01:10.000000Z"


def test_storing_a_device_read_earlier_does_not_lose_a_later_sign_of_life(ledger: Ledger) -> None:
    ledger.devices.put(Device(PPMID, START))
    ledger.touch(PPMID, START)
    old = ledger.devices.get(PPMID)
    assert old is not None
    ledger.touch(PPMID, START + timedelta(seconds=5))
    ledger.devices.put(replace(old, model="X"))
    device = ledger.devices.get(PPMID)
    assert device is not None and device.last_seen == START + timedelta(seconds=5)


def test_a_notice_enters_the_outbox_with_its_event(ledger: Ledger, path: Path, clock: HandClock) -> None:
    notice = ActivationNotice(
        device=PPMID,
        update=1,
        device_type="ppmid",
        outcome="activated",
        result_code=0,
        reason=None,
        old_version=1,
        new_version=2,
        file_sha256="ab",
        manufacturer_image_sha256=None,
        ordered_at="",
        transferred_at=None,
        activated_at=None,
        confirmed_at="",
        confirmed_by="version read back",
    )
    ledger.record(notice)
    assert ledger.outbox.pending() == []
    ledger.outbox.types = frozenset({"activation.notice"})
    with pytest.raises(RuntimeError), ledger.transaction():
        ledger.record(notice)
        raise RuntimeError
    recorded = ledger.record(notice)
    ledger.close()

    again = Ledger.open(path, clock)
    (pending,) = again.outbox.pending()
    assert pending.event == recorded.id
    assert json.loads(pending.body) == recorded.as_dict()
    again.outbox.put(replace(pending, attempts=1, delivered_at=START))
    assert again.outbox.pending() == []
    again.close()


def test_a_ledger_of_a_newer_hanctl_is_named_and_not_touched(ledger: Ledger, path: Path, clock: HandClock) -> None:
    ledger.close()
    other = sqlite3.connect(path)
    other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(LedgerTooNew, match="newer hanctl") as caught:
        Ledger.open(path, clock)
    assert caught.value.hint
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"not a database at all, " * 100, b"SQLite format 3\x00" + bytes(4000)])
def test_a_corrupt_file_is_one_line_and_left_alone(path: Path, clock: HandClock, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LedgerError, match="cannot be used") as caught:
        Ledger.open(path, clock)
    assert "\n" not in str(caught.value) and caught.value.hint
    assert path.read_bytes() == content


def test_a_torn_page_is_found_at_opening(ledger: Ledger, path: Path, clock: HandClock) -> None:
    for number in range(2000):
        ledger.record(HubStarted(version=str(number)))
    ledger.close()
    content = bytearray(path.read_bytes())
    content[-4096 * 8 : -4096 * 2] = bytes(4096 * 6)
    path.write_bytes(bytes(content))
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger.open(path, clock)


def test_another_programs_database_is_refused(path: Path, clock: HandClock) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="another program"):
        Ledger.open(path, clock)
    assert path.read_bytes() == before


def test_a_missing_directory_is_named(tmp_path: Path, clock: HandClock) -> None:
    with pytest.raises(LedgerError, match="cannot open") as caught:
        Ledger.open(tmp_path / "none" / "ledger.sqlite", clock)
    assert "state directory" in caught.value.hint


WRITER = """
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from hanctl.base.clock import SystemClock
from hanctl.model.events import DeviceJoined
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device
ledger = Ledger.open(Path(sys.argv[1]), SystemClock())
device = Device("00:0d:6f:00:0a:90:69:e7", datetime(2026, 1, 1, tzinfo=UTC))
number = 0
while True:
    number += 1
    with ledger.transaction():
        ledger.devices.put(replace(device, nwk=number))
        ledger.record(DeviceJoined(device=device.eui64, nwk=number, rejoin=False))
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_reported_and_keeps_rows_and_events_together(
    path: Path, clock: HandClock
) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    last = 0
    for line in process.stdout:
        last = int(line)
        if last >= 20:
            break
    os.kill(process.pid, signal.SIGKILL)
    last = max([last, *(int(line) for line in process.stdout if line.endswith("\n"))])
    process.wait()

    ledger = Ledger.open(path, clock)
    device = ledger.devices.get(PPMID)
    assert device is not None and device.nwk is not None
    assert device.nwk >= last
    assert [item.as_dict()["nwk"] for item in ledger.events()] == list(range(1, device.nwk + 1))
    ledger.close()


def test_a_ledger_that_is_not_there_cannot_be_read_and_is_not_made(path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger.open_to_read(path)
    assert not path.exists()
