"""Store household data in the ledger's file: attributes, dated records and samples, typed.

They share the ledger's transactions. Nothing here knows what a datum means: which exist, of which class they are and
what clears them is ``hanctl.data``'s. Values never leave in a ``repr``. Times are aware; whole seconds are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from hanctl.ledger.errors import LedgerError
from hanctl.ledger.rows import Execute
from hanctl.ledger.stored import seconds_read
from hanctl.model.cuts import AttributeKey, Cut, Cuts, is_before, item

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Selection:
    """Selected data of an endpoint: attributes with their cleared value (serialized), and tables."""

    attributes: Mapping[AttributeKey, bytes]
    tables: frozenset[str]


@dataclass(frozen=True, slots=True)
class StoredAttribute:
    """A stored attribute. ``value`` is serialized as ``data_type`` says; None while a gate hides it."""

    data_type: int
    value: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One dated record. ``body``: plain JSON values by name."""

    id: int
    endpoint: int
    name: str
    time: datetime
    body: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """Consumption in the interval that begins at ``time``."""

    time: datetime
    value: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """Data that was cleared, is hidden or is stored: names and counts, never values."""

    attributes: tuple[AttributeKey, ...]
    tables: Mapping[str, int]

    def __bool__(self) -> bool:
        return bool(self.attributes or self.tables)


_OPEN_RECORDS = """
    NOT EXISTS (SELECT 1 FROM data_gates AS gate WHERE gate.endpoint = row.endpoint AND gate.item = row.name
                AND (ifnull(row.ends - 1, row.time) < gate.before OR row.written <= gate.written))
"""
_OPEN_SAMPLES = """
    NOT EXISTS (SELECT 1 FROM data_gates AS gate WHERE gate.endpoint = row.endpoint AND gate.item = row.name
                AND row.time < gate.before)
"""


