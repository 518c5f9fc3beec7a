"""OTA frames against bytes written by hand from the layout, and against anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ota_responses import RESPONSES, decode_response
from zigpy.zcl.foundation import CommandSchema

from hanctl.updates.serving import ota
from hanctl.updates.serving.ota import OtaFrameError, decode_request


def test_query_with_and_without_hardware_version() -> None:
    plain = decode_request(0x01, bytes.fromhex("00 3412 0100 78563412"))
    assert isinstance(plain, ota.QueryNextImageRequest)
    assert (plain.manufacturer_code, plain.image_type, plain.current_file_version) == (0x1234, 1, 0x12345678)
    assert plain.hardware_version is None
    with_hardware = decode_request(0x01, bytes.fromhex("01 3412 0100 78563412 0201"))
    assert isinstance(with_hardware, ota.QueryNextImageRequest)
    assert with_hardware.hardware_version == 0x0102


def test_block_request_fields_are_in_this_order() -> None:
    frame = decode_request(0x03, bytes.fromhex("03 e010 2300 00040101 00100000 32 e769900a006f0d00 6400"))
    assert isinstance(frame, ota.ImageBlockRequest)
    assert (frame.manufacturer_code, frame.image_type, frame.file_version) == (0x10E0, 0x0023, 0x01010400)
    assert (frame.file_offset, frame.max_data_size, frame.minimum_block_period) == (4096, 50, 100)
    assert str(frame.request_node_address) == "00:0d:6f:00:0a:90:69:e7"


@pytest.mark.parametrize(
    ("command", "payload", "absent"),
    [
        (0x03, "00 3412 0100 02000000 00000000", "max_data_size"),
        (0x03, "03 3412 0100 02000000 00000000 32", "request_node_address"),
        (0x04, "00 3412 0100 02000000 00000000", "page_size"),
        (0x06, "96", "file_version"),
        (0x01, "01 3412 0100 02000000", "hardware_version"),
    ],
)
def test_short_frames_of_liberal_clients_are_read(command: int, payload: str, absent: str) -> None:
    assert getattr(decode_request(command, bytes.fromhex(payload)), absent) is None


@pytest.mark.parametrize(
    ("command", "minimum"), [(0x01, 9), (0x03, 13), (0x04, 13), (0x06, 1), (0x08, 18)], ids=lambda value: f"{value:02x}"
)
def test_frames_below_the_minimum_are_refused(command: int, minimum: int) -> None:
    decode_request(command, bytes(minimum))
    for length in range(minimum):
        with pytest.raises(OtaFrameError, match=f"too short with {length} bytes"):
            decode_request(command, bytes(length))


def test_bytes_after_the_last_field_are_ignored() -> None:
    frame = decode_request(0x06, bytes.fromhex("00 3412 0100 02000000 ffff"))
    assert isinstance(frame, ota.UpgradeEndRequest)
    assert frame.file_version == 2


@pytest.mark.parametrize(
    ("frame", "wire"),
    [
        (ota.ImageNotify(payload_type=0, query_jitter=100), "00 64"),
        (
            ota.ImageNotify(
                payload_type=3, query_jitter=100, manufacturer_code=0x1234, image_type=1, new_file_version=2
            ),
            "03 64 3412 0100 02000000",
        ),
        (ota.QueryNextImageResponse(status=0x98), "98"),
        (
            ota.QueryNextImageResponse(
                status=0, manufacturer_code=0x1234, image_type=1, file_version=2, image_size=0x100
            ),
            "00 3412 0100 02000000 00010000",
        ),
        (
            ota.ImageBlockResponse(
                status=0, manufacturer_code=0x1234, image_type=1, file_version=2, file_offset=56, data=b"abc"
            ),
            "00 3412 0100 02000000 38000000 03 616263",
        ),
        (ota.ImageBlockResponse(status=0x95), "95"),
        (ota.ImageBlockResponse(status=0x97, current_time=0, request_time=60), "97 00000000 3c000000"),
        (
            ota.ImageBlockResponse(status=0x97, current_time=0, request_time=60, minimum_block_period=5),
            "97 00000000 3c000000 0500",
        ),
        (
            ota.UpgradeEndResponse(
                manufacturer_code=0x1234, image_type=1, file_version=2, current_time=0, upgrade_time=ota.HOLD
            ),
            "3412 0100 02000000 00000000 ffffffff",
        ),
        (ota.QueryDeviceSpecificFileResponse(status=0x98), "98"),
    ],
)
def test_responses_on_the_wire(frame: CommandSchema, wire: str) -> None:
    payload = bytes.fromhex(wire)
    assert frame.serialize() == payload
    command = next(number for number, schema in RESPONSES.items() if isinstance(frame, schema))
    assert decode_response(command, payload) == frame


def _decode_or_refuse(command: int, payload: bytes) -> None:
    try:
        frame = decode_request(command, payload)
    except OtaFrameError as error:
        assert "\n" not in str(error)
    else:
        # What was read is written the same, up to what was ignored at the end.
        assert payload.startswith(frame.serialize()) or frame.serialize().startswith(payload)


@given(st.integers(0, 11), st.binary(max_size=80))
def test_any_bytes_are_a_frame_or_the_one_error(command: int, payload: bytes) -> None:
    _decode_or_refuse(command, payload)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=50_000, deadline=None)
@given(st.integers(0, 255), st.binary(max_size=260))
def test_any_bytes_are_a_frame_or_the_one_error_in_a_long_run(command: int, payload: bytes) -> None:
    _decode_or_refuse(command, payload)
