"""The device log: devices of the HAN, devices that may join now, and those removed last.

Source: gbcs.md §1.9 for the fifteen entries of history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hanctl.base.errors import Refused
from hanctl.base.eui64 import Eui64
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import JoinRefused
from hanctl.model.records import Device, DeviceState, DeviceType

HISTORY = 15


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One device of the log. ``join_seconds``: seconds its join window stays open; None: closed."""

    eui64: Eui64
    device_type: DeviceType
    state: DeviceState
    added_at: datetime
    join_seconds: float | None = None
    keyed_at: datetime | None = None
    removed_at: datetime | None = None
    removed_reason: str | None = None


class DeviceRefused(Refused):
    """The device cannot be added to the log."""

    code = "device-refused"


def entries(devices: Sequence[Device], windows: Mapping[Eui64, float]) -> list[LogEntry]:
    """Return the devices that belong to the HAN or are expected on it, in the order they were added."""
    return [_entry(device, windows) for device in devices if device.state != "removed"]


def history(devices: Sequence[Device]) -> list[LogEntry]:
    """Return the last devices that were removed, latest first."""
    removed = [device for device in devices if device.state == "removed" and device.removed_at is not None]
    removed.sort(key=lambda device: device.removed_at or device.added_at, reverse=True)
    return [_entry(device, {}) for device in removed[:HISTORY]]


def objection(
    eui64: Eui64, devices: Sequence[Device], windows: Mapping[Eui64, float], capacity: int | None
) -> DeviceRefused | None:
    """Say why a device cannot be added now; None: it can. ``capacity``: of the key table; None: no matter.

    A device that is expected already may be added again, as may one that left or was removed: it joins as if for the
    first time, with the code given last.
    """
    for device in devices:
        if device.eui64 == eui64 and device.state in ("joined", "interviewed"):
            return DeviceRefused(
                f"{eui64} is on the HAN already",
                f"if it was reset and must join again: hanctl device remove {eui64}, then add it",
            )
    if capacity is None:
        return None
    # A removed device counts as long as the dongle holds its key.
    places = {d.eui64 for d in devices if d.present or d.keyed_at is not None or d.eui64 in windows} - {eui64}
    if len(places) >= capacity:
        return DeviceRefused(
            f"the dongle's key table is full: {len(places)} devices of {capacity}",
            "remove a device that is no longer needed: hanctl device list",
        )
    return None


class DeviceLog:
    """The device log of the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def check(self, eui64: Eui64, windows: Mapping[Eui64, float], capacity: int | None) -> None:
        """Raise DeviceRefused if the device cannot be added now, and record an event."""
        found = objection(eui64, self._ledger.devices.all(), windows, capacity)
        if found is not None:
            self._ledger.record(JoinRefused(device=eui64, reason=str(found)))
            raise found

    def entries(self, windows: Mapping[Eui64, float]) -> list[LogEntry]:
        """See the function of this name."""
        return entries(self._ledger.devices.all(), windows)

    def history(self) -> list[LogEntry]:
        """See the function of this name."""
        return history(self._ledger.devices.all())


def _entry(device: Device, windows: Mapping[Eui64, float]) -> LogEntry:
    return LogEntry(
        eui64=device.eui64,
        device_type=device.device_type,
        state=device.state,
        added_at=device.added_at,
        join_seconds=windows.get(device.eui64),
        keyed_at=device.keyed_at,
        removed_at=device.removed_at,
        removed_reason=device.removed_reason,
    )
