"""Key Establishment (0x0800). Source: comms_hub.md appendix F and §5.1."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import U8, SmartEnergyCluster, command, read_only
from hanctl.han.smart_energy.enumerations import KeyEstablishmentStatus


class SuiteEnumeration(t.enum16):
    """The suites of a device, as the attribute has them: an enumeration by type, bits by meaning."""

    Suite1 = 0x0001
    Suite2 = 0x0002
    Suite1And2 = 0x0003


class SuiteBits(t.bitmap16):
    Suite1 = 0x0001
    Suite2 = 0x0002


class MessageAuthenticationCode(t.FixedList, item_type=t.uint8_t, length=16):  # type: ignore[type-arg]
    """16 bytes."""


_TERMINATE = {"status_code": KeyEstablishmentStatus, "wait_time": U8, "key_establishment_suite": SuiteBits}


class KeyEstablishment(SmartEnergyCluster):
    """Key Establishment (0x0800). Times in seconds.

    Certificate (48 or 74 bytes) and ephemeral key (22 or 37) are as long as the suite has them: they end their
    payloads, and their lengths are for the reader to check.
    """

    cluster_id = 0x0800
    ep_attribute = "smartenergy_key_establishment"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        key_establishment_suite: Final = read_only(0x0000, SuiteEnumeration)

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

        key_establishment_suite: Final = read_only(0x0000, SuiteEnumeration)

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        initiate_key_establishment_request: Final = command(
            0x00,
            {
                "key_establishment_suite": SuiteBits,
                "ephemeral_data_generate_time": U8,
                "confirm_key_generate_time": U8,
                "identity": t.Bytes,
            },
        )
        ephemeral_data_request: Final = command(0x01, {"ephemeral_data": t.Bytes})
        confirm_key_data_request: Final = command(
            0x02, {"secure_message_authentication_code": MessageAuthenticationCode}
        )
        terminate_key_establishment: Final = command(0x03, _TERMINATE)

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        initiate_key_establishment_response: Final = command(
            0x00,
            {
                "requested_key_establishment_suite": SuiteBits,
                "ephemeral_data_generate_time": U8,
                "confirm_key_generate_time": U8,
                "identity": t.Bytes,
            },
        )
        ephemeral_data_response: Final = command(0x01, {"ephemeral_data": t.Bytes})
        confirm_key_data_response: Final = command(
            0x02, {"secure_message_authentication_code": MessageAuthenticationCode}
        )
        terminate_key_establishment: Final = command(0x03, _TERMINATE)
