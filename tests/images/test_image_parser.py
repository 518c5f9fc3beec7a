"""The strict parser: each defect has its own error, which says at which byte."""

from __future__ import annotations

import hashlib
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanctl.base.errors import ExitCode
from hanctl.base.eui64 import Eui64
from hanctl.images import image_errors as e
from hanctl.images.image import MAX_FILE_SIZE, FormChoice, OtaImage, parse

PAYLOAD = b"payload of the image"


def element(tag: int, data: bytes, length: int | None = None) -> bytes:
    return struct.pack("<HI", tag, len(data) if length is None else length) + data


def file(
    body: bytes = element(0, PAYLOAD),
    *,
    magic: bytes = b"\x1e\xf1\xee\x0b",
    header_version: int = 0x0100,
    header_length: int | None = None,
    field_control: int = 0,
    manufacturer: int = 0x1234,
    image_type: int = 1,
    version: int = 2,
    optional: bytes = b"",
    total: int | None = None,
    after: bytes = b"",
) -> bytes:
    """An OTA file written by hand, so that the parser is not checked against the project's own builder."""
    length = 56 + len(optional) if header_length is None else header_length
    head = magic + struct.pack("<HHHHHIH", header_version, length, field_control, manufacturer, image_type, version, 2)
    total = 56 + len(optional) + len(body) if total is None else total
    return head + b"header string".ljust(32, b"\0") + struct.pack("<I", total) + optional + body + after


DEFECTS: list[tuple[str, bytes, FormChoice, type[e.ImageError], int]] = [
    ("no byte at all", b"", "auto", e.ImageEmpty, 0),
    ("the magic alone", file()[:4], "auto", e.ImageTooShort, 4),
    ("less than the magic", file()[:3], "auto", e.ImageTooShort, 3),
    ("one byte less than a header", file()[:55], "auto", e.ImageTooShort, 55),
    ("above the limit", file(after=bytes(MAX_FILE_SIZE)), "auto", e.ImageTooLarge, MAX_FILE_SIZE),
    ("something else", b"\x7fELF" + bytes(100), "auto", e.ImageBadMagic, 0),
    ("short and something else", b"PK", "auto", e.ImageBadMagic, 0),
    ("magic in a container, but no header there", bytes(9) + file()[:30], "auto", e.ImageBadMagic, 0),
    ("magic in a container", bytes(9) + file(), "auto", e.ImageWrapped, 9),
    ("a false magic before the true one", b"x\x1e\xf1\xee\x0b" + bytes(60) + file(), "auto", e.ImageWrapped, 65),
    ("the Thread header version", file(header_version=0x0200), "auto", e.ImageBadHeaderVersion, 4),
    ("header length below the minimum", file(header_length=55), "auto", e.ImageHeaderLengthTooSmall, 6),
    ("header length without its fields", file(field_control=4), "auto", e.ImageHeaderLengthTooSmall, 6),
    ("header longer than the file", file(header_length=9999), "auto", e.ImageHeaderCut, 6),
    ("a reserved field control bit", file(field_control=8), "auto", e.ImageReservedFieldControl, 8),
    ("any manufacturer", file(manufacturer=0xFFFF), "auto", e.ImageManufacturerWildcard, 10),
    ("any image type", file(image_type=0xFFFF), "auto", e.ImageTypeWildcard, 12),
    ("any version", file(version=0xFFFFFFFF), "auto", e.ImageVersionWildcard, 14),
    ("total size below the header", file(total=55), "auto", e.ImageSizeBelowHeader, 52),
    ("total size 0", file(total=0), "gb", e.ImageSizeBelowHeader, 52),
    ("one byte cut off", file()[:-1], "auto", e.ImageTruncated, 81),
    ("a header that promises 4 GB", file(total=0xFFFFFFFF), "gb", e.ImageTruncated, 82),
    ("minimum hardware above maximum", file(field_control=4, optional=b"\2\0\1\0"), "auto", e.ImageHardwareRange, 56),
    ("nothing after the header", file(b""), "auto", e.ImageBodyEmpty, 56),
    ("nothing after the header, gb", file(b""), "gb", e.ImageBodyEmpty, 56),
    ("stray bytes after the element", file(element(0, PAYLOAD) + b"abc"), "auto", e.ImageElementHeaderCut, 82),
    ("too few bytes for an element", file(b"abcde"), "zigbee", e.ImageElementHeaderCut, 56),
    ("an element beyond the image", file(element(0, PAYLOAD, 21)), "zigbee", e.ImageElementOverrun, 56),
    (
        "a second element beyond the image",
        file(element(0, PAYLOAD) + element(3, b"0123456789abcdef", 17)),
        "auto",
        e.ImageElementOverrun,
        82,
    ),
    ("a total size that cuts the element", file(total=70), "auto", e.ImageElementOverrun, 56),
    ("a reserved tag", file(element(0x0007, PAYLOAD)), "zigbee", e.ImageReservedTag, 56),
    ("a reserved tag further on", file(element(0, PAYLOAD) + element(0xEFFF, b"")), "auto", e.ImageReservedTag, 82),
    ("a signature and nothing signed", file(element(1, bytes(50))), "auto", e.ImageNoUpgradeImage, 56),
    ("an empty upgrade image", file(element(0, b"")), "auto", e.ImageUpgradeImageEmpty, 56),
]


