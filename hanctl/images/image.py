"""The strict parser of over-the-air image files. Layout: comms_hub.md §1.1–1.2; the GB form: gbcs.md §4.1."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Literal, NamedTuple

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.images import image_errors as errors

Form = Literal["zigbee", "gb"]
FormChoice = Literal["auto", "zigbee", "gb"]

MAGIC = b"\x1e\xf1\xee\x0b"
HEADER_VERSION = 0x0100
MAX_FILE_SIZE = 16 * 1024 * 1024
"""Largest file accepted, bytes. The largest of 1348 published images has 2.1 MB (peers.md §6)."""

CREDENTIAL_VERSION_PRESENT = 0x0001
DESTINATION_PRESENT = 0x0002
HARDWARE_PRESENT = 0x0004

TAG_UPGRADE_IMAGE = 0x0000
FIRST_RESERVED_TAG = 0x0007
FIRST_MANUFACTURER_TAG = 0xF000

FIXED_HEADER = struct.Struct("<4sHHHHHIH32sI")
ELEMENT_HEADER = struct.Struct("<HI")

SIGNATURE_MARK = b"\x00\x40"
SIGNATURE_TRAILER_SIZE = 66
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class _FixedHeader(NamedTuple):
    magic: bytes
    header_version: int
    header_length: int
    field_control: int
    manufacturer_code: int
    image_type: int
    file_version: int
    stack_version: int
    header_string: bytes
    total_image_size: int


_OFFSETS = {
    "header_version": 4,
    "header_length": 6,
    "field_control": 8,
    "manufacturer_code": 10,
    "image_type": 12,
    "file_version": 14,
    "total_image_size": 52,
}


@dataclass(frozen=True, slots=True)
class OtaHeader:
    """The header of an OTA file. ``header_string`` has its NUL padding removed; ``total_image_size`` in bytes."""

    header_length: int
    field_control: int
    manufacturer_code: int
    image_type: int
    file_version: int
    stack_version: int
    header_string: str
    total_image_size: int
    security_credential_version: int | None = None
    destination: Eui64 | None = None
    hardware_min: int | None = None
    hardware_max: int | None = None
    unknown_bytes: int = 0
    """Bytes of the header after the last field known here; skipped, as a longer header is legal."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: ``offset`` is where its data starts in the file, ``length`` that of its data, in bytes."""

    tag: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class OtaImage:
    """A parsed OTA file.

    ``file_sha256``: over the whole file as given, trailing bytes included, so that ``sha256sum`` agrees.
    ``manufacturer_image_sha256``, another thing: in the gb form over the manufacturer image, that is the bytes after
    the header without a signature trailer; in the zigbee form over the data of the one element with tag 0x0000, None
    where there is not exactly one. Both lower-case hex.
    ``notes``: what is unusual but no defect, one line each.
    """

    header: OtaHeader
    form: Form
    form_reason: str
    elements: tuple[Element, ...]
    file_sha256: str
    manufacturer_image_sha256: str | None
    trailing_bytes: int
    signature_trailer: bool
    notes: tuple[str, ...]

    @property
    def tags(self) -> tuple[int, ...]:
        """Return the tags of the elements, in file order; empty in the gb form."""
        return tuple(element.tag for element in self.elements)


def parse(data: bytes, form: FormChoice = "auto") -> OtaImage:
    """Parse an OTA file, and refuse every defect with an ImageError of its own.

    ``form`` "zigbee" wants elements after the header; "gb" takes the body as opaque; "auto" takes gb only where the
    first tag cannot be one. Bytes after the total image size are no part of the image: they are counted only.
    """
    header = _parse_header(data)
    chosen, reason = _choose_form(data, header) if form == "auto" else (form, "as asked for")
    if header.total_image_size == header.header_length:
        raise errors.ImageBodyEmpty("nothing follows the header", header.header_length)
    elements: tuple[Element, ...] = ()
    signature_trailer = False
    if chosen == "zigbee":
        elements = _parse_elements(data, header)
        manufacturer_image = _upgrade_image(data, elements)
    else:
        body = data[header.header_length : header.total_image_size]
        signature_trailer = has_signature_trailer(body)
        manufacturer_image = body[:-SIGNATURE_TRAILER_SIZE] if signature_trailer else body
    trailing = len(data) - header.total_image_size
    return OtaImage(
        header=header,
        form=chosen,
        form_reason=reason,
        elements=elements,
        file_sha256=hashlib.sha256(data).hexdigest(),
        manufacturer_image_sha256=None
        if manufacturer_image is None
        else hashlib.sha256(manufacturer_image).hexdigest(),
        trailing_bytes=trailing,
        signature_trailer=signature_trailer,
        notes=_notes(header, chosen, elements, trailing, signature_trailer),
    )


