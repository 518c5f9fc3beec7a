"""Hosts for a simulated Z-Stack dongle in virtual time (a bare MT client, unmodified zigpy-znp), and a tiny device."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
import zigpy_znp.commands
import zigpy_znp.types
import zigpy_znp.uart
from zigpy_znp.frames import GeneralFrame
from zigpy_znp.zigbee.application import ControllerApplication

from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.simulator.dongle import Dongle, Flash
from hanctl.simulator.network.medium import ApsFrame, Link, Medium
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY
from hanctl.simulator.znp import ZnpDongle
from hanctl.simulator.znp.mt import BadBytes, MtReader

c: Any = zigpy_znp.commands
t: Any = zigpy_znp.types

DONGLE = parse_eui64("00:12:4b:00:11:22:33:44")
DEVICE = parse_eui64("70:b3:d5:12:34:56:78:9a")
SMART_ENERGY = 0x0109
NETWORK_KEY = bytes(range(16))


def make_dongle(flash: Flash | None = None, *, seed: int = 1, key_table_size: int = 12) -> ZnpDongle:
    """A dongle without power on a medium of its own."""
    stack = Stack(DONGLE, Medium(random.Random(seed)), key_table_size=key_table_size)
    return ZnpDongle(stack, flash or Flash())


class MtHost:
    """A host that sends requests and keeps what is not an answer to one in ``callbacks``."""

    def __init__(self, dongle: Dongle) -> None:
        self.dongle = dongle
        self.frames: list[Any] = []
        self.callbacks: list[Any] = []
        self._reader = MtReader()
        dongle.attach(self._received)

    def _received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            assert not isinstance(frame, BadBytes), frame
            self.frames.append(frame)
            header = t.CommandHeader(frame.cmd0 | frame.cmd1 << 8)
            if frame.cmd0 >> 5 == 2 and header in c.COMMANDS_BY_ID:
                command = c.COMMANDS_BY_ID[header]
                if command is c.AF.IncomingMsgExt.Callback:
                    continue
                self.callbacks.append(command.from_frame(GeneralFrame(header, t.Bytes(frame.data)), align=True))

    def send(self, request: Any) -> None:
        frame = request.to_frame(align=True)
        self.dongle.data_received(zigpy_znp.frames.TransportFrame(frame).serialize())

    def ask(self, request: Any) -> Any:
        """The synchronous response: it is there at once."""
        before = len(self.frames)
        self.send(request)
        answer = self.frames[before]
        header = t.CommandHeader(answer.cmd0 | answer.cmd1 << 8)
        return c.COMMANDS_BY_ID[header].from_frame(GeneralFrame(header, t.Bytes(answer.data)), align=True)

    def seen(self, kind: Any) -> list[Any]:
        return [x for x in self.callbacks if isinstance(x, kind)]

    async def reset(self) -> None:
        self.send(c.SYS.ResetReq.Req(Type=t.ResetType.Soft))
        await asyncio.sleep(1)

    async def form(self, endpoints: Iterable[tuple[int, int]] = ((1, SMART_ENERGY),)) -> None:
        """Form a network on channel 20 and register endpoints, each with its profile."""
        for item, value in ((0x83, b"\x34\x12"), (0x62, NETWORK_KEY), (0x47, b"\x88\x77\x66\x55\x44\x33\x22\x11")):
            self.ask(c.SYS.OSALNVWriteExt.Req(Id=item, Offset=0, Value=t.LongBytes(value)))
        self.ask(c.AppConfig.BDBSetChannel.Req(IsPrimary=True, Channel=t.Channels.CHANNEL_20))
        await self.start()
        for endpoint, profile in endpoints:
            self.register(endpoint, profile)

    async def start(self) -> None:
        self.ask(c.AppConfig.BDBStartCommissioning.Req(Mode=c.app_config.BDBCommissioningMode.NwkFormation))
        await asyncio.sleep(1)
        assert self.dongle.stack.up

    def register(self, endpoint: int, profile: int) -> Any:
        return self.ask(
            c.AF.Register.Req(
                Endpoint=endpoint,
                ProfileId=profile,
                DeviceId=0x0500,
                DeviceVersion=0,
                LatencyReq=c.af.LatencyReq.NoLatencyReqs,
                InputClusters=t.ClusterIdList([0x0000, 0x0019]),
                OutputClusters=t.ClusterIdList([]),
            )
        ).Status

    def data(self, destination: int, payload: bytes, *, endpoint: int = 1, options: int = 0x10, tsn: int = 7) -> Any:
        return self.ask(
            c.AF.DataRequest.Req(
                DstAddr=destination,
                DstEndpoint=1,
                SrcEndpoint=endpoint,
                ClusterId=0x0019,
                TSN=tsn,
                Options=c.af.TransmitOptions(options),
                Radius=30,
                Data=t.ShortBytes(payload),
            )
        ).Status

    def permit(self, seconds: int, destination: int = 0) -> Any:
        return self.ask(
            c.ZDO.MgmtPermitJoinReq.Req(AddrMode=t.AddrMode.NWK, Dst=destination, Duration=seconds, TCSignificance=1)
        ).Status


@dataclass
class TinyNode:
    """A device that joins, keeps what it hears and says what it is told to."""

    eui64: Eui64 = DEVICE
    nwk: int | None = None
    powered: bool = True
    sleepy: bool = False
    link: Link = field(default_factory=Link)
    heard: list[ApsFrame] = field(default_factory=list)

    def takes(self, frame: ApsFrame) -> bool:
        return True

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)

    def join(self, stack: Stack, key: bytes = WELL_KNOWN_KEY) -> bool:
        if self not in stack.medium.nodes:
            stack.medium.attach(self)
        self.nwk = stack.admit(self, key)
        return self.nwk is not None

    def say(
        self, stack: Stack, payload: bytes, *, profile: int = SMART_ENERGY, encrypted: bool = False, cluster: int = 0x19
    ) -> None:
        assert self.nwk is not None
        endpoint = 1 if profile else 0
        key = stack.link_key(self.eui64) if encrypted else None
        frame = ApsFrame(
            self.nwk, 0, profile, cluster, endpoint, endpoint, 33, payload, encrypted=encrypted, link_key=key
        )
        stack.medium.to_coordinator(self, frame, lambda _: None)


# --- zigpy-znp without a socket


class MemoryTransport(asyncio.Transport):
    """A serial line within the process."""

    def __init__(self, dongle: Dongle, protocol: Any) -> None:
        super().__init__()
        self._dongle = dongle
        self._protocol = protocol
        self._open = True
        self._loop = asyncio.get_running_loop()
        dongle.attach(self._to_host)
        dongle.power_listeners.append(self._power)
        self._loop.call_soon(protocol.connection_made, self)

    def _to_host(self, data: bytes) -> None:
        self._loop.call_soon(lambda: self._protocol.data_received(data) if self._open else None)

    def _power(self, on: bool) -> None:
        if not on:
            self._lost(None)

    def _lost(self, error: Exception | None) -> None:
        if self._open:
            self._open = False
            self._loop.call_soon(self._protocol.connection_lost, error)

    def write(self, data: Any) -> None:
        if self._open:
            self._loop.call_soon(self._dongle.data_received, bytes(data))

    def close(self) -> None:
        if self._open:
            self._dongle.detach()
            self._lost(None)

    async def set_modem_pins(self, **pins: bool) -> None:
        """A line without such pins."""


def plug_into(monkeypatch: pytest.MonkeyPatch, dongle: Dongle) -> None:
    """Let zigpy-znp open the dongle whatever port it is told."""

    async def connect(loop: Any, protocol_factory: Any, **options: Any) -> tuple[Any, Any]:
        protocol = protocol_factory()
        return MemoryTransport(dongle, protocol), protocol

    monkeypatch.setattr(zigpy_znp.uart, "create_serial_connection", connect)


async def start_zigpy(*, form: bool = False, key: bytes = NETWORK_KEY) -> Any:
    """A running zigpy-znp application."""
    config = {
        "device": {"path": "/dev/null"},
        "database_path": None,
        "backup_enabled": False,
        "topology_scan_enabled": False,
        "startup_energy_scan": False,
        "ota": {"enabled": False},
        "network": {"channel": 20, "pan_id": 0x1234, "extended_pan_id": "11:22:33:44:55:66:77:88", "key": list(key)},
    }
    return await ControllerApplication.new(config, auto_form=form)
