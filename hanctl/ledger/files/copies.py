"""Copies of the ledger in ``<state_dir>/backups``: written whole and checked, or not there; the newest are kept.

A copy is a ledger without a household: what a change of tenancy clears is never written into one, so that no copy has
to be found and cleared, and none brings back what was cleared. Gates, which hide what is loaded later, are in it.
These functions block, and use connections of their own: they may run on another thread, beside a hub at work.
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hanctl.ledger.database import APPLICATION_ID, is_damage
from hanctl.ledger.errors import CopyError, LedgerDamaged
from hanctl.ledger.files.identity import HubIdentity, identity_in
from hanctl.ledger.rows import UNREADABLE, parse_time
from hanctl.ledger.soundness import SCHEMA, fault_in

KEPT = 7
LEFT_OUT = frozenset({"data_attributes", "data_records", "data_samples"})
"""The tables with values of the household (``ledger/household.py``)."""

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"ledger-\d{8}T\d{6}\.\d{6}Z\.sqlite")


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy. ``until``: time of its last event; ``damage``: why it cannot be used, or None; ``hub``: whose it is."""

    path: Path
    size: int
    until: datetime | None = None
    schema: str | None = None
    damage: str | None = None
    hub: HubIdentity = field(default_factory=HubIdentity)


def copies_of(ledger: Path) -> Path:
    """Return the directory with the copies of this ledger."""
    return ledger.parent / "backups"


def list_copies(directory: Path) -> list[Copy]:
    """List the copies of a directory in the order they were written, each opened and checked. Raises CopyError."""
    return [check_copy(path) for path in _paths(directory)]


def good_copies(directory: Path) -> Iterator[Copy]:
    """Return the copies that can be used, the newest first, each checked when it is asked for. Raises CopyError."""
    found = (check_copy(path) for path in reversed(_paths(directory)))
    return (copy for copy in found if copy.damage is None)


def last_written(directory: Path) -> datetime | None:
    """Return when the newest copy was written, by its name and the clock at that time. Raises CopyError."""
    paths = _paths(directory)
    return _written_at(paths[-1]) if paths else None


def check_copy(path: Path) -> Copy:
    """Check, without writing, that a copy is a sound ledger that this version can read."""
    try:
        size = path.stat().st_size
        # Nobody writes to a copy; without that promise SQLite would want to make files beside it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                return Copy(path, size, damage="it is not a ledger")
            (schema,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            fault = fault_in(connection, schema)
            row = connection.execute("SELECT time FROM events ORDER BY id DESC LIMIT 1").fetchone()
            until = None if row is None else parse_time(row[0])
            hub = identity_in(connection)
            household = _holds_household(connection)
    except (OSError, sqlite3.Error, *UNREADABLE) as error:
        return Copy(path, path.stat().st_size if path.exists() else 0, damage=str(error))
    damage = None if fault is None else " ".join(fault.split())
    if damage is None and schema > SCHEMA:
        damage = f"it was written by a newer hanctl (schema {schema})"
    if damage is None and household:
        damage = "it is a ledger itself and no backup of one: it holds a household's data"
    return Copy(path, size, until, schema, damage, hub)


def write_copy(ledger: Path, now: datetime) -> Copy:
    """Copy a ledger, which others may have open, check the copy, and remove the oldest beyond ``KEPT``.

    Raises LedgerDamaged (the ledger cannot be read to its end) and CopyError; then no copy was made.
    """
    directory = copies_of(ledger)
    temporary: Path | None = None
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        for stale in directory.glob(".ledger-*"):
            stale.unlink()
        if shutil.disk_usage(directory).free < 2 * _size(ledger):
            raise CopyError(f"no copy of the ledger fits into {directory}", "make room on the disk of its directory")
        # mkstemp makes the file with mode 0600: at no time can others read it.
        descriptor, name = tempfile.mkstemp(prefix=".ledger-", dir=directory)
        temporary = Path(name)
        with os.fdopen(descriptor, "rb") as file:
            _copy(ledger, temporary)
            os.fsync(file.fileno())
        copy = check_copy(temporary)
        if copy.damage is not None:
            raise CopyError(f"the copy of the ledger is damaged: {copy.damage}", "check the disk of its directory")
        path = directory / f"ledger-{_stamp(directory, now)}.sqlite"
        temporary.replace(path)
        sync_directory(directory)
        for old in _paths(directory)[:-KEPT]:
            old.unlink()
    except OSError as error:
        raise CopyError(
            f"no copy of the ledger can be written to {directory}: {error.strerror}", "check the disk and its owner"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
    return Copy(path, copy.size, copy.until, copy.schema, hub=copy.hub)


def _holds_household(connection: sqlite3.Connection) -> bool:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return any(
        connection.execute(f"SELECT 1 FROM {table}").fetchone() is not None  # noqa: S608
        for table in LEFT_OUT & tables
    )


def sync_directory(directory: Path) -> None:
    """Sync a directory, so that renames in it survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(ledger: Path, target: Path) -> None:
    """Copy table by table, as they are at one moment, and not page by page: a page of a household is never read."""
    with closing(sqlite3.connect(target, isolation_level=None, uri=True)) as connection:
        try:
            # A half of this file is never used: it needs no journal.
            connection.execute("PRAGMA journal_mode = OFF")
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("ATTACH ? AS source", (f"{ledger.absolute().as_uri()}?mode=ro",))
            connection.execute("BEGIN")
            _copy_tables(connection)
            connection.execute("COMMIT")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_damage(error):
                raise LedgerDamaged.found(ledger, str(error)) from error
            raise CopyError(f"the ledger cannot be copied: {error}", "check the disk of its directory") from error


def _copy_tables(connection: sqlite3.Connection) -> None:
    schema = connection.execute(
        "SELECT type, name, sql FROM source.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    tables = [name for kind, name, _ in schema if kind == "table"]
    # Triggers come last, or they would run; indices before the rows, as one statement for all would sort on the disk.
    for wanted in ("table", "index"):
        for sql in [sql for kind, _, sql in schema if kind == wanted]:
            connection.execute(sql)
    for name in tables:
        if name not in LEFT_OUT:
            connection.execute(f'INSERT INTO main."{name}" SELECT * FROM source."{name}"')  # noqa: S608
    # Numbers that were given once are not given again.
    connection.execute("DELETE FROM main.sqlite_sequence")
    connection.execute("INSERT INTO main.sqlite_sequence SELECT * FROM source.sqlite_sequence")
    for sql in [sql for kind, _, sql in schema if kind == "trigger"]:
        connection.execute(sql)


def _paths(directory: Path) -> list[Path]:
    try:
        return sorted(path for path in directory.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CopyError(f"{directory} cannot be read: {error.strerror}", "check its owner") from error


def _stamp(directory: Path, now: datetime) -> str:
    """Return the moment as part of a name, later than in any name there: the order of names is that of writing,
    whatever clocks do."""
    newest = last_written(directory)
    following = now if newest is None else max(now, newest + timedelta(microseconds=1))
    return following.astimezone(UTC).strftime(_STAMP)


def _written_at(path: Path) -> datetime:
    return datetime.strptime(path.stem.removeprefix("ledger-"), _STAMP).replace(tzinfo=UTC)


def _size(ledger: Path) -> int:
    wal = ledger.with_name(ledger.name + "-wal")
    return sum(path.stat().st_size for path in (ledger, wal) if path.exists())
