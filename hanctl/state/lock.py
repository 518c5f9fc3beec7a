"""Lock the state directory, so that only one daemon uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from hanctl.base.errors import Refused, place_error


class StateLock:
    """Advisory lock on ``<state_dir>/lock``. The kernel drops it when the process ends, however that happens."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises Refused, naming the process that has it, and ConfigError."""
        path = self._state_dir / "lock"
        try:
            # What it is opened for is to be written over: never what a link in its place leads to.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise place_error(
                f"the state directory {self._state_dir} cannot be used: {error.strerror}",
                "check its owner, or give another ([hub] state_dir)",
                error,
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise Refused(
                f"another hanctl (process {holder}) runs on the state directory {self._state_dir}",
                "stop it first, or give this one a state directory of its own ([hub] state_dir)",
            ) from error
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise place_error(
                f"the state directory {self._state_dir} cannot be written: {error.strerror}",
                "check the disk's space, or give another ([hub] state_dir)",
                error,
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
