"""Windows of the day, in local time: "01:00-05:00"; "22:00-05:00" crosses midnight.

A window is what the clock on the wall shows: on the day summer time begins it may be shorter, or not open at all, and
on the day it ends it may open twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from hanctl.base.errors import InvalidInput

_TEXT = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_DAYS_AHEAD = 3
"""A window that a change of the clocks swallows opens on the next day."""


@dataclass(frozen=True, slots=True)
class Window:
    """Window of the day, from ``start`` inclusive to ``end`` exclusive."""

    start: time
    end: time

    def contains(self, moment: datetime, zone: tzinfo) -> bool:
        """Tell whether the window is open at ``moment``, an aware time."""
        local = moment.astimezone(zone).time()
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def opens(self, moment: datetime, zone: tzinfo) -> datetime:
        """Return when the window is open next (aware, UTC): ``moment`` itself if it is open then."""
        if self.contains(moment, zone):
            return moment.astimezone(UTC)
        return min(
            opening for opening in self._openings(moment, zone) if opening > moment and self.contains(opening, zone)
        )

    def _openings(self, moment: datetime, zone: tzinfo) -> Iterator[datetime]:
        today = moment.astimezone(zone).date()
        for days in range(-1, _DAYS_AHEAD):
            local = datetime.combine(today + timedelta(days=days), self.start, zone)
            yield from (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        # It may also open with a change of the clocks, which is on the hour: with the leap over its start, or again
        # where an hour comes twice.
        hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        for _ in range(24 * _DAYS_AHEAD):
            before, hour = hour, hour + timedelta(hours=1)
            if before.astimezone(zone).utcoffset() != hour.astimezone(zone).utcoffset():
                yield hour


def parse_window(text: str) -> Window:
    """Read "HH:MM-HH:MM". Raises InvalidInput."""
    found = _TEXT.fullmatch(text.strip())
    if found is None or found[1] + found[2] == found[3] + found[4]:
        raise InvalidInput("what was given is not a window of the day", "give it as 01:00-05:00, in local time")
    first, second, third, fourth = (int(part) for part in found.groups())
    return Window(time(first, second), time(third, fourth))
