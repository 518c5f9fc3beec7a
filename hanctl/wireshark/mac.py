"""IEEE 802.15.4 frames as Zigbee uses them, with their frame check sequence. Source: IEEE 802.15.4-2006 §7.2, §7.3.

Addresses of two bytes are ints, those of eight are EUI64s.
"""

from __future__ import annotations

import binascii
import struct

from hanctl.base.eui64 import Eui64, to_bytes

BROADCAST = 0xFFFF
SEQUENCE = 2
"""Where each frame has its sequence number."""

_DATA, _ACK, _COMMAND = 1, 2, 3
_PENDING, _ACK_REQUEST, _SAME_PAN = 0x0010, 0x0020, 0x0040
_TO_SHORT, _TO_LONG = 0x0800, 0x0C00
_FROM_SHORT, _FROM_LONG = 0x8000, 0xC000
_NO_PAN = 0xFFFF

_ASSOCIATION_REQUEST = 0x01
_ASSOCIATION_RESPONSE = 0x02
_DATA_REQUEST = 0x04
_BEACON_REQUEST = 0x07
_SUPERFRAME = 0x4FFF
"""No beacons but on request, from the PAN coordinator."""
_PERMITS = 0x8000
_REVERSED = bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))


def frame_check_sequence(frame: bytes) -> bytes:
    """Return the CRC of 16 bits that ends a frame, computed least significant bit first."""
    return binascii.crc_hqx(frame.translate(_REVERSED), 0).to_bytes(2, "big").translate(_REVERSED)


def data(pan: int, destination: int, source: int, sequence: int, payload: bytes, *, acknowledged: bool = True) -> bytes:
    """Return a data frame; it asks for an acknowledgement unless it is a broadcast, or not to be ``acknowledged``."""
    control = _DATA | _SAME_PAN | _TO_SHORT | _FROM_SHORT
    if destination != BROADCAST and acknowledged:
        control |= _ACK_REQUEST
    return _framed(struct.pack("<HBHHH", control, sequence, pan, destination, source) + payload)


def acknowledgement(sequence: int, *, pending: bool = False) -> bytes:
    """Return the acknowledgement of the frame before it. ``pending``: a frame for its sender is held and comes next."""
    return _framed(struct.pack("<HB", _ACK | (_PENDING if pending else 0), sequence))


def data_request(pan: int, parent: int, child: int | Eui64, sequence: int) -> bytes:
    """Return the Data Request by which a child asks for what its parent holds for it."""
    control = _COMMAND | _ACK_REQUEST | _SAME_PAN | _TO_SHORT
    control |= _FROM_SHORT if isinstance(child, int) else _FROM_LONG
    source = struct.pack("<H", child) if isinstance(child, int) else to_bytes(child)
    return _framed(struct.pack("<HBHH", control, sequence, pan, parent) + source + bytes([_DATA_REQUEST]))


def beacon_request(sequence: int) -> bytes:
    """Return the Beacon Request, which asks every network in range for a beacon."""
    return _framed(struct.pack("<HBHHB", _COMMAND | _TO_SHORT, sequence, _NO_PAN, BROADCAST, _BEACON_REQUEST))


def beacon(pan: int, source: int, sequence: int, payload: bytes, *, permits: bool) -> bytes:
    """Return the beacon, the answer to a Beacon Request. ``permits``: devices may associate."""
    superframe = _SUPERFRAME | (_PERMITS if permits else 0)
    # Guaranteed time slots and pending addresses: none.
    return _framed(struct.pack("<HBHHHBB", _FROM_SHORT, sequence, pan, source, superframe, 0, 0) + payload)


def association_request(pan: int, parent: int, child: Eui64, sequence: int, capability: int) -> bytes:
    """Return the Association Request by which a device asks for an address."""
    control = _COMMAND | _ACK_REQUEST | _TO_SHORT | _FROM_LONG
    head = struct.pack("<HBHHH", control, sequence, pan, parent, _NO_PAN)
    return _framed(head + to_bytes(child) + bytes([_ASSOCIATION_REQUEST, capability]))


def association_response(pan: int, child: Eui64, parent: Eui64, sequence: int, address: int) -> bytes:
    """Return the Association Response with the device's address."""
    control = _COMMAND | _ACK_REQUEST | _SAME_PAN | _TO_LONG | _FROM_LONG
    head = struct.pack("<HBH", control, sequence, pan) + to_bytes(child) + to_bytes(parent)
    return _framed(head + struct.pack("<BHB", _ASSOCIATION_RESPONSE, address, 0))


def _framed(frame: bytes) -> bytes:
    return frame + frame_check_sequence(frame)
