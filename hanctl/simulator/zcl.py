"""ZCL frames as a simulated device reads and writes them, and its answers to global commands.

Packed by hand with ``struct``: the hub's own codec is not shared.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

READ_ATTRIBUTES = 0x00
READ_ATTRIBUTES_RESPONSE = 0x01
WRITE_ATTRIBUTES = 0x02
WRITE_ATTRIBUTES_RESPONSE = 0x04
WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
DEFAULT_RESPONSE = 0x0B
DISCOVER_ATTRIBUTES = 0x0C
DISCOVER_ATTRIBUTES_RESPONSE = 0x0D

SUCCESS = 0x00
FAILURE = 0x01
NOT_AUTHORIZED = 0x7E
MALFORMED_COMMAND = 0x80
UNSUP_COMMAND = 0x81
INVALID_FIELD = 0x85
UNSUPPORTED_ATTRIBUTE = 0x86
INVALID_VALUE = 0x87
READ_ONLY = 0x88
INSUFFICIENT_SPACE = 0x89
NOT_FOUND = 0x8B
ABORT = 0x95
INVALID_IMAGE = 0x96
WAIT_FOR_DATA = 0x97
NOT_FOUND = 0x8B
NO_IMAGE_AVAILABLE = 0x98
UNSUPPORTED_CLUSTER = 0xC3

CLUSTER_REVISION = 0xFFFD

BITMAP8, UINT8, UINT16, UINT32, ENUM8, ENUM16, STRING, EUI64 = 0x18, 0x20, 0x21, 0x23, 0x30, 0x31, 0x42, 0xF0
_PACKED = {BITMAP8: "<B", UINT8: "<B", UINT16: "<H", UINT32: "<I", ENUM8: "<B", ENUM16: "<H"}

_CLUSTER_SPECIFIC, _MANUFACTURER, _TO_CLIENT, _NO_DEFAULT_RESPONSE = 0x01, 0x04, 0x08, 0x10


class MalformedFrame(ValueError):
    """The bytes are not a ZCL frame, or end too early."""


@dataclass(frozen=True, slots=True)
class ZclFrame:
    """One ZCL frame. ``to_client``: the direction bit, set where a server speaks to a client."""

    tsn: int
    command: int
    payload: bytes = b""
    cluster_specific: bool = False
    to_client: bool = False
    no_default_response: bool = False
    manufacturer: int | None = None

    def encode(self) -> bytes:
        control = (
            (_CLUSTER_SPECIFIC if self.cluster_specific else 0)
            | (_MANUFACTURER if self.manufacturer is not None else 0)
            | (_TO_CLIENT if self.to_client else 0)
            | (_NO_DEFAULT_RESPONSE if self.no_default_response else 0)
        )
        manufacturer = b"" if self.manufacturer is None else struct.pack("<H", self.manufacturer)
        return bytes([control]) + manufacturer + bytes([self.tsn, self.command]) + self.payload

    def answered(self, command: int, payload: bytes, *, cluster_specific: bool = False) -> ZclFrame:
        """Return the answer to this frame: same sequence number, other direction, no Default Response wanted."""
        return ZclFrame(
            self.tsn, command, payload, cluster_specific, not self.to_client, True, manufacturer=self.manufacturer
        )

    def default_response(self, status: int) -> ZclFrame:
        """Return the Default Response to this frame."""
        return self.answered(DEFAULT_RESPONSE, bytes([self.command, status]))


def decode(data: bytes) -> ZclFrame:
    """Read a ZCL frame. Raises MalformedFrame."""
    try:
        control = data[0]
        manufacturer = struct.unpack_from("<H", data, 1)[0] if control & _MANUFACTURER else None
        at = 3 if control & _MANUFACTURER else 1
        tsn, command = data[at], data[at + 1]
    except (IndexError, struct.error):
        raise MalformedFrame(f"{len(data)} bytes are too few for a ZCL frame") from None
    if control & 0x03 not in (0x00, 0x01):
        raise MalformedFrame(f"frame control 0x{control:02x} has a reserved frame type")
    return ZclFrame(
        tsn,
        command,
        data[at + 2 :],
        cluster_specific=bool(control & _CLUSTER_SPECIFIC),
        to_client=bool(control & _TO_CLIENT),
        no_default_response=bool(control & _NO_DEFAULT_RESPONSE),
        manufacturer=manufacturer,
    )


@dataclass(frozen=True, slots=True)
class Attribute:
    """A readable attribute: its ZCL data type and value."""

    type: int
    value: int | str | bytes

    def pack(self) -> bytes:
        if isinstance(self.value, str):
            text = self.value.encode()
            return bytes([len(text)]) + text
        if isinstance(self.value, bytes):
            return self.value
        return struct.pack(_PACKED[self.type], self.value)


Attributes = Mapping[int, Attribute]


def answer_global(frame: ZclFrame, attributes: Attributes | None) -> ZclFrame | None:
    """Return the answer to a global command other than Default Response; ``attributes`` None: no such cluster.

    None: nothing is to be sent. All attributes are read-only.
    """
    if frame.command == DEFAULT_RESPONSE:
        return None
    if attributes is None:
        return frame.default_response(UNSUPPORTED_CLUSTER)
    if frame.manufacturer is not None:
        attributes = {}
    try:
        if frame.command == READ_ATTRIBUTES:
            return frame.answered(READ_ATTRIBUTES_RESPONSE, _read(frame.payload, attributes))
        if frame.command == WRITE_ATTRIBUTES:
            return frame.answered(WRITE_ATTRIBUTES_RESPONSE, _refuse_writes(frame.payload, attributes))
        if frame.command == WRITE_ATTRIBUTES_NO_RESPONSE:
            return None
        if frame.command == DISCOVER_ATTRIBUTES:
            return frame.answered(DISCOVER_ATTRIBUTES_RESPONSE, _discover(frame.payload, attributes))
    except (struct.error, IndexError, KeyError):
        return frame.default_response(MALFORMED_COMMAND)
    return frame.default_response(UNSUP_COMMAND)


def _read(payload: bytes, attributes: Attributes) -> bytes:
    records = b""
    for (wanted,) in struct.iter_unpack("<H", payload):
        attribute = attributes.get(wanted)
        records += struct.pack("<H", wanted)
        if attribute is None:
            records += bytes([UNSUPPORTED_ATTRIBUTE])
        else:
            records += bytes([SUCCESS, attribute.type]) + attribute.pack()
    return records


def _refuse_writes(payload: bytes, attributes: Attributes) -> bytes:
    records, at = b"", 0
    while at < len(payload):
        wanted, data_type = struct.unpack_from("<HB", payload, at)
        at += 3
        at += (
            1 + payload[at] if data_type == STRING else {EUI64: 8}.get(data_type) or struct.calcsize(_PACKED[data_type])
        )
        records += bytes([READ_ONLY if wanted in attributes else UNSUPPORTED_ATTRIBUTE]) + struct.pack("<H", wanted)
    return records


def _discover(payload: bytes, attributes: Attributes) -> bytes:
    first, limit = struct.unpack_from("<HB", payload)
    found = [i for i in sorted(attributes) if i >= first]
    records = b"".join(struct.pack("<HB", i, attributes[i].type) for i in found[:limit])
    return bytes([len(found) <= limit]) + records
