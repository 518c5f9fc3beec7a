"""Back up the dongle's network with its keys, so that a replaced dongle keeps its devices.

The files have the Open Coordinator Backup format, which zigpy's tools and zigbee2mqtt restore. They hold the network's
keys: directory 0700, files 0600, and nothing of their content is ever told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from hanctl.base.clock import Clock
from hanctl.base.errors import ExitCode, HanctlError
from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.base.plain_files import make_directory
from hanctl.base.whole_file import write_whole
from hanctl.han.han import Han
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import BackupFailed, BackupWritten

PAUSE_S = 2.0
"""Between a change and its backup: devices that establish keys together are saved together."""
DAILY_S = 86400.0
"""A backup is made so often in any case: its counters must not be too old."""
AGAIN_S = 3600.0
"""After one that failed."""
KEPT = 10


class BackupError(HanctlError):
    """A backup file cannot be written."""

    code = "backup"
    exit_code = ExitCode.STATE


class Backups:
    """Write a backup once a day and after every change of a key, which ``request`` reports.

    ``on_read`` is called with the devices whose keys were found in the dongle.
    """

    def __init__(self, directory: Path, han: Han, ledger: Ledger, clock: Clock) -> None:
        self._directory = directory
        self._han = han
        self._ledger = ledger
        self._clock = clock
        self.on_read: list[Callable[[frozenset[Eui64]], None]] = []
        self._requested = asyncio.Event()
        self._untold: BackupWritten | BackupFailed | None = None
        """What came of the last one, where the ledger had no room for it."""

    def request(self) -> None:
        """Request a backup: a key was installed or removed, or the dongle was opened."""
        self._requested.set()

    async def run(self) -> None:
        """Write requested and daily backups until cancelled. Raises LedgerError; after LedgerFull, run it again."""
        pause = DAILY_S
        while True:
            if self._untold is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._requested.wait()
                await asyncio.sleep(PAUSE_S)
                self._requested.clear()
                try:
                    self._untold = await self._save()
                except HanctlError as error:
                    self._untold = BackupFailed(reason=str(error))
            self._ledger.record(self._untold)
            pause = DAILY_S if isinstance(self._untold, BackupWritten) else AGAIN_S
            self._untold = None

    async def make(self) -> Path:
        """Write a backup now, with its event. Raises BackupError, DeliveryFailed, DongleGone, LedgerError."""
        written = await self._save()
        self._ledger.record(written)
        return Path(written.path)

    async def _save(self) -> BackupWritten:
        content = await self._han.keys.backup()
        path = self._write(content)
        keyed = [device["ieee_address"] for device in content.get("devices", ()) if "link_key" in device]
        for callback in tuple(self.on_read):
            callback(frozenset(from_bytes(bytes.fromhex(each)[::-1]) for each in keyed))
        return BackupWritten(path=str(path), link_keys=len(keyed))

    def _write(self, content: dict[str, Any]) -> Path:
        try:
            path = write_backup(self._directory, content, self._clock.now())
            written = json.loads(path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise BackupError(
                f"no backup can be written to {self._directory}: {error}", "check the disk and its owner"
            ) from error
        if written != content:
            raise BackupError(f"the backup {path} reads otherwise than it was written", "check the disk")
        return path


def write_backup(directory: Path, content: dict[str, Any], now: datetime) -> Path:
    """Write a backup to a new file, and remove the oldest beyond the limit. Raises OSError."""
    # The radio library writes the machine's time.
    content.setdefault("metadata", {}).setdefault("internal", {})["creation_time"] = now.isoformat()
    path = directory / f"network-{now.strftime('%Y%m%dT%H%M%S.%fZ')}.json"
    make_directory(directory, 0o700)
    write_whole(path, json.dumps(content, indent=2))
    # The clock may have gone back: whatever its name, the one just written stays.
    for old in sorted(each for each in directory.glob("network-*.json") if each != path)[: 1 - KEPT]:
        old.unlink()
    return path
