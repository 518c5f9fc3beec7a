"""Interview a device: read its descriptors and attributes, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeVar

from zigpy.zdo.types import ZDOCmd

from hanctl.base.errors import NotFound
from hanctl.han import zdo
from hanctl.han.errors import MalformedZcl, MalformedZdo, TimedOut
from hanctl.han.smart_energy.ota_upgrade import OtaUpgrade
from hanctl.han.zcl import Value
from hanctl.model.records import Device, DeviceType, EndpointRecord
from hanctl.radio.endpoints import BASIC, OTA_UPGRADE
from hanctl.radio.errors import DeliveryFailed
from hanctl.radio.frames import SMART_ENERGY

T = TypeVar("T")

STEP_TIMEOUT_S = 10.0
STEP_BACKOFF_S = (1.0, 2.0, 4.0)
"""Pauses between the tries of one step."""

MANUFACTURER_NAME, MODEL, POWER_SOURCE = 0x0004, 0x0005, 0x0007
_OTA_CLIENT = OtaUpgrade.ClientAttributeDefs
CURRENT_FILE_VERSION = int(_OTA_CLIENT.current_file_version.id)
OTA_MANUFACTURER, OTA_IMAGE_TYPE = int(_OTA_CLIENT.manufacturer_id.id), int(_OTA_CLIENT.image_type_id.id)
ACTIVATION_POLICY = int(_OTA_CLIENT.upgrade_activation_policy.id)
TIMEOUT_POLICY = int(_OTA_CLIENT.upgrade_timeout_policy.id)
POWER_CONFIGURATION, BATTERY_PERCENTAGE_REMAINING = 0x0001, 0x0021
"""Of the Zigbee Cluster Library; the project's own sources do not have that cluster."""
PREPAYMENT = 0x0705

IN_HOME_DISPLAY, LOAD_CONTROL, PREPAYMENT_TERMINAL = 0x0502, 0x0504, 0x0506
ESI, METERING = 0x0500, 0x0501

POWER_SOURCES = {
    0x00: "unknown",
    0x01: "mains",
    0x02: "mains, three phases",
    0x03: "battery",
    0x04: "dc",
    0x05: "emergency mains, constantly powered",
    0x06: "emergency mains, transfer switch",
}
BACKUP_BATTERY = 0x80


class Asker(Protocol):
    """Interface that an interview uses to reach its device. Both methods raise DeliveryFailed, DongleGone, TimedOut."""

    async def zdo(self, cluster: int, build: Callable[[int], bytes], *, sleepy: bool) -> bytes: ...

    async def read(
        self, endpoint: int, cluster: int, attributes: Sequence[int], *, client_side: bool, sleepy: bool
    ) -> dict[int, Value]: ...


@dataclass(frozen=True, slots=True)
class Findings:
    """Results of the interview so far; None: not read yet, or the device does not have it."""

    node: zdo.NodeDescriptor | None = None
    endpoint_ids: tuple[int, ...] | None = None
    endpoints: tuple[EndpointRecord, ...] = ()
    basic: dict[int, Value] | None = None
    power: dict[int, Value] | None = None
    ota: dict[int, Value] | None = None

    def applied_to(self, device: Device) -> Device:
        """Return the device's record with these findings."""
        basic, ota = self.basic or {}, self.ota or {}
        node = self.node
        device_type = device.device_type
        if device_type == "unknown":
            device_type = type_of(self.endpoints, sleepy=bool(node and node.sleepy))
        manufacturer = _known(ota.get(OTA_MANUFACTURER), 0xFFFF)
        image_type = _known(ota.get(OTA_IMAGE_TYPE), 0xFFFF)
        return replace(
            device,
            device_type=device_type,
            state="interviewed",
            endpoints=self.endpoints,
            manufacturer_code=manufacturer if manufacturer is not None else (node.manufacturer_code if node else None),
            manufacturer_name=_text(basic.get(MANUFACTURER_NAME)),
            model=_text(basic.get(MODEL)),
            power_source=power_source(basic.get(POWER_SOURCE)),
            battery_percent=battery_percent((self.power or {}).get(BATTERY_PERCENTAGE_REMAINING)),
            activation_policy=_known(ota.get(ACTIVATION_POLICY), 0xFF),
            timeout_policy=_known(ota.get(TIMEOUT_POLICY), 0xFF),
            sleepy=node.sleepy if node else device.sleepy,
            image_type=device.image_type if image_type is None else image_type,
            current_version=self.current_version(device),
        )

    def current_version(self, device: Device) -> int | None:
        """Return the running version as read, else as on record."""
        told = _known((self.ota or {}).get(CURRENT_FILE_VERSION), 0xFFFFFFFF)
        return device.current_version if told is None else told


def type_of(endpoints: Sequence[EndpointRecord], *, sleepy: bool) -> DeviceType:
    """Return the device type for Smart Energy device ids. Source: comms_hub.md §4.1, where the mapping is assumed."""
    ours = [record for record in endpoints if record.profile == SMART_ENERGY]
    ids = {record.device_id for record in ours}
    if PREPAYMENT_TERMINAL in ids:
        return "ppmid"
    if IN_HOME_DISPLAY in ids:
        # A display that takes part in prepayment is a PPMID, also where it has the plain display's id.
        prepays = any(PREPAYMENT in record.output_clusters for record in ours if record.device_id == IN_HOME_DISPLAY)
        return "ppmid" if prepays else "ihd"
    if LOAD_CONTROL in ids:
        return "hcalcs"
    if METERING in ids and ESI not in ids and sleepy:
        return "gsme"
    return "esme" if ids & {ESI, METERING} else "unknown"


