"""Decide by its time whether a device's event can be about a change. Pure.

A device's own time counts where it has read the hub's Time since its last start; else the event counts by its arrival,
after the device was told of the change. But an event that bears a time of before the change is never about it, whatever
the device's clock is worth: it was kept back, sent again, or is about the change before.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from hanctl.model.change_records import Change
from hanctl.tenancy.utc2000 import from_utc2000, to_utc2000

CLOCKS_DIFFER = timedelta(seconds=5)
"""A device's clock is kept to whole seconds, and read some time ago."""
NO_CLOCK_BEFORE = to_utc2000(datetime.fromisoformat("2020-01-01T00:00:00+00:00"))
"""A clock that shows less was never set: it counts from the device's start."""
UNKNOWN = frozenset({0, 0xFFFFFFFF})


def _own_time(time: int, now: datetime) -> datetime | None:
    """Return the event's own time; None if it was never set or is ahead of the hub's clock."""
    if time in UNKNOWN or time < NO_CLOCK_BEFORE:
        return None
    moment = from_utc2000(time)
    return None if moment > now + CLOCKS_DIFFER else moment


def may_be_about(change: Change, time: int, now: datetime) -> bool:
    """Tell whether an event with this time, in seconds since 2000, can be about a change that is done."""
    own = _own_time(time, now)
    return own is None or change.done_at is None or own >= change.done_at - CLOCKS_DIFFER


def dated_by(change: Change, time: int, now: datetime, *, trusted: bool) -> str:
    """Say by which clock an event is dated after the change; ``trusted``: the device has the hub's time."""
    if trusted and _own_time(time, now) is not None:
        return "by its own time, which it has from the hub"
    return "by its arrival after the device was told"
