"""Messaging (0x0703). Source: comms_hub.md appendix F and §3.4."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import U16, U32, UTC, SmartEnergyCluster, command
from hanctl.han.smart_energy.types import MessagingControlMask, OctetString, Text


class Messaging(SmartEnergyCluster):
    """Messaging (0x0703)."""

    cluster_id = 0x0703
    ep_attribute = "smartenergy_messaging"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        get_last_message: Final = command(0x00)
        message_confirmation: Final = command(
            0x01,
            {
                "message_id": U32,
                "confirmation_time": UTC,
                "message_confirmation_control?": t.bitmap8,
                "message_response?": OctetString,
            },
        )
        get_message_cancellation: Final = command(0x02, {"earliest_implementation_time": UTC})

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        display_message: Final = command(
            0x00,
            {
                "message_id": U32,
                "message_control": MessagingControlMask,
                "start_time": UTC,
                "duration_in_minutes": U16,
                "message": Text,
                "optional_extended_message_control?": t.bitmap8,
            },
        )
        cancel_message: Final = command(0x01, {"message_id": U32, "message_control": MessagingControlMask})
        display_protected_message: Final = command(
            0x02,
            {
                "message_id": U32,
                "message_control": MessagingControlMask,
                "start_time": UTC,
                "duration_in_minutes": U16,
                "message": Text,
                "optional_extended_message_control": t.bitmap8,
            },
        )
        cancel_all_messages: Final = command(0x03, {"implementation_date_time": UTC})