def power_source(value: Value) -> str | None:
    """Return Basic's PowerSource in words."""
    if not isinstance(value, int):
        return None
    name = POWER_SOURCES.get(value & ~BACKUP_BATTERY, "unknown")
    return f"{name}, with backup battery" if value & BACKUP_BATTERY else name


def battery_percent(value: Value) -> float | None:
    """Convert BatteryPercentageRemaining (half percents) to percent; None if the device does not know it."""
    known = _known(value, 0xFF)
    return None if known is None else min(100.0, known / 2)


class Interview:
    """Interview of one device. ``run`` may be called again after it failed: steps done stay done."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.findings = Findings()

    async def run(self, nwk: int, *, sleepy: bool) -> Findings:
        """Do the remaining steps. Raises DeliveryFailed, DongleGone, TimedOut, MalformedZdo, MalformedZcl."""
        asker = self._asker
        if self.findings.node is None:
            node = await _tried(lambda: self._node(nwk, sleepy))
            self.findings = replace(self.findings, node=node)
        assert self.findings.node is not None
        sleepy = self.findings.node.sleepy
        if self.findings.endpoint_ids is None:
            ids = await _tried(lambda: self._endpoint_ids(nwk, sleepy))
            self.findings = replace(self.findings, endpoint_ids=ids)
        for endpoint in (self.findings.endpoint_ids or ())[len(self.findings.endpoints) :]:
            record = await _tried(partial(self._endpoint, nwk, endpoint, sleepy))
            self.findings = replace(self.findings, endpoints=(*self.findings.endpoints, record))
        if self.findings.basic is None:
            at = endpoint_with(self.findings.endpoints, BASIC, client_side=False)
            wanted = (MANUFACTURER_NAME, MODEL, POWER_SOURCE)
            basic = await _tried(lambda: _read(asker, at, BASIC, wanted, client_side=False, sleepy=sleepy))
            self.findings = replace(self.findings, basic=basic)
        if self.findings.power is None:
            at = endpoint_with(self.findings.endpoints, POWER_CONFIGURATION, client_side=False)
            level = (BATTERY_PERCENTAGE_REMAINING,)
            told = await _tried(lambda: _read(asker, at, POWER_CONFIGURATION, level, client_side=False, sleepy=sleepy))
            self.findings = replace(self.findings, power=told)
        if self.findings.ota is None:
            client = endpoint_with(self.findings.endpoints, OTA_UPGRADE, client_side=True)
            facts = (CURRENT_FILE_VERSION, OTA_MANUFACTURER, OTA_IMAGE_TYPE, ACTIVATION_POLICY, TIMEOUT_POLICY)
            ota = await _tried(lambda: _read(asker, client, OTA_UPGRADE, facts, client_side=True, sleepy=sleepy))
            self.findings = replace(self.findings, ota=ota)
        return self.findings

    async def _node(self, nwk: int, sleepy: bool) -> zdo.NodeDescriptor:
        build = partial(zdo.node_desc_req, nwk=nwk)
        return zdo.parse_node_desc_rsp(await self._asker.zdo(ZDOCmd.Node_Desc_req, build, sleepy=sleepy))

    async def _endpoint_ids(self, nwk: int, sleepy: bool) -> tuple[int, ...]:
        build = partial(zdo.active_ep_req, nwk=nwk)
        return zdo.parse_active_ep_rsp(await self._asker.zdo(ZDOCmd.Active_EP_req, build, sleepy=sleepy))

    async def _endpoint(self, nwk: int, endpoint: int, sleepy: bool) -> EndpointRecord:
        build = partial(zdo.simple_desc_req, nwk=nwk, endpoint=endpoint)
        return zdo.parse_simple_desc_rsp(await self._asker.zdo(ZDOCmd.Simple_Desc_req, build, sleepy=sleepy))


def endpoint_with(endpoints: Sequence[EndpointRecord], cluster: int, *, client_side: bool) -> int | None:
    """Return the first Smart Energy endpoint that has the cluster on that side."""
    for record in endpoints:
        clusters = record.output_clusters if client_side else record.input_clusters
        if record.profile == SMART_ENERGY and cluster in clusters:
            return record.endpoint
    return None


async def _read(
    asker: Asker, endpoint: int | None, cluster: int, attributes: Sequence[int], *, client_side: bool, sleepy: bool
) -> dict[int, Value]:
    if endpoint is None:
        return {}
    return await asker.read(endpoint, cluster, attributes, client_side=client_side, sleepy=sleepy)


async def _tried(step: Callable[[], Awaitable[T]]) -> T:
    for pause in STEP_BACKOFF_S:
        try:
            return await step()
        except (DeliveryFailed, TimedOut, MalformedZdo, MalformedZcl):
            await asyncio.sleep(pause)
    return await step()


def _known(value: Value, unknown: int) -> int | None:
    return value if isinstance(value, int) and value != unknown else None


def _text(value: Value) -> str | None:
    return value.strip("\x00 ") or None if isinstance(value, str) else None


def endpoint_for(device: Device, cluster: int, given: int | None, *, client_side: bool) -> int:
    """Return the endpoint given, or else the device's one that has the cluster. Raises NotFound."""
    found = given if given is not None else endpoint_with(device.endpoints, cluster, client_side=client_side)
    if found is None:
        side = "client" if client_side else "server"
        raise NotFound(
            f"{device.eui64} has no endpoint with cluster 0x{cluster:04x} as a {side}",
            "'hanctl device show' lists its endpoints; it may not be interviewed yet",
        )
    return found
