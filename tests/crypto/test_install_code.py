"""Vectors: comms_hub.md §7.5 and §7.6."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanctl.crypto.install_code import InstallCodeCrcError, InstallCodeError, install_code, parse_install_code
from hanctl.crypto.mmo import mmo_hash, mmo_hmac

INSTALL_CODES = [
    ("1122334455667788", "4AF7", "41618FC0C83B0E14A589954B16E31466"),
    ("83FED3407A939738", "C552", "A833A77434F3BFBD7A7AB97942149287"),
    ("83FED3407A93", "2B70", "CD4FA064773F46941EC986C09963D1A8"),
    ("83FED3407A939723", "97FC", "850BE0BF5B369AC441280A53265DB167"),
    ("83FED3407A939723A5C639FF", "4C12", "58C1828CF7F1C3FE29E7B1024AD84BFA"),
    ("83FED3407A939723A5C639B26916D505", "C3B5", "66B6900981E1EE3CA4206B6B861C02BB"),
]


@pytest.mark.parametrize(("code", "crc", "key"), INSTALL_CODES)
def test_link_key_with_and_without_crc(code: str, crc: str, key: str) -> None:
    assert parse_install_code(code + crc).link_key.hex().upper() == key
    assert parse_install_code(code).link_key.hex().upper() == key


def test_separators_and_case_do_not_matter() -> None:
    assert parse_install_code("83fe:d340-7a93 9723 97FC\n") == parse_install_code("83FED3407A93972397FC")


@pytest.mark.parametrize(("code", "crc", "key"), [row for row in INSTALL_CODES if len(row[0]) != 12])
def test_a_wrong_crc_is_refused(code: str, crc: str, key: str) -> None:
    wrong = f"{int(crc, 16) ^ 1:04X}"
    with pytest.raises(InstallCodeCrcError) as caught:
        parse_install_code(code + wrong)
    assert code not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("text", ["", "00", "zz" * 16, "0" * 31, "00" * 7, "00" * 17, "00" * 19])
def test_what_is_no_install_code_is_refused(text: str) -> None:
    with pytest.raises(InstallCodeError):
        parse_install_code(text)


def test_the_code_is_not_shown() -> None:
    assert "83" not in repr(parse_install_code("83FED3407A939723A5C639B26916D505"))


@given(st.binary(max_size=24))
def test_any_bytes_give_a_key_or_the_named_error(data: bytes) -> None:
    try:
        code = install_code(data)
    except InstallCodeError:
        return
    assert install_code(code.with_crc).link_key == code.link_key


COUNTING = bytes(i & 255 for i in range(8202))


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"\xc0", "ae3a102a28d43ee0d4a09e22788b206c"),
        (bytes(range(0xC0, 0xD0)), "a7977e88bc0b61e8210827109a228f2d"),
        (COUNTING[:8191], "24ec2fe75bbffcb34789bc0610e7f165"),
        (COUNTING[:8192], "dc6b0687f09f8607131c170b3bd31591"),
        (COUNTING[:8201], "72c9b15e178aa843e4a16c58e33643a3"),
        (COUNTING[:8202], "bc9828d59b2aa323daf20be5f2e66511"),
    ],
)
def test_mmo(message: bytes, digest: str) -> None:
    assert mmo_hash(message).hex() == digest


@pytest.mark.parametrize(
    ("key", "message", "digest"),
    [
        (bytes(range(0x40, 0x50)), b"\xc0", "4512807bf94cb3400f0e2c25fb76e999"),
        (bytes(range(0x40, 0x60)), bytes(range(0xC0, 0xD0)), "a3b0079984bf1557f74a0d6387e0a11a"),
    ],
)
def test_hmac(key: bytes, message: bytes, digest: str) -> None:
    assert mmo_hmac(key, message).hex() == digest
