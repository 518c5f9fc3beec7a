"""The ledger: events and present state in one SQLite file that survives a kill at any moment."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from hanctl.base.clock import Clock, SystemClock
from hanctl.base.eui64 import Eui64
from hanctl.ledger.changes import Changes
from hanctl.ledger.database import is_damage, open_database, open_to_read
from hanctl.ledger.devices import Devices
from hanctl.ledger.errors import LedgerDamaged, LedgerError, LedgerFull
from hanctl.ledger.files.copies import write_copy
from hanctl.ledger.household import Household
from hanctl.ledger.images import Images
from hanctl.ledger.limiting import Limiting
from hanctl.ledger.outbox import Outbox
from hanctl.ledger.pruning import Pruning
from hanctl.ledger.reporting import ReportingTable
from hanctl.ledger.rows import UNREADABLE, Fetched, parse_time, time_text
from hanctl.ledger.updates import Updates
from hanctl.model.event import EVENT_TYPES, Event
from hanctl.model.events import LedgerStalled

log = structlog.get_logger()

Subscriber = Callable[["Recorded"], None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the ledger. ``id`` only grows; ``time`` is aware, in UTC."""

    id: int
    time: datetime
    event: Event

    def as_dict(self) -> dict[str, Any]:
        """Return the event as JSON: id, time (ISO 8601, Z), type, level, then its own fields."""
        kind = type(self.event)
        return {
            "id": self.id,
            "time": time_text(self.time),
            "type": kind.type,
            "level": kind.level,
            **self.event.model_dump(),
        }


