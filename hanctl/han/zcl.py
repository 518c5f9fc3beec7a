"""ZCL frames: the header, the foundation commands, attribute values. Pure; all integers little-endian.

Data types and their sizes are zigpy's. Source of the frame control bits: comms_hub.md §1.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import zigpy.types
from zigpy.zcl.foundation import DataType, DataTypeId

from hanctl.han.errors import MalformedZcl

Value = int | str | bytes | None

MAX_RESPONSE = 72
"""Bytes of a ZCL response, header included: fits one APS frame with network and APS security, without fragments."""

_NOT_SCALAR = frozenset(
    {DataTypeId.unk, DataTypeId.nodata, DataTypeId.array, DataTypeId.struct, DataTypeId.set, DataTypeId.bag}
)


class FrameControl(IntFlag):
    """Bits of the frame control field."""

    CLUSTER_SPECIFIC = 0x01
    MANUFACTURER_SPECIFIC = 0x04
    FROM_SERVER = 0x08
    NO_DEFAULT_RESPONSE = 0x10


class Foundation(IntEnum):
    """Foundation (profile-wide) commands the hub knows."""

    READ_ATTRIBUTES = 0x00
    READ_ATTRIBUTES_RESPONSE = 0x01
    WRITE_ATTRIBUTES = 0x02
    WRITE_ATTRIBUTES_UNDIVIDED = 0x03
    WRITE_ATTRIBUTES_RESPONSE = 0x04
    WRITE_ATTRIBUTES_NO_RESPONSE = 0x05
    CONFIGURE_REPORTING = 0x06
    CONFIGURE_REPORTING_RESPONSE = 0x07
    READ_REPORTING_CONFIGURATION = 0x08
    READ_REPORTING_CONFIGURATION_RESPONSE = 0x09
    REPORT_ATTRIBUTES = 0x0A
    DEFAULT_RESPONSE = 0x0B
    DISCOVER_ATTRIBUTES = 0x0C
    DISCOVER_ATTRIBUTES_RESPONSE = 0x0D


RESPONSES = frozenset(
    {
        Foundation.READ_ATTRIBUTES_RESPONSE,
        Foundation.WRITE_ATTRIBUTES_RESPONSE,
        Foundation.CONFIGURE_REPORTING_RESPONSE,
        Foundation.READ_REPORTING_CONFIGURATION_RESPONSE,
        Foundation.DEFAULT_RESPONSE,
        Foundation.DISCOVER_ATTRIBUTES_RESPONSE,
    }
)
"""Foundation commands that answer, and so are never answered themselves."""


@dataclass(frozen=True, slots=True)
class ZclFrame:
    """One ZCL frame. ``command`` is a cluster's own where ``cluster_specific``, else a Foundation command."""

    tsn: int
    command: int
    payload: bytes = b""
    cluster_specific: bool = False
    from_server: bool = False
    no_default_response: bool = False
    manufacturer: int | None = None

    def serialize(self) -> bytes:
        control = (
            FrameControl.CLUSTER_SPECIFIC * self.cluster_specific
            | FrameControl.MANUFACTURER_SPECIFIC * (self.manufacturer is not None)
            | FrameControl.FROM_SERVER * self.from_server
            | FrameControl.NO_DEFAULT_RESPONSE * self.no_default_response
        )
        if self.manufacturer is None:
            return bytes((control, self.tsn, self.command)) + self.payload
        return struct.pack("<BHBB", control, self.manufacturer, self.tsn, self.command) + self.payload

    def answer(self, command: int, payload: bytes, *, cluster_specific: bool = False) -> ZclFrame:
        """Return the frame that answers this one: same TSN and manufacturer, other direction, no answer wanted."""
        return ZclFrame(
            tsn=self.tsn,
            command=command,
            payload=payload,
            cluster_specific=cluster_specific,
            from_server=not self.from_server,
            no_default_response=True,
            manufacturer=self.manufacturer,
        )


def parse_frame(data: bytes) -> ZclFrame:
    """Parse one ZCL frame. Raises MalformedZcl if it is too short or its frame type is reserved."""
    if not data:
        raise MalformedZcl("an empty frame has no ZCL header")
    control = data[0]
    if control & 0x03 > 1:
        raise MalformedZcl(f"frame type {control & 0x03} is reserved")
    manufacturer: int | None = None
    start = 1
    if control & FrameControl.MANUFACTURER_SPECIFIC:
        manufacturer = int.from_bytes(data[1:3], "little")
        start = 3
    if len(data) < start + 2:
        raise MalformedZcl(f"{len(data)} bytes are too few for a ZCL header")
    return ZclFrame(
        tsn=data[start],
        command=data[start + 1],
        payload=data[start + 2 :],
        cluster_specific=bool(control & FrameControl.CLUSTER_SPECIFIC),
        from_server=bool(control & FrameControl.FROM_SERVER),
        no_default_response=bool(control & FrameControl.NO_DEFAULT_RESPONSE),
        manufacturer=manufacturer,
    )


