"""The Zigbee stack inside a simulated dongle: coordinator and trust centre, common to EZSP and Z-Stack.

A personality (EZSP or ZNP) configures it, sends through it, and hears of what it receives. What survives a power cut
is kept by the personality in its own tokens or NVRAM; the stack is rebuilt from them.

Assumption, to be proven on silicon: the key a device joined with stays usable for APS encryption without taking an
entry of the link key table; only keys that the host imports take entries.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal, Protocol

from hanctl.eui64 import Eui64
from hanctl.simulator import zdo
from hanctl.simulator.fragmentation import Fragmenter, block_id, room
from hanctl.simulator.medium import COORDINATOR, ApsFrame, BlockId, Done, Medium, Node

LOGGER = logging.getLogger(__name__)

WELL_KNOWN_KEY = b"ZigBeeAlliance09"
WILDCARD = Eui64("ff:ff:ff:ff:ff:ff:ff:ff")
TRANSIENT_KEY_S = 300.0
IN_FLIGHT_LIMIT = 20
MAC_MAINS_ROUTER = 0x8E
MAC_SLEEPY = 0x80


@dataclass(slots=True)
class Network:
    """Parameters of the network that the dongle runs."""

    channel: int
    pan_id: int
    extended_pan_id: bytes
    key: bytes = field(repr=False)
    key_sequence: int = 0
    frame_counter: int = 0
    update_id: int = 0


@dataclass(slots=True)
class Child:
    """A device that joined. ``link_key`` is the one it joined with."""

    eui64: Eui64
    nwk: int
    sleepy: bool
    link_key: bytes = field(repr=False)


@dataclass(slots=True)
class JoinPolicy:
    """What the trust centre lets in while joining is permitted."""

    allow_joins: bool = True
    install_codes_only: bool = False
    partner_keys: bool = False
    """Whether two devices are given a link key of their own when one asks."""


class JoinKind(Enum):
    """How a device came, as reported to the host."""

    UNSECURED_JOIN = "join"
    SECURED_REJOIN = "rejoin"
    LEFT = "left"


PartnerKeyOutcome = Literal["sent", "no key", "denied"]


class SendError(Enum):
    """Why the stack did not take a frame."""

    NETWORK_DOWN = "network down"
    TOO_LONG = "payload too long"
    BUSY = "too many messages in flight"
    NO_LINK_KEY = "no link key with the destination"


class StackListener(Protocol):
    """The personality above the stack."""

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        """A frame for the host. ``node`` is None for the dongle's own loopback."""

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None: ...

    def partner_key_event(self, requester: Eui64, outcome: PartnerKeyOutcome) -> None:
        """A device asked for a link key with another."""

    def stack_changed(self) -> None:
        """Something that must survive a power cut changed (children, keys, network)."""


