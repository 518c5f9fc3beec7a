"""What the coordinator's own ZDO answers to management requests; descriptors are the stack's business."""

from __future__ import annotations

import struct

from hanctl.base.eui64 import to_bytes
from hanctl.simulator.zdo import RESPONSE, SUCCESS
from hanctl.simulator.znp import network
from hanctl.simulator.znp.firmware import ZnpFirmware

LQI_REQ = 0x0031
RTG_REQ = 0x0032
BIND_TABLE_REQ = 0x0033
PERMIT_JOIN_REQ = 0x0036
NWK_UPDATE_REQ = 0x0038
CHANGE_CHANNEL = 0xFE
CHANGE_MANAGER = 0xFF
_LONGEST_SCAN = 5
_NEIGHBOURS_PER_ANSWER = 3
_INVALID_REQUEST = 0x80


def answer(dongle: ZnpFirmware, cluster: int, payload: bytes) -> tuple[int, bytes] | None:
    """Return the response (cluster, payload) to a request to oneself; None where the common stack answers it."""
    answers = {
        LQI_REQ: _neighbours,
        RTG_REQ: _empty_table,
        BIND_TABLE_REQ: _empty_table,
        PERMIT_JOIN_REQ: _permit,
        NWK_UPDATE_REQ: _update,
    }
    if cluster not in answers or not payload or not dongle.stack.up:
        return None
    try:
        body = answers[cluster](dongle, payload[1:])
    except (struct.error, IndexError):
        body = bytes([_INVALID_REQUEST])
    return cluster | RESPONSE, payload[:1] + body


def _permit(dongle: ZnpFirmware, body: bytes) -> bytes:
    dongle.stack.permit(body[0])
    return bytes([SUCCESS])


def _empty_table(dongle: ZnpFirmware, body: bytes) -> bytes:
    return bytes([SUCCESS, 0, body[0], 0])


def _neighbours(dongle: ZnpFirmware, body: bytes) -> bytes:
    start = body[0]
    running = dongle.stack.network
    assert running is not None
    children = list(dongle.stack.children.values())
    records = []
    for child in children[start : start + _NEIGHBOURS_PER_ANSWER]:
        # Device type (end device 2, router 1), receiver on when idle, and relationship "child".
        kind = 0x02 if child.sleepy else 0x01 | 0x01 << 2
        records.append(
            running.extended_pan_id + to_bytes(child.eui64) + struct.pack("<HBBBB", child.nwk, kind | 1 << 4, 2, 1, 220)
        )
    return bytes([SUCCESS, len(children), start, len(records)]) + b"".join(records)


def _update(dongle: ZnpFirmware, body: bytes) -> bytes:
    channels, duration = struct.unpack_from("<IB", body)
    running = dongle.stack.network
    assert running is not None
    if duration <= _LONGEST_SCAN:
        scanned = [n for n in range(11, 27) if channels >> n & 1]
        rng = dongle.stack.medium.rng
        energies = bytes(rng.randrange(20, 90) for _ in scanned)
        return bytes([SUCCESS]) + struct.pack("<IHHB", channels & 0x07FFF800, 0, 0, len(scanned)) + energies
    if duration == CHANGE_CHANNEL:
        wanted = [n for n in range(11, 27) if channels >> n & 1]
        if len(wanted) != 1:
            return bytes([_INVALID_REQUEST])
        running.channel = wanted[0]
        running.update_id = (running.update_id + 1) & 0xFF
        network.store_channel(dongle.nvram, running)
        return bytes([SUCCESS]) + struct.pack("<IHHB", channels, 0, 0, 0)
    return bytes([_INVALID_REQUEST])
