"""EUI64 addresses as text: 16 hex digits, big-endian, colon separated, lower case."""

from __future__ import annotations

import re
from typing import NewType

from hanctl.base.errors import InvalidInput

Eui64 = NewType("Eui64", str)

_SEPARATORS = re.compile(r"[:\-\s.]")
_HEX16 = re.compile(r"[0-9a-fA-F]{16}")


def parse_eui64(text: str) -> Eui64:
    """Read an EUI64 written with or without separators, most significant byte first.

    Raises InvalidInput if the text is not 16 hex digits, or is all zeros or all ones, which no device has.
    """
    digits = _SEPARATORS.sub("", text).lower()
    if not _HEX16.fullmatch(digits):
        raise InvalidInput(
            "what was given is not an EUI64",
            "give sixteen hex digits, most significant first, for example 00:0d:6f:00:0a:90:69:e7",
        )
    if digits in ("0" * 16, "f" * 16):
        raise InvalidInput("no device has this address", "give the EUI64 that is printed on the device")
    return from_bytes(bytes.fromhex(digits)[::-1])


def from_bytes(little_endian: bytes) -> Eui64:
    """Convert 8 bytes from the air (least significant first) to an EUI64."""
    return Eui64(little_endian[::-1].hex(":"))


def to_bytes(eui64: Eui64) -> bytes:
    """Convert an EUI64 to its 8 bytes as sent on air, least significant first."""
    return bytes.fromhex(eui64.replace(":", ""))[::-1]
