"""The devices table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta

from hanctl.base.eui64 import Eui64
from hanctl.ledger.rows import Execute, Rows, time_text
from hanctl.model.records import Device

LAST_SEEN_INTERVAL = timedelta(seconds=60)


class Devices:
    """Devices by EUI64. A device once known is never deleted: its state says that it left or was removed.

    They are few, and asked for with every frame: all are kept in memory as well, and reading costs no query.
    """

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._execute = execute
        self._transaction = transaction
        self._rows = Rows(execute, "devices", Device, "eui64")
        self._seen: dict[Eui64, datetime] = {}
        self._written: dict[Eui64, datetime] = {}
        self._kept: dict[Eui64, Device] | None = None
        self._at: dict[int, Eui64] = {}

    def get(self, eui64: Eui64) -> Device | None:
        """Return the device, or None if it was never known."""
        device = self._all().get(eui64)
        return None if device is None else self._with_seen(device)

    def by_nwk(self, nwk: int) -> Device | None:
        """Return the device that has this network address now, or None."""
        devices = self._all()
        return self._with_seen(devices[self._at[nwk]]) if nwk in self._at else None

    def eui64_at(self, nwk: int) -> Eui64 | None:
        """Return the EUI64 of the device that holds this network address now, or None; asked for each frame."""
        self._all()
        return self._at.get(nwk)

    def all(self) -> list[Device]:
        """Return every device ever known, in the order they were added."""
        devices = sorted(self._all().values(), key=lambda device: (device.added_at, device.eui64))
        return [self._with_seen(device) for device in devices]

    def put(self, device: Device) -> None:
        """Store the device. Another device on record with the same network address loses that address."""
        with self._transaction():
            if device.nwk is not None:
                self._execute("UPDATE devices SET nwk = NULL WHERE nwk = ? AND eui64 <> ?", (device.nwk, device.eui64))
            device = self._with_seen(device)
            self._rows.upsert(device)
            self._keep(device)

    def undone(self) -> None:
        """Read the devices again after a transaction failed, perhaps with devices in it."""
        self._kept = None

    def touch(self, eui64: Eui64, now: datetime) -> None:
        """Note a sign of life; kept in memory and written at most every 60 s for each device."""
        self._seen[eui64] = now
        written = self._written.get(eui64)
        if written is None or abs(now - written) >= LAST_SEEN_INTERVAL:
            self._write_seen(eui64)

    def flush(self) -> None:
        """Write every sign of life that is still only in memory."""
        with self._transaction():
            for eui64, seen in self._seen.items():
                if self._written.get(eui64) != seen:
                    self._write_seen(eui64)

    def _write_seen(self, eui64: Eui64) -> None:
        seen = self._seen[eui64]
        with self._transaction():
            self._execute("UPDATE devices SET last_seen = ? WHERE eui64 = ?", (time_text(seen), eui64))
        self._written[eui64] = seen

    def _with_seen(self, device: Device) -> Device:
        seen = self._seen.get(device.eui64)
        if seen is None or (device.last_seen is not None and device.last_seen >= seen):
            return device
        return replace(device, last_seen=seen)

    def _all(self) -> dict[Eui64, Device]:
        if self._kept is None:
            self._kept = {device.eui64: device for device in self._rows.select()}
            self._at = {device.nwk: device.eui64 for device in self._kept.values() if device.nwk is not None}
        return self._kept

    def _keep(self, device: Device) -> None:
        devices = self._all()
        before = devices.get(device.eui64)
        if before is not None and before.nwk is not None:
            del self._at[before.nwk]
        if device.nwk is not None:
            loser = self._at.get(device.nwk)
            if loser is not None:
                devices[loser] = replace(devices[loser], nwk=None)
            self._at[device.nwk] = device.eui64
        devices[device.eui64] = device
