"""Inspect a ledger that a hub may have open: nothing is written, migrated or locked."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hanctl.base.eui64 import Eui64
from hanctl.ledger.database import APPLICATION_ID
from hanctl.ledger.files.identity import connect_to_read, identity_in
from hanctl.ledger.rows import UNREADABLE
from hanctl.ledger.soundness import SCHEMA, fault_in

_STEPS = 100_000
"""SQLite asks every so many of its instructions whether to go on."""


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """Facts about a ledger. ``damage``: why it cannot be used; then, or if it was not read, the rest is unknown."""

    damage: str | None = None
    checked: bool = True
    """False: the check took too long and was given up."""
    unreadable: bool = False
    """This user may not read it."""
    foreign: bool = False
    newer: bool = False
    """Its schema is none that this version knows."""
    behind: bool = False
    """Its schema is an earlier one, which the hub migrates when it starts."""
    last_event_at: datetime | None = None
    dongle: Eui64 | None = None
    """The dongle that was opened last."""
    extended_pan_id: str | None = None


def inspect_ledger(path: Path, timeout_s: float) -> LedgerFacts:
    """Inspect a ledger within a time limit. Raises FileNotFoundError."""
    try:
        path.stat()
    except PermissionError:
        return LedgerFacts(unreadable=True)
    if not os.access(path, os.R_OK):
        return LedgerFacts(unreadable=True)
    try:
        with closing(connect_to_read(path)) as connection:
            return _inspect(connection, timeout_s)
    except (sqlite3.Error, *UNREADABLE) as error:
        return LedgerFacts(damage=str(error))


def _inspect(connection: sqlite3.Connection, timeout_s: float) -> LedgerFacts:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        return LedgerFacts(foreign=True)
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if tables else None
    revision = "" if row is None else str(row[0])
    checked, damage = _check(connection, revision, timeout_s)
    if damage is not None:
        return LedgerFacts(damage=damage)
    if "events" not in tables:
        return LedgerFacts(behind=True)
    row = connection.execute("SELECT time FROM events ORDER BY id DESC LIMIT 1").fetchone()
    hub = identity_in(connection)
    return LedgerFacts(
        checked=checked,
        newer=revision > SCHEMA,
        behind=revision < SCHEMA,
        last_event_at=None if row is None else datetime.fromisoformat(row[0]),
        dongle=hub.dongle,
        extended_pan_id=hub.network,
    )


def _check(connection: sqlite3.Connection, revision: str, timeout_s: float) -> tuple[bool, str | None]:
    """Look for a fault; tell whether there was time enough, and which was found."""
    now = asyncio.get_running_loop().time
    deadline = now() + timeout_s
    connection.set_progress_handler(lambda: now() > deadline, _STEPS)
    try:
        return True, fault_in(connection, revision)
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return False, None
        raise
    finally:
        connection.set_progress_handler(None, 0)