@pytest.mark.parametrize(("data", "form", "error", "offset"), [d[1:] for d in DEFECTS], ids=[d[0] for d in DEFECTS])
def test_every_defect_is_its_own_error_with_the_offset(
    data: bytes, form: FormChoice, error: type[e.ImageError], offset: int
) -> None:
    with pytest.raises(e.ImageError) as caught:
        parse(data, form)
    assert type(caught.value) is error
    assert caught.value.offset == offset
    assert f"at byte {offset}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.BAD_IMAGE


def test_error_codes_are_all_different() -> None:
    classes = [c for c in vars(e).values() if isinstance(c, type) and issubclass(c, e.ImageError)]
    assert len({c.code for c in classes}) == len(classes)
    assert {type_ for _, _, _, type_, _ in DEFECTS} == set(classes) - {e.ImageError}


def test_a_wrapped_file_comes_with_the_command_that_extracts_it() -> None:
    with pytest.raises(e.ImageWrapped) as caught:
        parse(b"NGIS" + bytes(420) + file() + b"signature")
    assert "offset 424 of a signed container" in str(caught.value)
    assert "tail -c +425" in caught.value.hint
    assert f"head -c {len(file())}" in caught.value.hint


def test_plain_file() -> None:
    data = file()
    image = parse(data)
    assert image.form == "zigbee"
    assert image.tags == (0,)
    assert image.elements[0].offset == 62
    assert image.header.header_string == "header string"
    assert image.file_sha256 == hashlib.sha256(data).hexdigest()
    assert image.manufacturer_image_sha256 == hashlib.sha256(PAYLOAD).hexdigest()
    assert image.notes == ()


def test_all_optional_fields() -> None:
    optional = b"\x02" + bytes.fromhex("e769900a006f0d00") + b"\x01\x00\x03\x00"
    header = parse(file(field_control=7, optional=optional)).header
    assert header.security_credential_version == 2
    assert header.destination == Eui64("00:0d:6f:00:0a:90:69:e7")
    assert (header.hardware_min, header.hardware_max) == (1, 3)


def test_a_longer_header_is_legal_and_its_unknown_bytes_are_skipped() -> None:
    image = parse(file(optional=b"unknown"))
    assert image.header.unknown_bytes == 7
    assert image.elements[0].offset == 56 + 7 + 6
    assert "7 bytes of unknown fields" in image.notes[0]


def test_trailing_bytes_are_reported_and_in_no_image_hash_but_in_the_files() -> None:
    with_trailing, without = parse(file(after=b"abc")), parse(file())
    assert with_trailing.trailing_bytes == 3
    assert "3 bytes follow" in with_trailing.notes[0]
    assert with_trailing.manufacturer_image_sha256 == without.manufacturer_image_sha256
    assert with_trailing.file_sha256 != without.file_sha256


