"""Convert times between the HAN's form (UTC seconds since 2000) and the form that people write. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hanctl.base.errors import InvalidInput

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
NOW = 0x00000000
"""Implementation time: at once. Source, with the next: comms_hub.md §2.5."""
CANCEL = 0xFFFFFFFF
"""Implementation time: the pending command with the same provider and issuer event is cancelled."""
LAST = EPOCH + timedelta(seconds=CANCEL - 1)
HIGHEST_GIVEN = 0xF0000000
"""Issuer events of messages, which are times of issue, are taken below this (the year 2127): the hub's own have to be
higher, and to fit 32 bits."""
LOCAL_ZONE = "Europe/London"


def to_utc2000(moment: datetime) -> int:
    """Return whole seconds since 2000-01-01 00:00 UTC. Raises InvalidInput if they do not fit or are reserved."""
    seconds = int((moment - EPOCH) / timedelta(seconds=1))
    if not NOW < seconds < CANCEL:
        raise InvalidInput(
            f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC cannot be said on the HAN",
            f"its clock counts from 2000-01-01 00:00:01 to {LAST:%Y-%m-%d %H:%M:%S} UTC",
        )
    return seconds


def from_utc2000(seconds: int) -> datetime:
    """Return the time of a UTCTime that is neither "now" nor "cancel" (aware, UTC)."""
    return EPOCH + timedelta(seconds=seconds)


def parse_time(text: str, zone: str = LOCAL_ZONE) -> datetime:
    """Parse ISO 8601: with Z or an offset, else local time in ``zone``. Returns whole seconds, UTC.

    Raises InvalidInput, also for a local time that does not exist or exists twice when the clocks change.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(
            "what was given is not a date and time", "write for example 2026-03-29T10:30:00Z, or 2026-03-29T10:30"
        ) from None
    if moment.tzinfo is None:
        moment = _local(moment, zone)
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:
        raise InvalidInput("the date and time is out of all reach", "write a date from 2000 to 2136") from None
    moment = moment.replace(microsecond=0)
    to_utc2000(moment)
    return moment


def _local(moment: datetime, zone: str) -> datetime:
    try:
        place = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise InvalidInput("there is no such time zone", "write for example Europe/London") from None
    first, second = moment.replace(tzinfo=place, fold=0), moment.replace(tzinfo=place, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    there_is = first.astimezone(UTC).astimezone(place).replace(tzinfo=None) == moment
    raise InvalidInput(
        f"the time {'comes twice' if there_is else 'does not come'} in its zone: the clocks are changed then",
        "write it with its offset, such as +01:00, or in UTC with Z",
    )
