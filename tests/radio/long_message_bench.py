"""The hub's radio on a simulated dongle in virtual time, and devices that send and take long messages."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.hil import memory
from hanctl.radio import DongleSettings, open_radio
from hanctl.radio.frames import IncomingFrame, OutgoingFrame, Radio
from hanctl.simulator.dongle import Dongle, Flash
from hanctl.simulator.network.fragmentation import fragmenter_of
from hanctl.simulator.network.medium import ApsFrame, Link, Medium
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.world import DONGLE_EUI64, Kind, dongle_maker

Variant = tuple[Kind, int | None]
VARIANTS: list[Variant] = [("ezsp", 13), ("ezsp", 14), ("ezsp", 18), ("ezsp", 19), ("znp", None)]
KEY = bytes(range(16))
CLUSTER = 0x0704

_NAMES = itertools.count(1)
_formed: dict[Variant, dict[str, Any]] = {}


def content(size: int, seed: int = 0) -> bytes:
    """A payload, any two of which differ in each block."""
    return random.Random(f"{size} {seed}").randbytes(size)


class Node:
    """A device of plain APS: it keeps each whole message, and says what it is told to."""

    def __init__(self, medium: Medium, number: int, *, sleepy: bool = False) -> None:
        self.eui64 = from_bytes(bytes([number]) * 8)
        self.nwk: int | None = None
        self.powered = True
        self.sleepy = sleepy
        self.link = Link()
        self.heard: list[ApsFrame] = []
        self.messages: list[ApsFrame] = []
        self.deaf_to: Callable[[ApsFrame], bool] = lambda frame: False
        self.fragmenter = fragmenter_of(self, medium)
        self.counter = 40
        self._medium = medium
        medium.attach(self)

    def takes(self, frame: ApsFrame) -> bool:
        return frame.readable(KEY)

    def receive(self, frame: ApsFrame) -> None:
        self.heard.append(frame)
        if self.deaf_to(frame):
            return
        whole = self.fragmenter.receive(frame)
        if whole is not None:
            self.messages.append(whole)

    def frame(self, payload: bytes, *, encrypted: bool = False) -> ApsFrame:
        assert self.nwk is not None
        self.counter = (self.counter + 1) & 0xFF
        key = KEY if encrypted else None
        return ApsFrame(self.nwk, 0, 0x0109, CLUSTER, 1, 1, self.counter, payload, encrypted=encrypted, link_key=key)

    async def say(self, payload: bytes, *, encrypted: bool = False) -> bool:
        """Whether all of it was acknowledged."""
        said: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.fragmenter.send(self.frame(payload, encrypted=encrypted), said.set_result)
        return await said

    def say_block(self, frame: ApsFrame) -> None:
        self._medium.to_coordinator(self, frame, lambda _: None)


class Hub:
    """What listens to the radio."""

    def __init__(self) -> None:
        self.frames: list[IncomingFrame] = []
        self.lost: list[str] = []

    def frame_received(self, frame: IncomingFrame) -> None:
        if frame.profile:
            self.frames.append(frame)

    def device_joined(self, eui64: Eui64, nwk: int) -> None: ...

    def device_left(self, eui64: Eui64, nwk: int) -> None: ...

    def address_conflict(self, nwk: int) -> None: ...

    def partner_key_asked(self, eui64: Eui64, given: bool, detail: str) -> None: ...

    def join_denied(self, eui64: Eui64, how: str) -> None: ...

    def dongle_lost(self, reason: str) -> None:
        self.lost.append(reason)

    @property
    def payloads(self) -> list[bytes]:
        return [frame.payload for frame in self.frames]


class Bench:
    def __init__(self, variant: Variant, *, seed: int = 1) -> None:
        kind, version = variant
        self.variant = variant
        self.medium = Medium(random.Random(seed))
        self.stack = Stack(DONGLE_EUI64[kind], self.medium)
        self.flash = Flash()
        if variant in _formed:
            self.flash.save(_formed[variant])
        self.dongle: Dongle = dongle_maker(kind, version)(self.stack, self.flash)
        self.name = f"long-{next(_NAMES)}"
        self.url = memory.plug(self.name, self.dongle)
        self.hub = Hub()
        self.radio: Radio = open_radio(DongleSettings(kind, self.url, channel=20))

    @property
    def application(self) -> Any:
        radio: Any = self.radio
        return radio._application

    def join(self, number: int, *, sleepy: bool = False) -> Node:
        """One more device on the network, with a link key."""
        node = Node(self.medium, number, sleepy=sleepy)
        # Whatever the dongle's policy about joining is: it is not the matter here.
        self.stack.permit(60)
        policy, self.stack.policy = self.stack.policy, replace(self.stack.policy, allow_joins=True)
        self.stack.add_transient_key(node.eui64, KEY)
        node.nwk = self.stack.admit(node, KEY)
        self.stack.policy = policy
        assert node.nwk is not None
        return node

    async def send(self, node: Node, payload: bytes, *, encrypted: bool = False) -> None:
        assert node.nwk is not None
        await self.radio.send(
            OutgoingFrame(node.nwk, 1, 1, 0x0109, CLUSTER, payload, aps_encrypted=encrypted, sleepy=node.sleepy)
        )


@asynccontextmanager
async def running(variant: Variant, *, seed: int = 1) -> AsyncIterator[Bench]:
    """A bench whose network runs; at its end neither side has seen anything malformed."""
    if variant not in _formed:
        first = Bench(variant)
        first.dongle.power_on()
        await asyncio.sleep(1)
        await first.radio.start(first.hub)
        await first.radio.stop()
        first.dongle.power_off()
        memory.unplug(first.name)
        _formed[variant] = first.flash.load()
    bench = Bench(variant, seed=seed)
    bench.dongle.power_on()
    await asyncio.sleep(1)
    network = await bench.radio.start(bench.hub)
    assert not network.formed
    try:
        yield bench
    finally:
        await bench.radio.stop()
        bench.dongle.power_off()
        memory.unplug(bench.name)
    assert not bench.dongle.faults
