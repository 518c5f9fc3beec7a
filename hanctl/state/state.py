"""Open the state directory: make it, lock it, and open its ledger, restored from a copy if damaged.

A first start that fails removes what it made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hanctl.base.clock import Clock
from hanctl.base.errors import NotFound, place_error
from hanctl.base.plain_files import make_directory
from hanctl.ledger.errors import CopyError
from hanctl.ledger.files.copies import Copy, check_copy, copies_of, list_copies
from hanctl.ledger.files.restoring import finish, open_ledger, stage
from hanctl.ledger.ledger import Ledger
from hanctl.state.lock import StateLock

LEDGER = "ledger.sqlite"


def ledger_backups(directory: Path) -> list[Copy]:
    """List the ledger backups of a state directory, oldest first, each checked, hub running or not.

    Raises LedgerError.
    """
    return list_copies(copies_of(directory / LEDGER))


def restore_ledger(directory: Path, name: str, clock: Clock) -> Copy:
    """Restore the ledger backup with this file name, while no hub runs. The present ledger is moved aside.

    Records the event ``ledger.restored``. Raises Refused (a hub runs), ConfigError (no such
    directory), NotFound, LedgerError (the backup is damaged, or the disk full).
    """
    lock = StateLock(directory)
    lock.acquire()
    try:
        path = directory / LEDGER
        finish(path)
        copy = check_copy(copies_of(path) / Path(name).name)
        if not copy.path.exists():
            raise NotFound(f"there is no backup {name} of the ledger", "see: hanctl backup list")
        if copy.damage is not None:
            raise CopyError(f"the backup {copy.path} cannot be used: {copy.damage}", "take another: hanctl backup list")
        stage(path, copy, "asked for", clock)
        finish(path)
    finally:
        lock.release()
    return copy


class StateDirectory:
    """State directory of one hub. Call ``open``, then ``keep`` once the hub is up; ``close`` undoes a failed start."""

    ledger: Ledger

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fresh: list[Path] = []
        self._ledger_open = False
        self.lock = StateLock(directory)

    def open(self, clock: Clock) -> Ledger:
        """Make the directory if needed, lock it and open its ledger. Raises ConfigError, Refused, LedgerError."""
        directory = self._directory
        try:
            if not directory.exists():
                make_directory(directory, 0o700)
                self._fresh.append(directory)
        except OSError as error:
            raise place_error(
                f"the state directory {directory} cannot be made: {error.strerror}",
                "check its parent's owner, or give another ([hub] state_dir)",
                error,
            ) from error
        self.lock.acquire()
        path = directory / LEDGER
        finish(path)
        if not path.exists():
            self._fresh += [directory / (path.name + tail) for tail in ("", "-wal", "-shm")]
        self.ledger = open_ledger(path, clock)
        self._ledger_open = True
        return self.ledger

    def keep(self) -> None:
        """Keep what was made from now on, as the start succeeded."""
        self._fresh.clear()

    def close(self) -> None:
        """Close the ledger, remove what is not kept, and release the lock. Safe to call twice."""
        try:
            if self._ledger_open:
                self._ledger_open = False
                self.ledger.close()
        finally:
            for path in self._fresh:
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
            self._fresh.clear()
            self.lock.release()
