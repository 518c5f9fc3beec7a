"""Events of images in the firmware store. As in ``events``, names are an interface."""

from __future__ import annotations

from typing import Literal

from hanctl.model.event import Event, event

Signature = Literal["verified", "unsigned", "unchecked", "invalid"]


@event
class ImageAdded(Event):
    """An image was added to the firmware store; ``signer``: its claimed signer, proven if ``signature`` is verified."""

    type = "image.added"
    file_sha256: str
    manufacturer_image_sha256: str | None
    form: str
    manufacturer_code: int
    image_type: int
    file_version: int
    size: int
    signature: Signature | None = None
    signer: str | None = None


@event
class ImageUnverified(Event):
    """An image was added (policy warn) although its signature is not verified, for ``reason``."""

    type = "image.unverified"
    level = "warning"
    file_sha256: str
    signature: Signature
    reason: str


@event
class ImageRemoved(Event):
    """An image was removed from the firmware store."""

    type = "image.removed"
    file_sha256: str
