"""Restore the ledger from a copy; the old file is moved aside, never deleted.

In steps that a kill may come between: the successor is made ready beside the ledger and gets its final name, with the
event of all this in it (``stage``); the ledger's files go aside under the same moment's name, and the successor becomes
the ledger (``finish``). From a successor that is ready on there is only the way ahead, which the next start takes.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from hanctl.base.clock import Clock
from hanctl.ledger.errors import CopyError, LedgerDamaged, LedgerTooNew
from hanctl.ledger.files.copies import Copy, copies_of, good_copies, sync_directory
from hanctl.ledger.ledger import Ledger, Recorded
from hanctl.ledger.rows import time_text
from hanctl.model.events import DongleOpened, HubStarted, LedgerRestored

log = structlog.get_logger()

ASIDE = "ledger-aside-"
"""How the names of ledgers that were put aside begin; they hold a household's data."""
_READY = "ledger-ready-"
_TAILS = ("", "-wal", "-shm")
_SKIPPED = {"events": 1_000_000, "updates": 1000, "changes": 1000}
"""How many numbers the lost part of a ledger may have given; none is given twice."""


def open_ledger(path: Path, clock: Clock) -> Ledger:
    """Open the ledger; if it is damaged, restore its newest good copy first.

    The state directory must be locked, and what was begun finished. Raises LedgerError; LedgerDamaged where there is
    no good copy, and then nothing was moved.
    """
    try:
        if _emptied(path):
            raise LedgerDamaged.found(path, "it is empty, and there are backups of it")
        return Ledger.open(path, clock)
    except LedgerDamaged as damage:
        if not any(_staged(path, copy, damage, clock) for copy in good_copies(copies_of(path))):
            raise LedgerDamaged(
                str(damage),
                "there is no good backup of it; move it away to begin a new one (devices then have to join again)",
            ) from damage
    finish(path)
    return Ledger.open(path, clock)


def untold(ledger: Ledger) -> list[Recorded]:
    """Return restorations recorded while no hub ran, which the next one reports, oldest first.

    A hub that starts records that, and that it opened its dongle, after it told of them.
    """
    last = ledger.last_event(HubStarted.type, DongleOpened.type)
    return ledger.events(after=0 if last is None else last.id, type=LedgerRestored.type)


def stage(path: Path, copy: Copy, reason: str, clock: Clock) -> None:
    """Make a copy ready to become the ledger at ``path``. Raises CopyError; then nothing is left of it."""
    stamp = _free_stamp(path, clock.now())
    temporary = path.with_name(f".{_READY}{stamp}.sqlite")
    try:
        for stale in path.parent.glob(f".{_READY}*"):
            stale.unlink()
        _duplicate(copy.path, temporary)
        _skip_numbers(temporary)
        with closing(Ledger.open(temporary, clock)) as successor:
            successor.record(
                LedgerRestored(
                    backup=str(copy.path),
                    until=None if copy.until is None else time_text(copy.until),
                    kept=str(_aside(path, stamp)) if path.exists() else None,
                    reason=reason,
                )
            )
        temporary.replace(path.with_name(f"{_READY}{stamp}.sqlite"))
        sync_directory(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise CopyError(
            f"the backup {copy.path} cannot be put in place: {error}", "check the disk of the state directory"
        ) from error
    finally:
        for tail in _TAILS:
            with suppress(OSError):
                (temporary.parent / (temporary.name + tail)).unlink()


def finish(path: Path) -> None:
    """Finish a restoration that ``stage`` prepared, if any. Raises CopyError."""
    try:
        for ready in sorted(path.parent.glob(f"{_READY}*.sqlite")):
            aside = _aside(path, ready.stem.removeprefix(_READY))
            for tail in _TAILS:
                with suppress(FileNotFoundError):
                    (path.parent / (path.name + tail)).rename(path.parent / (aside.name + tail))
            sync_directory(path.parent)
            ready.replace(path)
            sync_directory(path.parent)
    except OSError as error:
        raise CopyError(
            f"the ledger {path} cannot be moved: {error.strerror}", "check the owner of the state directory"
        ) from error


def _staged(path: Path, copy: Copy, damage: LedgerDamaged, clock: Clock) -> bool:
    """Make the copy ready, unless that shows damage in it: one of an earlier schema is only then read whole."""
    try:
        stage(path, copy, str(damage), clock)
    except (LedgerDamaged, LedgerTooNew) as error:
        log.error("a backup of the ledger is damaged too", reason=str(error), backup=str(copy.path))
        return False
    log.error("the ledger is damaged: a backup takes its place", reason=str(damage), backup=str(copy.path))
    return True


def _aside(path: Path, stamp: str) -> Path:
    return path.with_name(f"{ASIDE}{stamp}.sqlite")


def _emptied(path: Path) -> bool:
    """Tell whether a ledger that was written has nothing in it: its file, or the log that alone held all of it."""
    return path.exists() and _is_blank(path) and any(good_copies(copies_of(path)))


def _is_blank(path: Path) -> bool:
    if path.stat().st_size == 0:
        # SQLite is not to open it: it would delete what is left in a log beside it.
        return True
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
    except (sqlite3.Error, UnicodeDecodeError):
        return False


def _free_stamp(path: Path, now: datetime) -> str:
    """Return a time stamp for names that are not in use, so that a clock set back overwrites nothing."""
    while _aside(path, stamp := now.strftime("%Y%m%dT%H%M%S.%fZ")).exists():
        now += timedelta(microseconds=1)
    return stamp


def _duplicate(copy: Path, path: Path) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file, copy.open("rb") as source:
        shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())


def _skip_numbers(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, count in _SKIPPED.items():
            if table not in tables:
                continue
            found = connection.execute("UPDATE sqlite_sequence SET seq = seq + ? WHERE name = ?", (count, table))
            if found.rowcount == 0:
                connection.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, count))
