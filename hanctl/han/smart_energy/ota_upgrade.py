"""OTA Upgrade (0x0019): its attributes, and its ten frames field by field.

Source: comms_hub.md appendix F, §1.4 and §1.5.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, cast

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs, CommandSchema

from hanctl.han.smart_energy.definitions import U16, U32, SmartEnergyCluster, command, read_only


class ImageUpgradeStatus(t.enum8):
    Normal = 0x00
    DownloadInProgress = 0x01
    DownloadComplete = 0x02
    WaitingToUpgrade = 0x03
    CountDown = 0x04
    WaitForMore = 0x05
    WaitingToUpgradeViaExternalEvent = 0x06


class UpgradeActivationPolicy(t.enum8):
    ServerActivationAllowed = 0x00
    OutOfBandOnly = 0x01


class UpgradeTimeoutPolicy(t.enum8):
    ApplyAfterTimeout = 0x00
    DoNotApplyAfterTimeout = 0x01


class Command(IntEnum):
    """Command ids; of the requests (device to hub) and responses (hub to device) together, as they do not clash."""

    IMAGE_NOTIFY = 0x00
    QUERY_NEXT_IMAGE_REQUEST = 0x01
    QUERY_NEXT_IMAGE_RESPONSE = 0x02
    IMAGE_BLOCK_REQUEST = 0x03
    IMAGE_PAGE_REQUEST = 0x04
    IMAGE_BLOCK_RESPONSE = 0x05
    UPGRADE_END_REQUEST = 0x06
    UPGRADE_END_RESPONSE = 0x07
    QUERY_DEVICE_SPECIFIC_FILE_REQUEST = 0x08
    QUERY_DEVICE_SPECIFIC_FILE_RESPONSE = 0x09


class OtaStatus(t.enum8):
    """The status codes that have a form of their own in these frames. Any other value is kept as it is."""

    SUCCESS = 0x00
    ABORT = 0x95
    INVALID_IMAGE = 0x96
    WAIT_FOR_DATA = 0x97
    NO_IMAGE_AVAILABLE = 0x98
    REQUIRE_MORE_IMAGE = 0x99


class ImageNotifyPayloadType(t.enum8):
    """Which of its fields an Image Notify has: each value adds one."""

    QueryJitter = 0x00
    ManufacturerCode = 0x01
    ImageType = 0x02
    NewFileVersion = 0x03


class QueryFieldControl(t.bitmap8):
    HardwareVersionPresent = 0x01


class PageFieldControl(t.bitmap8):
    RequestNodeAddressPresent = 0x01


class BlockFieldControl(t.bitmap8):
    RequestNodeAddressPresent = 0x01
    MinimumBlockPeriodPresent = 0x02


# zigpy declares fields by assigning a description where the value will be: for the type checker, Any.
def _optional() -> Any:
    """Declare a field that some clients leave out at the end of a frame: it is None then."""
    return t.StructField(optional=True)


def _flagged(bit: int) -> Any:
    return t.StructField(optional=True, requires=lambda frame: bool(cast(Any, frame).field_control & bit))


def _notified(payload_type: ImageNotifyPayloadType) -> Any:
    return t.StructField(requires=lambda frame: cast(Any, frame).payload_type >= payload_type)


def _on(status: OtaStatus, *, optional: bool = False) -> Any:
    return t.StructField(optional=optional, requires=lambda frame: cast(Any, frame).status == status)


class ImageNotify(CommandSchema):
    """0x00. The jitter is 1–100."""

    payload_type: ImageNotifyPayloadType
    query_jitter: t.uint8_t
    manufacturer_code: t.uint16_t = _notified(ImageNotifyPayloadType.ManufacturerCode)
    image_type: t.uint16_t = _notified(ImageNotifyPayloadType.ImageType)
    new_file_version: t.uint32_t = _notified(ImageNotifyPayloadType.NewFileVersion)


class QueryNextImageRequest(CommandSchema):
    """0x01."""

    field_control: QueryFieldControl
    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    current_file_version: t.uint32_t
    hardware_version: t.uint16_t = _flagged(QueryFieldControl.HardwareVersionPresent)


class QueryNextImageResponse(CommandSchema):
    """0x02. ``image_size`` in bytes. Any status but SUCCESS stands alone."""

    status: OtaStatus
    manufacturer_code: t.uint16_t = _on(OtaStatus.SUCCESS)
    image_type: t.uint16_t = _on(OtaStatus.SUCCESS)
    file_version: t.uint32_t = _on(OtaStatus.SUCCESS)
    image_size: t.uint32_t = _on(OtaStatus.SUCCESS)


class ImageBlockRequest(CommandSchema):
    """0x03. Offset and sizes in bytes; the period in ms or s, as the client has it."""

    field_control: BlockFieldControl
    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    file_version: t.uint32_t
    file_offset: t.uint32_t
    max_data_size: t.uint8_t = _optional()
    request_node_address: t.EUI64 = _flagged(BlockFieldControl.RequestNodeAddressPresent)
    minimum_block_period: t.uint16_t = _flagged(BlockFieldControl.MinimumBlockPeriodPresent)


class ImagePageRequest(CommandSchema):
    """0x04. Offset and sizes in bytes, spacing in ms."""

    field_control: PageFieldControl
    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    file_version: t.uint32_t
    file_offset: t.uint32_t
    max_data_size: t.uint8_t = _optional()
    page_size: t.uint16_t = _optional()
    response_spacing: t.uint16_t = _optional()
    request_node_address: t.EUI64 = _flagged(PageFieldControl.RequestNodeAddressPresent)


class ImageBlockResponse(CommandSchema):
    """0x05. SUCCESS has the data, WAIT_FOR_DATA times in seconds; any other status, as ABORT, stands alone."""

    status: OtaStatus
    manufacturer_code: t.uint16_t = _on(OtaStatus.SUCCESS)
    image_type: t.uint16_t = _on(OtaStatus.SUCCESS)
    file_version: t.uint32_t = _on(OtaStatus.SUCCESS)
    file_offset: t.uint32_t = _on(OtaStatus.SUCCESS)
    data: t.LVBytes = _on(OtaStatus.SUCCESS)
    current_time: t.UTCTime = _on(OtaStatus.WAIT_FOR_DATA)
    request_time: t.UTCTime = _on(OtaStatus.WAIT_FOR_DATA)
    minimum_block_period: t.uint16_t = _on(OtaStatus.WAIT_FOR_DATA, optional=True)


class UpgradeEndRequest(CommandSchema):
    """0x06. A client that failed may send the status alone."""

    status: OtaStatus
    manufacturer_code: t.uint16_t = _optional()
    image_type: t.uint16_t = _optional()
    file_version: t.uint32_t = _optional()


class UpgradeEndResponse(CommandSchema):
    """0x07. Times in s. There is no status."""

    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    file_version: t.uint32_t
    current_time: t.UTCTime
    upgrade_time: t.UTCTime


class QueryDeviceSpecificFileRequest(CommandSchema):
    """0x08."""

    request_node_address: t.EUI64
    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    file_version: t.uint32_t
    current_zigbee_stack_version: t.uint16_t


class QueryDeviceSpecificFileResponse(QueryNextImageResponse):
    """0x09. As 0x02, for a file that is for one device."""


class OtaUpgrade(SmartEnergyCluster):
    """OTA Upgrade (0x0019)."""

    cluster_id = 0x0019
    ep_attribute = "ota"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

        upgrade_server_id: Final = read_only(0x0000, t.EUI64)
        file_offset: Final = read_only(0x0001, U32)
        current_file_version: Final = read_only(0x0002, U32)
        current_zigbee_stack_version: Final = read_only(0x0003, U16)
        downloaded_file_version: Final = read_only(0x0004, U32)
        downloaded_zigbee_stack_version: Final = read_only(0x0005, U16)
        image_upgrade_status: Final = read_only(0x0006, ImageUpgradeStatus)
        manufacturer_id: Final = read_only(0x0007, U16)
        image_type_id: Final = read_only(0x0008, U16)
        minimum_block_request_period: Final = read_only(0x0009, U16)
        image_stamp: Final = read_only(0x000A, U32)
        upgrade_activation_policy: Final = read_only(0x000B, UpgradeActivationPolicy)
        upgrade_timeout_policy: Final = read_only(0x000C, UpgradeTimeoutPolicy)

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        query_next_image_request: Final = command(Command.QUERY_NEXT_IMAGE_REQUEST, QueryNextImageRequest)
        image_block_request: Final = command(Command.IMAGE_BLOCK_REQUEST, ImageBlockRequest)
        image_page_request: Final = command(Command.IMAGE_PAGE_REQUEST, ImagePageRequest)
        upgrade_end_request: Final = command(Command.UPGRADE_END_REQUEST, UpgradeEndRequest)
        query_specific_file_request: Final = command(
            Command.QUERY_DEVICE_SPECIFIC_FILE_REQUEST, QueryDeviceSpecificFileRequest
        )

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        image_notify: Final = command(Command.IMAGE_NOTIFY, ImageNotify)
        query_next_image_response: Final = command(Command.QUERY_NEXT_IMAGE_RESPONSE, QueryNextImageResponse)
        image_block_response: Final = command(Command.IMAGE_BLOCK_RESPONSE, ImageBlockResponse)
        upgrade_end_response: Final = command(Command.UPGRADE_END_RESPONSE, UpgradeEndResponse)
        query_specific_file_response: Final = command(
            Command.QUERY_DEVICE_SPECIFIC_FILE_RESPONSE, QueryDeviceSpecificFileResponse
        )
