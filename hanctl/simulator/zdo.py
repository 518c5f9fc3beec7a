"""The Zigbee Device Object of a simulated node: descriptors, and the answers every stack gives by itself.

Frames are packed by hand with ``struct``: the hub's own codec is not shared.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes

NWK_ADDR_REQ = 0x0000
IEEE_ADDR_REQ = 0x0001
NODE_DESC_REQ = 0x0002
POWER_DESC_REQ = 0x0003
SIMPLE_DESC_REQ = 0x0004
ACTIVE_EP_REQ = 0x0005
MATCH_DESC_REQ = 0x0006
DEVICE_ANNCE = 0x0013
BIND_REQ = 0x0021
MGMT_LEAVE_REQ = 0x0034
MGMT_NWK_UPDATE_REQ = 0x0038
RESPONSE = 0x8000
CHANGE_CHANNEL = 0xFE
LEAVE_REJOIN = 0x80
MAC_MAINS_ROUTER, MAC_SLEEPY = 0x8E, 0x80
"""MAC capabilities of a router on mains, and of an end device that sleeps."""

SUCCESS = 0x00
INV_REQUESTTYPE = 0x80
DEVICE_NOT_FOUND = 0x81
INVALID_EP = 0x82
NOT_ACTIVE = 0x83
NOT_SUPPORTED = 0x84
NO_MATCH = 0x86


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One application endpoint and its simple descriptor."""

    endpoint: int
    profile: int
    device_id: int
    device_version: int = 0
    input_clusters: tuple[int, ...] = ()
    output_clusters: tuple[int, ...] = ()

    def simple_descriptor(self) -> bytes:
        return (
            struct.pack("<BHHB", self.endpoint, self.profile, self.device_id, self.device_version)
            + _clusters(self.input_clusters)
            + _clusters(self.output_clusters)
        )


@dataclass(frozen=True, slots=True)
class NodeDescription:
    """Node descriptor of a node. ``mac_capability``: bit 1 router, bit 2 mains, bit 3 receiver on when idle."""

    eui64: Eui64
    nwk: int
    logical_type: int
    mac_capability: int
    manufacturer_code: int
    endpoints: tuple[Endpoint, ...]

    def node_descriptor(self) -> bytes:
        trust_centre = 0x2C41 if self.logical_type == 0 else 0x2C40
        return struct.pack(
            "<BBBHBHHHB",
            self.logical_type,
            0x40,
            self.mac_capability,
            self.manufacturer_code,
            82,
            128,
            trust_centre,
            128,
            0,
        )


