"""The blocks of a pcapng file with one interface. Source: draft-ietf-opsawg-pcapng §3.1, §3.5, §4.1 to §4.3, §4.6.

Each function gives one whole block. Times are microseconds since 1970.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Literal

from hanctl.wireshark.files import LINKTYPE_IEEE802_15_4_WITHFCS

SECTION_HEADER, INTERFACE_DESCRIPTION, INTERFACE_STATISTICS, ENHANCED_PACKET = 0x0A0D0D0A, 1, 5, 6
BYTE_ORDER = 0x1A2B3C4D

END, COMMENT = 0, 1
USER_APPLICATION = 4
INTERFACE_NAME, INTERFACE_TEXT, TIME_RESOLUTION = 2, 3, 9
FLAGS, DROPPED_BEFORE = 2, 4
FRAMES_GIVEN, FRAMES_DROPPED = 4, 5

_MICROSECONDS = 6
_UNKNOWN_LENGTH = 0xFFFFFFFFFFFFFFFF
_DIRECTIONS = {"in": 1, "out": 2}

Option = tuple[int, bytes]


def section(application: str, comment: str) -> bytes:
    """Return the Section Header Block, with which the file begins."""
    head = struct.pack("<IHHQ", BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
    return _block(SECTION_HEADER, head, [(COMMENT, comment.encode()), (USER_APPLICATION, application.encode())])


def interface(name: str, text: str) -> bytes:
    """Return the Interface Description Block, of IEEE 802.15.4 frames with their check sequence."""
    head = struct.pack("<HHI", LINKTYPE_IEEE802_15_4_WITHFCS, 0, 0)
    options = [(INTERFACE_NAME, name.encode()), (INTERFACE_TEXT, text.encode())]
    return _block(INTERFACE_DESCRIPTION, head, [*options, (TIME_RESOLUTION, bytes([_MICROSECONDS]))])


def packet(time_us: int, frame: bytes, direction: Literal["in", "out"], comment: str = "", dropped: int = 0) -> bytes:
    """Return the Enhanced Packet Block of one frame; ``dropped``: so many frames before it are missing."""
    head = struct.pack("<IIIII", 0, time_us >> 32, time_us & 0xFFFFFFFF, len(frame), len(frame))
    options: list[Option] = [(COMMENT, comment.encode())] if comment else []
    options.append((FLAGS, struct.pack("<I", _DIRECTIONS[direction])))
    if dropped:
        options.append((DROPPED_BEFORE, struct.pack("<Q", dropped)))
    return _block(ENHANCED_PACKET, head + _padded(frame), options)


def statistics(time_us: int, given: int, dropped: int) -> bytes:
    """Return the Interface Statistics Block, with which the file ends: how many frames were given, and dropped."""
    head = struct.pack("<III", 0, time_us >> 32, time_us & 0xFFFFFFFF)
    counts = [(FRAMES_GIVEN, given), (FRAMES_DROPPED, dropped)]
    return _block(INTERFACE_STATISTICS, head, [(code, struct.pack("<Q", count)) for code, count in counts])


def _block(kind: int, body: bytes, options: Iterable[Option]) -> bytes:
    packed = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options)
    body += packed + struct.pack("<HH", END, 0)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
