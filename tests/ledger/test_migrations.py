"""A ledger of an older hanctl is opened as it is, and gains what the new one needs."""

from __future__ import annotations

import importlib
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hanctl.base.clock import SystemClock
from hanctl.base.errors import Refused
from hanctl.base.eui64 import Eui64
from hanctl.ledger.database import APPLICATION_ID
from hanctl.ledger.errors import LedgerError
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.migrating import MIGRATIONS
from hanctl.ledger.soundness import SCHEMA
from hanctl.model.cuts import Cut, Cuts

TIME = "2026-01-01T00:00:00.000000Z"
STAGES = ("delivery", "transfer", "activation")
START = 1_767_225_600
"""2026-01-01 in Unix time."""
DEVICE = Eui64("00:0d:6f:00:0a:90:69:e7")


def old_ledger(path: Path, *migrations: str) -> sqlite3.Connection:
    """A ledger as these migrations left it, with one device."""
    connection = sqlite3.connect(path)
    for name in migrations:
        for statement in importlib.import_module(f"hanctl.ledger.migrations.versions.{name}").STATEMENTS:
            connection.execute(statement)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute("INSERT INTO alembic_version VALUES (?)", (migrations[-1][:4],))
    connection.execute(
        "INSERT INTO devices (eui64, added_at, device_type, state) VALUES (?, ?, 'ppmid', 'interviewed')",
        (DEVICE, TIME),
    )
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.commit()
    return connection


