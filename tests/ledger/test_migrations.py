"""A ledger of an older hanctl is opened as it is, and gains what the new one needs."""

from __future__ import annotations

import importlib
import sqlite3
from contextlib import closing
from pathlib import Path

from hanctl.clock import SystemClock
from hanctl.eui64 import Eui64
from hanctl.ledger.database import APPLICATION_ID
from hanctl.ledger.ledger import Ledger

DEVICE = Eui64("00:0d:6f:00:0a:90:69:e7")


def test_a_ledger_without_keys(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = importlib.import_module("hanctl.ledger.migrations.versions.0001_first")
    with closing(sqlite3.connect(path)) as connection:
        for statement in first.STATEMENTS:
            connection.execute(statement)
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.execute(
            "INSERT INTO devices (eui64, added_at, device_type, state) VALUES (?, ?, 'ppmid', 'interviewed')",
            (DEVICE, "2026-01-01T00:00:00.000000Z"),
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.commit()
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
