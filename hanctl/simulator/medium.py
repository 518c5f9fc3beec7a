"""The air between one coordinator and its devices: a star of links with delay, loss, and sleepy children.

APS frames travel whole; what MAC and APS retries would do to them is modelled by outcome and time, not bit by bit.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from hanctl.eui64 import Eui64

LOGGER = logging.getLogger(__name__)

COORDINATOR = 0x0000
BROADCAST_ALL = 0xFFFF
BROADCAST_RX_ON = 0xFFFD
BROADCAST_ROUTERS = 0xFFFC
FIRST_BROADCAST = 0xFFF8

APS_ACK_WAIT_S = 1.6
APS_RETRIES = 3
INDIRECT_TIMEOUT_S = 7.68
UNREACHABLE_S = 0.05

Done = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """One APS data frame. ``encrypted`` means with the link key of the two ends."""

    source: int
    destination: int
    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    counter: int
    payload: bytes
    ack_request: bool = True
    encrypted: bool = False
    group: int | None = None

    @property
    def broadcast(self) -> bool:
        return self.destination >= FIRST_BROADCAST


@dataclass(slots=True)
class Link:
    """Radio conditions between the coordinator and one device: seconds one way, and probability of loss."""

    delay_s: float = 0.004
    loss: float = 0.0
    lqi: int = 220
    rssi: int = -48


class Node(Protocol):
    """Anything with a radio. ``nwk`` is None while it is on no network."""

    eui64: Eui64
    nwk: int | None
    powered: bool
    sleepy: bool
    link: Link

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame addressed to this node."""


class Coordinator(Protocol):
    """The dongle's end of every link."""

    def receive_from(self, node: Node, frame: ApsFrame) -> None: ...

    def hearing(self) -> bool:
        """Whether the coordinator is powered and its network is up."""

    def child_left(self, node: Node) -> None: ...


@dataclass(slots=True)
class _Held:
    """A frame waiting at the parent for a sleepy child to poll."""

    frame: ApsFrame
    done: Done
    expiry: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Attempt:
    """An acknowledged transmission in progress; the receiver takes a repeated frame only once."""

    tries: int = 0
    received: bool = False


@dataclass(slots=True)
class Counts:
    """What the medium has carried."""

    sent: int = 0
    lost: int = 0
    expired: int = 0


@dataclass
class Medium:
    """One channel shared by one coordinator and any number of devices."""

    rng: random.Random
    indirect_timeout_s: float = INDIRECT_TIMEOUT_S
    coordinator: Coordinator | None = None
    nodes: list[Node] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    _held: dict[Eui64, list[_Held]] = field(default_factory=dict)

    def attach(self, node: Node) -> None:
        """Bring a device into range."""
        self.nodes.append(node)

    def node_at(self, nwk: int) -> Node | None:
        """The powered or unpowered node that has this network address."""
        return next((n for n in self.nodes if n.nwk == nwk), None)

    def from_coordinator(self, frame: ApsFrame, done: Done) -> None:
        """Send from the dongle. ``done`` is called later with whether the frame was acknowledged."""
        self.counts.sent += 1
        if frame.broadcast:
            self._broadcast(frame)
            self._later(UNREACHABLE_S, done, True)
            return
        node = self.node_at(frame.destination)
        if node is None:
            self._later(UNREACHABLE_S, done, False)
        elif node.sleepy:
            self._hold(node, frame, done)
        else:
            self._attempt(node, frame, lambda: self._reach(node), lambda: node.receive(frame), done)

    def to_coordinator(self, node: Node, frame: ApsFrame, done: Done) -> None:
        """Send from a device to the dongle, or broadcast from a device."""
        self.counts.sent += 1

        def deliver() -> None:
            if self.coordinator is not None:
                self.coordinator.receive_from(node, frame)

        def reach() -> bool:
            return self.coordinator is not None and self.coordinator.hearing() and node.powered

        if frame.broadcast:
            if reach() and not self._lost(node):
                self._later(node.link.delay_s, deliver)
            self._later(UNREACHABLE_S, done, True)
            return
        self._attempt(node, frame, reach, deliver, done)

    def poll(self, node: Node) -> None:
        """A sleepy child asks its parent for held frames."""
        if self.coordinator is None or not self.coordinator.hearing():
            return
        for held in self._held.pop(node.eui64, []):
            if held.expiry is not None:
                held.expiry.cancel()
            self._attempt(node, held.frame, lambda: self._reach(node), _receiver(node, held.frame), held.done)

    def leave(self, node: Node) -> None:
        """The node announced that it leaves; its address is free at once."""
        if self.coordinator is not None and self.coordinator.hearing():
            self.coordinator.child_left(node)
        node.nwk = None

    def forget_held(self) -> None:
        """The parent lost power: frames held for sleepy children are gone, and nobody is told."""
        for waiting in self._held.values():
            for held in waiting:
                if held.expiry is not None:
                    held.expiry.cancel()
        self._held.clear()

    def _broadcast(self, frame: ApsFrame) -> None:
        for node in self.nodes:
            if node.nwk is None or not node.powered:
                continue
            if node.sleepy and frame.destination == BROADCAST_ALL:
                self._hold(node, frame, _ignore)
            elif not node.sleepy and not self._lost(node):
                self._later(node.link.delay_s, node.receive, frame)

    def _hold(self, node: Node, frame: ApsFrame, done: Done) -> None:
        held = _Held(frame, done)
        held.expiry = asyncio.get_running_loop().call_later(self.indirect_timeout_s, self._expire, node.eui64, held)
        self._held.setdefault(node.eui64, []).append(held)

    def _expire(self, eui64: Eui64, held: _Held) -> None:
        waiting = self._held.get(eui64, [])
        if held in waiting:
            waiting.remove(held)
            self.counts.expired += 1
            held.done(False)

    def _reach(self, node: Node) -> bool:
        return node.powered and self.coordinator is not None and self.coordinator.hearing()

    def _lost(self, node: Node) -> bool:
        lost = self.rng.random() < node.link.loss
        if lost:
            self.counts.lost += 1
        return lost

    def _attempt(
        self, node: Node, frame: ApsFrame, reach: Callable[[], bool], deliver: Callable[[], None], done: Done
    ) -> None:
        """Deliver a unicast, with APS retries where an acknowledgement was asked for."""
        attempt = _Attempt()

        def arrive() -> None:
            if not reach():
                failed()
                return
            if not attempt.received:
                attempt.received = True
                deliver()
            if frame.ack_request and self._lost(node):
                failed()
            else:
                self._later(node.link.delay_s, done, True)

        def failed() -> None:
            if frame.ack_request and attempt.tries <= APS_RETRIES:
                self._later(APS_ACK_WAIT_S, try_once)
            else:
                self._later(UNREACHABLE_S, done, False)

        def try_once() -> None:
            attempt.tries += 1
            if not reach() or self._lost(node):
                failed()
            else:
                self._later(node.link.delay_s, arrive)

        try_once()

    @staticmethod
    def _later(delay_s: float, callback: Callable[..., None], *args: object) -> None:
        asyncio.get_running_loop().call_later(delay_s, callback, *args)


def _receiver(node: Node, frame: ApsFrame) -> Callable[[], None]:
    return lambda: node.receive(frame)


def _ignore(_: bool) -> None:
    """A broadcast is not acknowledged."""