def _parse_header(data: bytes) -> OtaHeader:
    _check_start(data)
    fixed = _FixedHeader._make(FIXED_HEADER.unpack_from(data))
    if fixed.header_version != HEADER_VERSION:
        raise errors.ImageBadHeaderVersion(
            f"the header version is 0x{fixed.header_version:04x}, not 0x0100", _OFFSETS["header_version"]
        )
    known = CREDENTIAL_VERSION_PRESENT | DESTINATION_PRESENT | HARDWARE_PRESENT
    if fixed.field_control & ~known:
        raise errors.ImageReservedFieldControl(
            f"the field control 0x{fixed.field_control:04x} has reserved bits set", _OFFSETS["field_control"]
        )
    needed = header_length(fixed.field_control)
    if fixed.header_length < needed:
        raise errors.ImageHeaderLengthTooSmall(
            f"the header length is {fixed.header_length}, but its fields take {needed} bytes", _OFFSETS["header_length"]
        )
    if fixed.header_length > len(data):
        raise errors.ImageHeaderCut(
            f"the header length is {fixed.header_length}, but the file has {len(data)} bytes", _OFFSETS["header_length"]
        )
    _check_identity(fixed)
    _check_size(fixed, data)
    return _with_optional_fields(fixed, data, needed)


def header_length(field_control: int) -> int:
    """Return the length in bytes of a header with the optional fields of ``field_control``."""
    return (
        FIXED_HEADER.size
        + bool(field_control & CREDENTIAL_VERSION_PRESENT)
        + 8 * bool(field_control & DESTINATION_PRESENT)
        + 4 * bool(field_control & HARDWARE_PRESENT)
    )


def _check_start(data: bytes) -> None:
    if not data:
        raise errors.ImageEmpty("the file is empty", 0)
    if len(data) > MAX_FILE_SIZE:
        raise errors.ImageTooLarge(f"the file has {len(data)} bytes; at most {MAX_FILE_SIZE} are taken", MAX_FILE_SIZE)
    if not data.startswith(MAGIC[: len(data)]):
        _raise_no_magic(data)
    if len(data) < FIXED_HEADER.size:
        raise errors.ImageTooShort(
            f"the file has {len(data)} bytes, and a header has at least {FIXED_HEADER.size}", len(data)
        )


def _raise_no_magic(data: bytes) -> None:
    start = data.find(MAGIC)
    while start > 0:
        if len(data) - start >= FIXED_HEADER.size:
            inner = _FixedHeader._make(FIXED_HEADER.unpack_from(data, start))
            if inner.header_version == HEADER_VERSION and inner.header_length >= FIXED_HEADER.size:
                raise errors.ImageWrapped(
                    f"the OTA file starts at offset {start} of a {_container(data)}",
                    start,
                    f"extract it first: tail -c +{start + 1} FILE | head -c {inner.total_image_size} > image.ota",
                )
        start = data.find(MAGIC, start + 1)
    raise errors.ImageBadMagic(f"the file starts with {data[:4].hex(' ')}, not with the OTA file identifier", 0)


def _container(data: bytes) -> str:
    return "signed container" if data.startswith(b"NGIS") else "container"


def _check_identity(fixed: _FixedHeader) -> None:
    if fixed.manufacturer_code == 0xFFFF:
        raise errors.ImageManufacturerWildcard(
            "the manufacturer code is the wildcard 0xffff", _OFFSETS["manufacturer_code"]
        )
    if fixed.image_type == 0xFFFF:
        raise errors.ImageTypeWildcard("the image type is the wildcard 0xffff", _OFFSETS["image_type"])
    if fixed.file_version == 0xFFFFFFFF:
        raise errors.ImageVersionWildcard("the file version is the wildcard 0xffffffff", _OFFSETS["file_version"])


def _check_size(fixed: _FixedHeader, data: bytes) -> None:
    if fixed.total_image_size < fixed.header_length:
        raise errors.ImageSizeBelowHeader(
            f"the total image size is {fixed.total_image_size}, less than the header's {fixed.header_length}",
            _OFFSETS["total_image_size"],
        )
    if fixed.total_image_size > len(data):
        raise errors.ImageTruncated(
            f"the total image size is {fixed.total_image_size}, but the file ends after {len(data)} bytes", len(data)
        )


def _with_optional_fields(fixed: _FixedHeader, data: bytes, known_length: int) -> OtaHeader:
    position = FIXED_HEADER.size
    credential_version = destination = hardware_min = hardware_max = None
    if fixed.field_control & CREDENTIAL_VERSION_PRESENT:
        credential_version = data[position]
        position += 1
    if fixed.field_control & DESTINATION_PRESENT:
        destination = from_bytes(data[position : position + 8])
        position += 8
    if fixed.field_control & HARDWARE_PRESENT:
        hardware_min, hardware_max = struct.unpack_from("<HH", data, position)
        if hardware_min > hardware_max:
            raise errors.ImageHardwareRange(
                f"the hardware range is 0x{hardware_min:04x} to 0x{hardware_max:04x}: no device fits", position
            )
    return OtaHeader(
        header_length=fixed.header_length,
        field_control=fixed.field_control,
        manufacturer_code=fixed.manufacturer_code,
        image_type=fixed.image_type,
        file_version=fixed.file_version,
        stack_version=fixed.stack_version,
        header_string=fixed.header_string.rstrip(b"\x00").decode("utf-8", "backslashreplace"),
        total_image_size=fixed.total_image_size,
        security_credential_version=credential_version,
        destination=destination,
        hardware_min=hardware_min,
        hardware_max=hardware_max,
        unknown_bytes=fixed.header_length - known_length,
    )


