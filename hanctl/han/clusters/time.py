"""Time (0x000A), attributes 0x0000–0x0007: UTC from the hub's clock, and British local time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from hanctl.base.clock import Clock
from hanctl.han.cluster import DefaultReply, Request, ServedAttribute, Status
from hanctl.han.smart_energy.clusters import served
from hanctl.han.smart_energy.time import Time, TimeStatus
from hanctl.radio.endpoints import ESI_ENDPOINT, TIME

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
LOCAL_ZONE = "Europe/London"


def zigbee_time(moment: datetime) -> int:
    """Return whole seconds since 2000-01-01 00:00 UTC."""
    return int((moment - EPOCH).total_seconds())


@lru_cache(maxsize=8)
def summer_time(zone: tzinfo, year: int) -> tuple[datetime, datetime]:
    """Return start and end of daylight saving in ``year``, UTC; both the year's start if there is none."""
    start = datetime(year, 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=hour) for hour in range(366 * 24)]
    saving = [bool(hour.astimezone(zone).dst()) for hour in hours]
    changes = [hour for hour, was, now in zip(hours[1:], saving, saving[1:], strict=False) if was != now]
    if len(changes) != 2 or saving[0]:
        return start, start
    return changes[0], changes[1]


class TimeServer:
    """The master clock of the HAN."""

    cluster = TIME
    endpoint = ESI_ENDPOINT

    def __init__(self, clock: Clock, zone: tzinfo | None = None) -> None:
        self._clock = clock
        self._zone = zone or ZoneInfo(LOCAL_ZONE)

    def attributes(self) -> Mapping[int, ServedAttribute]:
        now = self._clock.now()
        local = now.astimezone(self._zone)
        utc = zigbee_time(now)
        shift = local.dst() or timedelta(0)
        standard_offset = int(((local.utcoffset() or timedelta(0)) - shift).total_seconds())
        start, end = summer_time(self._zone, now.year)
        return served(
            Time,
            time=utc,
            time_status=TimeStatus.Master | TimeStatus.MasterForTimeZoneAndDst,
            time_zone=standard_offset,
            dst_start=zigbee_time(start),
            dst_end=zigbee_time(end),
            dst_shift=0 if start == end else 3600,
            standard_time=utc + standard_offset,
            local_time=utc + standard_offset + int(shift.total_seconds()),
        )

    def handle(self, request: Request) -> DefaultReply:
        return DefaultReply(Status.UNSUP_COMMAND)
