"""EmberZNet release of each protocol version (approximate: hosts only show it)."""

from __future__ import annotations

STACK_TYPE_MESH = 2
BUILD = 0
GENERAL_AVAILABILITY = 0xAA

_RELEASES = {
    13: (7, 4, 5, 0),
    14: (8, 0, 2, 0),
    16: (8, 1, 0, 0),
    17: (8, 2, 0, 0),
    18: (9, 0, 0, 0),
    19: (9, 1, 0, 0),
}


def stack_version(protocol: int) -> int:
    """Return the release of a protocol version as four nibbles."""
    major, minor, patch, special = _RELEASES[protocol]
    return major << 12 | minor << 8 | patch << 4 | special


def version_info(protocol: int) -> bytes:
    """Return the value VERSION_INFO: build (u16), major, minor, patch, special, type."""
    return BUILD.to_bytes(2, "little") + bytes([*_RELEASES[protocol], GENERAL_AVAILABILITY])
