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
from hanctl.simulator.observer import Observer

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
class Block:
    """The extended header of one block of a fragmented message; only the first tells the ``total``, others have 0."""

    index: int
    total: int = 0


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """One APS data frame. ``encrypted`` means with the link key of the two ends: ``link_key``, which its sender used.

    A ``block`` is acknowledged by its receiver with ``Medium.acknowledge``; any other frame by its arrival.
    """

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
    block: Block | None = None
    link_key: bytes | None = field(default=None, repr=False)

    @property
    def from_coordinator(self) -> bool:
        return self.source == COORDINATOR

    @property
    def broadcast(self) -> bool:
        return self.destination >= FIRST_BROADCAST

    @property
    def secured(self) -> bool:
        """Whether it goes under a link key."""
        return self.encrypted and not self.broadcast and self.link_key is not None

    def readable(self, link_key: bytes | None) -> bool:
        """Whether a receiver that has this link key with the sender can decrypt it."""
        return not self.encrypted or self.broadcast or self.link_key == link_key


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

    def takes(self, frame: ApsFrame) -> bool:
        """Whether its stack can decrypt a frame addressed to it; what it cannot, it does not acknowledge."""

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame addressed to this node."""


class Coordinator(Protocol):
    """The dongle's end of every link."""

    def takes_from(self, node: Node, frame: ApsFrame) -> bool:
        """As ``Node.takes``."""

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
    """A unicast in progress, over the link with ``node``; the receiver takes a repeated frame only once."""

    node: Node
    frame: ApsFrame
    done: Done
    tries: int = 0
    received: bool = False


@dataclass(frozen=True, slots=True)
class BlockId:
    """Which block of which message, on the link with a device."""

    device: Eui64
    from_coordinator: bool
    counter: int
    index: int


@dataclass(slots=True)
class Counts:
    """What the medium has carried. ``undecryptable``: under another key than the receiver's, retries included."""

    sent: int = 0
    lost: int = 0
    expired: int = 0
    undecryptable: int = 0


@dataclass
class Medium:
    """One channel shared by one coordinator and any number of devices."""

    rng: random.Random
    indirect_timeout_s: float = INDIRECT_TIMEOUT_S
    coordinator: Coordinator | None = None
    nodes: list[Node] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    observer: Observer | None = None
    _held: dict[Eui64, list[_Held]] = field(default_factory=dict)
    _unacknowledged: dict[BlockId, _Attempt] = field(default_factory=dict)

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
            self._attempt(node, frame, done)

    def to_coordinator(self, node: Node, frame: ApsFrame, done: Done) -> None:
        """Send from a device to the dongle, or broadcast from a device."""
        self.counts.sent += 1
        if frame.broadcast:
            heard = self._reach(node) and not self._lost(node)
            if self.observer is not None:
                self.observer.broadcast(node, frame, heard=heard)
            if heard:
                self._later(node.link.delay_s, self._deliver, node, frame)
            self._later(UNREACHABLE_S, done, True)
            return
        self._attempt(node, frame, done)

    def poll(self, node: Node) -> None:
        """A sleepy child asks its parent for held frames."""
        heard = self.coordinator is not None and self.coordinator.hearing()
        waiting = self._held.pop(node.eui64, []) if heard else []
        if self.observer is not None and not waiting:
            self.observer.poll(node, heard=heard)
        for held in waiting:
            if held.expiry is not None:
                held.expiry.cancel()
            self._attempt(node, held.frame, held.done)

    def acknowledge(self, node: Node, block: BlockId) -> None:
        """The receiver of a block acknowledges it over this link; nothing where nobody waits for that any more."""
        attempt = self._unacknowledged.get(block)
        if attempt is None:
            return
        heard = not self._lost(node)
        if self.observer is not None:
            self.observer.acknowledgement(node, attempt.frame, heard=heard)
        if heard:
            self._later(node.link.delay_s, self._block_done, block, True)

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
        if self.observer is not None:
            self.observer.broadcast(None, frame, heard=True)
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

    def _taken(self, node: Node, frame: ApsFrame) -> bool:
        if frame.from_coordinator:
            taken = node.takes(frame)
        else:
            taken = self.coordinator is not None and self.coordinator.takes_from(node, frame)
        if not taken:
            self.counts.undecryptable += 1
        return taken

    def _deliver(self, node: Node, frame: ApsFrame) -> None:
        if frame.from_coordinator:
            node.receive(frame)
        elif self.coordinator is not None:
            self.coordinator.receive_from(node, frame)

    def _attempt(self, node: Node, frame: ApsFrame, done: Done) -> None:
        """Deliver a unicast, with APS retries where an acknowledgement was asked for."""
        attempt = _Attempt(node, frame, done)
        if frame.block is not None:
            self._attempt_block(attempt, frame.block)
        else:
            self._try(attempt)

    def _try(self, attempt: _Attempt) -> None:
        attempt.tries += 1
        if self._transmitted(attempt):
            self._later(attempt.node.link.delay_s, self._arrive, attempt)
        else:
            self._failed(attempt)

    def _transmitted(self, attempt: _Attempt) -> bool:
        """One transmission: whether its receiver hears it."""
        heard = self._reach(attempt.node) and not self._lost(attempt.node)
        if self.observer is not None:
            self.observer.unicast(attempt.node, attempt.frame, heard=heard)
        return heard

    def _arrive(self, attempt: _Attempt) -> None:
        node, frame = attempt.node, attempt.frame
        if not self._reach(node):
            self._failed(attempt)
            return
        if not attempt.received and not self._taken(node, frame):
            self._failed(attempt)
            return
        acknowledged = frame.ack_request and not frame.broadcast
        lost = acknowledged and self._lost(node)
        if acknowledged and self.observer is not None:
            self.observer.acknowledgement(node, frame, heard=not lost)
        if not attempt.received:
            attempt.received = True
            self._deliver(node, frame)
        if lost:
            self._failed(attempt)
        else:
            self._later(node.link.delay_s, attempt.done, True)

    def _failed(self, attempt: _Attempt) -> None:
        if attempt.frame.ack_request and attempt.tries <= APS_RETRIES:
            self._later(APS_ACK_WAIT_S, self._try, attempt)
        else:
            self._later(UNREACHABLE_S, attempt.done, False)

    def _attempt_block(self, attempt: _Attempt, block: Block) -> None:
        """Deliver a block, again and again until its receiver acknowledges it: a repeated block is heard again."""
        node, frame = attempt.node, attempt.frame
        identity = BlockId(node.eui64, frame.from_coordinator, frame.counter, block.index)
        self._block_done(identity, False)
        self._unacknowledged[identity] = attempt

        def arrive() -> None:
            if self._reach(node) and self._taken(node, frame):
                self._deliver(node, frame)

        def try_once() -> None:
            if self._unacknowledged.get(identity) is not attempt:
                return
            attempt.tries += 1
            if attempt.tries > 1 + APS_RETRIES:
                self._block_done(identity, False)
                return
            if self._transmitted(attempt):
                self._later(node.link.delay_s, arrive)
            self._later(APS_ACK_WAIT_S, try_once)

        try_once()

    def _block_done(self, block: BlockId, delivered: bool) -> None:
        attempt = self._unacknowledged.pop(block, None)
        if attempt is not None:
            attempt.done(delivered)

    @staticmethod
    def _later(delay_s: float, callback: Callable[..., None], *args: object) -> None:
        asyncio.get_running_loop().call_later(delay_s, callback, *args)


def _ignore(_: bool) -> None:
    """A broadcast is not acknowledged."""
