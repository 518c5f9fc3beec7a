"""Basic (0x0000)."""

from __future__ import annotations

from collections.abc import Mapping

from zigpy.zcl.foundation import DataTypeId

import hanctl
from hanctl.han.cluster import DefaultReply, Request, ServedAttribute, Status
from hanctl.radio.endpoints import BASIC, ESI_ENDPOINT

ZCL_VERSION = 8
POWER_SOURCE_MAINS = 0x01


def character_string(text: str) -> ServedAttribute:
    """Build a string attribute; at most 254 bytes of UTF-8."""
    encoded = text.encode()[:254]
    return ServedAttribute(DataTypeId.string, bytes((len(encoded),)) + encoded)


class BasicServer:
    """Basic cluster server: identity of the hub."""

    cluster = BASIC

    def __init__(self, endpoint: int = ESI_ENDPOINT) -> None:
        self.endpoint = endpoint

    def attributes(self) -> Mapping[int, ServedAttribute]:
        return {
            0x0000: ServedAttribute(DataTypeId.uint8, bytes((ZCL_VERSION,))),
            0x0004: character_string("hanctl"),
            0x0005: character_string("Communications Hub"),
            0x0007: ServedAttribute(DataTypeId.enum8, bytes((POWER_SOURCE_MAINS,))),
            0x4000: character_string(hanctl.__version__),
        }

    def handle(self, request: Request) -> DefaultReply:
        # Reset to Factory Defaults is the only command, and not for a device to give to a hub.
        return DefaultReply(Status.UNSUP_COMMAND)
