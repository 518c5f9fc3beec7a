from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanctl.han import zcl
from hanctl.han.errors import MalformedZcl
from hanctl.han.zcl import ZclFrame

FRAMES = st.builds(
    ZclFrame,
    tsn=st.integers(0, 255),
    command=st.integers(0, 255),
    payload=st.binary(max_size=80),
    cluster_specific=st.booleans(),
    from_server=st.booleans(),
    no_default_response=st.booleans(),
    manufacturer=st.none() | st.integers(0, 0xFFFF),
)


@given(FRAMES)
def test_a_frame_survives_the_air(frame: ZclFrame) -> None:
    assert zcl.parse_frame(frame.serialize()) == frame


def test_the_header_of_an_image_block_response() -> None:
    """The capture of comms_hub.md §7.7, and the form the reference server sends (§1.5)."""
    frame = zcl.parse_frame(bytes.fromhex("09d9050094270101"))
    assert (frame.tsn, frame.command, frame.cluster_specific, frame.from_server) == (0xD9, 0x05, True, True)
    assert not frame.no_default_response
    request = zcl.parse_frame(bytes.fromhex("01d903"))
    assert request.answer(0x05, b"\x95", cluster_specific=True).serialize() == bytes.fromhex("19d90595")


def test_a_manufacturer_specific_header() -> None:
    frame = zcl.parse_frame(bytes.fromhex("04 5f11 0a 00 0000"))
    assert (frame.manufacturer, frame.tsn, frame.command, frame.payload) == (0x115F, 0x0A, 0x00, b"\x00\x00")
    assert frame.answer(0x01, b"").serialize() == bytes.fromhex("1c 5f11 0a 01")


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x01", b"\x04\x01\x02\x03", b"\x02\x01\x01", b"\x03\x01\x01"])
def test_short_and_reserved_frames_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedZcl):
        zcl.parse_frame(data)


@pytest.mark.parametrize(
    ("data_type", "data", "value"),
    [
        (0x20, "07", 7),
        (0x21, "3412", 0x1234),
        (0x23, "ffffffff", 0xFFFFFFFF),
        (0x29, "feff", -2),
        (0x10, "01", 1),
        (0x30, "83", 0x83),
        (0x18, "05", 5),
        (0x42, "0568656c6c6f", "hello"),
        (0x42, "ff", None),
        (0x41, "03010203", b"\x01\x02\x03"),
        (0xE2, "01000000", 1),
        (0xF0, "0102030405060708", bytes(range(1, 9))),
        (0x39, "0000803f", b"\x00\x00\x80\x3f"),
    ],
)
def test_values(data_type: int, data: str, value: zcl.Value) -> None:
    assert zcl.take_value(data_type, bytes.fromhex(data) + b"\xaa") == (value, b"\xaa")


@pytest.mark.parametrize(
    ("data_type", "data"), [(0x21, "34"), (0x42, "05aa"), (0x99, "00"), (0x48, "200100aa"), (0x00, "")]
)
def test_values_that_cannot_be_read(data_type: int, data: str) -> None:
    with pytest.raises(MalformedZcl):
        zcl.take_value(data_type, bytes.fromhex(data))


def test_read_attributes_response() -> None:
    payload = bytes.fromhex("0000 00 20 08  0500 86  0400 00 42 02 6869")
    assert zcl.parse_read_attributes_response(payload) == {0: 8, 5: None, 4: "hi"}


def test_write_attributes() -> None:
    records = zcl.parse_write_attributes(bytes.fromhex("0000 23 01020304 0100 42 026869"))
    assert [(item.attribute, item.value.hex()) for item in records] == [(0, "01020304"), (1, "026869")]
    assert zcl.write_attributes_response([]) == b"\x00"
    assert zcl.write_attributes_response([(1, 0x88)]) == bytes.fromhex("88 0100")


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    for parse in (
        zcl.parse_frame,
        zcl.parse_read_attributes,
        zcl.parse_read_attributes_response,
        zcl.parse_write_attributes,
        zcl.parse_discover_attributes,
        zcl.parse_default_response,
    ):
        try:
            parse(data)
        except MalformedZcl:
            continue


@given(st.integers(0, 255), st.binary(max_size=40))
def test_any_value_is_read_or_refused_by_name(data_type: int, data: bytes) -> None:
    try:
        _, rest = zcl.take_value(data_type, data)
    except MalformedZcl:
        return
    assert data.endswith(rest)
    assert len(rest) < len(data)
