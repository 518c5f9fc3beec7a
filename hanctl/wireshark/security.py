"""Zigbee frame security at level 5: encrypted, with an integrity code of four bytes. Source: Zigbee R22 §4.3 to §4.5.

On air the level is left out of the auxiliary header; nonce and integrity code are computed with it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.crypto import ccm
from hanctl.crypto.mmo import mmo_hmac

_LEVEL = 5
_EXTENDED_NONCE = 0x20


class KeyId(IntEnum):
    """Which key an auxiliary header names."""

    LINK = 0
    NETWORK = 1
    KEY_TRANSPORT = 2
    KEY_LOAD = 3


_HASHED = {KeyId.KEY_TRANSPORT: b"\x00", KeyId.KEY_LOAD: b"\x02"}


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """The auxiliary header. ``extended``: it tells the source; ``sequence``: which network key it is."""

    key: KeyId
    counter: int
    source: Eui64
    extended: bool = True
    sequence: int | None = None

    @property
    def nonce(self) -> bytes:
        return to_bytes(self.source) + struct.pack("<IB", self.counter, self._control | _LEVEL)

    def pack(self, level: int = 0) -> bytes:
        source = to_bytes(self.source) if self.extended else b""
        sequence = b"" if self.sequence is None else bytes([self.sequence])
        return struct.pack("<BI", self._control | level, self.counter) + source + sequence

    @property
    def _control(self) -> int:
        return self.key << 3 | (_EXTENDED_NONCE if self.extended else 0)


def secured(header: bytes, payload: bytes, key: bytes, auxiliary: Auxiliary) -> bytes:
    """Return the whole frame: ``header`` in clear, the auxiliary header, ``payload`` encrypted, the integrity code."""
    sealed = ccm.seal(key, auxiliary.nonce, header + auxiliary.pack(_LEVEL), payload)
    return header + auxiliary.pack() + sealed


def key_of(link_key: bytes, key: KeyId) -> bytes:
    """Return the key with this name that two ends with a link key have. Source: Zigbee R22 §4.5."""
    return link_key if key is KeyId.LINK else mmo_hmac(link_key, _HASHED[key])
