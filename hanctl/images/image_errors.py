"""Every defect an OTA file can have, each its own error with the byte offset where it shows."""

from __future__ import annotations

from hanctl.base.errors import ExitCode, HanctlError

_ASK_MAKER = "get the file again from its maker; nothing was added"
_FORM_HINT = "if the body of this file is not a sequence of elements, add it with --form gb"


class ImageError(HanctlError):
    """A file that cannot be used as an over-the-air image.

    ``offset`` is the offset in the file, in bytes, of the field or element that is wrong; for a file that is too
    short, the offset at which it ends.
    """

    code = "image-invalid"
    exit_code = ExitCode.BAD_IMAGE
    default_hint = _ASK_MAKER

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(f"{message} (at byte {offset})", hint or self.default_hint)
        self.offset = offset


class ImageEmpty(ImageError):
    """The file has no bytes."""

    code = "image-empty"


class ImageTooShort(ImageError):
    """The file ends within the 56 bytes that every header has."""

    code = "image-too-short"


class ImageTooLarge(ImageError):
    """The file is larger than any image the hub serves."""

    code = "image-too-large"
    default_hint = "check that this is the over-the-air file and not, say, a disk image or an archive"


class ImageBadMagic(ImageError):
    """The file does not start with the OTA file identifier, and holds it nowhere else."""

    code = "image-bad-magic"
    default_hint = "an OTA file starts with the bytes 1e f1 ee 0b; `hanctl firmware build` makes one from a payload"


class ImageWrapped(ImageError):
    """The OTA file lies inside a container; ``offset`` is where it starts."""

    code = "image-wrapped"


class ImageBadHeaderVersion(ImageError):
    """The header version is not 0x0100."""

    code = "image-bad-header-version"
    default_hint = "only header version 0x0100 (Zigbee) is known; ask the image's maker for that form"


class ImageHeaderLengthTooSmall(ImageError):
    """The header length is smaller than the fields that the header says it has."""

    code = "image-header-length-too-small"


class ImageHeaderCut(ImageError):
    """The header is longer than the file."""

    code = "image-header-cut"


class ImageReservedFieldControl(ImageError):
    """A reserved bit of the field control is set: there may be fields whose meaning is unknown."""

    code = "image-reserved-field-control"


class ImageManufacturerWildcard(ImageError):
    """The manufacturer code is the wildcard 0xFFFF, which names nobody."""

    code = "image-manufacturer-wildcard"


class ImageTypeWildcard(ImageError):
    """The image type is the wildcard 0xFFFF, which names no kind of image."""

    code = "image-type-wildcard"


class ImageVersionWildcard(ImageError):
    """The file version is the wildcard 0xFFFFFFFF, which can be neither compared nor confirmed."""

    code = "image-version-wildcard"


class ImageHardwareRange(ImageError):
    """The minimum hardware version is above the maximum: no device fits."""

    code = "image-hardware-range"


class ImageSizeBelowHeader(ImageError):
    """The total image size is smaller than the header."""

    code = "image-size-below-header"


class ImageTruncated(ImageError):
    """The file is shorter than its total image size."""

    code = "image-truncated"
    default_hint = "the file was cut, or lies about its size; get it again and compare its length with its maker's"


class ImageBodyEmpty(ImageError):
    """There is nothing after the header."""

    code = "image-body-empty"


class ImageElementHeaderCut(ImageError):
    """Bytes remain after the last element that are too few for another."""

    code = "image-element-header-cut"
    default_hint = _FORM_HINT


class ImageElementOverrun(ImageError):
    """An element is longer than what remains of the image."""

    code = "image-element-overrun"
    default_hint = _FORM_HINT


class ImageReservedTag(ImageError):
    """An element has a tag of the reserved range."""

    code = "image-reserved-tag"
    default_hint = _FORM_HINT


class ImageNoUpgradeImage(ImageError):
    """There is neither an upgrade image (tag 0x0000) nor a manufacturer's own element: nothing to activate."""

    code = "image-no-upgrade-image"


class ImageUpgradeImageEmpty(ImageError):
    """The upgrade image (tag 0x0000) has no bytes."""

    code = "image-upgrade-image-empty"
