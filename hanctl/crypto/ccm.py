"""AES-128-CCM* as Zigbee uses it: frames are encrypted, and carry an authentication code of four bytes (level 5)."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

NONCE_SIZE = 13
CODE_SIZE = 4


def seal(key: bytes, nonce: bytes, header: bytes, payload: bytes) -> bytes:
    """Return ``payload`` encrypted, followed by the code that authenticates it and ``header``.

    With a code of this length CCM* is CCM. ``nonce``: 13 bytes, never twice under one key.
    """
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"a nonce of {len(nonce)} bytes where {NONCE_SIZE} are wanted")
    return AESCCM(key, tag_length=CODE_SIZE).encrypt(nonce, payload, header)
