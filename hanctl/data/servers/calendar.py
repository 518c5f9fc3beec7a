"""Calendar (0x0707). Source: comms_hub.md appendix E and §3.5."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.data.servers.base import (
    NOT_FOUND,
    Answer,
    DataServer,
    Handler,
    in_force,
    most,
    of_event,
    publish,
    publish_in_pages,
    replies,
)
from hanctl.data.values import NEVER
from hanctl.han.cluster import Reply, Request
from hanctl.han.smart_energy.calendar import Calendar
from hanctl.ledger.household import Record

GET = Calendar.ServerCommandDefs
PUBLISH = Calendar.ClientCommandDefs
ANY_TYPE = 0xFF


class CalendarServer(DataServer):
    """Calendars with their days, weeks, seasons and special days."""

    cluster = Calendar.cluster_id

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        return (
            (GET.get_calendar, self._calendars),
            (GET.get_day_profiles, self._day_profiles),
            (GET.get_week_profiles, self._week_profiles),
            (GET.get_seasons, self._seasons),
            (GET.get_special_days, self._special_days),
            (GET.get_calendar_cancellation, self._cancellation),
        )

    def _calendars(self, request: Request, fields: Any) -> Answer:
        found = [
            record
            for record in of_event(self.records("calendars"), fields.min_issuer_event_id)
            if fields.calendar_type in (record.body["calendar_type"], ANY_TYPE) and _of(record, fields.provider_id)
        ]
        found = in_force(found, "start_time", self.at(fields.earliest_start_time))
        return replies(
            [publish(PUBLISH.publish_calendar, record) for record in most(found, fields.number_of_calendars)]
        )

    def _day_profiles(self, request: Request, fields: Any) -> Answer:
        found = self._parts("day_profiles", fields, "day_id", fields.start_day_id, fields.number_of_days)
        return replies(
            [
                reply
                for record in found
                for reply in publish_in_pages(
                    PUBLISH.publish_day_profile,
                    record,
                    "day_schedule_entries",
                    total="total_number_of_commands",
                    count="total_number_of_schedule_entries",
                )
            ]
        )

    def _week_profiles(self, request: Request, fields: Any) -> Answer:
        found = self._parts("week_profiles", fields, "week_id", fields.start_week_id, fields.number_of_weeks)
        return replies([publish(PUBLISH.publish_week_profile, record) for record in found])

    def _seasons(self, request: Request, fields: Any) -> Answer:
        found = self._of_calendar("seasons", fields)
        if not found:
            return NOT_FOUND
        return replies(
            publish_in_pages(PUBLISH.publish_seasons, found[-1], "season_entries", total="total_number_of_commands")
        )

    def _special_days(self, request: Request, fields: Any) -> Answer:
        found = [
            record
            for record in self._of_calendar("special_days", fields)
            if fields.calendar_type in (record.body["calendar_type"], ANY_TYPE)
        ]
        found = in_force(found, "start_time", self.at(fields.start_time))
        pages: list[Reply] = []
        for record in most(found, fields.number_of_events):
            pages += publish_in_pages(
                PUBLISH.publish_special_days,
                record,
                "special_day_entries",
                total="total_number_of_commands",
                count="total_number_of_special_days",
            )
        return replies(pages)

    def _cancellation(self, request: Request, fields: Any) -> Answer:
        return replies(
            [publish(PUBLISH.cancel_calendar, record) for record in self.records("calendar_cancellations")[-1:]]
        )

    def _of_calendar(self, table: str, fields: Any) -> list[Record]:
        return [
            record
            for record in self.records(table)
            if record.body["issuer_calendar_id"] == fields.issuer_calendar_id and _of(record, fields.provider_id)
        ]

    def _parts(self, table: str, fields: Any, number: str, first: int, count: int) -> list[Record]:
        """Return the latest record of each day or week from ``first`` on; ``count`` of them, 0: all."""
        latest = {record.body[number]: record for record in self._of_calendar(table, fields)}
        wanted = [latest[n] for n in sorted(latest) if n >= first]
        return wanted[: count or len(wanted)]


def _of(record: Record, provider_id: int) -> bool:
    """Tell whether the record is this provider's; 0xFFFFFFFF: any."""
    return provider_id in (record.body["provider_id"], NEVER)
