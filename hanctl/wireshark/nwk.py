"""Zigbee network frames and commands. Source: Zigbee R22 §3.3, §3.4, §3.6."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64, to_bytes

RADIUS = 30
"""Without long addresses."""

_COMMAND = 0x0001
_VERSION_2 = 0x0008
_DISCOVER_ROUTE = 0x0040
_SECURITY = 0x0200
_LONG_DESTINATION = 0x0800
_LONG_SOURCE = 0x1000
_END_DEVICE = 0x2000

_LEAVE = 0x04
_LEAVE_TO_REJOIN = 0x20
_REJOIN_REQUEST = 0x06
_REJOIN_RESPONSE = 0x07
_ZIGBEE_PRO = 0x8422
"""Zigbee PRO, protocol version 2, at depth 0, with room for routers and for end devices."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a network frame; ``secure`` leaves room for the auxiliary header after it."""

    destination: int
    source: int
    sequence: int
    radius: int = RADIUS
    command: bool = False
    secure: bool = True
    discover_route: bool = False
    end_device: bool = False
    long_destination: Eui64 | None = None
    long_source: Eui64 | None = None

    def pack(self) -> bytes:
        control = _VERSION_2
        for given, bit in (
            (self.command, _COMMAND),
            (self.discover_route, _DISCOVER_ROUTE),
            (self.secure, _SECURITY),
            (self.long_destination, _LONG_DESTINATION),
            (self.long_source, _LONG_SOURCE),
            (self.end_device, _END_DEVICE),
        ):
            control |= bit if given else 0
        head = struct.pack("<HHHBB", control, self.destination, self.source, self.radius, self.sequence)
        return head + b"".join(to_bytes(long) for long in (self.long_destination, self.long_source) if long)


def leave(*, rejoin: bool) -> bytes:
    """Return the Leave command by which a node says that it leaves."""
    return bytes([_LEAVE, _LEAVE_TO_REJOIN if rejoin else 0])


def rejoin_request(capability: int) -> bytes:
    """Return the Rejoin Request by which a node asks to be a child again."""
    return bytes([_REJOIN_REQUEST, capability])


def rejoin_response(address: int) -> bytes:
    """Return the Rejoin Response by which a parent takes a node."""
    return struct.pack("<BHB", _REJOIN_RESPONSE, address, 0)


def beacon_payload(extended_pan_id: bytes, update_id: int) -> bytes:
    """Return what a coordinator's beacon says of its network; ``extended_pan_id`` as on air."""
    return struct.pack("<BH", 0, _ZIGBEE_PRO) + extended_pan_id + b"\xff\xff\xff" + bytes([update_id])
