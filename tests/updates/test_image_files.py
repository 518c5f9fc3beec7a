"""Real files from the field, read in place where their folder is there, and what the project builds itself."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from firmware_fakes import DISPLAY, StillClock
from hypothesis import given
from hypothesis import strategies as st

from hanctl.base.errors import InvalidInput
from hanctl.images import demo_image, image_errors
from hanctl.images.build import Fields, build
from hanctl.images.image import Form, parse
from hanctl.images.store import FirmwareStore

ROOT = Path(__file__).parents[2]
IMAGES = Path(os.environ.get("HANCTL_IMAGES") or ROOT.parent / "shared" / "images")

needs_images = pytest.mark.skipif(not IMAGES.is_dir(), reason=f"no folder {IMAGES}; set HANCTL_IMAGES to one of images")


@needs_images
@pytest.mark.parametrize(
    ("name", "form", "tags", "trailing", "hardware"),
    [
        ("plain.zigbee", "zigbee", (0,), 0, None),
        ("integrity-code.zigbee", "zigbee", (0, 3), 0, None),
        ("hardware-range.zigbee", "zigbee", (0xF7BD, 0, 3), 0, (0, 5)),
        ("many-elements.ota", "zigbee", (0, 0xFF01, 0xFF3E, 0xFF46), 0, None),
        ("trailing-bytes.ota", "zigbee", (0,), 4, None),
        ("opaque-body.ota", "gb", (), 0, None),
        ("gb-esme-11.1.ota", "gb", (), 0, (0x1111, 0x1211)),
        ("gb-ppmid-11.4.ota", "gb", (), 0, (0x1111, 0x1211)),
    ],
)
def test_files_of_the_field_load(
    name: str, form: Form, tags: tuple[int, ...], trailing: int, hardware: tuple[int, int] | None
) -> None:
    image = parse((IMAGES / name).read_bytes())
    assert (image.form, image.tags, image.trailing_bytes) == (form, tags, trailing)
    assert hardware in {None, (image.header.hardware_min, image.header.hardware_max)}


@needs_images
def test_both_gb_files_hold_the_same_manufacturer_image() -> None:
    signed = parse((IMAGES / "gb-esme-11.1.ota").read_bytes())
    plain = parse((IMAGES / "gb-ppmid-11.4.ota").read_bytes())
    assert (signed.signature_trailer, plain.signature_trailer) == (True, False)
    expected = "7542f475e3f12eae887d81e32c46d313741d67076b13caec2f82e00ba5e1bb36"
    assert signed.manufacturer_image_sha256 == plain.manufacturer_image_sha256 == expected


@needs_images
def test_the_truncated_file_is_refused() -> None:
    with pytest.raises(image_errors.ImageTruncated, match="278830"):
        parse((IMAGES / "truncated.ota").read_bytes())


@needs_images
def test_the_wrapped_file_is_refused_and_loads_once_extracted() -> None:
    data = (IMAGES / "wrapped.ota.signed").read_bytes()
    with pytest.raises(image_errors.ImageWrapped, match="offset 424 of a signed container"):
        parse(data)
    assert parse(data[424:]).header.total_image_size < len(data) - 424


@given(
    payload=st.binary(min_size=1, max_size=50),
    manufacturer=st.integers(0, 0xFFFE),
    image_type=st.integers(0, 0xFFFE),
    version=st.integers(0, 0xFFFFFFFE),
    text=st.text("abc 0.9", max_size=32),
    credential=st.none() | st.integers(0, 255),
    destination=st.sampled_from([None, DISPLAY]),
    hardware=st.none() | st.tuples(st.integers(0, 100), st.integers(100, 0xFFFF)),
    extra=st.lists(
        st.tuples(st.sampled_from([0, 1, 3, 0xF000, 0xFFFF]), st.binary(min_size=1, max_size=9)), max_size=3
    ),
    form=st.sampled_from(["zigbee", "gb"]),
)
def test_what_is_built_reads_back_as_it_was_asked_for(
    payload: bytes,
    manufacturer: int,
    image_type: int,
    version: int,
    text: str,
    credential: int | None,
    destination: object,
    hardware: tuple[int, int] | None,
    extra: list[tuple[int, bytes]],
    form: Form,
) -> None:
    extra = [] if form == "gb" else extra
    fields = Fields(
        manufacturer_code=manufacturer,
        image_type=image_type,
        file_version=version,
        header_string=text,
        security_credential_version=credential,
        destination=DISPLAY if destination else None,
        hardware_min=hardware[0] if hardware else None,
        hardware_max=hardware[1] if hardware else None,
    )
    data = build(payload, fields, form=form, elements=extra)
    image = parse(data, form)
    header = image.header
    assert (
        Fields(
            header.manufacturer_code,
            header.image_type,
            header.file_version,
            header.stack_version,
            header.header_string,
            header.security_credential_version,
            header.destination,
            header.hardware_min,
            header.hardware_max,
        )
        == fields
    )
    assert header.total_image_size == len(data)
    if form == "zigbee":
        found = [(one.tag, data[one.offset : one.offset + one.length]) for one in image.elements]
        assert found == [(0, payload), *extra]
    else:
        assert data.endswith(payload)


@pytest.mark.parametrize(
    "fields",
    [
        Fields(0x10000, 1, 2),
        Fields(1, 1, -1),
        Fields(1, 1, 2, header_string="x" * 33),
        Fields(1, 1, 2, hardware_min=1),
        Fields(1, 1, 2, security_credential_version=256),
    ],
)
def test_a_value_that_does_not_fit_is_refused(fields: Fields) -> None:
    with pytest.raises(InvalidInput):
        build(b"payload", fields)


def test_what_the_parser_would_refuse_is_not_built() -> None:
    with pytest.raises(image_errors.ImageVersionWildcard):
        build(b"payload", Fields(1, 1, 0xFFFFFFFF))
    with pytest.raises(image_errors.ImageHardwareRange):
        build(b"payload", Fields(1, 1, 2, hardware_min=2, hardware_max=1))


def test_the_demo_image_of_the_checkout_is_what_the_project_builds() -> None:
    data = demo_image.build()
    sha256 = hashlib.sha256(data).hexdigest()
    assert (ROOT / "firmware_store" / f"{sha256}.ota").read_bytes() == data
    stored = FirmwareStore(ROOT / "firmware_store", StillClock()).describe(sha256)
    assert stored.record.name == demo_image.NAME
    assert stored.form_reason == parse(data).form_reason
