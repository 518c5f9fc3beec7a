"""Payloads of the OTA upgrade cluster as its client packs and reads them. Source: comms_hub.md §1.5."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64, to_bytes

IMAGE_NOTIFY = 0x00
QUERY_NEXT_IMAGE_REQUEST = 0x01
QUERY_NEXT_IMAGE_RESPONSE = 0x02
IMAGE_BLOCK_REQUEST = 0x03
IMAGE_PAGE_REQUEST = 0x04
IMAGE_BLOCK_RESPONSE = 0x05
UPGRADE_END_REQUEST = 0x06
UPGRADE_END_RESPONSE = 0x07

HOLD = 0xFFFFFFFF
_WILDCARDS = (0xFFFF, 0xFFFF, 0xFFFFFFFF)
_NOTIFY_LENGTHS = (2, 4, 6, 10)


@dataclass(frozen=True, slots=True)
class ImageId:
    """The identity of an image on air."""

    manufacturer: int
    image_type: int
    version: int

    def pack(self) -> bytes:
        return struct.pack("<HHI", self.manufacturer, self.image_type, self.version)

    def matches(self, named: ImageId) -> bool:
        """Tell whether ``named``, in which each field may be a wildcard, means this image."""
        own = (self.manufacturer, self.image_type, self.version)
        theirs = (named.manufacturer, named.image_type, named.version)
        return all(b in (a, w) for a, b, w in zip(own, theirs, _WILDCARDS, strict=True))


@dataclass(frozen=True, slots=True)
class Notify:
    """Image Notify; fields the payload type leaves out are None."""

    payload_type: int
    jitter: int
    manufacturer: int | None
    image_type: int | None
    version: int | None


def read_image_id(payload: bytes, at: int = 0) -> ImageId:
    """Read an image's identity. Raises struct.error where the payload is too short, as all readers here do."""
    return ImageId(*struct.unpack_from("<HHI", payload, at))


def read_notify(payload: bytes) -> Notify | None:
    """Read an Image Notify. None: the payload type is unknown, or the length is not that of the type."""
    kind = payload[0]
    if kind >= len(_NOTIFY_LENGTHS) or len(payload) != _NOTIFY_LENGTHS[kind]:
        return None
    return Notify(
        kind,
        payload[1],
        struct.unpack_from("<H", payload, 2)[0] if kind >= 1 else None,
        struct.unpack_from("<H", payload, 4)[0] if kind >= 2 else None,
        struct.unpack_from("<I", payload, 6)[0] if kind >= 3 else None,
    )


def query_next_image_request(running: ImageId, hardware_version: int | None) -> bytes:
    hardware = b"" if hardware_version is None else struct.pack("<H", hardware_version)
    return bytes([hardware_version is not None]) + running.pack() + hardware


def image_block_request(
    image: ImageId, offset: int, max_data_size: int, eui64: Eui64 | None, min_block_period: int | None
) -> bytes:
    control = (0x01 if eui64 is not None else 0) | (0x02 if min_block_period is not None else 0)
    return (
        bytes([control])
        + image.pack()
        + struct.pack("<IB", offset, max_data_size)
        + (b"" if eui64 is None else to_bytes(eui64))
        + (b"" if min_block_period is None else struct.pack("<H", min_block_period))
    )


def image_page_request(
    image: ImageId, offset: int, max_data_size: int, page_size: int, spacing_ms: int, eui64: Eui64 | None
) -> bytes:
    return (
        bytes([eui64 is not None])
        + image.pack()
        + struct.pack("<IBHH", offset, max_data_size, page_size, spacing_ms)
        + (b"" if eui64 is None else to_bytes(eui64))
    )


def upgrade_end_request(status: int, image: ImageId) -> bytes:
    return bytes([status]) + image.pack()
