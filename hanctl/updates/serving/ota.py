"""Frames of the OTA Upgrade cluster, 0x0019, read and written; ``han/smart_energy/ota_upgrade.py`` declares them.

``decode_request`` reads a payload (without the ZCL header); ``serialize()`` of a frame writes it. Bytes after the last
known field are ignored, as ZCL asks. Where a client may leave out the end of a frame, the fields there are None. The
two frames that pass by the thousand, a block's request and its response, are read and written here at a tenth of the
cost, without zigpy's structures.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, NamedTuple, Protocol

from hanctl.base.errors import HanctlError
from hanctl.han.smart_energy.ota_upgrade import (
    Command,
    ImageBlockRequest,
    ImageBlockResponse,
    ImageNotify,
    ImagePageRequest,
    OtaStatus,
    OtaUpgrade,
    QueryDeviceSpecificFileRequest,
    QueryDeviceSpecificFileResponse,
    QueryNextImageRequest,
    QueryNextImageResponse,
    UpgradeEndRequest,
    UpgradeEndResponse,
)

__all__ = [
    "Command",
    "ImageBlockRequest",
    "ImageBlockResponse",
    "ImageNotify",
    "ImagePageRequest",
    "OtaStatus",
    "QueryDeviceSpecificFileRequest",
    "QueryDeviceSpecificFileResponse",
    "QueryNextImageRequest",
    "QueryNextImageResponse",
    "UpgradeEndRequest",
    "UpgradeEndResponse",
]

CLUSTER = int(OtaUpgrade.cluster_id)

_CLIENT = OtaUpgrade.ClientAttributeDefs
FILE_OFFSET = int(_CLIENT.file_offset.id)
CURRENT_FILE_VERSION = int(_CLIENT.current_file_version.id)
DOWNLOADED_FILE_VERSION = int(_CLIENT.downloaded_file_version.id)
IMAGE_UPGRADE_STATUS = int(_CLIENT.image_upgrade_status.id)
ACTIVATION_POLICY = int(_CLIENT.upgrade_activation_policy.id)
TIMEOUT_POLICY = int(_CLIENT.upgrade_timeout_policy.id)
"""Attributes of the client; ``CURRENT_FILE_VERSION`` is the version it runs (comms_hub.md §1.4)."""

HOLD = 0xFFFFFFFF
"""Upgrade time that tells the client to wait for the activation command (comms_hub.md §1.8)."""

UNKNOWN_VERSION = 0xFFFFFFFF
"""CurrentFileVersion of a client that does not know its version (comms_hub.md §1.4)."""


class OtaFrameError(HanctlError):
    """A payload that is not the command it should be."""

    code = "ota-frame"


class BlockRequest(NamedTuple):
    """Fields of an ImageBlockRequest; see ``read_block_request``."""

    manufacturer_code: int
    image_type: int
    file_version: int
    file_offset: int
    max_data_size: int | None
    minimum_block_period: int | None


_BLOCK_REQUEST = Struct("<BHHII")


def read_block_request(payload: bytes) -> BlockRequest:
    """Read an ImageBlockRequest, the most frequent request, at a tenth of the cost. Raises OtaFrameError."""
    size = _BLOCK_REQUEST.size
    if len(payload) < size:
        raise OtaFrameError(f"OTA command 0x03 is too short with {len(payload)} bytes")
    control, manufacturer, image_type, version, offset = _BLOCK_REQUEST.unpack_from(payload)
    most = payload[size] if len(payload) > size else None
    # The node's address may stand before the period.
    at = size + 1 + 8 * (control & 0x01)
    period = int.from_bytes(payload[at : at + 2], "little") if control & 0x02 and most is not None else None
    if len(payload) < at + 2 * (control >> 1 & 0x01) and most is not None:
        raise OtaFrameError(f"OTA command 0x03 is too short with {len(payload)} bytes")
    return BlockRequest(manufacturer, image_type, version, offset, most, period)


class _Named(Protocol):
    @property
    def manufacturer_code(self) -> int: ...

    @property
    def image_type(self) -> int: ...

    @property
    def file_version(self) -> int: ...


_BLOCK = Struct("<BHHIIB")


def image_block(image: _Named, offset: int, data: bytes) -> bytes:
    """Serialize an ImageBlockResponse SUCCESS, the most frequent answer, at a tenth of the cost."""
    head = _BLOCK.pack(0, image.manufacturer_code, image.image_type, image.file_version, offset, len(data))
    return head + data


def wait_for_data(seconds: int, period: int | None) -> bytes:
    """Serialize an ImageBlockResponse WAIT_FOR_DATA; ``period`` in the client's unit, if it negotiates one."""
    times = {"current_time": 0, "request_time": seconds}
    if period is not None:
        times["minimum_block_period"] = period
    return ImageBlockResponse(status=OtaStatus.WAIT_FOR_DATA, **times).serialize()


OtaRequest = (
    QueryNextImageRequest | ImageBlockRequest | ImagePageRequest | UpgradeEndRequest | QueryDeviceSpecificFileRequest
)

REQUESTS: dict[int, Any] = {int(each.id): each.schema for each in OtaUpgrade.ServerCommandDefs}


def decode_request(command: int, payload: bytes) -> OtaRequest:
    """Read a command of a device. Raises OtaFrameError for an unknown command or a payload that is too short."""
    schema = REQUESTS.get(command)
    if schema is None:
        raise OtaFrameError(f"OTA command 0x{command:02x} is unknown")
    try:
        frame: OtaRequest = schema.deserialize(payload)[0]
    except ValueError as error:
        raise OtaFrameError(f"OTA command 0x{command:02x} is too short with {len(payload)} bytes") from error
    return frame
