"""Build the image of the demo byte for byte, so that it is free of rights and anybody can rebuild it."""

from __future__ import annotations

import hashlib
import sys

from hanctl.images.build import Fields
from hanctl.images.build import build as build_file

NAME = "demo-display-0.0.2.ota"
MANUFACTURER_CODE = 0x1234
IMAGE_TYPE = 0x0001
FILE_VERSION = 0x00000002
PAYLOAD_SIZE = 12_000


def build() -> bytes:
    """Build the demo image, about 12 kB: an OTA file whose payload is SHA-256 over a counter. Always the same."""
    blocks = (hashlib.sha256(b"hanctl demo display" + n.to_bytes(4)).digest() for n in range(PAYLOAD_SIZE // 32))
    return build_file(
        b"".join(blocks),
        Fields(
            manufacturer_code=MANUFACTURER_CODE,
            image_type=IMAGE_TYPE,
            file_version=FILE_VERSION,
            header_string="hanctl demo display 0.0.2",
        ),
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(build())
