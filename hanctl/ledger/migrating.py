"""Migrate a ledger to this version's schema with alembic, completely or not at all."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from hanctl.ledger.errors import LedgerDamaged, LedgerTooNew

MIGRATIONS = Path(__file__).parent / "migrations"
_REVISION = re.compile(r"\d{4}")


def migrate(path: Path, revision: str | None, application_id: int, before: Callable[[], object]) -> None:
    """Migrate the ledger at ``path`` from ``revision`` (None: it is empty) to the last, and mark it as ours.

    ``before`` is called first if the ledger holds data. Raises LedgerTooNew, LedgerDamaged, sqlite3.Error, and what
    ``before`` raises; then the file is as it was.
    """
    if revision is not None and not _REVISION.fullmatch(revision):
        raise LedgerDamaged.found(path, f"{revision[:40]!r} is no revision of a schema")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {item.revision for item in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise LedgerTooNew(
            f"the ledger {path} was written by a newer hanctl (schema {revision})",
            "install that version again, or start with another state directory",
        )
    if revision is not None:
        before()
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
            connection.exec_driver_sql(f"PRAGMA application_id = {application_id}")
            connection.exec_driver_sql("COMMIT")
    except sqlalchemy.exc.SQLAlchemyError as error:
        # SQLite's own error says by its code whether the disk or the content is at fault.
        cause = getattr(error, "orig", None)
        raise cause if isinstance(cause, sqlite3.Error) else sqlite3.DatabaseError(str(error)) from error
