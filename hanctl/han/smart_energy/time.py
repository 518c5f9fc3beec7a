"""Time (0x000A). Source: zigpy's Time cluster; it has no commands."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import S32, U32, UTC, SmartEnergyCluster, read_only, writable


class TimeStatus(t.bitmap8):
    Master = 0x01
    Synchronized = 0x02
    MasterForTimeZoneAndDst = 0x04
    Superseding = 0x08


class Time(SmartEnergyCluster):
    """Time (0x000A). Times and shifts in seconds; what may be written is the master's to refuse."""

    cluster_id = 0x000A
    ep_attribute = "time"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        time: Final = writable(0x0000, UTC)
        time_status: Final = writable(0x0001, TimeStatus)
        time_zone: Final = writable(0x0002, S32)
        dst_start: Final = writable(0x0003, U32)
        dst_end: Final = writable(0x0004, U32)
        dst_shift: Final = writable(0x0005, S32)
        standard_time: Final = read_only(0x0006, U32)
        local_time: Final = read_only(0x0007, U32)
        last_set_time: Final = read_only(0x0008, UTC)
        valid_until_time: Final = writable(0x0009, UTC)

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""
