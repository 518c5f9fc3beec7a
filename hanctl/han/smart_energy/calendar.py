"""Calendar (0x0707). Source: comms_hub.md appendix E."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs, ZCLAttributeAccess

from hanctl.han.smart_energy.definitions import READ, U8, U32, UTC, SmartEnergyCluster, command, family
from hanctl.han.smart_energy.enumerations import CalendarTimeReference, CalendarType
from hanctl.han.smart_energy.types import OctetString, ScheduleEntry, SeasonEntry, SpecialDay, octets


class Calendar(SmartEnergyCluster):
    """Calendar (0x0707)."""

    cluster_id = 0x0707
    ep_attribute = "smartenergy_calendar"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        vars().update(
            family(
                "auxiliary_switch_{}_label", 0x0000, count=8, type=octets(22), access=READ | ZCLAttributeAccess.Write
            )
        )

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        get_calendar: Final = command(
            0x00,
            {
                "earliest_start_time": UTC,
                "min_issuer_event_id": U32,
                "number_of_calendars": U8,
                "calendar_type": CalendarType,
                "provider_id": U32,
            },
        )
        get_day_profiles: Final = command(
            0x01, {"provider_id": U32, "issuer_calendar_id": U32, "start_day_id": U8, "number_of_days": U8}
        )
        get_week_profiles: Final = command(
            0x02, {"provider_id": U32, "issuer_calendar_id": U32, "start_week_id": U8, "number_of_weeks": U8}
        )
        get_seasons: Final = command(0x03, {"provider_id": U32, "issuer_calendar_id": U32})
        get_special_days: Final = command(
            0x04,
            {
                "start_time": UTC,
                "number_of_events": U8,
                "calendar_type": CalendarType,
                "provider_id": U32,
                "issuer_calendar_id": U32,
            },
        )
        get_calendar_cancellation: Final = command(0x05)

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        publish_calendar: Final = command(
            0x00,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "issuer_calendar_id": U32,
                "start_time": UTC,
                "calendar_type": CalendarType,
                "calendar_time_reference": CalendarTimeReference,
                "calendar_name": OctetString,
                "number_of_seasons": U8,
                "number_of_week_profiles": U8,
                "number_of_day_profiles": U8,
            },
        )
        publish_day_profile: Final = command(
            0x01,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "issuer_calendar_id": U32,
                "day_id": U8,
                "total_number_of_schedule_entries": U8,
                "command_index": U8,
                "total_number_of_commands": U8,
                "calendar_type": CalendarType,
                "day_schedule_entries": t.List[ScheduleEntry],
            },
        )
        publish_week_profile: Final = command(
            0x02,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "issuer_calendar_id": U32,
                "week_id": U8,
                "day_id_ref_monday": U8,
                "day_id_ref_tuesday": U8,
                "day_id_ref_wednesday": U8,
                "day_id_ref_thursday": U8,
                "day_id_ref_friday": U8,
                "day_id_ref_saturday": U8,
                "day_id_ref_sunday": U8,
            },
        )
        publish_seasons: Final = command(
            0x03,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "issuer_calendar_id": U32,
                "command_index": U8,
                "total_number_of_commands": U8,
                "season_entries": t.List[SeasonEntry],
            },
        )
        publish_special_days: Final = command(
            0x04,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "issuer_calendar_id": U32,
                "start_time": UTC,
                "calendar_type": CalendarType,
                "total_number_of_special_days": U8,
                "command_index": U8,
                "total_number_of_commands": U8,
                "special_day_entries": t.List[SpecialDay],
            },
        )
        cancel_calendar: Final = command(
            0x05, {"provider_id": U32, "issuer_calendar_id": U32, "calendar_type": CalendarType}
        )