def take_value(data_type: int, data: bytes) -> tuple[Value, bytes]:
    """Split one attribute value off the front of ``data``. Returns the value and the rest.

    Integers of every kind are int, strings str, octet strings bytes, an invalid string None, everything else its
    serialized bytes. Raises MalformedZcl for unknown and collection types (of unknown length or none the hub reads)
    and for too little data.
    """
    try:
        known = DataType.from_type_id(DataTypeId(data_type))  # type: ignore[no-untyped-call]
        if known.type_id in _NOT_SCALAR:
            raise MalformedZcl(f"a value of data type 0x{data_type:02x} cannot be read here")
        value, rest = known.python_type.deserialize(data)  # type: ignore[attr-defined]
    except (ValueError, KeyError) as error:
        raise MalformedZcl(f"no value of data type 0x{data_type:02x}: {error}") from None
    if isinstance(value, str):
        return (None if getattr(value, "invalid", False) else str(value)), rest
    if isinstance(value, int):
        return int(value), rest
    if isinstance(value, zigpy.types.LVBytes | zigpy.types.LongOctetString):
        return bytes(value), rest
    return bytes(value.serialize()), rest


# --- Read Attributes


def read_attributes(attributes: Iterable[int]) -> bytes:
    """Build the payload of Read Attributes."""
    return b"".join(attribute.to_bytes(2, "little") for attribute in attributes)


def parse_read_attributes(payload: bytes) -> tuple[int, ...]:
    """Parse the attribute ids asked for."""
    if len(payload) % 2:
        raise MalformedZcl("Read Attributes has an odd number of bytes")
    return struct.unpack(f"<{len(payload) // 2}H", payload)


@dataclass(frozen=True, slots=True)
class AttributeAnswer:
    """One record of a Read Attributes Response: either a typed, serialized value, or a status that is not 0."""

    attribute: int
    status: int
    data_type: int = 0
    value: bytes = b""

    def serialize(self) -> bytes:
        head = struct.pack("<HB", self.attribute, self.status)
        return head if self.status else head + bytes((self.data_type,)) + self.value


def parse_read_attributes_response(payload: bytes) -> dict[int, Value]:
    """Parse values by attribute id; None where the device gave a status instead."""
    values: dict[int, Value] = {}
    while payload:
        if len(payload) < 3:
            raise MalformedZcl("a record of Read Attributes Response is cut short")
        attribute, status = struct.unpack_from("<HB", payload)
        payload = payload[3:]
        if status:
            values[attribute] = None
            continue
        if not payload:
            raise MalformedZcl("a record of Read Attributes Response has no data type")
        values[attribute], payload = take_value(payload[0], payload[1:])
    return values


# --- Write Attributes


@dataclass(frozen=True, slots=True)
class AttributeWrite:
    """One record of Write Attributes; ``value`` is serialized."""

    attribute: int
    data_type: int
    value: bytes


def parse_write_attributes(payload: bytes) -> list[AttributeWrite]:
    """Parse the records of any of the three Write Attributes commands."""
    records: list[AttributeWrite] = []
    while payload:
        if len(payload) < 3:
            raise MalformedZcl("a record of Write Attributes is cut short")
        attribute, data_type = struct.unpack_from("<HB", payload)
        body = payload[3:]
        _, payload = take_value(data_type, body)
        records.append(AttributeWrite(attribute, data_type, body[: len(body) - len(payload)]))
    return records


def write_attributes_response(failures: Sequence[tuple[int, int]]) -> bytes:
    """Build the payload for (attribute, status) pairs that were not written; empty: all were."""
    return b"".join(struct.pack("<BH", status, attribute) for attribute, status in failures) or b"\x00"


# --- Discover Attributes


def parse_discover_attributes(payload: bytes) -> tuple[int, int]:
    """Parse the first attribute id wanted, and the largest number of ids."""
    if len(payload) < 3:
        raise MalformedZcl("Discover Attributes is cut short")
    first, count = struct.unpack_from("<HB", payload)
    return first, count


def discover_attributes_response(*, complete: bool, attributes: Iterable[tuple[int, int]]) -> bytes:
    """Build the payload for (attribute, data type) pairs."""
    return bytes((complete,)) + b"".join(struct.pack("<HB", attribute, kind) for attribute, kind in attributes)


# --- Default Response


def default_response(command: int, status: int) -> bytes:
    """Build the payload of a Default Response to ``command``."""
    return bytes((command, status))


def parse_default_response(payload: bytes) -> tuple[int, int]:
    """Parse the command answered, and the status."""
    if len(payload) < 2:
        raise MalformedZcl("Default Response is cut short")
    return payload[0], payload[1]
