"""Build OTA files, the inverse of the parser, for display makers, tests and the demo."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.crypto import ecdsa
from hanctl.crypto.mmo import mmo_hash
from hanctl.images import image
from hanctl.images.image_errors import ImageError
from hanctl.images.signature import TAGS
from hanctl.trust.credentials import Credentials

_HEADER_STRING_SIZE = 32


@dataclass(frozen=True, slots=True)
class Fields:
    """Header fields of a file to build; optional ones are left out of the header if None."""

    manufacturer_code: int
    image_type: int
    file_version: int
    stack_version: int = 0x0002
    header_string: str = ""
    security_credential_version: int | None = None
    destination: Eui64 | None = None
    hardware_min: int | None = None
    hardware_max: int | None = None


def build(
    payload: bytes, fields: Fields, *, form: image.Form = "zigbee", elements: Sequence[tuple[int, bytes]] = ()
) -> bytes:
    """Build an OTA file with ``payload``: as tag 0x0000 in the zigbee form, directly after the header in the gb form.

    ``elements`` are further (tag, data) pairs after the payload, zigbee form only. Raises InvalidInput for a value
    that does not fit its field, and ImageError where the result would be refused by the parser.
    """
    if form == "gb" and elements:
        raise InvalidInput("the gb form has no elements", "leave the elements out, or build with --form zigbee")
    optional, field_control = _optional_fields(fields)
    if form == "gb":
        body = payload
    else:
        all_elements = [(image.TAG_UPGRADE_IMAGE, payload), *elements]
        body = b"".join(_element(tag, data) for tag, data in all_elements)
    length = image.header_length(field_control)
    fixed = image.FIXED_HEADER.pack(
        image.MAGIC,
        image.HEADER_VERSION,
        length,
        field_control,
        _fits("manufacturer code", fields.manufacturer_code, 2),
        _fits("image type", fields.image_type, 2),
        _fits("file version", fields.file_version, 4),
        _fits("stack version", fields.stack_version, 2),
        _header_string(fields.header_string),
        _fits("total image size", length + len(body), 4),
    )
    data = fixed + optional + body
    try:
        image.parse(data, form)
    except ImageError as error:
        error.hint = "correct the payload or the field that is meant; no file was made"
        raise
    return data


def build_signed(
    payload: bytes,
    fields: Fields,
    signer: Credentials,
    *,
    elements: Sequence[tuple[int, bytes]] = (),
    below: Callable[[int], int] = secrets.randbelow,
) -> bytes:
    """Build an OTA file of the zigbee form that ends in the certificate and the signature of ``signer``.

    ``below(n)`` gives a random number from 0 to n - 1. Source: comms_hub.md §1.3. Raises as ``build``.
    """
    suite = signer.suite
    tags = TAGS[suite]
    unsigned = build(
        payload,
        fields,
        elements=[
            *elements,
            (tags.certificate, signer.certificate.raw),
            (tags.signature, to_bytes(signer.subject) + bytes(suite.signature_size)),
        ],
    )
    signed = unsigned[: -suite.signature_size]
    return signed + ecdsa.sign(suite.curve, signer.private_key, mmo_hash(signed), below)


def _optional_fields(fields: Fields) -> tuple[bytes, int]:
    optional, field_control = b"", 0
    if fields.security_credential_version is not None:
        field_control |= image.CREDENTIAL_VERSION_PRESENT
        optional += bytes([_fits("security credential version", fields.security_credential_version, 1)])
    if fields.destination is not None:
        field_control |= image.DESTINATION_PRESENT
        optional += to_bytes(fields.destination)
    if (fields.hardware_min is None) != (fields.hardware_max is None):
        raise InvalidInput("only one end of the hardware range is given", "give both, or neither")
    if fields.hardware_min is not None and fields.hardware_max is not None:
        field_control |= image.HARDWARE_PRESENT
        optional += _fits("minimum hardware version", fields.hardware_min, 2).to_bytes(2, "little")
        optional += _fits("maximum hardware version", fields.hardware_max, 2).to_bytes(2, "little")
    return optional, field_control


def _element(tag: int, data: bytes) -> bytes:
    return image.ELEMENT_HEADER.pack(_fits("tag", tag, 2), _fits("element length", len(data), 4)) + data


def _fits(name: str, value: int, size: int) -> int:
    if not 0 <= value < 1 << (8 * size):
        raise InvalidInput(f"the {name} {value} does not fit {size} bytes", f"give 0 to 0x{'ff' * size}")
    return value


def _header_string(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > _HEADER_STRING_SIZE:
        raise InvalidInput(f"the header string has {len(encoded)} bytes", f"give at most {_HEADER_STRING_SIZE}")
    return encoded.ljust(_HEADER_STRING_SIZE, b"\x00")
