"""Open the state directory: make it, lock it, and open its ledger, restored from a copy if damaged.

A first start that fails removes what it made.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from hanctl.base.clock import Clock
from hanctl.base.errors import NotFound, Refused, place_error
from hanctl.base.plain_files import make_directory
from hanctl.base.private_file import user_name
from hanctl.ledger.errors import CopyError
from hanctl.ledger.files.copies import Copy, check_copy, copies_of, good_copies, list_copies
from hanctl.ledger.files.identity import HubIdentity, identity_of
from hanctl.ledger.files.restoring import finish, open_ledger, stage
from hanctl.ledger.ledger import Ledger
from hanctl.state.lock import StateLock

LEDGER = "ledger.sqlite"


def ledger_backups(directory: Path) -> list[Copy]:
    """List the ledger backups of a state directory, oldest first, each checked, hub running or not.

    Raises LedgerError.
    """
    return list_copies(copies_of(directory / LEDGER))


class BackupOfAnotherHub(Refused):
    """The backup is of another hub than the one whose state directory it is to go into."""

    code = "backup-of-another-hub"


def identity_of_hub(directory: Path) -> HubIdentity:
    """Return whose a state directory is: by its ledger, or if that cannot be read, its newest good backup.

    Raises LedgerError.
    """
    path = directory / LEDGER
    found = identity_of(path)
    if found is None:
        copy = next(good_copies(copies_of(path)), None)
        found = None if copy is None else copy.hub
    return found or HubIdentity()


def ledger_backup(directory: Path, name: str | Path, *, overwrite: bool = False) -> Copy:
    """Return the checked backup of the ledger that a state directory could be restored from; nothing is changed.

    ``name``: file name of one of its backups, or path of a file elsewhere; ``overwrite``: also another hub's.
    Raises NotFound, BackupOfAnotherHub, LedgerError.
    """
    file, own = Path(name), copies_of(directory / LEDGER)
    path = own / file if file.name == str(file) else file
    try:
        path.open("rb").close()
    except FileNotFoundError:
        raise NotFound("there is no such backup of the ledger", "see: hanctl backup list") from None
    except PermissionError:
        raise CopyError(
            f"{user_name()}, whose hub it is for, may not read {path}",
            f"put it among its backups: install -m 0600 -o {user_name()} {path} {own}/; then give its name alone",
        ) from None
    except OSError as error:
        raise CopyError(f"the backup {path} cannot be read: {error.strerror}", "take a file") from error
    copy = check_copy(path)
    if copy.path.with_name(copy.path.name + "-wal").exists():
        raise CopyError(f"{copy.path} is a ledger in use and no backup of one", "take a backup: hanctl backup list")
    if copy.damage is not None:
        raise CopyError(f"the backup {copy.path} cannot be used: {copy.damage}", "take another: hanctl backup list")
    hub = identity_of_hub(directory)
    if copy.hub.is_not(hub) and not overwrite:
        raise BackupOfAnotherHub(
            f"{copy.path.name} is of another hub ({copy.hub}) than {directory} ({hub}); nothing was changed",
            "take one of this hub: hanctl backup list; to make this hub the other one: --overwrite (docs/recovery.md)",
        )
    return copy


def restore_ledger(directory: Path, name: str | Path, clock: Clock, *, overwrite: bool = False) -> Copy:
    """Restore a backup of the ledger, named as for ``ledger_backup``, while no hub runs.

    The present ledger is moved aside. Records the event ``ledger.restored``. Raises Refused (a hub runs), ConfigError
    (the directory cannot be used), NotFound, BackupOfAnotherHub, LedgerError (the backup is damaged, or the disk full).
    """
    make_state_directory(directory)
    lock = StateLock(directory)
    lock.acquire()
    try:
        path = directory / LEDGER
        finish(path)
        copy = ledger_backup(directory, name, overwrite=overwrite)
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
        if make_state_directory(directory):
            self._fresh.append(directory)
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


def make_state_directory(directory: Path) -> bool:
    """Make a state directory if it is not there; tell whether it was made. Raises ConfigError."""
    try:
        if directory.exists():
            return False
        make_directory(directory, 0o700)
    except OSError as error:
        raise place_error(
            f"the state directory {directory} cannot be made: {error.strerror}",
            "check its parent's owner, or give another ([hub] state_dir)",
            error,
        ) from error
    return True
