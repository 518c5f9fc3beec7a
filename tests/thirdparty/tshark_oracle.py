"""Frames through tshark's dissector, and what it read in them: somebody else's eyes on the declared clusters."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

SMART_ENERGY = 0x0109
NO_FCS = 230
"""The link type of IEEE 802.15.4 frames without their check sequence."""
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(\w{3} +\d+, \d{4} \d\d:\d\d:\d\d)\.0+ UTC")


@dataclass(frozen=True, slots=True)
class Seen:
    """One field as dissected: where it is in the frame, its filter name, its value, and how it is put in words."""

    position: int
    size: int
    name: str
    value: int | str
    words: str


@dataclass(frozen=True, slots=True)
class Dissected:
    """One frame. ``header``: bytes before the ZCL payload."""

    header: int
    fields: tuple[Seen, ...]
    malformed: bool
    undissected: bool

    def at(self, offset: int, size: int) -> list[Seen]:
        """The fields of exactly these bytes of the ZCL payload."""
        return [seen for seen in self.fields if (seen.position, seen.size) == (self.header + offset, size)]


def frame(cluster: int, zcl: bytes) -> bytes:
    """A MAC frame from the hub to a device with this ZCL frame, all of it in clear."""
    aps = struct.pack("<BBHHBB", 0x00, 1, cluster, SMART_ENERGY, 1, 7) + zcl
    network = struct.pack("<HHHBB", 0x0008, 0x0000, 0x1234, 30, 9) + aps
    return struct.pack("<HBHHH", 0x8841, 3, 0x1A62, 0x0000, 0x1234) + network


def dissect(frames: Sequence[tuple[int, bytes]], directory: Path) -> list[Dissected]:
    """What tshark makes of (cluster, ZCL frame) pairs; the ZCL header has three bytes."""
    path = directory / "frames.pcap"
    records = [frame(cluster, zcl) for cluster, zcl in frames]
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, NO_FCS)
    path.write_bytes(
        head + b"".join(struct.pack("<IIII", n, 0, len(each), len(each)) + each for n, each in enumerate(records))
    )
    done = subprocess.run(["tshark", "-r", str(path), "-T", "pdml"], capture_output=True, text=True, check=True)
    packets = ElementTree.fromstring(done.stdout).findall("packet")
    assert len(packets) == len(frames)
    return [
        _packet(packet, len(whole) - len(zcl) + 3)
        for packet, whole, (_, zcl) in zip(packets, records, frames, strict=True)
    ]


def _packet(packet: ElementTree.Element, header: int) -> Dissected:
    protocols = {protocol.get("name") for protocol in packet.findall("proto")}
    fields = tuple(
        Seen(
            int(field.get("pos", "0")),
            int(field.get("size", "0")),
            field.get("name", ""),
            _value(field.get("show", "")),
            field.get("showname", field.get("show", "")),
        )
        for field in packet.iter("field")
    )
    return Dissected(header, fields, "_ws.malformed" in protocols, "data" in protocols)


def _value(shown: str) -> int | str:
    time = _TIME.fullmatch(shown)
    if time is not None:
        moment = datetime.strptime(time[1], "%b %d, %Y %H:%M:%S").replace(tzinfo=UTC)
        return int((moment - EPOCH).total_seconds())
    try:
        return int(shown, 0)
    except ValueError:
        return shown
