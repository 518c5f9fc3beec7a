"""The air between one coordinator and its devices: a star of links with delay, loss, and sleepy children.

APS frames travel whole; what MAC and APS retries would do to them is modelled by outcome and time, not bit by bit.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hanctl.base.eui64 import Eui64
from hanctl.simulator.network.frames import (
    BROADCAST_ALL,
    BROADCAST_RX_ON,
    COORDINATOR,
    FIRST_BROADCAST,
    ApsFrame,
    BlockId,
    Done,
    ExtendedHeader,
    Link,
)
from hanctl.simulator.network.nodes import Coordinator, Counting, FrameNumbers, Node
from hanctl.simulator.network.observer import Observer

__all__ = [
    "BROADCAST_ALL",
    "BROADCAST_RX_ON",
    "COORDINATOR",
    "FIRST_BROADCAST",
    "ApsFrame",
    "BlockId",
    "Coordinator",
    "Counting",
    "Counts",
    "Done",
    "ExtendedHeader",
    "Link",
    "Medium",
    "Node",
]

APS_ACK_WAIT_S = 1.6
APS_RETRIES = 3
INDIRECT_TIMEOUT_S = 7.68
UNREACHABLE_S = 0.05
IN_TURN_S = 1e-7
"""Least gap between two frames over one link, in seconds, so that they arrive in the order sent."""


@dataclass(slots=True)
class _Held:
    """A frame waiting at the parent for a sleepy child to poll."""

    frame: ApsFrame
    done: Done
    expiry: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Attempt:
    """A unicast in progress, over the link with ``node``; the receiver takes a repeated frame only once.

    ``fresh``: it has a counter not used before, so repeats get new counters; a replay keeps its own.
    """

    node: Node
    frame: ApsFrame
    done: Done
    fresh: bool = False
    tries: int = 0
    received: bool = False


@dataclass(slots=True)
class Counts:
    """Counts of carried frames. ``undecryptable``: under another key than the receiver's, retries included."""

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
    numbers: FrameNumbers = field(default_factory=FrameNumbers)
    _held_frames: dict[Eui64, list[_Held]] = field(default_factory=dict)
    _unacknowledged: dict[BlockId, _Attempt] = field(default_factory=dict)
    _arrivals: dict[Eui64, float] = field(default_factory=dict)
    _forgers: dict[int, Node] = field(default_factory=dict)

    def attach(self, node: Node) -> None:
        """Bring a device into range."""
        self.nodes.append(node)

    def node_at(self, nwk: int) -> Node | None:
        """Return the node, powered or not, that has this network address."""
        return next((n for n in self.nodes if n.nwk == nwk), None)

    def forge_acknowledgements(self, node: Node, nwk: int) -> None:
        """Make the node acknowledge, in clear, everything that the dongle sends to this address."""
        self._forgers[nwk] = node

    def from_coordinator(self, frame: ApsFrame, done: Done) -> None:
        """Send from the dongle. ``done`` is called later with whether the frame was acknowledged."""
        self.counts.sent += 1
        if frame.broadcast:
            self._broadcast(frame)
            self._later(UNREACHABLE_S, done, True)
            return
        done = self._forged(frame, done)
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
            heard = self._in_range(node) and not self._lost(node)
            if self.observer is not None:
                self.observer.broadcast(node, frame, heard=heard)
            if heard:
                self._later(node.link.delay_s, self._deliver, node, frame)
            self._later(UNREACHABLE_S, done, True)
            return
        frame, fresh = self.numbers.numbered(node, frame)
        self._attempt(node, frame, done, fresh=fresh)

    def poll(self, node: Node) -> None:
        """Let a sleepy child ask its parent for held frames."""
        heard = self.coordinator is not None and self.coordinator.hearing()
        waiting = self._held_frames.pop(node.eui64, []) if heard else []
        if self.observer is not None and not waiting:
            self.observer.poll(node, heard=heard)
        for held in waiting:
            if held.expiry is not None:
                held.expiry.cancel()
            self._attempt(node, held.frame, held.done)

    def acknowledge(self, node: Node, block: BlockId) -> None:
        """Let the receiver of a block acknowledge it over this link; nothing happens if nobody waits for that."""
        attempt = self._unacknowledged.get(block)
        if attempt is None:
            return
        heard = not self._lost(node)
        if self.observer is not None:
            self.observer.acknowledgement(node, attempt.frame, heard=heard)
        if heard:
            answer = self.numbers.acknowledgement(node, attempt.frame)
            self._in_turn(node, self._block_acknowledged, node, answer, block)

    def leave(self, node: Node) -> None:
        """Free the address of a node that announced that it leaves."""
        if self.coordinator is not None and self.coordinator.hearing():
            self.coordinator.child_left(node)
        node.nwk = None

    def forget_held(self) -> None:
        """Drop the frames held for sleepy children, as the parent lost power; nobody is told."""
        for waiting in self._held_frames.values():
            for held in waiting:
                if held.expiry is not None:
                    held.expiry.cancel()
        self._held_frames.clear()

    def _forged(self, frame: ApsFrame, done: Done) -> Done:
        """Return the callback for the outcome. Only the first outcome counts: the receiver's, or a forger's."""
        forger, hub = self._forgers.get(frame.destination), self.coordinator
        if forger is None or hub is None or not frame.ack_request or not hub.believes_anybody(frame):
            return done
        outcomes: list[bool] = []

        def first(delivered: bool) -> None:
            outcomes.append(delivered)
            if len(outcomes) == 1:
                done(delivered)

        if self._in_range(forger) and not self._lost(forger):
            self._later(2 * forger.link.delay_s, first, True)
        return first

    def _believed(self, node: Node, answer: ApsFrame | None) -> bool:
        """Tell whether the acknowledgement counts."""
        return answer is None or (self.coordinator is not None and self.coordinator.takes_from(node, answer))

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
        self._held_frames.setdefault(node.eui64, []).append(held)

    def _expire(self, eui64: Eui64, held: _Held) -> None:
        waiting = self._held_frames.get(eui64, [])
        if held in waiting:
            waiting.remove(held)
            self.counts.expired += 1
            held.done(False)

    def _in_range(self, node: Node) -> bool:
        return node.powered and self.coordinator is not None and self.coordinator.hearing()

    def _lost(self, node: Node) -> bool:
        lost = self.rng.random() < node.link.loss
        if lost:
            self.counts.lost += 1
        return lost

    def _accepted(self, node: Node, frame: ApsFrame) -> bool:
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

    def _attempt(self, node: Node, frame: ApsFrame, done: Done, *, fresh: bool = False) -> None:
        """Deliver a unicast, with APS retries where an acknowledgement was asked for."""
        attempt = _Attempt(node, frame, done, fresh)
        if frame.block is not None:
            self._attempt_block(attempt, frame.block)
        else:
            self._try(attempt)

    def _try(self, attempt: _Attempt) -> None:
        attempt.tries += 1
        frame = self._frame_for_this_try(attempt)
        if self._transmitted(attempt):
            self._in_turn(attempt.node, self._arrive, attempt, frame)
        else:
            self._failed(attempt)

    def _frame_for_this_try(self, attempt: _Attempt) -> ApsFrame:
        repeated = attempt.fresh and attempt.tries > 1
        return self.numbers.again(attempt.node, attempt.frame) if repeated else attempt.frame

    def _transmitted(self, attempt: _Attempt) -> bool:
        """Make one transmission. Returns whether its receiver hears it."""
        heard = self._in_range(attempt.node) and not self._lost(attempt.node)
        if self.observer is not None:
            self.observer.unicast(attempt.node, attempt.frame, heard=heard)
        return heard

    def _arrive(self, attempt: _Attempt, frame: ApsFrame) -> None:
        node = attempt.node
        if not self._in_range(node):
            self._failed(attempt)
            return
        if not attempt.received and not self._accepted(node, frame):
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
            answer = self.numbers.acknowledgement(node, frame) if acknowledged else None
            self._in_turn(node, self._acknowledged, attempt, answer)

    def _acknowledged(self, attempt: _Attempt, answer: ApsFrame | None) -> None:
        if self._believed(attempt.node, answer):
            attempt.done(True)
        else:
            self._failed(attempt)

    def _failed(self, attempt: _Attempt) -> None:
        if attempt.frame.ack_request and attempt.tries <= APS_RETRIES:
            self._later(APS_ACK_WAIT_S, self._try, attempt)
        else:
            self._later(UNREACHABLE_S, attempt.done, False)

    def _attempt_block(self, attempt: _Attempt, block: ExtendedHeader) -> None:
        """Deliver a block, again and again until it is acknowledged.

        The receiver gets each repeat, unlike other unicasts.
        """
        node, frame = attempt.node, attempt.frame
        identity = BlockId(node.eui64, frame.from_coordinator, frame.counter, block.index)
        self._block_done(identity, False)
        self._unacknowledged[identity] = attempt

        def arrive(now: ApsFrame) -> None:
            if self._in_range(node) and self._accepted(node, now):
                self._deliver(node, now)

        def try_once() -> None:
            if self._unacknowledged.get(identity) is not attempt:
                return
            attempt.tries += 1
            if attempt.tries > 1 + APS_RETRIES:
                self._block_done(identity, False)
                return
            now = self._frame_for_this_try(attempt)
            if self._transmitted(attempt):
                self._in_turn(node, arrive, now)
            self._later(APS_ACK_WAIT_S, try_once)

        try_once()

    def _block_acknowledged(self, node: Node, answer: ApsFrame | None, block: BlockId) -> None:
        if self._believed(node, answer):
            self._block_done(block, True)

    def _block_done(self, block: BlockId, delivered: bool) -> None:
        attempt = self._unacknowledged.pop(block, None)
        if attempt is not None:
            attempt.done(delivered)

    def _in_turn(self, node: Node, callback: Callable[..., None], *args: object) -> None:
        """Call back after the delay of the link with a node, so that what goes first comes first."""
        loop = asyncio.get_running_loop()
        when = max(loop.time() + node.link.delay_s, self._arrivals.get(node.eui64, 0.0) + IN_TURN_S)
        self._arrivals[node.eui64] = when
        loop.call_at(when, callback, *args)

    @staticmethod
    def _later(delay_s: float, callback: Callable[..., None], *args: object) -> None:
        asyncio.get_running_loop().call_later(delay_s, callback, *args)


def _ignore(_: bool) -> None:
    """Do nothing: a broadcast is not acknowledged."""
