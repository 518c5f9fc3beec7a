"""The store of household data: its gates, its clearing, and that what was cleared is in no file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hanctl.data.catalogue import ATTRIBUTES, cleared_by, history
from hanctl.ledger.household import Sample, Selection
from hanctl.ledger.ledger import Ledger

NOW = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
U32 = 0x23
SECRET = "MARMALADE-4711"


class FixedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.sqlite", FixedClock())
    yield ledger
    ledger.close()


def everything_on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file())


def test_what_is_cleared_is_in_no_file_of_the_ledger(ledger: Ledger, tmp_path: Path) -> None:
    store = ledger.household
    for n in range(200):
        store.add(2, "messages", NOW + timedelta(minutes=n), {"text": f"{SECRET} {n} " + "x" * n})
        store.add(2, "tariffs", NOW, {"label": f"stays {n}"})
    store.write(2, (0x0702, 0x0311), 0x41, bytes((len(SECRET),)) + SECRET.encode())
    assert SECRET.encode() in everything_on_disk(tmp_path)

    with ledger.transaction():
        found = store.clear(2, cleared_by(0x0200))

    assert found.attributes == ((0x0702, 0x0311),)
    assert found.tables == {"messages": 200}
    assert SECRET.encode() not in everything_on_disk(tmp_path)
    assert b"stays 199" in everything_on_disk(tmp_path)
    assert store.read(2, 0x0702)[0x0311].value == b"\x00"


def test_a_kill_after_a_clearing_leaves_nothing_once_the_ledger_was_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = Ledger.open(path, FixedClock())
    first.household.add(2, "messages", NOW, {"text": SECRET})
    first.household.committed = lambda: None  # type: ignore[method-assign]
    with first.transaction():
        first.household.clear(2, cleared_by(0x0200))
    assert SECRET.encode() in everything_on_disk(tmp_path)
    first.abandon()
    second = Ledger.open(path, FixedClock())
    assert SECRET.encode() not in everything_on_disk(tmp_path)
    second.close()


def test_a_clearing_that_fails_changes_nothing(ledger: Ledger) -> None:
    store = ledger.household
    store.add(2, "messages", NOW, {"text": SECRET})
    store.write(2, (0x0702, 0x000D), 0x22, b"\x01\x00\x00")

    with pytest.raises(RuntimeError), ledger.transaction():
        store.clear(2, cleared_by(0x0200))
        raise RuntimeError

    assert [record.body for record in store.records(2, "messages")] == [{"text": SECRET}]
    assert store.read(2, 0x0702)[0x000D].value == b"\x01\x00\x00"


def test_a_clearing_of_one_endpoint_leaves_the_others_alone_and_tells_only_of_what_changed(ledger: Ledger) -> None:
    store = ledger.household
    for endpoint in (1, 2):
        store.write(endpoint, (0x0702, 0x000D), 0x22, b"\x01\x00\x00")
    with ledger.transaction():
        assert store.clear(2, cleared_by(0x0200)).attributes == ((0x0702, 0x000D),)
        assert not store.clear(2, cleared_by(0x0200))
    assert store.read(1, 0x0702)[0x000D].value == b"\x01\x00\x00"


def test_a_gate_hides_history_and_what_is_written_after_it_shows(ledger: Ledger) -> None:
    store = ledger.household
    store.write(2, (0x0702, 0x0403), 0x22, b"\x07\x00\x00")
    store.write(2, (0x0702, 0x0000), 0x25, b"\x08\x00\x00\x00\x00\x00")
    store.add_samples(2, "half_hours", [Sample(NOW + timedelta(minutes=30 * n), n) for n in range(-4, 4)])
    store.add(2, "snapshots", NOW - timedelta(hours=1), {"cause": 1})

    store.gate(2, history(), NOW)

    assert store.read(2, 0x0702)[0x0403].value is None
    assert store.read(2, 0x0702)[0x0000].value == b"\x08\x00\x00\x00\x00\x00"
    assert [sample.value for sample in store.samples(2, "half_hours")] == [0, 1, 2, 3]
    assert store.records(2, "snapshots") == []
    assert store.hidden(2).attributes == ((0x0702, 0x0403),)
    assert store.hidden(2).tables == {"half_hours": 4, "snapshots": 1}

    store.write(2, (0x0702, 0x0403), 0x22, b"\x09\x00\x00")
    store.add(2, "snapshots", NOW, {"cause": 2})
    assert store.read(2, 0x0702)[0x0403].value == b"\x09\x00\x00"
    assert [record.body["cause"] for record in store.records(2, "snapshots")] == [2]


def test_a_gate_holds_for_records_stamped_by_a_clock_that_was_ahead(ledger: Ledger) -> None:
    store = ledger.household
    store.add(2, "snapshots", NOW + timedelta(days=400), {"cause": 1})
    store.gate(2, history(), NOW)
    assert store.records(2, "snapshots") == []


def test_an_earlier_gate_does_not_open_a_later_one(ledger: Ledger) -> None:
    store = ledger.household
    store.add_samples(2, "days", [Sample(NOW, 5)])
    store.gate(2, history(), NOW + timedelta(seconds=1))
    store.gate(2, history(), NOW - timedelta(days=9))
    assert store.samples(2, "days") == []


def test_values_are_in_no_repr(ledger: Ledger) -> None:
    ledger.household.add(2, "messages", NOW, {"text": SECRET})
    ledger.household.write(2, (0x0702, 0x0311), 0x41, SECRET.encode())
    assert SECRET not in repr(ledger.household.records(2, "messages"))
    assert SECRET not in repr(ledger.household.read(2, 0x0702))
    assert "4711" not in repr(Sample(NOW, 4711))


def test_every_attribute_has_a_class_and_a_neutral_value_of_its_type() -> None:
    assert len(ATTRIBUTES) > 2000
    for entry in ATTRIBUTES.values():
        if entry.data_type == 0x41:
            assert entry.neutral == b"\x00"
        else:
            value, rest = entry.type.deserialize(entry.neutral)
            assert rest == b""
            assert value.serialize() == entry.neutral


def test_a_selection_that_names_nothing_clears_nothing(ledger: Ledger) -> None:
    ledger.household.add(2, "messages", NOW, {"text": SECRET})
    with ledger.transaction():
        assert not ledger.household.clear(2, Selection({}, frozenset()))


def test_the_ledger_overwrites_what_it_deletes(ledger: Ledger) -> None:
    connection: sqlite3.Connection = ledger._connection
    assert connection.execute("PRAGMA secure_delete").fetchone() == (1,)