class Ledger:
    """Devices, images, updates, changes, household data, the outbox and the append-only events.

    One process, one thread, one Ledger.

    A method that writes is durable when it returns, unless it was called inside ``transaction()``.
    """

    def __init__(self, connection: sqlite3.Connection, clock: Clock, path: Path) -> None:
        self.path = path
        self._connection = connection
        self._clock = clock
        self._depth = 0
        self._closed = False
        self._full_since: datetime | None = None
        self._uncommitted: list[Recorded] = []
        self._untold: deque[Recorded] = deque()
        self._telling = False
        self._subscribers: list[Subscriber] = []
        self.on_damage: Callable[[LedgerDamaged], None] = lambda _: None
        """Called with damage that a read meets, besides that it is raised: whoever asked, the hub is to end."""
        self.devices = Devices(self._execute, self.transaction)
        self.images = Images(self._execute, self.transaction)
        self.updates = Updates(self._execute, self.transaction)
        self.changes = Changes(self._execute, self.transaction)
        self.outbox = Outbox(self._execute, self.transaction)
        self.household = Household(self._execute, self.transaction, clock.now)
        self.pruning = Pruning(self._execute, self.transaction)
        self.reporting = ReportingTable(self._execute, self.transaction)
        self.limiting = Limiting(clock, self._is_keyed, self.record)

    @classmethod
    def open(cls, path: Path, clock: Clock) -> Ledger:
        """Open the ledger; create it (mode 0600) or migrate it if needed, after a copy was made.

        Raises LedgerError, LedgerDamaged.
        """
        ledger = cls(open_database(path, lambda: write_copy(path, clock.now())), clock, path)
        ledger.household.wipe()
        return ledger

    @classmethod
    def open_to_read(cls, path: Path) -> Ledger:
        """Open the ledger of a hub, running or not, to read only. Raises LedgerError."""
        return cls(open_to_read(path), SystemClock(), path)

    def close(self) -> None:
        """Write pending data, and close the file. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        try:
            self.devices.flush()
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Close the file as a kill would: what is only in memory is lost."""
        self._closed = True
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all writes within the block durable together, or none if the block raises.

        A nested transaction joins the outer one; it is undone alone if it raises and the outer one continues.
        The block must not await: another task's writes would join it. Raises LedgerError where the commit fails.
        """
        savepoint = f"level_{self._depth}"
        kept = len(self._uncommitted)
        self._execute("BEGIN IMMEDIATE" if self._depth == 0 else f"SAVEPOINT {savepoint}")
        self._depth += 1
        try:
            yield
            self._execute("COMMIT" if self._depth == 1 else f"RELEASE {savepoint}")
        except BaseException:
            del self._uncommitted[kept:]
            self._undo(savepoint)
            self.devices.undone()
            if self._depth == 1:
                self.household.undone()
            raise
        finally:
            self._depth -= 1
        if self._depth == 0:
            self._untold.extend(self._uncommitted)
            self._uncommitted.clear()
            self._tell_stall()
            self.household.committed()
            self._tell()

    def note(self, event: Event) -> None:
        """Record an event that somebody else can cause as often as they like, or only count it."""
        self.limiting.note(event)

    def _is_keyed(self, device: str) -> bool:
        known = self.devices.get(Eui64(device))
        return known is not None and known.present and known.keyed_at is not None

    def record(self, event: Event) -> Recorded:
        """Append an event, and pass it to the subscribers once it is durable."""
        kind = type(event)
        body = event.model_dump()
        now = self._clock.now()
        with self.transaction():
            cursor = self._execute(
                "INSERT INTO events (time, type, device, update_id, body) VALUES (?, ?, ?, ?, ?)",
                (time_text(now), kind.type, body.get("device"), body.get("update"), json.dumps(body)),
            )
            assert cursor.lastrowid is not None
            recorded = Recorded(cursor.lastrowid, now, event)
            if kind.type in self.outbox.types:
                self.outbox.add(
                    event=recorded.id,
                    message_id=f"notice_{secrets.token_hex(12)}",
                    body=json.dumps(recorded.as_dict()),
                    created_at=now,
                )
            self._uncommitted.append(recorded)
        return recorded

    def events(
        self,
        *,
        after: int = 0,
        limit: int | None = None,
        device: Eui64 | None = None,
        update: int | None = None,
        type: str | None = None,  # noqa: A002
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Recorded]:
        """Return events with an id above ``after``, oldest first, of one device, update or type if given.

        ``since`` and ``until``: recorded then or later, and before.
        """
        conditions = ["id > ?"]
        parameters: list[Any] = [after]
        for comparison, moment in (("time >= ?", since), ("time < ?", until)):
            if moment is not None:
                conditions.append(comparison)
                parameters.append(time_text(moment))
        for column, value in (("device", device), ("update_id", update), ("type", type)):
            if value is not None:
                conditions.append(f"{column} = ?")
                parameters.append(value)
        found = self._execute(
            f"SELECT id, time, type, body FROM events WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?",  # noqa: S608
            (*parameters, -1 if limit is None else limit),
            _recorded,
        )
        # A newer version's types are passed by.
        return [recorded for recorded in found if recorded is not None]

    def last_event(self, *types: str) -> Recorded | None:
        """Return the newest event of these types."""
        found: Recorded | None = self._execute(
            f"SELECT id, time, type, body FROM events WHERE type IN ({', '.join('?' * len(types))})"  # noqa: S608
            " ORDER BY id DESC LIMIT 1",
            types,
            _recorded,
        ).fetchone()
        return found

    def last_event_id(self) -> int:
        """Return the id of the newest event; 0 if there is none."""
        return int(self._execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0])

    def last_event_time(self) -> datetime | None:
        """Return the time of the newest event; None if there is none."""
        return self._moment("SELECT time FROM events ORDER BY id DESC LIMIT 1")

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call back for each event after it is durable, in order. Returns the function that unsubscribes."""
        self._subscribers.append(callback)

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def tell(self, recorded: Recorded) -> None:
        """Pass the subscribers an event that was recorded before they subscribed."""
        self._untold.append(recorded)
        self._tell()

    def touch(self, eui64: Eui64, now: datetime) -> None:
        """Note that a device was heard; see ``Devices.touch``. If the disk is full it is kept in memory."""
        with suppress(LedgerFull):
            self.devices.touch(eui64, now)

    @property
    def full_since(self) -> datetime | None:
        """Return since when the disk is full for the ledger; None if it is not."""
        return self._full_since

    def note_presence(self, now: datetime) -> None:
        """Write, outside a transaction, that the hub is present: a later start sees how long it was not.

        It survives a kill. A power cut may lose it: the hub then assumes that it was away for longer.
        """
        # Often written, on cards that wear: it is not worth a sync of its own.
        self._execute("PRAGMA synchronous = NORMAL")
        try:
            self._execute("INSERT OR REPLACE INTO attendance (id, present_at) VALUES (1, ?)", (time_text(now),))
        finally:
            self._execute("PRAGMA synchronous = FULL")

    def last_presence(self) -> datetime | None:
        """Return when the hub was last present, by its own note."""
        return self._moment("SELECT present_at FROM attendance")

    def _tell(self) -> None:
        # A subscriber may record events itself: they wait their turn here, so that all hear the same order.
        if self._telling:
            return
        self._telling = True
        try:
            while self._untold:
                recorded = self._untold.popleft()
                for callback in tuple(self._subscribers):
                    try:
                        callback(recorded)
                    except Exception:
                        log.exception("a subscriber to the ledger failed", id=recorded.id)
        finally:
            self._telling = False

    def _tell_stall(self) -> None:
        since, self._full_since = self._full_since, None
        if since is not None:
            try:
                self.record(LedgerStalled(seconds=(self._clock.now() - since).total_seconds()))
            except LedgerFull:
                # There was room for a little, and is none for this: it goes on.
                self._full_since = since

    def _undo(self, savepoint: str) -> None:
        # After some errors (a full disk) SQLite has rolled back already.
        if not self._connection.in_transaction:
            return
        if self._depth == 1:
            self._connection.execute("ROLLBACK")
        else:
            self._connection.execute(f"ROLLBACK TO {savepoint}")
            self._connection.execute(f"RELEASE {savepoint}")

    def _moment(self, sql: str) -> datetime | None:
        found: datetime | None = self._execute(sql, (), lambda row: parse_time(row[0])).fetchone()
        return found

    def _execute(
        self, sql: str, parameters: tuple[Any, ...] = (), decode: Callable[[Any], Any] | None = None
    ) -> Fetched:
        """Run a statement to its end, and decode its rows. Raises LedgerError; whatever a read raises is damage."""
        try:
            cursor = self._connection.execute(sql, parameters)
            rows = cursor.fetchall()
        except sqlite3.IntegrityError:
            raise
        except UnicodeDecodeError as error:
            raise self._damaged(error) from error
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise self._full() from error
            if is_damage(error):
                raise self._damaged(error) from error
            raise LedgerError(
                f"the ledger cannot be used: {error}",
                "check the disk of the state directory: is it full, or read-only?",
            ) from error
        if decode is not None:
            try:
                rows = [decode(row) for row in rows]
            except UNREADABLE as error:
                raise self._damaged(error) from error
        return Fetched(rows, cursor.lastrowid, cursor.rowcount)

    def _damaged(self, error: Exception) -> LedgerDamaged:
        damage = LedgerDamaged.found(self.path, str(error))
        self.on_damage(damage)
        return damage

    def _full(self) -> LedgerFull:
        if self._full_since is None:
            self._full_since = self._clock.now()
            log.error("the disk of the ledger is full: updates wait until there is room")
        return LedgerFull("the disk of the ledger is full", "make room on the disk of the state directory")


def _recorded(row: tuple[int, str, str, str]) -> Recorded | None:
    """Read an event; None for one of a type that this version does not know."""
    number, time, kind, body = row
    if kind not in EVENT_TYPES:
        return None
    # Read leniently (model_construct): rows of an older version may lack fields.
    return Recorded(number, parse_time(time), EVENT_TYPES[kind].model_construct(**json.loads(body)))
