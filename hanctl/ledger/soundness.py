"""Check the whole content of a ledger, so that no read of it can fail later.

SQLite's own check knows pages, types and constraints. It does not know text that is no UTF-8, times that are none,
states that do not exist, or a schema in which one letter has changed.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from hanctl.ledger.outbox import Notice
from hanctl.ledger.reporting import ReportRow
from hanctl.ledger.rows import Fetched, Rows
from hanctl.ledger.stored import eui64_read, seconds_read, time_read
from hanctl.model import events
from hanctl.model.change_records import Change, ChangePart, Evidence
from hanctl.model.event import EVENT_TYPES
from hanctl.model.records import Device, Image, Update

SCHEMA = "0008"
"""The revision of a ledger of this version: the last of migrations/versions."""

OBJECTS = {
    "attendance": 0xC3550B33,
    "change_evidence": 0xC6487C63,
    "change_evidence_of": 0x97351014,
    "change_parts": 0x0384A68F,
    "changes": 0x237F1B07,
    "data_attributes": 0x54304B5D,
    "data_gates": 0xD41496BB,
    "data_records": 0x02C96C0D,
    "data_records_by_time": 0x621A4C02,
    "data_reporting": 0x9903F054,
    "data_samples": 0xE008DB38,
    "data_writes": 0xDA2CEACB,
    "devices": 0x2C40AC93,
    "events": 0xFB0AD789,
    "events_are_deleted_by_retention_alone": 0x29C6012F,
    "events_are_never_changed": 0xA4CFFE9C,
    "events_by_device": 0x17C63EB3,
    "events_by_type": 0x173A33A7,
    "events_by_update": 0xA451AFCE,
    "images": 0xD6379975,
    "one_open_update_per_device": 0xB27ED061,
    "outbox": 0x427674EE,
    "outbox_pending": 0x44A57E27,
    "retention": 0xFBC00497,
    "updates": 0x482FC015,
}
"""The tables, indices and triggers of this schema, with the CRC of the statement that each was made by."""

_RECORDS: tuple[tuple[str, type[Any], str], ...] = (
    ("devices", Device, "eui64"),
    ("images", Image, "file_sha256"),
    ("updates", Update, "id"),
    ("changes", Change, "id"),
    ("change_parts", ChangePart, "id"),
    ("change_evidence", Evidence, "id"),
    ("outbox", Notice, "event"),
    ("data_reporting", ReportRow, "device"),
)
_NONE_IS_WRONG = {
    "an update follows a later one": "SELECT 1 FROM updates WHERE follows >= id",
    "a change is done at no time": "SELECT 1 FROM changes WHERE state = 'done' AND done_at IS NULL",
    "a change that is done has no event id": (
        "SELECT 1 FROM change_parts JOIN changes ON changes.id = change"
        " WHERE state = 'done' AND change_parts.issuer_event_id IS NULL"
    ),
    "a number is given twice": "SELECT 1 FROM sqlite_sequence GROUP BY name HAVING count(*) > 1",
    "a number is too high": (
        "SELECT 1 FROM sqlite_sequence WHERE typeof(seq) <> 'integer' OR seq NOT BETWEEN 0 AND 1 << 53"
    ),
    "retention is not as it is left": "SELECT 1 WHERE (SELECT group_concat(events_below) FROM retention) IS NOT '0'",
    "writes are not counted once": "SELECT 1 WHERE (SELECT count(*) FROM data_writes) <> 1",
    "there is not one revision": "SELECT 1 WHERE (SELECT count(*) FROM alembic_version) <> 1",
}
"""Queries that find something in a damaged ledger alone."""
_NAMES = {
    events.DongleOpened.type: "dongle_eui64",
    events.NetworkFormed.type: "extended_pan_id",
    events.NetworkResumed.type: "extended_pan_id",
}
"""Fields of events by which a start knows its dongle and its network."""
_NUMBERED = ("events", "updates", "changes", "change_parts", "change_evidence", "data_records")


def fault_in(connection: sqlite3.Connection, revision: str | None) -> str | None:
    """Return what is wrong with a ledger of this revision, as far as this version knows it; None: nothing.

    Raises as ``content_fault``.
    """
    return content_fault(connection) if revision == SCHEMA else structure_fault(connection)


def structure_fault(connection: sqlite3.Connection) -> str | None:
    """Return what SQLite finds wrong with its pages, whatever their schema; None: nothing. Raises sqlite3.Error."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return None if verdict == "ok" else str(verdict)


def content_fault(connection: sqlite3.Connection) -> str | None:
    """Return what is wrong with a ledger of this schema, table by table; None: all of it can be read.

    A ledger of 220 000 events takes about a second. Raises sqlite3.Error, and ``rows.UNREADABLE`` for content that
    cannot be read.
    """
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if verdict != "ok":
        return str(verdict)
    return next(_faults(connection), None)


def _faults(connection: sqlite3.Connection) -> Iterator[str]:
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    made = {name: statement_crc(sql) for name, sql in found}
    for name, crc in OBJECTS.items():
        if made.get(name) != crc:
            yield f"{name} is not as this version makes it"
    for table, *_ in connection.execute("PRAGMA foreign_key_check"):
        yield f"a row of {table} refers to one that is gone"
    for what, query in _NONE_IS_WRONG.items():
        if connection.execute(query).fetchone() is not None:
            yield what
    for table in _NUMBERED:
        (highest,) = connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()  # noqa: S608
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if highest > (last[0] if last is not None else 0):
            yield f"{table} has a number that was never given"
    execute = _executing(connection)
    for table, record, key in _RECORDS:
        Rows(execute, table, record, key).select()
    _read_events(connection)
    _read_household(connection)


def statement_crc(sql: str) -> int:
    """Return the CRC-32 of a statement of the schema, however its lines are broken."""
    return zlib.crc32(" ".join(sql.split()).encode())


def _executing(connection: sqlite3.Connection) -> Callable[..., Fetched]:
    def execute(sql: str, parameters: tuple[Any, ...], decode: Callable[[Any], Any]) -> Fetched:
        return Fetched([decode(row) for row in connection.execute(sql, parameters)], None, -1)

    return execute


def _read_events(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT id, time, type, body, device FROM events")
    for number, time, kind, body, _ in rows:
        try:
            time_read(time)
            if kind in _NAMES:
                eui64_read(json.loads(body)[_NAMES[kind]])
            if kind in EVENT_TYPES:
                EVENT_TYPES[kind].__pydantic_validator__.validate_json(body)
        except ValidationError as error:
            # Another version's event may have more fields, or fewer.
            wrong = [each for each in error.errors() if each["type"] not in ("missing", "extra_forbidden")]
            if wrong or not isinstance(json.loads(body), dict):
                raise ValueError(f"event {number} is none of type {kind}") from error


def _read_household(connection: sqlite3.Connection) -> None:
    for (time,) in connection.execute("SELECT present_at FROM attendance"):
        time_read(time)
    for _, time, ends, body in connection.execute("SELECT name, time, ends, body FROM data_records"):
        seconds_read(time)
        seconds_read(0 if ends is None else ends)
        json.loads(body).keys()
    for _, time in connection.execute("SELECT name, time FROM data_samples"):
        seconds_read(time)
    for _ in connection.execute("SELECT item FROM data_gates"):
        pass
