"""Backups of the ledger: whole, checked, private, few, and without a household; and one of them in its place."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hand_clock import START, HandClock
from test_migrations import DEVICE, old_ledger

from hanctl.base.errors import NotFound, Refused
from hanctl.ledger.errors import CopyError, LedgerDamaged, LedgerError, LedgerTooNew
from hanctl.ledger.files.copies import KEPT, LEFT_OUT, copies_of, list_copies, write_copy
from hanctl.ledger.household import Sample, Selection
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import HubStarted, LedgerRestored
from hanctl.model.records import Device
from hanctl.state.lock import StateLock
from hanctl.state.state import StateDirectory, ledger_backups, restore_ledger


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, clock: HandClock) -> Iterator[Ledger]:
    opened = Ledger.open(path, clock)
    opened.devices.put(Device(eui64=DEVICE, added_at=START, state="interviewed"))
    opened.record(HubStarted(version="1"))
    yield opened
    opened.close()


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def schema(path: Path) -> set[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall())


# --- what is in one


def test_a_copy_is_the_ledger_as_it_is_and_is_for_its_owner_alone(ledger: Ledger, path: Path) -> None:
    copy = write_copy(path, START)
    assert (copy.damage, copy.until) == (None, START)
    assert copy.path.name == "ledger-20260301T120000.000000Z.sqlite"
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(copy.path.parent.stat().st_mode) == 0o700
    assert schema(copy.path) == schema(path)
    for table in ("events", "devices", "alembic_version", "sqlite_sequence", "data_writes"):
        assert rows(copy.path, table) == rows(path, table), table
    assert [each.name for each in copy.path.parent.iterdir()] == [copy.path.name]


def test_what_is_not_committed_is_in_no_copy(ledger: Ledger, path: Path) -> None:
    with ledger.transaction():
        ledger.record(HubStarted(version="2"))
        copy = write_copy(path, START)
    assert len(rows(copy.path, "events")) == 1
    assert ledger.last_event_id() == 2


def test_no_value_of_the_household_is_in_a_copy_and_what_hides_it_is(ledger: Ledger, path: Path) -> None:
    ledger.household.write(1, (0x0702, 0x0000), 0x41, b"Qz-attribute")
    ledger.household.add(1, "messages", START, {"message": "Qz-message"})
    ledger.household.add_samples(
        1, "half_hours", [Sample(START - timedelta(hours=n), 0x515A0000 + n) for n in range(9)]
    )
    ledger.household.gate(1, Selection({}, frozenset({"half_hours"})), START + timedelta(hours=1))
    copy = write_copy(path, START)
    content = copy.path.read_bytes()
    assert b"Qz-" not in content and b"\x51\x5a\x00" not in content
    assert {table: rows(copy.path, table) for table in LEFT_OUT} == {table: [] for table in LEFT_OUT}
    later = Ledger.open(copy.path, HandClock())
    later.household.add_samples(1, "half_hours", [Sample(START, 7)])
    assert later.household.samples(1, "half_hours") == [], "history of before a change, loaded again, stays hidden"
    later.close()


def test_every_table_is_known_to_be_a_tenants_or_not(ledger: Ledger, path: Path) -> None:
    # A new table has to be put on one side or the other by whoever makes it.
    with closing(sqlite3.connect(path)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - LEFT_OUT == {
        *("alembic_version", "attendance", "change_evidence", "change_parts", "changes", "data_gates"),
        *("data_reporting", "data_writes", "devices", "events", "images", "outbox", "retention", "sqlite_sequence"),
        "updates",
    }


def test_a_ledger_of_before_is_copied_before_it_is_migrated(path: Path, clock: HandClock) -> None:
    old_ledger(path, "0001_first", "0002_trust").close()
    ledger = Ledger.open(path, clock)
    (copy,) = list_copies(copies_of(path))
    assert (copy.schema, copy.damage) == ("0002", None)
    ledger.close()
    Ledger.open(path, clock).close()
    assert len(list_copies(copies_of(path))) == 1


def test_what_is_cleared_while_somebody_reads_is_wiped_once_nobody_does(ledger: Ledger, path: Path) -> None:
    def in_files() -> bool:
        return any(b"Qz-message" in each.read_bytes() for each in path.parent.glob("ledger.sqlite*"))

    number = ledger.household.add(1, "messages", START, {"message": "Qz-message"})
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM events").fetchall()
        ledger.household.remove(number)
        assert in_files() and not ledger.household.wiped
    ledger.household.wipe()
    assert ledger.household.wiped and not in_files()


# --- which are kept


def test_the_newest_written_are_kept_whatever_the_clock_does(ledger: Ledger, path: Path) -> None:
    moments = [START, START, START - timedelta(days=400), START + timedelta(days=1), *[START] * 6]
    written = [write_copy(path, moment).path for moment in moments]
    assert len(set(written)) == len(moments)
    assert [copy.path for copy in list_copies(copies_of(path))] == written[-KEPT:]


def test_a_copy_that_fails_leaves_nothing_and_takes_nothing(
    ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [write_copy(path, START).path for _ in range(KEPT)]

    def no_room(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(CopyError, match="No space left"):
        write_copy(path, START)
    assert sorted(copies_of(path).iterdir()) == before


def test_no_copy_is_begun_that_would_fill_the_disk(ledger: Ledger, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = path.stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=size))
    with pytest.raises(CopyError, match="fits"):
        write_copy(path, START)
    assert list(copies_of(path).iterdir()) == []


def test_what_a_kill_left_of_a_copy_is_removed_by_the_next(ledger: Ledger, path: Path) -> None:
    write_copy(path, START)
    (copies_of(path) / ".ledger-abc").write_bytes(b"half")
    write_copy(path, START)
    assert [each.name for each in copies_of(path).iterdir() if each.name.startswith(".")] == []


def test_a_list_tells_good_from_bad_and_writes_nothing(ledger: Ledger, path: Path) -> None:
    good, torn, foreign, newer = [write_copy(path, START).path for _ in range(4)]
    damage(torn)
    foreign.write_bytes(b"")
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = sorted(copies_of(path).iterdir())
    found = {copy.path: copy.damage for copy in list_copies(copies_of(path))}
    assert found[good] is None
    assert found[torn] and found[foreign] and "newer hanctl" in (found[newer] or "")
    assert sorted(copies_of(path).iterdir()) == before


# --- in the ledger's place


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 6] = os.urandom(4096 * 5)
    path.write_bytes(bytes(content))


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def emptied_beside_its_log(path: Path) -> None:
    path.with_name(path.name + "-wal").write_bytes(b"what was not in the file yet")
    os.truncate(path, 0)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def no_database(path: Path) -> None:
    path.write_bytes(b"no database at all " * 1000)


DAMAGES = [damage, truncated, emptied, emptied_beside_its_log, no_database]


def started(path: Path, clock: HandClock) -> Ledger:
    state = StateDirectory(path.parent)
    try:
        return state.open(clock)
    finally:
        # As the kernel does it at the end of a process.
        state.lock.release()


def stopped_with_copies(ledger: Ledger, path: Path, clock: HandClock) -> list[Path]:
    """Two backups, something that is in neither, and the ledger closed."""
    written = []
    for hour in (1, 2):
        clock.time = START + timedelta(hours=hour)
        ledger.record(HubStarted(version=str(hour)))
        written.append(write_copy(path, clock.time).path)
    ledger.record(HubStarted(version="lost"))
    ledger.close()
    return written


@pytest.mark.parametrize("befalls", DAMAGES)
def test_the_last_good_copy_takes_the_place_of_a_damaged_ledger(
    befalls: object, ledger: Ledger, path: Path, clock: HandClock
) -> None:
    _, newest = stopped_with_copies(ledger, path, clock)
    assert callable(befalls)
    befalls(path)
    found = path.read_bytes()
    clock.time = START + timedelta(hours=5)
    restored = started(path, clock)
    device = restored.devices.get(DEVICE)
    assert device is not None and device.state == "interviewed"
    (event,) = restored.events(type=LedgerRestored.type)
    assert event.time == clock.time
    told = event.as_dict()
    assert (told["backup"], told["until"]) == (str(newest), "2026-03-01T14:00:00.000000Z")
    assert Path(told["kept"]).read_bytes() == found
    assert str(path) in told["reason"]
    if befalls is emptied_beside_its_log:
        assert Path(told["kept"] + "-wal").read_bytes().startswith(b"what was not")
    assert [each.event.version for each in restored.events(type="hub.started")] == ["1", "1", "2"]  # type: ignore[attr-defined]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    restored.close()
    started(path, clock).close()
    assert len(list(path.parent.glob("ledger-aside-*.sqlite"))) == 1


def test_numbers_that_the_lost_part_may_have_given_are_not_given_again(
    ledger: Ledger, path: Path, clock: HandClock
) -> None:
    stopped_with_copies(ledger, path, clock)
    damage(path)
    restored = started(path, clock)
    (event,) = restored.events(type=LedgerRestored.type)
    assert event.id > 1_000_000
    restored.close()


def test_a_damaged_copy_is_passed_by_for_the_one_before_it(ledger: Ledger, path: Path, clock: HandClock) -> None:
    older, newest = stopped_with_copies(ledger, path, clock)
    damage(path)
    damage(newest)
    restored = started(path, clock)
    (event,) = restored.events(type=LedgerRestored.type)
    assert event.as_dict()["backup"] == str(older)
    assert newest.exists()
    restored.close()


@pytest.mark.parametrize("befalls", [damage, truncated, emptied_beside_its_log, no_database])
def test_without_a_good_copy_nothing_is_moved(befalls: object, ledger: Ledger, path: Path, clock: HandClock) -> None:
    for copy in stopped_with_copies(ledger, path, clock):
        damage(copy)
    assert callable(befalls)
    befalls(path)
    files = sorted(path.parent.rglob("*"))
    found = path.read_bytes()
    with pytest.raises(LedgerDamaged, match="cannot be used") as caught:
        started(path, clock)
    assert "no good backup" in caught.value.hint and "\n" not in str(caught.value)
    assert path.read_bytes() == found
    assert sorted(path.parent.rglob("*")) in (files, sorted([*files, path.parent / "lock"]))


def test_what_is_no_damage_moves_nothing(ledger: Ledger, path: Path, clock: HandClock) -> None:
    stopped_with_copies(ledger, path, clock)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerTooNew):
        started(path, clock)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA application_id = 1")
    with pytest.raises(LedgerError, match="another program"):
        started(path, clock)
    assert list(path.parent.glob("ledger-*")) == []


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(6))
def test_a_kill_between_the_steps_is_made_up_for_by_the_next_start(
    step: int, ledger: Ledger, path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_with_copies(ledger, path, clock)
    emptied_beside_its_log(path)
    done = 0

    def counted(name: str) -> None:
        real = getattr(Path, name)

        def move(self: Path, target: Path) -> Path:
            nonlocal done
            if done == step:
                raise Killed
            done += 1
            moved: Path = real(self, target)
            return moved

        monkeypatch.setattr(Path, name, move)

    counted("rename")
    counted("replace")
    try:
        started(path, clock).close()
    except Killed:
        clock.time += timedelta(minutes=1)
    monkeypatch.undo()
    restored = started(path, clock)
    assert [each.event.version for each in restored.events(type="hub.started")] == ["1", "1", "2"]  # type: ignore[attr-defined]
    (event,) = restored.events(type=LedgerRestored.type)
    assert Path(event.as_dict()["kept"] + "-wal").read_bytes().startswith(b"what was not")
    assert [each.name for each in path.parent.iterdir() if "ready" in each.name] == []
    restored.close()


def test_a_full_disk_while_the_copy_is_put_in_place_moves_nothing(
    ledger: Ledger, path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped_with_copies(ledger, path, clock)
    damage(path)
    found = path.read_bytes()

    def no_room(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", no_room)
    with pytest.raises(CopyError, match="No space left"):
        started(path, clock)
    assert path.read_bytes() == found
    assert [each.name for each in path.parent.iterdir() if "ready" in each.name or "aside" in each.name] == []


# --- by a person


def test_a_person_puts_an_older_copy_in_place_and_the_present_ledger_is_kept(
    ledger: Ledger, path: Path, clock: HandClock
) -> None:
    older, _ = stopped_with_copies(ledger, path, clock)
    found = path.read_bytes()
    assert next(copy.path for copy in ledger_backups(path.parent)) == older
    assert restore_ledger(path.parent, older.name, clock).path == older
    restored = started(path, clock)
    (event,) = restored.events(type=LedgerRestored.type)
    assert event.as_dict()["reason"] == "asked for"
    assert Path(event.as_dict()["kept"]).read_bytes() == found
    restored.close()


def test_a_copy_is_put_in_place_only_while_no_hub_runs_and_only_a_good_one(
    ledger: Ledger, path: Path, clock: HandClock
) -> None:
    older, newest = stopped_with_copies(ledger, path, clock)
    lock = StateLock(path.parent)
    lock.acquire()
    with pytest.raises(Refused, match="another hanctl"):
        restore_ledger(path.parent, newest.name, clock)
    lock.release()
    with pytest.raises(NotFound):
        restore_ledger(path.parent, "ledger-none.sqlite", clock)
    damage(older)
    with pytest.raises(CopyError, match="cannot be used"):
        restore_ledger(path.parent, older.name, clock)
    assert list(path.parent.glob("ledger-aside-*")) == []
