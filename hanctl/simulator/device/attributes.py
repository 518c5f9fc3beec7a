"""Attributes that a simulated device answers with: Basic and those of its OTA client. Source: comms_hub.md §1.4."""

from __future__ import annotations

import zlib

from hanctl.base.eui64 import to_bytes
from hanctl.simulator import zcl
from hanctl.simulator.device.display import Battery
from hanctl.simulator.device.ota.client import OtaClient
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.device.storage import Phase
from hanctl.simulator.zcl import Attribute, Attributes

MAINS, BATTERY = 0x01, 0x03
_REVISIONS = {"none": 4, "ms": 3, "s": 2}
"""OTA ClusterRevision by the unit in which the client takes a minimum block period. Source: comms_hub.md §0, trap 6."""


def basic(spec: DeviceSpec, running_version: int, battery: Battery | None) -> Attributes:
    """Return the Basic cluster's attributes of a device that runs ``running_version``."""
    source = spec.power_source if battery is None else battery.power_source
    if source is None:
        source = BATTERY if spec.sleepy else MAINS
    return {
        0x0000: Attribute(zcl.UINT8, 3),
        0x0001: Attribute(zcl.UINT8, running_version & 0xFF),
        0x0002: Attribute(zcl.UINT8, spec.stack_version & 0xFF),
        0x0003: Attribute(zcl.UINT8, (spec.hardware_version or 0) & 0xFF),
        0x0004: Attribute(zcl.STRING, spec.manufacturer_name),
        0x0005: Attribute(zcl.STRING, spec.model_name),
        0x0007: Attribute(zcl.ENUM8, source),
        0x4000: Attribute(zcl.STRING, f"{running_version:08x}"),
        zcl.CLUSTER_REVISION: Attribute(zcl.UINT16, 3),
    }


def ota_client(spec: DeviceSpec, client: OtaClient) -> Attributes:
    """Return the OTA client's attributes as they are now."""
    storage, idle32 = client.storage, 0xFFFFFFFF
    phase = storage.phase
    underway = phase in (Phase.PARTIAL, Phase.COMPLETE)
    complete = phase is Phase.COMPLETE and storage.image is not None
    server = to_bytes(client.server_eui64) if client.server_eui64 else b"\xff" * 8
    return {
        0x0000: Attribute(zcl.EUI64, server),
        0x0001: Attribute(zcl.UINT32, storage.offset if underway else idle32),
        0x0002: Attribute(zcl.UINT32, storage.running_version),
        0x0003: Attribute(zcl.UINT16, spec.stack_version),
        0x0004: Attribute(zcl.UINT32, storage.image.version if complete and storage.image else idle32),
        0x0005: Attribute(zcl.UINT16, spec.stack_version if complete else 0xFFFF),
        0x0006: Attribute(zcl.ENUM8, client.status),
        0x0007: Attribute(zcl.UINT16, spec.manufacturer_code),
        # The reference client tells its image type only while an update is in progress.
        0x0008: Attribute(zcl.UINT16, spec.image_type if client.in_progress else 0xFFFF),
        0x0009: Attribute(zcl.UINT16, client.min_block_period),
        0x000A: Attribute(zcl.UINT32, zlib.crc32(storage.slot()) if complete else idle32),
        0x000B: Attribute(zcl.ENUM8, client.behaviour.activation_policy),
        0x000C: Attribute(zcl.ENUM8, client.behaviour.timeout_policy),
        zcl.CLUSTER_REVISION: Attribute(zcl.UINT16, _REVISIONS[client.behaviour.min_block_period]),
    }
