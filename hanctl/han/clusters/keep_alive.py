"""Keep-Alive (0x0025): how often a device is to make sure that the hub is there. Source: comms_hub.md §6."""

from __future__ import annotations

from collections.abc import Mapping

from zigpy.zcl.foundation import DataTypeId

from hanctl.han.cluster import Attribute, DefaultReply, Request, Status
from hanctl.radio.endpoints import ESI_ENDPOINT, KEEP_ALIVE

BASE_MIN = 1
JITTER_S = 60


class KeepAliveServer:
    """The trust centre's keep-alive interval: base in minutes, jitter in seconds."""

    cluster = KEEP_ALIVE
    endpoint = ESI_ENDPOINT

    def attributes(self) -> Mapping[int, Attribute]:
        return {
            0x0000: Attribute(DataTypeId.uint8, bytes((BASE_MIN,))),
            0x0001: Attribute(DataTypeId.uint16, JITTER_S.to_bytes(2, "little")),
        }

    def handle(self, request: Request) -> DefaultReply:
        return DefaultReply(Status.UNSUP_COMMAND)