class Household:
    """Attributes by endpoint, cluster and id; records and samples by endpoint, table name and time.

    Every read keeps to the gates (see ``gate``); only ``held`` and ``hidden`` look behind them, and tell no values.
    """

    def __init__(
        self,
        execute: Execute,
        transaction: Callable[[], AbstractContextManager[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._execute = execute
        self._transaction = transaction
        self._now = now
        self._to_wipe = False

    # --- attributes

    def read(self, endpoint: int, cluster: int) -> dict[int, StoredAttribute]:
        """Return all stored attributes of one cluster of one endpoint, in order of their ids."""
        rows = self._execute(
            """
            SELECT row.attribute, row.data_type, row.value, row.time, row.written <= ifnull(gate.written, -1),
            gate.before, gate.stamp
            FROM data_attributes AS row LEFT JOIN data_gates AS gate
            ON gate.endpoint = row.endpoint AND gate.item = printf('%04x:%04x', row.cluster, row.attribute)
            WHERE row.endpoint = ? AND row.cluster = ? ORDER BY row.attribute
            """,
            (endpoint, cluster),
        ).fetchall()
        values = {row[0]: row[2] for row in rows}
        return {
            attribute: StoredAttribute(
                data_type, None if blocked or is_before(before, time, values.get(stamp)) else value
            )
            for attribute, data_type, value, time, blocked, before, stamp in rows
        }

    def of_before(self, endpoint: int, cuts: Mapping[AttributeKey, Cut]) -> frozenset[AttributeKey]:
        """Return those of the attributes that are stored and dated before their cut-off."""
        found = set()
        for wanted in {cluster for cluster, _ in cuts}:
            rows = self._execute(
                "SELECT attribute, value, time FROM data_attributes WHERE endpoint = ? AND cluster = ?",
                (endpoint, wanted),
            ).fetchall()
            values = {attribute: value for attribute, value, _ in rows}
            for attribute, _, time in rows:
                cut = cuts.get((wanted, attribute))
                stamp = None if cut is None or cut.stamp is None else values.get(cut.stamp)
                if cut is not None and is_before(_seconds(cut.before), time, stamp):
                    found.add((wanted, attribute))
        return frozenset(found)

    def write(self, endpoint: int, key: AttributeKey, data_type: int, value: bytes) -> None:
        """Store this value in place of any earlier one."""
        with self._transaction():
            self._execute(
                "INSERT OR REPLACE INTO data_attributes VALUES (?, ?, ?, ?, ?, ?, ?)",
                (endpoint, *key, data_type, value, self._count(), _seconds(self._now())),
            )

    # --- dated records

    def add(
        self, endpoint: int, name: str, time: datetime, body: Mapping[str, Any], *, ends: datetime | None = None
    ) -> int:
        """Append a record to a table. Returns its id, which only grows. ``ends``: end of a period from ``time`` on."""
        with self._transaction():
            cursor = self._execute(
                "INSERT INTO data_records (endpoint, name, time, written, body, ends) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    endpoint,
                    name,
                    _seconds(time),
                    self._count(),
                    json.dumps(body),
                    None if ends is None else _seconds(ends),
                ),
            )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def records(
        self,
        endpoint: int,
        name: str,
        *,
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> list[Record]:
        """Return the records of a table from ``since`` on and earlier than ``before``, oldest first."""
        return self._execute(
            f"SELECT id, time, body FROM data_records AS row WHERE endpoint = ? AND name = ?"  # noqa: S608
            f" AND time >= ? AND time < ? AND {_OPEN_RECORDS} ORDER BY time, id",
            (endpoint, name, *_range(since, before)),
            lambda row: Record(row[0], endpoint, name, seconds_read(row[1]), json.loads(row[2])),
        ).fetchall()

    def remove(self, record: int) -> None:
        """Delete one record."""
        with self._transaction():
            self._execute("DELETE FROM data_records WHERE id = ?", (record,))
            self._deleted()

    # --- samples

    def add_samples(self, endpoint: int, name: str, samples: Iterable[Sample]) -> int:
        """Store these samples in place of any of the same time. Returns their number."""
        count = 0
        with self._transaction():
            for sample in samples:
                self._execute(
                    "INSERT OR REPLACE INTO data_samples VALUES (?, ?, ?, ?)",
                    (endpoint, name, _seconds(sample.time), sample.value),
                )
                count += 1
        return count

    def samples(
        self,
        endpoint: int,
        name: str,
        *,
        since: datetime | None = None,
        before: datetime | None = None,
        limit: int | None = None,
        newest_first: bool = False,
    ) -> list[Sample]:
        """Return the samples that begin from ``since`` on and earlier than ``before``."""
        order = "DESC" if newest_first else "ASC"
        return self._execute(
            f"SELECT time, value FROM data_samples AS row WHERE endpoint = ? AND name = ?"  # noqa: S608
            f" AND time >= ? AND time < ? AND {_OPEN_SAMPLES} ORDER BY time {order} LIMIT ?",
            (endpoint, name, *_range(since, before), -1 if limit is None else limit),
            lambda row: Sample(seconds_read(row[0]), row[1]),
        ).fetchall()

    # --- clearing and hiding

    def clear(
        self,
        endpoint: int,
        selection: Selection,
        *,
        keep: Iterable[int] = (),
        before: Mapping[str, datetime] | None = None,
    ) -> Found:
        """Reset the attributes to their neutral values and delete the tables' rows, except the records ``keep``; where
        ``before`` is given, only rows that ended by each table's time in it.

        What is not held, or reads so already, is left out of the answer. Call it inside a transaction of the ledger;
        once that is durable, the deleted values are gone from the database's files as well.
        """
        kept = frozenset(keep)
        with self._transaction():
            changed = []
            number = self._count()
            for cluster in sorted({cluster for cluster, _ in selection.attributes}):
                rows = self._execute(
                    "SELECT attribute, value FROM data_attributes WHERE endpoint = ? AND cluster = ?",
                    (endpoint, cluster),
                ).fetchall()
                for attribute, value in rows:
                    neutral = selection.attributes.get((cluster, attribute))
                    if neutral is not None and value != neutral:
                        changed.append((cluster, attribute))
                        self._execute(
                            "UPDATE data_attributes SET value = ?, written = ?, time = NULL"
                            " WHERE endpoint = ? AND cluster = ? AND attribute = ?",
                            (neutral, number, endpoint, cluster, attribute),
                        )
            counts: dict[str, int] = {}
            for name in sorted(selection.tables):
                of = (endpoint, name, _LAST if before is None else _seconds(before[name]))
                ids = self._execute(
                    "SELECT id FROM data_records WHERE endpoint = ? AND name = ? AND ifnull(ends - 1, time) < ?", of
                ).fetchall()
                gone = [id for (id,) in ids if id not in kept]  # noqa: A001
                for id in gone:  # noqa: A001
                    self._execute("DELETE FROM data_records WHERE id = ?", (id,))
                samples = self._execute("DELETE FROM data_samples WHERE endpoint = ? AND name = ? AND time < ?", of)
                if gone or samples.rowcount > 0:
                    counts[name] = len(gone) + max(samples.rowcount, 0)
            self._deleted()
        return Found(tuple(sorted(changed)), counts)

    def gate(self, endpoint: int, selection: Selection, before: datetime) -> None:
        """Hide from every read, without deleting it: the selected attributes as they are until they are written anew,
        records and samples of a time earlier than ``before``, and records held already (their times come from the hub's
        clock, which may step back)."""
        with self._transaction():
            number = self._count()
            self._gate(
                endpoint,
                [(item(key), 0, number, None) for key in selection.attributes]
                + [(table, _seconds(before), number, None) for table in selection.tables],
            )

    def hide(self, endpoint: int, cuts: Cuts) -> None:
        """Hide from every read, without deleting it, what is of before, also where it is written later: attributes by
        their dates, rows by their ends. What was hidden stays so: an earlier time opens nothing."""
        attributes = [(item(key), _seconds(cut.before), 0, cut.stamp) for key, cut in cuts.attributes.items()]
        self._gate(endpoint, attributes + [(table, _seconds(before), 0, None) for table, before in cuts.tables.items()])

    def _gate(self, endpoint: int, gates: Iterable[tuple[str, int, int, int | None]]) -> None:
        """Store gates, each (item, before, written, stamp), in one statement as they can be hundreds."""
        with self._transaction():
            self._execute(
                """
                INSERT INTO data_gates SELECT ?, json_extract(value, '$[0]'), json_extract(value, '$[1]'),
                json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(?) WHERE true
                ON CONFLICT (endpoint, item) DO UPDATE SET before = max(before, excluded.before),
                written = max(written, excluded.written), stamp = ifnull(excluded.stamp, stamp)
                """,
                (endpoint, json.dumps(list(gates))),
            )

    def hidden(self, endpoint: int) -> Found:
        """Return the stored data of this endpoint that no read shows."""
        everything, shown = self.held(endpoint), self._shown(endpoint)
        tables = {name: count - shown.tables.get(name, 0) for name, count in everything.tables.items()}
        return Found(
            tuple(sorted(set(everything.attributes) - set(shown.attributes))),
            {name: count for name, count in tables.items() if count},
        )

    def held(self, endpoint: int) -> Found:
        """Return the stored data of this endpoint, hidden or not."""
        attributes = self._execute("SELECT cluster, attribute FROM data_attributes WHERE endpoint = ?", (endpoint,))
        return Found(tuple(sorted(attributes.fetchall())), self._counts(endpoint, "1", "1"))

    def _shown(self, endpoint: int) -> Found:
        clusters = self._execute("SELECT DISTINCT cluster FROM data_attributes WHERE endpoint = ?", (endpoint,))
        attributes = [
            (cluster, attribute)
            for (cluster,) in clusters.fetchall()
            for attribute, stored in self.read(endpoint, cluster).items()
            if stored.value is not None
        ]
        return Found(tuple(sorted(attributes)), self._counts(endpoint, _OPEN_RECORDS, _OPEN_SAMPLES))

    def _counts(self, endpoint: int, records: str, samples: str) -> dict[str, int]:
        rows = self._execute(
            f"SELECT name, count(*) FROM data_records AS row WHERE endpoint = ? AND {records} GROUP BY name"  # noqa: S608
            f" UNION ALL SELECT name, count(*) FROM data_samples AS row WHERE endpoint = ? AND {samples} GROUP BY name",
            (endpoint, endpoint),
        )
        return dict(sorted(rows.fetchall()))

    # --- the ledger's part

    @property
    def wiped(self) -> bool:
        """Tell whether deleted data is gone from the database's files too; not while wiping fails (full disk)."""
        return not self._execute("SELECT unwiped FROM data_writes").fetchone()[0]

    def wipe(self) -> None:
        """Rewrite the database and empty its log, if something was deleted. Call it outside of transactions.

        SQLite's ``secure_delete`` alone leaves copies of deleted rows in pages that were once rearranged.
        """
        self._to_wipe = False
        if self.wiped:
            return
        try:
            self._execute("VACUUM")
            if not self._empty_log():
                log.warning("deleted data stays in the ledger's log for now: somebody else is reading it")
                return
            self._execute("UPDATE data_writes SET unwiped = 0")
        except LedgerError as error:
            log.error("deleted data may still be in the ledger's files", reason=str(error), hint=error.hint)

    def _empty_log(self) -> bool:
        """Move all of the log into the database, unless somebody reads it (a backup may take long)."""
        (patience_ms,) = self._execute("PRAGMA busy_timeout").fetchone()
        self._execute("PRAGMA busy_timeout = 0")
        try:
            return not self._execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            self._execute(f"PRAGMA busy_timeout = {patience_ms}")

    def committed(self) -> None:
        """Note that a transaction is durable."""
        if self._to_wipe:
            self.wipe()

    def undone(self) -> None:
        """Note that a transaction was undone as a whole."""
        self._to_wipe = False

    def _deleted(self) -> None:
        self._execute("UPDATE data_writes SET unwiped = 1")
        self._to_wipe = True

    def _count(self) -> int:
        """Return the number of this write, so that the order of writes does not depend on any clock."""
        row = self._execute("UPDATE data_writes SET number = number + 1 RETURNING number").fetchone()
        return int(row[0])


_LAST = 2**62


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp() // 1)


def _range(since: datetime | None, before: datetime | None) -> tuple[int, int]:
    return (-_LAST if since is None else _seconds(since)), (_LAST if before is None else _seconds(before))
