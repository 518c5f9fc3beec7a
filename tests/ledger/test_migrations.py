"""A ledger of an older hanctl is opened as it is, and gains what the new one needs."""

from __future__ import annotations

import importlib
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hanctl.clock import SystemClock
from hanctl.errors import Refused
from hanctl.eui64 import Eui64
from hanctl.ledger.database import APPLICATION_ID, SCHEMA
from hanctl.ledger.errors import LedgerError
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.migrating import MIGRATIONS

TIME = "2026-01-01T00:00:00.000000Z"
STAGES = ("delivery", "transfer", "activation")
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
