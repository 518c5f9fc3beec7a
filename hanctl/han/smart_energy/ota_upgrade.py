"""OTA Upgrade (0x0019). Source: comms_hub.md appendix F, §1.4 and §1.5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs, CommandSchema, Status

from hanctl.han.smart_energy.definitions import U16, U32, UTC, SmartEnergyCluster, command, read_only


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
def _present(when: Callable[[Any], bool], **more: Any) -> Any:
    """A field that is there depending on those before it."""
    return t.StructField(requires=when, **more)


def _flagged(bit: int) -> Any:
    return _present(lambda frame: bool(frame.field_control & bit))


def _notified(payload_type: ImageNotifyPayloadType) -> Any:
    return _present(lambda frame: frame.payload_type >= payload_type)


def _on(status: Status, **more: Any) -> Any:
    return _present(lambda frame: frame.status == status, **more)


class ImageNotify(CommandSchema):
    """The jitter is 1–100."""

    payload_type: ImageNotifyPayloadType
    query_jitter: t.uint8_t
    manufacturer_code: t.uint16_t = _notified(ImageNotifyPayloadType.ManufacturerCode)
    image_type: t.uint16_t = _notified(ImageNotifyPayloadType.ImageType)
    new_file_version: t.uint32_t = _notified(ImageNotifyPayloadType.NewFileVersion)


class QueryNextImageRequest(CommandSchema):
    field_control: QueryFieldControl
    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    current_file_version: t.uint32_t
    hardware_version: t.uint16_t = _flagged(QueryFieldControl.HardwareVersionPresent)


class QueryNextImageResponse(CommandSchema):
    """``image_size`` in bytes. Any status but SUCCESS stands alone."""

    status: Status
    manufacturer_code: t.uint16_t = _on(Status.SUCCESS)
    image_type: t.uint16_t = _on(Status.SUCCESS)
    file_version: t.uint32_t = _on(Status.SUCCESS)
    image_size: t.uint32_t = _on(Status.SUCCESS)


class QuerySpecificFileResponse(QueryNextImageResponse):
    """The same for a file that is for one device."""


class ImageBlockRequest(CommandSchema):
    """Offset and sizes in bytes; the period in ms or s, as the client has it."""

    field_control: BlockFieldControl
    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    file_version: t.uint32_t
    file_offset: t.uint32_t
    max_data_size: t.uint8_t
    request_node_address: t.EUI64 = _flagged(BlockFieldControl.RequestNodeAddressPresent)
    minimum_block_period: t.uint16_t = _flagged(BlockFieldControl.MinimumBlockPeriodPresent)


class ImagePageRequest(CommandSchema):
    """Offset and sizes in bytes, spacing in ms."""

    field_control: PageFieldControl
    manufacturer_code: t.uint16_t
    image_type: t.uint16_t
    file_version: t.uint32_t
    file_offset: t.uint32_t
    max_data_size: t.uint8_t
    page_size: t.uint16_t
    response_spacing: t.uint16_t
    request_node_address: t.EUI64 = _flagged(PageFieldControl.RequestNodeAddressPresent)


class ImageBlockResponse(CommandSchema):
    """SUCCESS has the data, WAIT_FOR_DATA times in seconds; any other status, as ABORT, stands alone."""

    status: Status
    manufacturer_code: t.uint16_t = _on(Status.SUCCESS)
    image_type: t.uint16_t = _on(Status.SUCCESS)
    file_version: t.uint32_t = _on(Status.SUCCESS)
    file_offset: t.uint32_t = _on(Status.SUCCESS)
    data_size: t.uint8_t = _on(Status.SUCCESS)
    image_data: t.List[t.uint8_t] = _on(Status.SUCCESS, length=lambda frame: frame.data_size)
    current_time: t.UTCTime = _on(Status.WAIT_FOR_DATA)
    request_time: t.UTCTime = _on(Status.WAIT_FOR_DATA)
    minimum_block_period: t.uint16_t = _on(Status.WAIT_FOR_DATA, optional=True)


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

        query_next_image_request: Final = command(0x01, QueryNextImageRequest)
        image_block_request: Final = command(0x03, ImageBlockRequest)
        image_page_request: Final = command(0x04, ImagePageRequest)
        upgrade_end_request: Final = command(
            0x06,
            # A client that failed may send the status alone.
            {"status": Status, "manufacturer_code?": U16, "image_type?": U16, "file_version?": U32},
        )
        query_specific_file_request: Final = command(
            0x08,
            {
                "request_node_address": t.EUI64,
                "manufacturer_code": U16,
                "image_type": U16,
                "file_version": U32,
                "current_zigbee_stack_version": U16,
            },
        )

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        image_notify: Final = command(0x00, ImageNotify)
        query_next_image_response: Final = command(0x02, QueryNextImageResponse)
        image_block_response: Final = command(0x05, ImageBlockResponse)
        upgrade_end_response: Final = command(
            0x07,
            {
                "manufacturer_code": U16,
                "image_type": U16,
                "file_version": U32,
                "current_time": UTC,
                "upgrade_time": UTC,
            },
        )
        query_specific_file_response: Final = command(0x09, QuerySpecificFileResponse)
