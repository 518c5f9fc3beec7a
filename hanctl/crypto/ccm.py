"""AES-128-CCM* as Zigbee uses it: frames are encrypted, and carry an authentication code of four bytes (level 5)."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

KEY_SIZE = 16
NONCE_SIZE = 13
CODE_SIZE = 4


def seal(key: bytes, nonce: bytes, header: bytes, payload: bytes) -> bytes:
    """``payload`` encrypted, with the code over it and ``header`` behind it.

    With a code of this length CCM* is CCM. ``nonce``: 13 bytes, never twice under one key.
    """
    _check(nonce)
    return AESCCM(key, tag_length=CODE_SIZE).encrypt(nonce, payload, header)


def unseal(key: bytes, nonce: bytes, header: bytes, sealed: bytes) -> bytes | None:
    """The payload of what ``seal`` made; None where key, nonce, header or a byte of it is another."""
    _check(nonce)
    if len(sealed) < CODE_SIZE:
        return None
    try:
        return AESCCM(key, tag_length=CODE_SIZE).decrypt(nonce, sealed, header)
    except InvalidTag:
        return None


def _check(nonce: bytes) -> None:
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce of {len(nonce)} bytes where {NONCE_SIZE} are wanted")