def test_a_ledger_without_keys(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    old_ledger(path, "0001_first").close()
    ledger = Ledger.open(path, SystemClock())
    device = ledger.devices.get(DEVICE)
    assert device is not None
    assert (device.state, device.keyed_at, device.removed_at, device.removed_reason) == (
        "interviewed",
        None,
        None,
        None,
    )
    ledger.close()


@pytest.mark.parametrize(
    ("state", "activation", "now"),
    [
        ("notified", "now", {"activation": "now", "released": False, "notices": ("delivery",)}),
        ("holding", "hold", {"activation": "hold", "released": False, "notices": ("delivery", "transfer")}),
        # So a release was kept that had not reached its device.
        ("holding", "now", {"activation": "hold", "released": True, "notices": ("delivery", "transfer")}),
        ("activating", "now", {"activation": "now", "released": True, "notices": ("delivery", "transfer")}),
        ("confirmed", "hold", {"activation": "hold", "released": False, "notices": STAGES}),
    ],
)
def test_a_ledger_with_updates_that_knew_only_now_and_hold(
    tmp_path: Path, state: str, activation: str, now: dict[str, Any]
) -> None:
    path = tmp_path / "ledger.sqlite"
    transferred = None if state == "notified" else TIME
    with closing(old_ledger(path, "0001_first", "0002_trust")) as connection:
        connection.execute(
            "INSERT INTO updates (id, device, file_sha256, manufacturer_code, image_type, file_version, size, "
            "activation, ordered_at, state, transferred_at, activated_at) "
            "VALUES (41, ?, 'ab', 1, 2, 3, 4, ?, ?, ?, ?, ?)",
            (DEVICE, activation, TIME, state, transferred, TIME if state == "activating" else None),
        )
        connection.commit()
    ledger = Ledger.open(path, SystemClock())
    update = ledger.updates.get(41)
    assert update is not None
    assert (update.state, update.activation) == (state, now["activation"])
    assert (update.released_at is not None, update.notices) == (now["released"], now["notices"])
    assert (update.released_at is None) == (update.release_tried_at is None)
    if state != "confirmed":
        with pytest.raises(Refused):
            order(ledger)
    else:
        assert order(ledger) == 42, "numbers are not given twice"
    ledger.close()


def test_a_ledger_with_changes_that_knew_no_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    names = ("0001_first", "0002_trust", "0003_orders", "0004_household", "0005_tenancy", "0006_retention")
    with closing(old_ledger(path, *names)) as connection:
        for source, state, control in (
            ("command", "done", 0x7B9C),
            ("ECS12", "done", 0x7B9C),
            ("command", "scheduled", 0x7B9C),
            ("ECS12", "scheduled", 0x7B9C),
            ("GCS09", "scheduled", 0x1A00),
        ):
            connection.execute(
                "INSERT INTO changes (kind, state, at, ordered_at, control, source, done_at)"
                " VALUES ('tenancy', ?, ?, ?, ?, ?, ?)",
                (state, TIME, TIME, control, source, TIME if state == "done" else None),
            )
        for unit, duration in ((0, 90), (1, 2), (2, 1), (3, 2), (7, 1)):
            body = f'{{"billing_period_duration": {duration}, "billing_period_duration_type": {{"timebase": {unit}}}}}'
            connection.execute(
                "INSERT INTO data_records (endpoint, name, time, written, body) VALUES (2, 'billing_periods', ?, 1, ?)",
                (START, body),
            )
        connection.execute("INSERT INTO data_attributes VALUES (2, 0x0702, 0x0420, 0x22, x'010000', 1)")
        connection.execute("INSERT INTO data_attributes VALUES (2, 0x0702, 0x0421, 0x22, x'010000', 9)")
        connection.execute("UPDATE data_writes SET number = 9")
        connection.execute("INSERT INTO data_gates VALUES (2, '0702:0420', ?, 5)", (START,))
        connection.execute("INSERT INTO data_gates VALUES (2, '0702:0421', ?, 5)", (START,))
        connection.commit()
    ledger = Ledger.open(path, SystemClock())
    changes = ledger.changes.all()
    assert [(change.cut_off, change.hidden) for change in changes if change.state == "done"] == [(None, ())] * 2
    assert [change.control for change in changes] == [0x7B9C, 0x7B9C, 0x7B9C, 0x1800, 0x1A00]
    # What a message said is kept; by hand the cut-off is the moment, which can still be put off.
    assert [change.cut_off for change in changes[2:]] == [None, changes[3].at, changes[4].at]
    # What a control bit had hidden stays hidden, and what was written after it stays open.
    store = ledger.household
    assert [stored.value for stored in store.read(2, 0x0702).values()] == [None, b"\1\0\0"]
    ends = [90 * 60, 2 * 86400, 7 * 86400, 59 * 86400]
    for n, end in enumerate(ends):
        for more, left in ((-1, 5 - n), (0, 4 - n)):
            cut_off = datetime.fromtimestamp(START + end + more, UTC)
            store.hide(2, Cuts({}, {"billing_periods": cut_off}))
            assert len(store.records(2, "billing_periods")) == left, (end, more)
    # When an attribute was written is not known: it may be of long ago.
    store.hide(2, Cuts({(0x0702, 0x0421): Cut(datetime(2020, 1, 1, tzinfo=UTC))}, {}))
    assert store.read(2, 0x0702)[0x0421].value is None
    store.write(2, (0x0702, 0x0421), 0x22, b"\2\0\0")
    assert store.read(2, 0x0702)[0x0421].value == b"\2\0\0"
    ledger.close()


def test_a_migration_that_fails_leaves_the_old_ledger_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    old_ledger(path, "0001_first", "0002_trust").close()
    last = importlib.import_module("hanctl.ledger.migrations.versions.0003_orders").STATEMENTS
    monkeypatch.setattr(sqlite3, "connect", refusing(sqlite3.connect, last[-1]))
    with pytest.raises(LedgerError):
        Ledger.open(path, SystemClock())
    monkeypatch.undo()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {row[1] for row in connection.execute("PRAGMA table_info(updates)")}
    assert "attendance" not in tables and "updates_before" not in tables
    assert "released_at" not in columns
    Ledger.open(path, SystemClock()).close()


def order(ledger: Ledger) -> int:
    values = {"manufacturer_image_sha256": None, "manufacturer_code": 1, "image_type": 2, "file_version": 3, "size": 4}
    now = SystemClock().now()
    return ledger.updates.create(device=DEVICE, file_sha256="cd", activation="now", ordered_at=now, **values).id


def refusing(connect: Any, statement: str) -> Any:
    """``sqlite3.connect`` whose connections fail at this statement."""

    class Connection(sqlite3.Connection):
        def cursor(self, *arguments: Any) -> Any:
            return super().cursor(Cursor)

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *arguments: Any) -> Any:
            if sql.strip() == statement.strip():
                raise sqlite3.OperationalError("so")
            return super().execute(sql, *arguments)

    return lambda path, **options: connect(path, factory=Connection, **options)


def test_the_schema_of_this_version_is_the_last_migration_and_is_what_migrating_leaves(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger.open(path, SystemClock()).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (SCHEMA,)
    assert max(each.name[:4] for each in (MIGRATIONS / "versions").glob("0*.py")) == SCHEMA
