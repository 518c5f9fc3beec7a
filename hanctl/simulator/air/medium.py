"""The medium as ``simulator/medium``, with true times: frames wait for each other on one channel, collide, come again.

Over MAC frames that are acknowledged and repeated, APS works as on the ideal medium. Frames for a sleepy child, APS
acknowledgements among them, wait for its polls: one frame for each.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hanctl.base.eui64 import Eui64
from hanctl.simulator.air import lengths
from hanctl.simulator.air.agenda import Agenda
from hanctl.simulator.air.channel import Channel, Transceiver
from hanctl.simulator.air.constants import NETWORK_RETRIES, PASSIVE_ACK_WAIT_US
from hanctl.simulator.network.medium import (
    APS_ACK_WAIT_S,
    APS_RETRIES,
    BROADCAST_ALL,
    ApsFrame,
    BlockId,
    Done,
    Medium,
    Node,
)
from hanctl.simulator.network.observer import Observer

Encode = Callable[[Observer], bytes | None]


def _ignore(_: bool) -> None:
    """Ignore the outcome: nobody waits for it."""


def _nothing() -> None:
    """Do nothing: nobody misses the frame."""


@dataclass(slots=True, eq=False)
class _Parcel:
    """A MAC frame between the coordinator and ``node``: ``down`` to it, or up; a broadcast has no ``receiver``.

    ``expired`` is called if it was held for a sleepy child that did not poll in time.
    """

    medium: RealMedium
    node: Node | None
    down: bool
    length: int
    receiver: Transceiver | None
    encode: Encode
    arrive: Callable[[], None]
    after: Done
    expired: Callable[[], None] = _nothing
    retries: int = NETWORK_RETRIES
    """Left to the network layer."""
    pending: bool = False
    has_arrived: bool = False
    encoded: bytes | None = None

    def can_go(self) -> bool:
        return self.medium.sends(self.node, down=self.down)

    def shown(self) -> None:
        observer = self.medium.observer
        if observer is not None:
            self.encoded = self.encoded or self.encode(observer)
            if self.encoded is not None:
                observer.show(self.encoded, self.medium.agenda.late_s)

    def heard(self) -> bool:
        return self.node is None or self.medium.reaches(self.node)

    def received(self) -> None:
        if not self.has_arrived:
            self.has_arrived = True
            self.arrive()

    def acknowledgement_shown(self) -> None:
        observer = self.medium.observer
        if observer is not None and self.encoded is not None:
            observer.show_acknowledgement(self.encoded, self.medium.agenda.late_s, pending=self.pending)

    def acknowledgement_heard(self) -> bool:
        return self.node is not None and self.medium.reaches(self.node)

    def over(self, delivered: bool) -> None:
        if delivered or not self.retries or not self.can_go():
            self.after(delivered)
            return
        self.retries -= 1
        if self.receiver is None:
            agenda = self.medium.agenda
            agenda.at(agenda.now + PASSIVE_ACK_WAIT_US, partial(self.medium.carry, self))
        else:
            self.medium.carry(self)


@dataclass(slots=True, eq=False)
class _Exchange:
    """A unicast and its APS acknowledgement, until it is ``finished``."""

    node: Node
    frame: ApsFrame
    done: Done
    fresh: bool = False
    tries: int = 0
    received: bool = False
    finished: bool = False
    timer: asyncio.TimerHandle | None = None

    def finish(self, delivered: bool) -> None:
        if not self.finished:
            self.finished = True
            if self.timer is not None:
                self.timer.cancel()
            self.done(delivered)


@dataclass(slots=True, eq=False)
class _Waiting:
    """A frame that the parent holds for a sleepy child."""

    parcel: _Parcel
    expiry: asyncio.TimerHandle | None = None


@dataclass
class RealMedium(Medium):
    """The medium on which frames take their time on one channel; ``agenda`` has the times of all that happens there."""

    agenda: Agenda = field(default_factory=Agenda)
    _radios: dict[Eui64 | None, Transceiver] = field(default_factory=dict)
    _waiting: dict[Eui64, list[_Waiting]] = field(default_factory=dict)
    _blocks: dict[BlockId, _Exchange] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # What devices draw from the seed does not depend on how often they back off.
        self.channel = Channel(self.agenda, random.Random(self.rng.random()))

    # --- what devices and the dongle do

    def to_coordinator(self, node: Node, frame: ApsFrame, done: Done) -> None:
        if not frame.broadcast:
            super().to_coordinator(node, frame, done)
            return
        self.counts.sent += 1
        parcel = self._parcel(
            node,
            False,
            lengths.data(frame),
            lambda observer: observer.broadcast_frame(node, frame),
            partial(self._deliver, node, frame),
            lambda _: done(True),
        )
        if not node.sleepy:
            parcel.receiver = None
        self.carry(parcel)

    def poll(self, node: Node) -> None:
        waiting = self._waiting.get(node.eui64, [])
        parcel = self._parcel(
            node,
            False,
            lengths.DATA_REQUEST,
            lambda observer: observer.poll_frame(node),
            partial(self._polled, node),
            _ignore,
        )
        parcel.pending = bool(waiting)
        parcel.retries = 0
        self.carry(parcel)

    def acknowledge(self, node: Node, block: BlockId) -> None:
        exchange = self._blocks.get(block)
        if exchange is not None:
            self._acknowledge(exchange)

    def forget_held(self) -> None:
        for waiting in self._waiting.values():
            for held in waiting:
                if held.expiry is not None:
                    held.expiry.cancel()
        self._waiting.clear()
        self._radio(None).clear()

    # --- what its parcels ask

    def sends(self, node: Node | None, *, down: bool) -> bool:
        """Tell whether the sender of a frame over this link has power."""
        if down or node is None:
            return self.coordinator is not None and self.coordinator.hearing()
        return node.powered

    def reaches(self, node: Node) -> bool:
        """Tell whether what is sent over this link now gets to the other end."""
        return self._in_range(node) and not self._lost(node)

    def carry(self, parcel: _Parcel) -> None:
        """Give a frame to its sender's radio, or hold it for a child that sleeps."""
        node = parcel.node
        if node is None or not parcel.down:
            self._radio(node).send(parcel)
        elif not node.sleepy:
            self._radio(None).send(parcel)
        else:
            held = _Waiting(parcel)
            loop = asyncio.get_running_loop()
            held.expiry = loop.call_later(self.indirect_timeout_s, self._give_up, node.eui64, held)
            self._waiting.setdefault(node.eui64, []).append(held)

    # --- APS

    def _attempt(self, node: Node, frame: ApsFrame, done: Done, *, fresh: bool = False) -> None:
        exchange = _Exchange(node, frame, done, fresh)
        if frame.block is not None:
            block = BlockId(node.eui64, frame.from_coordinator, frame.counter, frame.block.index)
            replaced = self._blocks.pop(block, None)
            if replaced is not None:
                replaced.finish(False)
            self._blocks[block] = exchange
            exchange.done = partial(self._block_over, block, exchange, done)
        self._try(exchange)

    def _hold(self, node: Node, frame: ApsFrame, done: Done) -> None:
        self._attempt(node, frame, done)

    def _try(self, exchange: _Exchange) -> None:  # type: ignore[override]
        exchange.tries += 1
        node = exchange.node
        frame = self.numbers.again(node, exchange.frame) if exchange.fresh and exchange.tries > 1 else exchange.frame
        parcel = self._parcel(
            node,
            frame.from_coordinator,
            lengths.data(frame),
            lambda observer: observer.unicast_frame(node, frame),
            partial(self._arrive, exchange, frame),
            partial(self._carried, exchange),
        )
        parcel.expired = partial(exchange.finish, False)
        self.carry(parcel)

    def _carried(self, exchange: _Exchange, delivered: bool) -> None:
        """Finish the exchange, as the MAC is done with its frame; or wait for the APS acknowledgement it asked for."""
        if exchange.finished:
            return
        if not exchange.frame.ack_request or exchange.frame.broadcast:
            exchange.finish(delivered)
        else:
            loop = asyncio.get_running_loop()
            exchange.timer = loop.call_later(APS_ACK_WAIT_S, self._unanswered, exchange)

    def _unanswered(self, exchange: _Exchange) -> None:
        if exchange.tries > APS_RETRIES:
            exchange.finish(False)
        else:
            self._try(exchange)

    def _arrive(self, exchange: _Exchange, frame: ApsFrame) -> None:  # type: ignore[override]
        node = exchange.node
        if not exchange.received and not self._accepted(node, frame):
            return
        if frame.block is not None:
            # It is acknowledged by who puts the message together, a repeated one too.
            self._deliver(node, frame)
            return
        if frame.ack_request and not frame.broadcast:
            self._acknowledge(exchange)
        if not exchange.received:
            exchange.received = True
            self._deliver(node, frame)

    def _acknowledge(self, exchange: _Exchange) -> None:
        node, frame = exchange.node, exchange.frame
        answer = self.numbers.acknowledgement(node, frame)

        def arrive() -> None:
            if self._believed(node, answer):
                exchange.finish(True)

        self.carry(
            self._parcel(
                node,
                not frame.from_coordinator,
                lengths.acknowledgement(frame),
                lambda observer: observer.acknowledgement_frame(node, frame),
                arrive,
                _ignore,
            )
        )

    def _block_over(self, block: BlockId, exchange: _Exchange, done: Done, delivered: bool) -> None:
        if self._blocks.get(block) is exchange:
            del self._blocks[block]
        done(delivered)

    # --- MAC

    def _broadcast(self, frame: ApsFrame) -> None:
        def arrive() -> None:
            for node in self.nodes:
                if node.nwk is not None and node.powered and not node.sleepy and not self._lost(node):
                    node.receive(frame)

        def encode(observer: Observer) -> bytes | None:
            return observer.broadcast_frame(None, frame)

        self.carry(_Parcel(self, None, True, lengths.data(frame), None, encode, arrive, _ignore))
        for node in self.nodes:
            if node.nwk is not None and node.powered and node.sleepy and frame.destination == BROADCAST_ALL:
                self._hold(node, frame, _ignore)

    def _parcel(
        self, node: Node, down: bool, length: int, encode: Encode, arrive: Callable[[], None], after: Done
    ) -> _Parcel:
        receiver = self._radio(node if down else None)
        return _Parcel(self, node, down, length, receiver, encode, arrive, after)

    def _give_up(self, child: Eui64, held: _Waiting) -> None:
        self._waiting[child].remove(held)
        self.counts.expired += 1
        held.parcel.expired()

    def _polled(self, node: Node) -> None:
        """Send the child that polled what has waited longest for it; it polls again where there is more."""
        waiting = self._waiting.get(node.eui64)
        if not waiting:
            return
        held = waiting.pop(0)
        if held.expiry is not None:
            held.expiry.cancel()
        after = held.parcel.after

        def over(delivered: bool) -> None:
            after(delivered)
            if self._waiting.get(node.eui64) and node.powered:
                self.poll(node)

        held.parcel.after = over
        self._radio(None).send(held.parcel, first=True)

    def _radio(self, node: Node | None) -> Transceiver:
        eui64 = None if node is None else node.eui64
        radio = self._radios.get(eui64)
        if radio is None:
            radio = self._radios[eui64] = Transceiver(self.channel)
        return radio
