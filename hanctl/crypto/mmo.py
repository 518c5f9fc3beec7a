"""AES-128-MMO, the hash of Zigbee security, with block size and digest of 16 bytes.

Source: comms_hub.md §5.5, §7.6 (vectors, among them the annex values of the Zigbee specification).
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16
_SHORT_BITS = 1 << 16
"""Messages of fewer bits carry their length in two bytes of padding, longer ones in six."""


# MMO is defined over single blocks under a fresh key each, so no mode of operation is involved.
_ONE_BLOCK = modes.ECB()  # noqa: S305


def _encrypt(key: bytes, block: bytes) -> bytes:
    return Cipher(algorithms.AES(key), _ONE_BLOCK).encryptor().update(block)


def _padded(message: bytes) -> bytes:
    bits = len(message) * 8
    trailer = bits.to_bytes(2, "big") if bits < _SHORT_BITS else bits.to_bytes(4, "big") + b"\x00\x00"
    body = message + b"\x80"
    return body + bytes(-(len(body) + len(trailer)) % BLOCK) + trailer


def mmo_hash(message: bytes) -> bytes:
    """Return the 16-byte digest of ``message``; a megabyte takes most of a second."""
    digest = bytes(BLOCK)
    padded = _padded(message)
    for start in range(0, len(padded), BLOCK):
        block = padded[start : start + BLOCK]
        mixed = int.from_bytes(_encrypt(digest, block), "big") ^ int.from_bytes(block, "big")
        digest = mixed.to_bytes(BLOCK, "big")
    return digest


def mmo_hmac(key: bytes, message: bytes) -> bytes:
    """Return the HMAC over AES-128-MMO; a key longer than a block is hashed first."""
    if len(key) > BLOCK:
        key = mmo_hash(key)
    key = key.ljust(BLOCK, b"\x00")
    inner = mmo_hash(bytes(b ^ 0x36 for b in key) + message)
    return mmo_hash(bytes(b ^ 0x5C for b in key) + inner)
