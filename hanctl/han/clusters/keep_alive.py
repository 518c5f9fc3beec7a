"""Keep-Alive (0x0025): how often a device checks that the hub is present. Source: comms_hub.md §6."""

from __future__ import annotations

from collections.abc import Mapping

from hanctl.han.cluster import DefaultReply, Request, ServedAttribute, Status
from hanctl.han.smart_energy.clusters import served
from hanctl.han.smart_energy.keep_alive import KeepAlive
from hanctl.radio.endpoints import ESI_ENDPOINT, KEEP_ALIVE

BASE_MIN = 1
JITTER_S = 60


class KeepAliveServer:
    """The trust centre's keep-alive interval: base in minutes, jitter in seconds."""

    cluster = KEEP_ALIVE
    endpoint = ESI_ENDPOINT

    def attributes(self) -> Mapping[int, ServedAttribute]:
        return served(KeepAlive, keep_alive_base=BASE_MIN, keep_alive_jitter=JITTER_S)

    def handle(self, request: Request) -> DefaultReply:
        return DefaultReply(Status.UNSUP_COMMAND)
