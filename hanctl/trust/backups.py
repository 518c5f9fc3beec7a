"""Backups of the dongle's network with its keys, so that a replaced dongle keeps its devices.

The files have the Open Coordinator Backup format, which zigpy's tools and zigbee2mqtt restore. They hold the network's
keys: directory 0700, files 0600, and nothing of their content is ever told.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from hanctl.clock import Clock
from hanctl.errors import ExitCode, HanctlError
from hanctl.han.han import Han
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.event import Event
from hanctl.ledger.events import BackupFailed, BackupWritten
from hanctl.ledger.ledger import Ledger

PAUSE_S = 2.0
"""Between a change and its backup: devices that establish keys together are saved together."""
KEPT = 10


class BackupError(HanctlError):
    """A backup file cannot be written."""

    code = "backup"
    exit_code = ExitCode.STATE


class Backups:
    """Writes a backup after every change of a key; ``request`` says that there was one."""

    def __init__(self, directory: Path, han: Han, ledger: Ledger, clock: Clock) -> None:
        self._directory = directory
        self._han = han
        self._ledger = ledger
        self._clock = clock
        self._requested = asyncio.Event()

    def request(self) -> None:
        """A key was installed or removed, or the dongle was opened."""
        self._requested.set()

    async def run(self) -> None:
        """Write what is requested, until cancelled."""
        while True:
            await self._requested.wait()
            await asyncio.sleep(PAUSE_S)
            self._requested.clear()
            result: Event
            try:
                content = await self._han.keys.backup()
                path = self._write(content)
            except HanctlError as error:
                result = BackupFailed(reason=str(error))
            else:
                keys = sum("link_key" in device for device in content.get("devices", ()))
                result = BackupWritten(path=str(path), link_keys=keys)
            try:
                self._ledger.record(result)
            except LedgerFull:
                self.request()
                raise

    def _write(self, content: dict[str, Any]) -> Path:
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%S.%fZ")
        path = self._directory / f"network-{stamp}.json"
        temporary = None
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            # mkstemp makes the file with mode 0600: at no time can others read it.
            descriptor, temporary = tempfile.mkstemp(prefix=".network-", dir=self._directory)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                json.dump(content, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
            for old in sorted(self._directory.glob("network-*.json"))[:-KEPT]:
                old.unlink()
        except OSError as error:
            if temporary is not None:
                with suppress(OSError):
                    Path(temporary).unlink()
            raise BackupError(
                f"no backup can be written to {self._directory}: {error.strerror}", "check the disk and its owner"
            ) from error
        return path
