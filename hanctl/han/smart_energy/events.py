"""Events (0x0709). Source: comms_hub.md appendix F and §3.6."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import U8, U16, UTC, SmartEnergyCluster, command
from hanctl.han.smart_energy.enumerations import ClearedEventsLogs, EventActionControl, EventLogId
from hanctl.han.smart_energy.types import (
    EventControlLogId,
    EventLogPayload,
    NumberOfEventsLogPayloadControl,
    OctetString,
)


class Events(SmartEnergyCluster):
    """Events (0x0709)."""

    cluster_id = 0x0709
    ep_attribute = "smartenergy_events"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        get_event_log: Final = command(
            0x00,
            {
                "event_control_log_id": EventControlLogId,
                "event_id": U16,
                "start_time": UTC,
                "end_time": UTC,
                "number_of_events": U8,
                "event_offset": U16,
            },
        )
        clear_event_log_request: Final = command(0x01, {"log_id": EventLogId})

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        publish_event: Final = command(
            0x00,
            {
                "log_id": EventLogId,
                "event_id": U16,
                "event_time": UTC,
                "event_control": EventActionControl,
                "event_data": OctetString,
            },
        )
        publish_event_log: Final = command(
            0x01,
            {
                "total_number_of_events": U16,
                "command_index": U8,
                "total_commands": U8,
                "log_payload_control": NumberOfEventsLogPayloadControl,
                "log_payload": t.List[EventLogPayload],
            },
        )
        clear_event_log_response: Final = command(0x02, {"cleared_events_logs": ClearedEventsLogs})
