"""What went over the serial line, read byte by byte without any library of the hub's.

Sources of the layouts: ASH, EZSP (frame ids 0x0034, 0x010E) and MT (AF_DATA_REQUEST 0x24 0x01, its EXT 0x24 0x02,
ZDO_SET_LINK_KEY 0x25 0x23) as the vendors' documents give them; zigpy.md §9.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dongle_lab import Kind, Lab, address, play

from hanctl.base.eui64 import Eui64, to_bytes

SMART_ENERGY = 0x0109
KEY_ESTABLISHMENT = 0x0800
IN_CLEAR = {0x0000, 0x0003, 0x0009, KEY_ESTABLISHMENT}
SEND_UNICAST, IMPORT_LINK_KEY = 0x0034, 0x010E
APS_ENCRYPTION, ENABLE_SECURITY = 0x0020, 0x40


@dataclass(frozen=True)
class Sent:
    """An APS unicast that the hub asked for."""

    cluster: int
    encrypted: bool


def ash_data(line: bytes) -> Iterator[bytes]:
    """The EZSP commands in what a host wrote, each once."""
    seen = None
    for raw in line.split(b"\x7e"):
        frame = bytearray()
        escaped = False
        for byte in raw:
            if byte == 0x1A:
                frame.clear()
            elif byte == 0x7D:
                escaped = True
            elif byte not in (0x11, 0x13):
                frame.append(byte ^ 0x20 if escaped else byte)
                escaped = False
        if len(frame) < 6 or frame[0] & 0x80:
            continue
        body, register = bytearray(), 0x42
        for byte in frame[1:-2]:
            body.append(byte ^ register)
            register = register >> 1 ^ (0xB8 if register & 1 else 0)
        if bytes(body) != seen:
            yield bytes(body)
        seen = bytes(body)


def ezsp(line: bytes) -> tuple[list[Sent], list[bytes]]:
    """Unicasts in profile 0x0109, and the arguments of importLinkKey."""
    sent, imported = [], []
    for command in ash_data(line):
        if len(command) < 5 or command[1] & 0x80:
            continue
        frame_id, arguments = struct.unpack_from("<H", command, 3)[0], command[5:]
        if frame_id == SEND_UNICAST:
            profile, cluster, _, _, options = struct.unpack_from("<HHBBH", arguments, 3)
            if profile == SMART_ENERGY:
                sent.append(Sent(cluster, bool(options & APS_ENCRYPTION)))
        elif frame_id == IMPORT_LINK_KEY:
            imported.append(arguments[1:25])
    return sent, imported


def mt(line: bytes) -> tuple[list[Sent], list[bytes]]:
    """Unicasts of endpoint 1 to endpoints, and the arguments of ZDO_SET_LINK_KEY without the short address."""
    sent, imported, at = [], [], 0
    while at < len(line):
        if line[at] != 0xFE:
            at += 1
            continue
        size = line[at + 1]
        command, data = line[at + 2 : at + 4], line[at + 4 : at + 4 + size]
        at += size + 5
        if command == b"\x24\x02" and data[0] == 2 and data[9] and data[12]:
            cluster, _, options = struct.unpack_from("<HBB", data, 13)
            sent.append(Sent(cluster, bool(options & ENABLE_SECURITY)))
        elif command == b"\x24\x01" and data[2] and data[3]:
            cluster, _, options = struct.unpack_from("<HBB", data, 4)
            sent.append(Sent(cluster, bool(options & ENABLE_SECURITY)))
        elif command == b"\x25\x23":
            imported.append(data[2:26])
    return sent, imported


@pytest.mark.parametrize("radio", [("ezsp", 13), ("znp", None)], ids=["ezsp", "znp"])
def test_smart_energy_is_encrypted_and_the_key_imported(radio: tuple[Kind, int | None], tmp_path: Path) -> None:
    line = bytearray()

    async def scene(lab: Lab) -> None:
        dongle = lab.world.dongle
        received = dongle.data_received

        def tap(data: bytes) -> None:
            line.extend(data)
            received(data)

        dongle.data_received = tap  # type: ignore[method-assign]
        hub = await lab.start()
        await lab.join(hub)
        await asyncio.sleep(30)
        assert await lab.is_served(hub, 1)
        keys.update(lab.agreed)

    keys: dict[Eui64, bytes] = {}
    play(scene, tmp_path, radio, 1, None, {})
    sent, imported = (ezsp if radio[0] == "ezsp" else mt)(bytes(line))
    assert [each.encrypted for each in sent if each.cluster == KEY_ESTABLISHMENT] == [False] * 4, (
        "the suites read by the display, and three messages, in clear"
    )
    secured = [each for each in sent if each.cluster not in IN_CLEAR]
    assert secured and all(each.encrypted for each in secured)
    own = keys[address(1)]
    assert imported == [to_bytes(address(1)) + own]
