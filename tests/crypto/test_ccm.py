"""AES-128-CCM*: published values."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from hanctl.crypto.ccm import CODE_SIZE, seal

# A frame that was captured on a Zigbee network and published with its network key: the NWK and auxiliary headers as
# on the air, the encrypted payload with its code, and the payload in clear.
KEY = bytes.fromhex("fb39caadd50fef910949baa89504f5d9")
NWK_HEADER = bytes.fromhex("4802d36300001e77")
CONTROL, COUNTER, SOURCE = 0x28, bytes.fromhex("ede62500"), bytes.fromhex("2377c6feff6f0d00")
SEALED = bytes.fromhex("99fa551ad18f6d7e3e4a56db62a8c5")
CLEAR = bytes.fromhex("400b060004010146011801")


def parts(level: int = 5) -> tuple[bytes, bytes]:
    """Nonce and authenticated header: the security level, zero on the air, stands in both."""
    control = bytes([CONTROL | level])
    return SOURCE + COUNTER + control, NWK_HEADER + control + COUNTER + SOURCE + b"\x00"


def test_a_captured_frame() -> None:
    nonce, header = parts()
    assert seal(KEY, nonce, header, CLEAR) == SEALED


def test_the_cipher_beneath_gives_the_published_example() -> None:
    # NIST SP 800-38C, example 1: the same length of code, but a shorter nonce than Zigbee's.
    sealed = AESCCM(bytes(range(0x40, 0x50)), tag_length=CODE_SIZE).encrypt(
        bytes(range(0x10, 0x17)), bytes.fromhex("20212223"), bytes(range(8))
    )
    assert sealed.hex() == "7162015b4dac255d"


def test_a_message_of_nothing_has_a_code() -> None:
    nonce, header = parts()
    code = seal(KEY, nonce, header, b"")
    assert len(code) == CODE_SIZE


def test_a_nonce_of_another_length_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="13"):
        seal(KEY, bytes(12), b"", b"")
