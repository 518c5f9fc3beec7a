"""The device under test as plain data: who it is, the images that there are for it, and how long things may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hanctl.base.errors import ConfigError
from hanctl.base.eui64 import Eui64
from hanctl.base.shown_path import shown
from hanctl.config.sections import HilSection
from hanctl.images import image


@dataclass(frozen=True)
class ImageFile:
    """An OTA file by its name and bytes."""

    name: str
    data: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> ImageFile:
        """Read an OTA file. Raises ConfigError where it cannot be read, ImageError where it is no OTA file."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{shown(path)}: {error.strerror}", "correct [hil], or put the image there") from error
        found = cls(path.name, data)
        found.parsed  # noqa: B018  (defects are told here)
        return found

    @cached_property
    def parsed(self) -> image.OtaImage:
        return image.parse(self.data)

    @property
    def version(self) -> int:
        return self.parsed.header.file_version

    @property
    def image_type(self) -> int:
        return self.parsed.header.image_type

    def damaged(self) -> ImageFile:
        """Return a copy with one bit flipped in the middle of what is to be run; header and structure are as before."""
        elements = [each for each in self.parsed.elements if each.tag == image.TAG_UPGRADE_IMAGE]
        start = elements[0].offset if elements else self.parsed.header.header_length
        length = elements[0].length if elements else self.parsed.header.total_image_size - start
        data = bytearray(self.data)
        data[start + length // 2] ^= 0x10
        return ImageFile(f"damaged {self.name}", bytes(data))

    def of_type(self, image_type: int) -> ImageFile:
        """Return a copy whose header names another image type."""
        at = _IMAGE_TYPE_AT
        data = self.data[:at] + image_type.to_bytes(2, "little") + self.data[at + 2 :]
        return ImageFile(f"{self.name} of type 0x{image_type:04x}", data)


_IMAGE_TYPE_AT = 12
"""Where the header has the image type. Source: comms_hub.md §1.1."""


@dataclass(frozen=True)
class DeviceUnderTest:
    """What a test is told of the device. ``longest_s``: how much time a test may let pass; the rest as ``[hil]``."""

    eui64: Eui64
    device_type: str
    install_code: str = field(repr=False)
    base_image: ImageFile | None = None
    image: ImageFile | None = None
    next_image: ImageFile | None = None
    damaged_image: bool = False
    leaves_and_joins: bool = False
    join_s: float = 600
    transfer_s: float = 3600
    answer_s: float = 600
    longest_s: float = 1800

    @classmethod
    def of(cls, section: HilSection) -> DeviceUnderTest:
        """Read ``[hil]`` and its files. Raises ConfigError if one cannot be read, ImageError for a defective image."""
        try:
            install_code = section.install_code_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{section.install_code_file} cannot be read as a text file",
                "put the device's install code there, in hex",
            ) from error
        return cls(
            eui64=section.eui64,
            device_type=section.device_type,
            install_code=install_code,
            base_image=None if section.base_image is None else ImageFile.read(section.base_image),
            image=None if section.image is None else ImageFile.read(section.image),
            next_image=None if section.next_image is None else ImageFile.read(section.next_image),
            damaged_image=section.damaged_image,
            leaves_and_joins=section.leaves_and_joins,
            join_s=section.join_s,
            transfer_s=section.transfer_s,
            answer_s=section.answer_s,
            longest_s=section.longest_s,
        )