def _choose_form(data: bytes, header: OtaHeader) -> tuple[Form, str]:
    room = header.total_image_size - header.header_length
    if room < ELEMENT_HEADER.size:
        return (
            ("gb", f"{room} bytes after the header can hold no element")
            if room
            else ("zigbee", "nothing follows the header")
        )
    tag, length = ELEMENT_HEADER.unpack_from(data, header.header_length)
    rest = room - ELEMENT_HEADER.size - length
    if FIRST_RESERVED_TAG <= tag < FIRST_MANUFACTURER_TAG:
        return "gb", f"the first tag would be 0x{tag:04x}, which is reserved"
    # An element that fits the file, though not the image, is one: then the total image size is what lies.
    if rest < 0 and rest + len(data) - header.total_image_size < 0:
        return "gb", f"the first tag would be 0x{tag:04x} with {length} bytes, more than the image has"
    # A maker's own first element that leaves a few stray bytes is a maker's own format: after it, the body cannot go on
    # as elements. After a standard tag the same bytes are a defect.
    if tag >= FIRST_MANUFACTURER_TAG and 0 < rest < ELEMENT_HEADER.size:
        return "gb", f"the first tag would be 0x{tag:04x}, and leave {rest} bytes that can hold no element"
    return "zigbee", f"the body starts with an element, tag 0x{tag:04x}"


def _parse_elements(data: bytes, header: OtaHeader) -> tuple[Element, ...]:
    elements: list[Element] = []
    position, end = header.header_length, header.total_image_size
    while position < end:
        if end - position < ELEMENT_HEADER.size:
            raise errors.ImageElementHeaderCut(
                f"{end - position} bytes remain, too few for the header of an element", position
            )
        tag, length = ELEMENT_HEADER.unpack_from(data, position)
        if FIRST_RESERVED_TAG <= tag < FIRST_MANUFACTURER_TAG:
            raise errors.ImageReservedTag(f"the element's tag 0x{tag:04x} is reserved", position)
        start = position + ELEMENT_HEADER.size
        if start + length > end:
            raise errors.ImageElementOverrun(
                f"the element with tag 0x{tag:04x} has {length} bytes, but the image ends after {end - start}", position
            )
        if tag == TAG_UPGRADE_IMAGE and length == 0:
            raise errors.ImageUpgradeImageEmpty("the upgrade image (tag 0x0000) has no bytes", position)
        elements.append(Element(tag, start, length))
        position = start + length
    # A client activates tag 0x0000 (comms_hub.md §1.2); a maker's own loader may take a tag of its own instead.
    if not any(element.tag == TAG_UPGRADE_IMAGE or element.tag >= FIRST_MANUFACTURER_TAG for element in elements):
        raise errors.ImageNoUpgradeImage("there is no upgrade image (tag 0x0000)", header.header_length)
    return tuple(elements)


def _upgrade_image(data: bytes, elements: tuple[Element, ...]) -> bytes | None:
    images = [element for element in elements if element.tag == TAG_UPGRADE_IMAGE]
    if len(images) != 1:
        return None
    return data[images[0].offset : images[0].offset + images[0].length]


def has_signature_trailer(body: bytes) -> bool:
    """Tell whether a gb body ends in ``00 40`` and 64 bytes that can be a P-256 signature (r and s each in 1 … n-1)."""
    trailer = body[-SIGNATURE_TRAILER_SIZE:]
    if len(body) <= SIGNATURE_TRAILER_SIZE or not trailer.startswith(SIGNATURE_MARK):
        return False
    r, s = int.from_bytes(trailer[2:34]), int.from_bytes(trailer[34:])
    return 0 < r < _P256_ORDER and 0 < s < _P256_ORDER


def _notes(
    header: OtaHeader, form: Form, elements: tuple[Element, ...], trailing: int, signature_trailer: bool
) -> tuple[str, ...]:
    notes: list[str] = []
    if header.unknown_bytes:
        notes.append(f"the header has {header.unknown_bytes} bytes of unknown fields; they are served as they are")
    if trailing:
        notes.append(f"{trailing} bytes follow the image; they are never served")
    if signature_trailer:
        notes.append("the body ends in a 66-byte signature, which the manufacturer image hash leaves out")
    if form == "zigbee":
        count = sum(element.tag == TAG_UPGRADE_IMAGE for element in elements)
        if count != 1:
            notes.append(f"there are {count} upgrade images (tag 0x0000), so there is no manufacturer image hash")
    return tuple(notes)
