"""Describe an image of the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hanctl.images.image import OtaImage
from hanctl.model.records import Image


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image of the store: ``record`` as the ledger knows it, ``parsed`` as the file says, and why this form."""

    record: Image
    parsed: OtaImage
    form_reason: str


def image_record(parsed: OtaImage, name: str, added_at: datetime, requires: tuple[int, ...]) -> Image:
    """Make the ledger's record of an image."""
    header = parsed.header
    return Image(
        file_sha256=parsed.file_sha256,
        manufacturer_image_sha256=parsed.manufacturer_image_sha256,
        form=parsed.form,
        name=name,
        manufacturer_code=header.manufacturer_code,
        image_type=header.image_type,
        file_version=header.file_version,
        stack_version=header.stack_version,
        header_string=header.header_string,
        size=header.total_image_size,
        trailing_bytes=parsed.trailing_bytes,
        added_at=added_at,
        hardware_min=header.hardware_min,
        hardware_max=header.hardware_max,
        destination=header.destination,
        security_credential_version=header.security_credential_version,
        tags=parsed.tags,
        requires=requires,
    )
