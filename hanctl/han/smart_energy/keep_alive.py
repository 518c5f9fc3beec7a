"""Keep-Alive (0x0025). Source: comms_hub.md §6; it has no commands."""

from __future__ import annotations

from typing import Final

from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import U8, U16, SmartEnergyCluster, read_only


class KeepAlive(SmartEnergyCluster):
    """Keep-Alive (0x0025). Base in minutes, jitter in seconds."""

    cluster_id = 0x0025
    ep_attribute = "keep_alive"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        keep_alive_base: Final = read_only(0x0000, U8)
        keep_alive_jitter: Final = read_only(0x0001, U16)

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""
