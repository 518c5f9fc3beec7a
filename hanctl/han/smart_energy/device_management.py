"""Device Management (0x0708). Source: comms_hub.md appendix A and §2."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import U8, U16, U32, UTC, SmartEnergyCluster, command, read_only
from hanctl.han.smart_energy.enumerations import (
    EventConfiguration,
    EventConfigurationControl,
    PasswordType,
    ProposedChangeControl,
    TariffType,
)
from hanctl.han.smart_energy.event_configuration import event_configurations
from hanctl.han.smart_energy.types import EventConfigurationPayload, OctetString, octets


class DeviceManagement(SmartEnergyCluster):
    """Device Management (0x0708)."""

    cluster_id = 0x0708
    ep_attribute = "smartenergy_device_management"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        provider_id: Final = read_only(0x0100, U32)
        provider_name: Final = read_only(0x0101, octets(16))
        provider_contact_details: Final = read_only(0x0102, octets(19))
        proposed_provider_id: Final = read_only(0x0110, U32)
        proposed_provider_name: Final = read_only(0x0111, octets(16))
        proposed_provider_change_date_time: Final = read_only(0x0112, UTC)
        proposed_provider_change_control: Final = read_only(0x0113, t.bitmap32)
        proposed_provider_contact_details: Final = read_only(0x0114, octets(19))
        received_provider_id: Final = read_only(0x0120, U32)
        received_provider_name: Final = read_only(0x0121, octets(16))
        received_provider_contact_details: Final = read_only(0x0122, octets(19))
        received_proposed_provider_id: Final = read_only(0x0130, U32)
        received_proposed_provider_name: Final = read_only(0x0131, octets(16))
        received_proposed_provider_change_date_time: Final = read_only(0x0132, UTC)
        received_proposed_provider_change_control: Final = read_only(0x0133, t.bitmap32)
        received_proposed_provider_contact_details: Final = read_only(0x0134, octets(19))
        change_of_tenancy_update_date_time: Final = read_only(0x0200, UTC)
        proposed_tenancy_change_control: Final = read_only(0x0201, t.bitmap32)
        wan_status: Final = read_only(0x0300, t.enum8)
        low_medium_threshold: Final = read_only(0x0400, U32)
        medium_high_threshold: Final = read_only(0x0401, U32)

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

        provider_id: Final = read_only(0x0000, U32)
        received_provider_id: Final = read_only(0x0010, U32)
        vars().update(event_configurations())

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        get_change_of_tenancy: Final = command(0x00)
        get_change_of_supplier: Final = command(0x01)
        request_new_password: Final = command(0x02, {"password_type": PasswordType})
        get_site_id: Final = command(0x03)
        report_event_configuration: Final = command(
            0x04,
            {
                "command_index": U8,
                "total_commands": U8,
                "event_configuration_payload": t.List[EventConfigurationPayload],
            },
        )
        get_cin: Final = command(0x05)

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        publish_change_of_tenancy: Final = command(
            0x00,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "tariff_type": TariffType,
                "implementation_date_time": UTC,
                "proposed_tenancy_change_control": ProposedChangeControl,
            },
        )
        publish_change_of_supplier: Final = command(
            0x01,
            {
                "current_provider_id": U32,
                "issuer_event_id": U32,
                "tariff_type": TariffType,
                "proposed_provider_id": U32,
                "provider_change_implementation_time": UTC,
                "provider_change_control": ProposedChangeControl,
                "proposed_provider_name": OctetString,
                "proposed_provider_contact_details": OctetString,
            },
        )
        request_new_password_response: Final = command(
            0x02,
            {
                "issuer_event_id": U32,
                "implementation_date_time": UTC,
                "duration_in_minutes": U16,
                "password_type": PasswordType,
                "password": OctetString,
            },
        )
        update_site_id: Final = command(
            0x03, {"issuer_event_id": U32, "site_id_time": UTC, "provider_id": U32, "site_id": OctetString}
        )
        set_event_configuration: Final = command(
            0x04,
            {
                "issuer_event_id": U32,
                "start_date_time": UTC,
                "event_configuration": EventConfiguration,
                "configuration_control": EventConfigurationControl,
                "event_configuration_payload": t.List[t.uint8_t],
            },
        )
        get_event_configuration: Final = command(0x05, {"event_id": U16})
        update_cin: Final = command(
            0x06,
            {
                "issuer_event_id": U32,
                "implementation_time": UTC,
                "provider_id": U32,
                "customer_id_number": OctetString,
            },
        )
