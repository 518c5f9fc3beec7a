"""The state directory: made, locked, and its ledger opened; what a failing first start made is removed again."""

from __future__ import annotations

import shutil
from pathlib import Path

from hanctl.clock import Clock
from hanctl.errors import ConfigError
from hanctl.ledger.ledger import Ledger
from hanctl.lock import StateLock


class StateDirectory:
    """One hub's state. ``open`` and then, once the hub is up, ``keep``; ``close`` undoes what there is to undo."""

    ledger: Ledger

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fresh: list[Path] = []
        self._ledger_open = False
        self.lock = StateLock(directory)

    def open(self, clock: Clock) -> Ledger:
        """Make the directory where needed, lock it and open its ledger. Raises ConfigError, Refused, LedgerError."""
        directory = self._directory
        try:
            if not directory.exists():
                directory.mkdir(mode=0o700, parents=True)
                self._fresh.append(directory)
        except OSError as error:
            raise ConfigError(
                f"the state directory {directory} cannot be made: {error.strerror}",
                "check its parent's owner, or give another ([hub] state_dir)",
            ) from error
        self.lock.acquire()
        path = directory / "ledger.sqlite"
        if not path.exists():
            self._fresh += [directory / (path.name + tail) for tail in ("", "-wal", "-shm")]
        self.ledger = Ledger.open(path, clock)
        self._ledger_open = True
        return self.ledger

    def keep(self) -> None:
        """From now on, nothing that was made is removed."""
        self._fresh.clear()

    def close(self) -> None:
        """Close the ledger, remove what is not to be kept, and give up the lock. Safe to call twice."""
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
