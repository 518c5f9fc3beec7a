"""Open the ledger's SQLite file: create it private, check it, migrate it, and make it durable."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hanctl.ledger.errors import LedgerDamaged, LedgerError
from hanctl.ledger.rows import UNREADABLE
from hanctl.ledger.soundness import SCHEMA, content_fault, fault_in

APPLICATION_ID = 0x68616E63
"""SQLite's application_id of a ledger ("hanc"), so that another program's database is never migrated."""

_DAMAGE = frozenset(
    {
        *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA),
        *(sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_INTERNAL),
    }
)
"""SQLITE_ERROR, too: a table or a column that is not there."""


def is_damage(error: Exception) -> bool:
    """Tell whether what a read raised means damaged content, and not an unreachable file or a full disk."""
    if isinstance(error, sqlite3.ProgrammingError) or not isinstance(error, sqlite3.Error):
        return isinstance(error, UNREADABLE)
    code = getattr(error, "sqlite_errorcode", None)
    # Without a code it is Python's own: text that is not UTF-8.
    return isinstance(error, sqlite3.OperationalError) if code is None else code & 0xFF in _DAMAGE


def open_database(path: Path, before_migrating: Callable[[], object] = lambda: None) -> sqlite3.Connection:
    """Return a connection in autocommit mode to the migrated ledger.

    ``before_migrating`` is called before a ledger of an older version is changed. Raises LedgerError,
    LedgerDamaged where the file's content is wrong; then the file is as it was.
    """
    wal = path.with_name(path.name + "-wal")
    if path.exists() and path.stat().st_size == 0 and wal.exists() and wal.stat().st_size > 0:
        # SQLite would take it for a new database, and delete what is left of the old one.
        raise LedgerDamaged.found(path, "it is empty, and its log is not")
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(
            f"cannot open the ledger {path}: {error}", "check that the state directory exists and may be written"
        ) from error
    try:
        _prepare(connection, path, before_migrating)
    except (sqlite3.Error, *UNREADABLE) as error:
        connection.close()
        raise (LedgerDamaged.found if is_damage(error) else _unusable)(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """Return a read-only connection to an existing ledger, without migration. Raises LedgerError."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from error
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise _foreign(path)
    except (sqlite3.Error, UnicodeError) as error:
        connection.close()
        raise _unusable(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, before_migrating: Callable[[], object]) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and application != APPLICATION_ID:
        raise _foreign(path)
    revision = _revision(connection) if "alembic_version" in tables else None
    if fault := fault_in(connection, revision):
        raise LedgerDamaged.found(path, fault)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    if revision != SCHEMA:
        # Its libraries take a third of a second and 20 MB, which a hub that runs for weeks does without.
        from hanctl.ledger.migrating import migrate

        migrate(path, revision, APPLICATION_ID, before_migrating)
        if fault := content_fault(connection):
            raise LedgerDamaged.found(path, fault)
        # What the log alone holds is gone without a trace where the log is damaged: not all of a ledger is to be there.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _revision(connection: sqlite3.Connection) -> str | None:
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _foreign(path: Path) -> LedgerError:
    return LedgerError(
        f"{path} is a database of another program, not a hanctl ledger",
        "give hanctl a state directory of its own ([hub] state_dir)",
    )


def _unusable(path: Path, reason: str) -> LedgerError:
    return LedgerError(
        f"the ledger {path} cannot be used: {reason}",
        "check its disk and its owner",
    )
