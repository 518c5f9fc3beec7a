"""ZDO frames: the requests the hub makes, their responses, announcements, and service discovery. Pure.

Layouts are zigpy's (``zigpy.zdo.types``). A payload here begins with its sequence number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zigpy.types import EUI64
from zigpy.zdo.types import CLUSTERS, Status, ZDOCmd

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.han.errors import MalformedZdo
from hanctl.model.records import EndpointRecord
from hanctl.radio.frames import SMART_ENERGY, ZDO_PROFILE, IncomingFrame, OutgoingFrame

COORDINATOR = 0x0000
BROADCAST_ADDRESSES = range(0xFFF8, 0x10000)
RX_ON_WHEN_IDLE = 0x08
RESPONSE = 0x8000
"""A response's cluster is its request's with this bit."""


def _serialize(command: ZDOCmd, tsn: int, *values: Any) -> bytes:
    kinds: Any = CLUSTERS[command][1]
    body = b"".join(kind(value).serialize() for kind, value in zip(kinds, values, strict=True))
    return bytes((tsn,)) + body


def _parse(command: ZDOCmd, payload: bytes) -> tuple[int, list[Any]]:
    if not payload:
        raise MalformedZdo("an empty frame has no ZDO header")
    rest = payload[1:]
    values = []
    kinds: Any = CLUSTERS[command][1]
    try:
        for kind in kinds:
            value, rest = kind.deserialize(rest)
            values.append(value)
    except ValueError as error:
        raise MalformedZdo(f"{command.name} is malformed: {error}") from None
    return payload[0], values


def node_desc_req(tsn: int, nwk: int) -> bytes:
    """Return the payload of Node_Desc_req."""
    return _serialize(ZDOCmd.Node_Desc_req, tsn, nwk)


def active_ep_req(tsn: int, nwk: int) -> bytes:
    """Return the payload of Active_EP_req."""
    return _serialize(ZDOCmd.Active_EP_req, tsn, nwk)


def simple_desc_req(tsn: int, nwk: int, endpoint: int) -> bytes:
    """Return the payload of Simple_Desc_req."""
    return _serialize(ZDOCmd.Simple_Desc_req, tsn, nwk, endpoint)


def ieee_addr_req(tsn: int, nwk: int) -> bytes:
    """Return the payload of IEEE_addr_req, for the single device."""
    return _serialize(ZDOCmd.IEEE_addr_req, tsn, nwk, 0, 0)


def nwk_addr_req(tsn: int, eui64: Eui64) -> bytes:
    """Return the payload of NWK_addr_req, for the single device."""
    return _serialize(ZDOCmd.NWK_addr_req, tsn, EUI64.deserialize(to_bytes(eui64))[0], 0, 0)


def _successful(command: ZDOCmd, payload: bytes) -> list[Any]:
    _, (status, *values) = _parse(command, payload)
    if status != Status.SUCCESS:
        raise MalformedZdo(f"{command.name} says {getattr(status, 'name', status)}")
    return values


@dataclass(frozen=True, slots=True)
class NodeDescriptor:
    """Fields of a node descriptor that the interview uses."""

    manufacturer_code: int
    sleepy: bool


def parse_node_desc_rsp(payload: bytes) -> NodeDescriptor:
    """Parse a Node_Desc_rsp. Raises MalformedZdo, also where the device refused."""
    _, descriptor = _successful(ZDOCmd.Node_Desc_rsp, payload)
    if descriptor is None:
        raise MalformedZdo("Node_Desc_rsp has no descriptor")
    return NodeDescriptor(
        manufacturer_code=int(descriptor.manufacturer_code),
        sleepy=not int(descriptor.mac_capability_flags) & RX_ON_WHEN_IDLE,
    )


def parse_active_ep_rsp(payload: bytes) -> tuple[int, ...]:
    """Parse an Active_EP_rsp. Raises MalformedZdo, also where the device refused."""
    _, endpoints = _successful(ZDOCmd.Active_EP_rsp, payload)
    return tuple(int(endpoint) for endpoint in endpoints)


def parse_simple_desc_rsp(payload: bytes) -> EndpointRecord:
    """Parse a Simple_Desc_rsp. Raises MalformedZdo, also where the device refused."""
    _, descriptor = _successful(ZDOCmd.Simple_Desc_rsp, payload)
    if descriptor is None:
        raise MalformedZdo("Simple_Desc_rsp has no descriptor")
    return EndpointRecord(
        endpoint=int(descriptor.endpoint),
        profile=int(descriptor.profile),
        device_id=int(descriptor.device_type),
        input_clusters=tuple(int(cluster) for cluster in descriptor.input_clusters),
        output_clusters=tuple(int(cluster) for cluster in descriptor.output_clusters),
    )


def parse_addr_rsp(payload: bytes) -> tuple[Eui64, int]:
    """Parse EUI64 and network address of IEEE_addr_rsp or NWK_addr_rsp, which are alike.

    Raises MalformedZdo, also where the device refused.
    """
    ieee, nwk, *_ = _successful(ZDOCmd.IEEE_addr_rsp, payload)
    return from_bytes(ieee.serialize()), int(nwk)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Device_annce."""

    nwk: int
    eui64: Eui64
    sleepy: bool


def parse_device_annce(payload: bytes) -> Announcement:
    """Parse a Device_annce. Raises MalformedZdo."""
    _, (nwk, ieee, capability) = _parse(ZDOCmd.Device_annce, payload)
    return Announcement(int(nwk), from_bytes(ieee.serialize()), sleepy=not int(capability) & RX_ON_WHEN_IDLE)


def match_desc_rsp(request: bytes, endpoints: Sequence[EndpointRecord]) -> bytes | None:
    """Answer a Match_Desc_req that one of the hub's endpoints satisfies, else None. Raises MalformedZdo.

    Only profile 0x0109 is ours. Where nothing matches the stack's own answer stands: it answers from the same
    endpoints, and so do we where something does, so that two answers agree. Source: zigpy.md §3.
    """
    tsn, (nwk, profile, inputs, outputs) = _parse(ZDOCmd.Match_Desc_req, request)
    if profile != SMART_ENERGY or (nwk != COORDINATOR and nwk not in BROADCAST_ADDRESSES):
        return None
    matching = [
        record.endpoint
        for record in endpoints
        if record.profile == profile
        and (set(inputs) & set(record.input_clusters) or set(outputs) & set(record.output_clusters))
    ]
    if not matching:
        return None
    return _serialize(
        ZDOCmd.Match_Desc_rsp,
        tsn,
        Status.SUCCESS,
        COORDINATOR,
        matching,
    )


def match_desc_answer(request: IncomingFrame, endpoints: Sequence[EndpointRecord]) -> OutgoingFrame | None:
    """Return the frame that answers a Match_Desc_req, or None. Raises MalformedZdo."""
    payload = match_desc_rsp(request.payload, endpoints)
    if payload is None:
        return None
    return OutgoingFrame(
        destination_nwk=request.source_nwk,
        destination_endpoint=0,
        source_endpoint=0,
        profile=ZDO_PROFILE,
        cluster=request.cluster | RESPONSE,
        payload=payload,
    )
