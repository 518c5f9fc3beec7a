"""A device's own look at the file it received, before it agrees to run it. Layout: comms_hub.md §1.1–1.2."""

from __future__ import annotations

import struct
from typing import Literal

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.crypto.mmo import mmo_hash
from hanctl.simulator.device.ota.frames import ImageId

Body = Literal["zigbee", "gb", "any"]

MAGIC = b"\x1e\xf1\xee\x0b"
MIN_HEADER = 56
UPGRADE_IMAGE, INTEGRITY_CODE = 0x0000, 0x0003


class BadImage(ValueError):
    """The received file is not one this device can run; the text says why."""


def verify(data: bytes, *, expected: ImageId, eui64: Eui64, hardware_version: int | None, body: Body) -> None:
    """Check a whole received file. ``body``: elements ("zigbee"), opaque bytes ("gb"), or either.

    Raises BadImage.
    """
    if len(data) < MIN_HEADER:
        raise BadImage(f"{len(data)} bytes hold no header")
    if not data.startswith(MAGIC):
        raise BadImage("no OTA file identifier at the start")
    version, header_length, control = struct.unpack_from("<HHH", data, 4)
    if version != 0x0100:
        raise BadImage(f"header version 0x{version:04x}")
    if not MIN_HEADER <= header_length <= len(data):
        raise BadImage(f"header length {header_length}")
    named = ImageId(*struct.unpack_from("<HHI", data, 10))
    if not expected.matches(named):
        raise BadImage("the header names another image than the server did")
    (total,) = struct.unpack_from("<I", data, 52)
    if total != len(data):
        raise BadImage(f"total image size {total}, received {len(data)}")
    _check_optional_fields(data[:header_length], control, eui64, hardware_version)
    if body == "gb" or (body == "any" and not _walks(data, header_length)):
        return
    _check_elements(data, header_length)


def _check_optional_fields(header: bytes, control: int, eui64: Eui64, hardware_version: int | None) -> None:
    at = MIN_HEADER + (1 if control & 0x01 else 0)
    try:
        if control & 0x02:
            destination = header[at : at + 8]
            at += 8
            if from_bytes(destination) != eui64:
                raise BadImage("the file is for another device")
        if control & 0x04:
            low, high = struct.unpack_from("<HH", header, at)
            if hardware_version is not None and not low <= hardware_version <= high:
                raise BadImage(f"for hardware 0x{low:04x} to 0x{high:04x}")
    except struct.error:
        raise BadImage("the header ends within an optional field") from None


def _walks(data: bytes, start: int) -> bool:
    try:
        _check_elements(data, start)
    except BadImage:
        return False
    return True


def _check_elements(data: bytes, header_length: int) -> None:
    at, tags = header_length, set()
    while at < len(data):
        if len(data) - at < 6:
            raise BadImage(f"no element fits at offset {at}")
        tag, length = struct.unpack_from("<HI", data, at)
        start, at = at, at + 6 + length
        if at > len(data):
            raise BadImage(f"element 0x{tag:04x} reaches beyond the end of the file")
        if tag == INTEGRITY_CODE and not _is_integrity_code(data, start, at):
            raise BadImage("the image integrity code is not that of the file")
        tags.add(tag)
    if UPGRADE_IMAGE not in tags:
        raise BadImage("no upgrade image element")


def _is_integrity_code(data: bytes, start: int, end: int) -> bool:
    """Tell whether the element ``data[start:end]`` holds the AES-MMO hash of all but itself.

    Makers read "itself" in two ways, and files of both are in the field: the sixteen bytes, or the whole element
    with its tag and length.
    """
    value = start + 6
    return any(data[value:end] == mmo_hash(data[:itself] + data[end:]) for itself in (value, start))