def _clusters(ids: Iterable[int]) -> bytes:
    packed = b"".join(struct.pack("<H", i) for i in ids)
    return bytes([len(packed) // 2]) + packed


def device_annce(tsn: int, eui64: Eui64, nwk: int, mac_capability: int) -> bytes:
    """Build the payload of Device_annce (cluster 0x0013)."""
    return bytes([tsn]) + struct.pack("<H", nwk) + to_bytes(eui64) + bytes([mac_capability])


def address_told(cluster: int, payload: bytes) -> tuple[Eui64, int] | None:
    """Return the EUI64 and short address in a Device_annce, NWK_addr_rsp or IEEE_addr_rsp; None for other frames."""
    if cluster == DEVICE_ANNCE and len(payload) >= 11:
        return from_bytes(payload[3:11]), int.from_bytes(payload[1:3], "little")
    if cluster in (NWK_ADDR_REQ | RESPONSE, IEEE_ADDR_REQ | RESPONSE) and len(payload) >= 12 and payload[1] == SUCCESS:
        return from_bytes(payload[2:10]), int.from_bytes(payload[10:12], "little")
    return None


def leave_request(own: Eui64, payload: bytes) -> tuple[int, bool]:
    """Interpret a Mgmt_Leave_req for the node ``own``: the status of its answer, and whether to rejoin."""
    if len(payload) < 10:
        return INV_REQUESTTYPE, False
    if payload[1:9] not in (bytes(8), to_bytes(own)):
        return DEVICE_NOT_FOUND, False
    return SUCCESS, bool(payload[9] & LEAVE_REJOIN)


def matching_endpoints(node: NodeDescription, profile: int, inputs: set[int], outputs: set[int]) -> list[int]:
    """Return endpoints that have the profile and at least one of the wanted clusters."""
    return [
        e.endpoint
        for e in node.endpoints
        if profile in (e.profile, 0xFFFF) and (inputs & set(e.input_clusters) or outputs & set(e.output_clusters))
    ]


def answer(node: NodeDescription, cluster: int, payload: bytes, *, broadcast: bool) -> tuple[int, bytes] | None:
    """Return the response of a stack to a ZDO request: (cluster, payload), or None if it stays silent."""
    try:
        return _answer(node, cluster, payload, broadcast)
    except (struct.error, IndexError):
        return (cluster | RESPONSE, bytes([payload[0] if payload else 0, INV_REQUESTTYPE]))


def _answer(node: NodeDescription, cluster: int, payload: bytes, broadcast: bool) -> tuple[int, bytes] | None:
    tsn, body = payload[0], payload[1:]
    own = struct.pack("<H", node.nwk)

    def reply(rest: bytes) -> tuple[int, bytes]:
        return cluster | RESPONSE, bytes([tsn]) + rest

    if cluster == NWK_ADDR_REQ:
        mine = body[:8] == to_bytes(node.eui64)
        if not mine:
            return None if broadcast else reply(bytes([DEVICE_NOT_FOUND]) + body[:8] + own)
        return reply(bytes([SUCCESS]) + to_bytes(node.eui64) + own)
    (interest,) = struct.unpack_from("<H", body)
    mine = interest == node.nwk
    if cluster == IEEE_ADDR_REQ:
        return reply(bytes([SUCCESS if mine else DEVICE_NOT_FOUND]) + to_bytes(node.eui64) + own)
    if cluster == MATCH_DESC_REQ:
        return _match(node, tsn, body, broadcast)
    if cluster in (NODE_DESC_REQ, ACTIVE_EP_REQ, SIMPLE_DESC_REQ, POWER_DESC_REQ) and not mine:
        tail = b"\x00" if cluster in (ACTIVE_EP_REQ, SIMPLE_DESC_REQ) else b""
        return reply(bytes([DEVICE_NOT_FOUND]) + body[:2] + tail)
    if cluster == NODE_DESC_REQ:
        return reply(bytes([SUCCESS]) + own + node.node_descriptor())
    if cluster == POWER_DESC_REQ:
        return reply(bytes([SUCCESS]) + own + b"\x10\xc1")
    if cluster == ACTIVE_EP_REQ:
        ids = bytes(e.endpoint for e in node.endpoints)
        return reply(bytes([SUCCESS]) + own + bytes([len(ids)]) + ids)
    if cluster == SIMPLE_DESC_REQ:
        return reply(_simple(node, own, body[2]))
    if cluster == MGMT_NWK_UPDATE_REQ and not broadcast:
        # A scan is not offered; a change of channel is obeyed, and acknowledged with an empty scan result.
        obeyed = len(body) >= 6 and body[4] == CHANGE_CHANNEL
        return reply(bytes([SUCCESS if obeyed else NOT_SUPPORTED]) + body[:4].ljust(4, b"\0") + bytes(5))
    return None if broadcast else reply(bytes([NOT_SUPPORTED]))


def _simple(node: NodeDescription, own: bytes, wanted: int) -> bytes:
    if not 1 <= wanted <= 0xFE:
        return bytes([INVALID_EP]) + own + b"\x00"
    for endpoint in node.endpoints:
        if endpoint.endpoint == wanted:
            descriptor = endpoint.simple_descriptor()
            return bytes([SUCCESS]) + own + bytes([len(descriptor)]) + descriptor
    return bytes([NOT_ACTIVE]) + own + b"\x00"


def _match(node: NodeDescription, tsn: int, body: bytes, broadcast: bool) -> tuple[int, bytes] | None:
    interest, profile, inputs = struct.unpack_from("<HHB", body)
    at = 5
    in_clusters = set(struct.unpack_from(f"<{inputs}H", body, at))
    at += 2 * inputs
    outputs = body[at]
    out_clusters = set(struct.unpack_from(f"<{outputs}H", body, at + 1))
    if interest not in (node.nwk, 0xFFFF, 0xFFFD):
        return None
    found = matching_endpoints(node, profile, in_clusters, out_clusters)
    if not found and broadcast:
        return None
    status = SUCCESS if found else NO_MATCH
    rest = bytes([status]) + struct.pack("<H", node.nwk) + bytes([len(found), *found])
    return MATCH_DESC_REQ | RESPONSE, bytes([tsn]) + rest
