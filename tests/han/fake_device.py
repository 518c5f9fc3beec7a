"""A radio that records what is sent, and devices that answer from a script of plain bytes."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.radio.errors import DeliveryFailed, KeyTableFull
from hanctl.radio.frames import IncomingFrame, NetworkState, OutgoingFrame, RadioListener

NETWORK = NetworkState(
    dongle_eui64=Eui64("00:0d:6f:00:00:00:00:01"),
    radio="ezsp",
    firmware="none",
    channel=15,
    pan_id=0x1A62,
    extended_pan_id="11:22:33:44:55:66:77:88",
    formed=False,
)
PPMID = Eui64("00:0d:6f:00:0a:90:69:e7")
KEY = bytes(range(16))
CIPHERED = (0x000A, 0x0019)


@dataclass
class Display:
    """A PPMID at endpoint 1 that answers the interview; ``deaf`` frames are lost, ``mute`` answers never come."""

    eui64: Eui64 = PPMID
    nwk: int = 0x1234
    capability: int = 0x8E
    deaf: int = 0
    mute: bool = False
    version: int = 0x00000102
    heard: list[OutgoingFrame] = field(default_factory=list)

    def answer(self, frame: OutgoingFrame) -> tuple[int, bytes] | None:
        """(cluster, payload) of the answer."""
        tsn, nwk = frame.payload[:1], self.nwk.to_bytes(2, "little")
        if frame.destination_endpoint == 0:
            return self._zdo(frame.cluster, tsn, nwk)
        control, _, command = frame.payload[:3]
        assert frame.aps_encrypted == (frame.cluster in CIPHERED)
        if control & 0x03 or command != 0x00:
            return None
        values = {
            (0x0000, 0x00): "0400 00 42 0441636d65  0500 00 42 0244 31  0700 00 30 81",
            (0x0019, 0x08): f"0200 00 23 {self.version.to_bytes(4, 'little').hex()}  0700 00 21 5f11  0800 00 21 0101",
        }
        body = bytes.fromhex(values[frame.cluster, control & 0x08])
        asked = struct.unpack(f"<{len(frame.payload[3:]) // 2}H", frame.payload[3:])
        # Id by id, also what it does not have.
        body += b"".join(struct.pack("<HB", attribute, 0x86) for attribute in asked if attribute >= 0x5000)
        return frame.cluster, bytes((0x18 ^ (control & 0x08), frame.payload[1], 0x01)) + body

    def _zdo(self, cluster: int, tsn: bytes, nwk: bytes) -> tuple[int, bytes] | None:
        match cluster:
            case 0x0001:
                return 0x8001, tsn + b"\x00" + to_bytes(self.eui64) + nwk
            case 0x0002:
                body = bytes.fromhex(f"02 40 {self.capability:02x} 5f11 52 5200 002c 5200 00")
                return 0x8002, tsn + b"\x00" + nwk + body
            case 0x0005:
                return 0x8005, tsn + b"\x00" + nwk + b"\x01\x01"
            case 0x0004:
                body = bytes.fromhex("01 0901 0205 01 01 0000 02 1900 0507")
                return 0x8004, tsn + b"\x00" + nwk + bytes((len(body),)) + body
        return None


class FakeRadio:
    """Implements Radio."""

    def __init__(self) -> None:
        self.listener: RadioListener | None = None
        self.sent: list[OutgoingFrame] = []
        self.posts: set[asyncio.Future[None]] = set()
        self.opened: list[tuple[Eui64, bytes, int]] = []
        self.refuses_joins = False
        self.commands: list[str] = []
        self.closed = 0
        self.removed: list[Eui64] = []
        self.repaired: list[tuple[Eui64, int]] = []
        self.keys: dict[Eui64, bytes] = {}
        self.key_capacity = 12
        self.devices: dict[int, Display] = {}
        self.before_send: Callable[[OutgoingFrame], None] = lambda frame: None

    async def start(self, listener: RadioListener) -> NetworkState:
        self.listener = listener
        return NETWORK

    async def stop(self) -> None:
        self.listener = None

    async def send(self, frame: OutgoingFrame) -> None:
        self.before_send(frame)
        self.sent.append(frame)
        await asyncio.sleep(0)
        device = self.devices.get(frame.destination_nwk)
        if device is None:
            raise DeliveryFailed("nobody there")
        if device.deaf > 0:
            device.deaf -= 1
            raise DeliveryFailed("not acknowledged")
        device.heard.append(frame)
        answer = device.answer(frame)
        if answer is not None and not device.mute:
            asyncio.get_running_loop().call_later(0.1, self.receive, device, *answer, frame.destination_endpoint)

    def post(self, frame: OutgoingFrame) -> None:
        task = asyncio.ensure_future(self._posted(frame))
        self.posts.add(task)
        task.add_done_callback(self.posts.discard)

    async def _posted(self, frame: OutgoingFrame) -> None:
        with suppress(HanctlError):
            await self.send(frame)

    def backlog(self) -> float:
        return 0.0

    async def open_join(self, eui64: Eui64, link_key: bytes, seconds: int) -> None:
        if self.refuses_joins:
            raise DeliveryFailed("the dongle did not take the joining key")
        await self._command("open")
        self.opened.append((eui64, link_key, seconds))

    async def close_join(self) -> None:
        await self._command("close")
        self.closed += 1

    async def _command(self, name: str) -> None:
        """Two commands on the serial line, as either takes several."""
        for _ in range(2):
            self.commands.append(name)
            await asyncio.sleep(0)

    async def remove(self, eui64: Eui64, nwk: int) -> None:
        self.removed.append(eui64)

    async def install_link_key(self, eui64: Eui64, nwk: int, key: bytes) -> None:
        if len(self.keys) >= self.key_capacity and eui64 not in self.keys:
            raise KeyTableFull("the dongle's table of link keys is full")
        self.keys[eui64] = key

    async def remove_link_key(self, eui64: Eui64) -> None:
        self.keys.pop(eui64, None)

    async def address_of(self, eui64: Eui64) -> int | None:
        return next((nwk for nwk, device in self.devices.items() if device.eui64 == eui64), None)

    async def repair_address(self, eui64: Eui64, nwk: int) -> None:
        self.repaired.append((eui64, nwk))

    async def key_counter(self, eui64: Eui64) -> int | None:
        return None

    async def backup(self) -> dict[str, Any]:
        return {"devices": [{"ieee_address": eui64, "link_key": {}} for eui64 in self.keys]}

    def receive(self, device: Display, cluster: int, payload: bytes, endpoint: int, *, broadcast: bool = False) -> None:
        assert self.listener is not None
        self.listener.frame_received(
            IncomingFrame(
                source_nwk=device.nwk,
                source_endpoint=endpoint,
                destination_endpoint=min(endpoint, 1),
                profile=0x0109 if endpoint else 0x0000,
                cluster=cluster,
                payload=payload,
                aps_counter=0,
                aps_encrypted=bool(endpoint) and cluster in CIPHERED,
                broadcast=broadcast,
            )
        )

    def announce(self, device: Display) -> None:
        payload = b"\x01" + device.nwk.to_bytes(2, "little") + to_bytes(device.eui64) + bytes((device.capability,))
        self.receive(device, 0x0013, payload, 0, broadcast=True)