class Stack:
    """A coordinator. All limits are per dongle; ``key_table_size`` entries, then an error.

    ``fragmenter`` cuts long messages and reassembles them where the firmware does that by itself; where it is None
    the host does, and hears of each block.
    """

    def __init__(self, eui64: Eui64, medium: Medium, *, key_table_size: int = 12, manufacturer_code: int = 0) -> None:
        self.eui64 = eui64
        self.medium = medium
        self.key_table_size = key_table_size
        self.manufacturer_code = manufacturer_code
        self.listener: StackListener | None = None
        self.network: Network | None = None
        self.up = False
        self.powered = False
        self.endpoints: dict[int, zdo.Endpoint] = {}
        self.children: dict[Eui64, Child] = {}
        self.key_table: dict[Eui64, bytes] = {}
        self.policy = JoinPolicy()
        self.global_link_key: bytes | None = None
        self.fragmenter: Fragmenter | None = None
        self._transient: dict[Eui64, tuple[bytes, float]] = {}
        self._permit_until = 0.0
        self._counter = 0
        self._in_flight = 0
        self._boots = 0

    # --- power and network

    def power_on(self) -> None:
        """Power, without a network yet; volatile state is fresh."""
        self.powered = True
        self.up = False
        self.endpoints.clear()
        self._transient.clear()
        self._permit_until = 0.0
        self._in_flight = 0
        self._boots += 1
        if self.fragmenter is not None:
            self.fragmenter.reset()
        self.policy = JoinPolicy()
        self.medium.coordinator = self

    def power_off(self) -> None:
        self.powered = self.up = False
        self.medium.forget_held()

    def form(self, network: Network) -> None:
        """Start a new network: nobody is on it."""
        self.network = network
        self.children.clear()
        self.up = True
        self._changed()

    def start(self) -> bool:
        """Resume the stored network; False where there is none."""
        self.up = self.network is not None
        return self.up

    def leave(self) -> None:
        """Forget the network."""
        self.network = None
        self.up = False
        self.children.clear()
        self._changed()

    def hearing(self) -> bool:
        return self.powered and self.up

    # --- keys and joining

    def permit(self, seconds: float) -> None:
        """Open for joining for ``seconds``; 0 closes, 255 and more stays open."""
        if seconds <= 0:
            self._permit_until = 0.0
        elif seconds >= 255:
            self._permit_until = float("inf")
        else:
            self._permit_until = self._now() + seconds

    @property
    def permitting(self) -> bool:
        return self._now() < self._permit_until

    def add_transient_key(self, eui64: Eui64, key: bytes, seconds: float = TRANSIENT_KEY_S) -> None:
        """A key for one device (or the wildcard) to join with, for a while."""
        self._transient[eui64] = (key, self._now() + seconds)

    def transient_key(self, eui64: Eui64) -> bytes | None:
        entry = self._transient.get(eui64)
        return entry[0] if entry is not None and self._now() < entry[1] else None

    def transient_keys(self) -> dict[Eui64, bytes]:
        return {e: k for e, (k, expiry) in self._transient.items() if self._now() < expiry}

    def clear_transient_keys(self) -> None:
        self._transient.clear()

    def import_link_key(self, eui64: Eui64, key: bytes) -> bool:
        """Put a link key in the table, replacing the device's own; False where the table is full."""
        if eui64 not in self.key_table and len(self.key_table) >= self.key_table_size:
            return False
        self.key_table[eui64] = key
        self._changed()
        return True

    def erase_link_key(self, eui64: Eui64) -> bool:
        found = self.key_table.pop(eui64, None) is not None
        if found:
            self._changed()
        return found

    def link_key(self, eui64: Eui64) -> bytes | None:
        """The key that APS encryption with this device uses."""
        child = self.children.get(eui64)
        return self.key_table.get(eui64) or (child.link_key if child else None) or None

    def admit(self, node: Node, link_key: bytes) -> int | None:
        """A device asks to join with its pre-configured key: its new address, or None.

        A device whose key is not the one the trust centre used is reported to the host as joined, as on silicon, but
        cannot read the network key and so gets no address here.
        """
        if not (self.hearing() and self.permitting and self.policy.allow_joins):
            return None
        offered = self._key_offered_to(node.eui64)
        nwk = self._new_address()
        if self.medium.observer is not None:
            self.medium.observer.association(node, nwk, offered)
        if offered != link_key:
            self._tell_join(node.eui64, nwk, JoinKind.UNSECURED_JOIN, denied=offered is None)
            return None
        self.children[node.eui64] = Child(node.eui64, nwk, node.sleepy, link_key)
        self._changed()
        self._tell_join(node.eui64, nwk, JoinKind.UNSECURED_JOIN, denied=False)
        return nwk

    def readmit(self, node: Node, network_key: bytes) -> int | None:
        """A known device comes back with the network key: its address, or None."""
        child = self.children.get(node.eui64)
        if not self.hearing() or self.network is None or child is None or network_key != self.network.key:
            return None
        self._tell_join(node.eui64, child.nwk, JoinKind.SECURED_REJOIN, denied=False)
        return child.nwk

    def child_left(self, node: Node) -> None:
        child = self.children.pop(node.eui64, None)
        if child is not None:
            self._changed()
            self._tell_join(child.eui64, child.nwk, JoinKind.LEFT, denied=False)

    def eui64_of(self, nwk: int) -> Eui64 | None:
        if nwk == COORDINATOR:
            return self.eui64
        return next((c.eui64 for c in self.children.values() if c.nwk == nwk), None)

    def nwk_of(self, eui64: Eui64) -> int | None:
        if eui64 == self.eui64:
            return COORDINATOR
        child = self.children.get(eui64)
        return child.nwk if child else None

    # --- data

    def next_counter(self) -> int:
        self._counter = (self._counter + 1) & 0xFF
        return self._counter

    def send(self, frame: ApsFrame, done: Done) -> SendError | None:
        """Queue a frame from the host; ``done`` is called later with the outcome, unless an error is returned."""
        if not self.up or self.network is None:
            return SendError.NETWORK_DOWN
        if not self._fits(frame):
            return SendError.TOO_LONG
        if frame.destination == COORDINATOR:
            asyncio.get_running_loop().call_soon(self._loop_back, frame, done)
            return None
        if self._in_flight >= IN_FLIGHT_LIMIT:
            return SendError.BUSY
        if frame.encrypted and not frame.broadcast:
            eui64 = self.eui64_of(frame.destination)
            link_key = self.link_key(eui64) if eui64 is not None else None
            if link_key is None:
                return SendError.NO_LINK_KEY
            frame = replace(frame, link_key=link_key)
        self._in_flight += 1
        self.network.frame_counter += 1

        boot = self._boots

        def finished(delivered: bool) -> None:
            # What was sent before a reset is nothing to the firmware that runs now.
            if self.powered and self._boots == boot:
                self._in_flight -= 1
                done(delivered)

        if self.fragmenter is not None:
            self.fragmenter.send(frame, finished)
        else:
            self.medium.from_coordinator(frame, finished)
        return None

    def fragment(self, *, longest: int) -> None:
        """Fragment and reassemble by itself from now on, messages of up to ``longest`` bytes."""
        self.fragmenter = Fragmenter(self.medium.from_coordinator, self._acknowledge, longest=longest)

    def acknowledge_block(self, source: int, counter: int, index: int) -> None:
        """Tell the sender of a block that it arrived."""
        node = self.medium.node_at(source)
        if node is not None:
            self.medium.acknowledge(node, BlockId(node.eui64, False, counter, index))

    def takes_from(self, node: Node, frame: ApsFrame) -> bool:
        """Whether the frame is in clear, or under the link key with the device."""
        return frame.readable(self.link_key(node.eui64))

    def receive_from(self, node: Node, frame: ApsFrame) -> None:
        """A frame from a device: the stack answers its own ZDO, the host hears of everything."""
        if not self.hearing() or node.nwk is None:
            return
        whole = frame if self.fragmenter is None else self.fragmenter.receive(frame)
        if whole is None:
            return
        frame = whole
        if frame.profile == 0 and frame.destination_endpoint == 0:
            self._answer_zdo(frame)
        if self.listener is not None:
            self.listener.incoming(frame, node)

    def _fits(self, frame: ApsFrame) -> bool:
        size = len(frame.payload)
        if self.fragmenter is None or frame.broadcast or frame.block is not None:
            return size <= room(frame)
        return size <= max(room(frame), self.fragmenter.longest)

    def _acknowledge(self, frame: ApsFrame) -> None:
        node = self.medium.node_at(frame.source)
        if node is not None:
            self.medium.acknowledge(node, block_id(node, frame))

    def describe(self) -> zdo.NodeDescription:
        """The dongle as a Zigbee node."""
        return zdo.NodeDescription(
            self.eui64,
            COORDINATOR,
            logical_type=0,
            mac_capability=0x8F,
            manufacturer_code=self.manufacturer_code,
            endpoints=tuple(self.endpoints[e] for e in sorted(self.endpoints)),
        )

    def _answer_zdo(self, frame: ApsFrame) -> None:
        if frame.cluster & zdo.RESPONSE or frame.cluster == zdo.DEVICE_ANNCE or frame.block is not None:
            return
        response = zdo.answer(self.describe(), frame.cluster, frame.payload, broadcast=frame.broadcast)
        if response is not None:
            cluster, payload = response
            self.medium.from_coordinator(
                ApsFrame(COORDINATOR, frame.source, 0, cluster, 0, 0, self.next_counter(), payload), lambda _: None
            )

    def _loop_back(self, frame: ApsFrame, done: Done) -> None:
        """The host wrote to its own dongle: answered by the dongle's own ZDO."""
        done(True)
        if self.listener is None or frame.profile != 0:
            return
        response = zdo.answer(self.describe(), frame.cluster, frame.payload, broadcast=False)
        if response is not None:
            cluster, payload = response
            self.listener.incoming(
                ApsFrame(COORDINATOR, COORDINATOR, 0, cluster, 0, 0, self.next_counter(), payload), None
            )

    def _key_offered_to(self, eui64: Eui64) -> bytes | None:
        own = self.transient_key(eui64)
        if own is not None or self.policy.install_codes_only:
            return own
        return self.transient_key(WILDCARD) or self.global_link_key

    def _new_address(self) -> int:
        rng: random.Random = self.medium.rng
        taken = {c.nwk for c in self.children.values()}
        while True:
            nwk = rng.randrange(0x0001, 0xFFF7)
            if nwk not in taken:
                return nwk

    def _tell_join(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        if self.listener is not None:
            self.listener.join_event(eui64, nwk, kind, denied=denied)

    def _changed(self) -> None:
        if self.listener is not None:
            self.listener.stack_changed()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
