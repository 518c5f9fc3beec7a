"""Opening the ledger's SQLite file: created private, checked to be ours and sound, migrated, made durable."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import suppress
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from hanctl.ledger.errors import LedgerError, LedgerTooNew

APPLICATION_ID = 0x68616E63
"""SQLite's application_id of a ledger ("hanc"), so that another program's database is never migrated."""

MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode to the migrated ledger. Raises LedgerError; then the file is as it was."""
    try:
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(path, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(
            f"cannot open the ledger {path}: {error}", "check that the state directory exists and may be written"
        ) from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that can only read a ledger, which must be there, and does not migrate it. Raises LedgerError."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise _foreign(path)
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, str(error)) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if tables and application != APPLICATION_ID:
        raise _foreign(path)
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _unusable(path, verdict)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    _migrate(path, _revision(connection) if "alembic_version" in tables else None)


def _revision(connection: sqlite3.Connection) -> str | None:
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _migrate(path: Path, revision: str | None) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    if revision == script.get_current_head():
        return
    known = {item.revision for item in script.walk_revisions()}
    if revision is not None and revision not in known:
        raise LedgerTooNew(
            f"the ledger {path} was written by a newer hanctl (schema {revision})",
            "install that version again, or start with another state directory",
        )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(path, isolation_level=None), poolclass=sqlalchemy.pool.NullPool
    )
    try:
        with engine.connect() as connection:
            # Python's driver would commit each DDL statement by itself: a kill must leave all of a migration or none.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql("COMMIT")
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise _unusable(path, str(error).splitlines()[0]) from error


def _foreign(path: Path) -> LedgerError:
    return LedgerError(
        f"{path} is a database of another program, not a hanctl ledger",
        "give hanctl a state directory of its own ([hub] state_dir)",
    )


def _unusable(path: Path, reason: str) -> LedgerError:
    return LedgerError(
        f"the ledger {path} cannot be used: {reason}",
        "restore it from a backup, or move it away to begin a new one (devices then have to join again)",
    )