def test_the_same_tag_twice_is_allowed_but_leaves_no_manufacturer_image_hash() -> None:
    image = parse(file(element(0, b"one") + element(0, b"two")))
    assert image.tags == (0, 0)
    assert image.manufacturer_image_sha256 is None


def test_a_makers_own_element_may_stand_for_the_upgrade_image() -> None:
    image = parse(file(element(0xF000, PAYLOAD)))
    assert image.form == "zigbee"
    assert image.manufacturer_image_sha256 is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"CriticalSoftware sample", "reserved"),
        (element(0x0000, PAYLOAD, 0x10000), "more than the image has"),
        (element(0xF000, PAYLOAD) + b"xy", "leave 2 bytes"),
        (b"abc", "can hold no element"),
    ],
)
def test_auto_takes_gb_only_where_the_first_tag_cannot_be_one(body: bytes, reason: str) -> None:
    image = parse(file(body))
    assert image.form == "gb"
    assert reason in image.form_reason
    assert image.elements == ()
    assert image.manufacturer_image_sha256 == hashlib.sha256(body).hexdigest()


def test_the_form_asked_for_is_taken() -> None:
    image = parse(file(), "gb")
    assert (image.form, image.form_reason, image.elements) == ("gb", "as asked for", ())


SIGNATURE = b"\x00\x40" + b"\x11" * 32 + b"\x22" * 32


def test_a_signature_trailer_is_left_out_of_the_manufacturer_image() -> None:
    image = parse(file(b"sample image" + SIGNATURE), "gb")
    assert image.signature_trailer
    assert image.manufacturer_image_sha256 == hashlib.sha256(b"sample image").hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        b"sample image" + b"\x00\x40" + bytes(64),
        b"sample image" + b"\x00\x40" + b"\xff" * 64,
        b"sample image" + SIGNATURE + b"x",
        b"sample image" + b"\x40\x00" + SIGNATURE[2:],
        SIGNATURE,
    ],
    ids=["r and s zero", "r and s above the order", "not at the end", "other mark", "nothing before it"],
)
def test_what_only_resembles_a_signature_trailer_belongs_to_the_image(body: bytes) -> None:
    image = parse(file(body), "gb")
    assert not image.signature_trailer
    assert image.manufacturer_image_sha256 == hashlib.sha256(body).hexdigest()


def _parse_or_refuse(data: bytes, form: FormChoice) -> OtaImage | None:
    try:
        return parse(data, form)
    except e.ImageError as error:
        assert 0 <= error.offset <= max(len(data), MAX_FILE_SIZE)
        return None


FORMS = st.sampled_from(["auto", "zigbee", "gb"])


@given(st.binary(max_size=300), FORMS)
def test_no_bytes_raise_anything_else(data: bytes, form: FormChoice) -> None:
    _parse_or_refuse(data, form)


def _damage_and_parse(data: st.DataObject, form: FormChoice) -> None:
    good = bytearray(
        file(element(0, PAYLOAD) + element(3, bytes(16)), field_control=7, optional=bytes(13), after=b"xy")
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    image = _parse_or_refuse(bytes(good[:cut]), form)
    if image is not None:
        assert image.header.header_length < image.header.total_image_size <= cut
        assert image.trailing_bytes == cut - image.header.total_image_size
        if image.form == "zigbee":
            assert image.elements[-1].offset + image.elements[-1].length == image.header.total_image_size


@given(st.data(), FORMS)
def test_no_damage_raises_anything_else(data: st.DataObject, form: FormChoice) -> None:
    _damage_and_parse(data, form)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=50_000, deadline=None)
@given(st.data(), FORMS)
def test_no_damage_raises_anything_else_in_a_long_run(data: st.DataObject, form: FormChoice) -> None:
    _damage_and_parse(data, form)
