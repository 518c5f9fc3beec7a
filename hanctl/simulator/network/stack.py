"""The Zigbee stack inside a simulated dongle: coordinator and trust centre, common to EZSP and Z-Stack.

A personality (EZSP or ZNP) configures it, sends through it, and hears of what it receives. What survives a power cut
is kept by the personality in its own tokens or NVRAM; the stack is rebuilt from them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from enum import Enum

from hanctl.base.eui64 import Eui64
from hanctl.simulator import zdo
from hanctl.simulator.network.fragmentation import Fragmenter, block_id, room
from hanctl.simulator.network.medium import COORDINATOR, ApsFrame, BlockId, Done, Medium, Node
from hanctl.simulator.network.nodes import Movable
from hanctl.simulator.network.trust_centre import Network, TrustCentre
from hanctl.simulator.quirks import Quirks

IN_FLIGHT_LIMIT = 20


class SendError(Enum):
    """Reasons why the stack does not accept a frame."""

    NETWORK_DOWN = "network down"
    TOO_LONG = "payload too long"
    BUSY = "too many messages in flight"
    NO_LINK_KEY = "no link key with the destination"


class Stack(TrustCentre):
    """The stack of a coordinator. All limits are per dongle; ``key_table_size`` entries, then an error.

    ``fragmenter`` cuts long messages and reassembles them where the firmware does that by itself; where it is None
    the host does, and hears of each block.
    """

    def __init__(
        self,
        eui64: Eui64,
        medium: Medium,
        *,
        key_table_size: int = 12,
        manufacturer_code: int = 0,
        quirks: Quirks = Quirks(),  # noqa: B008 - it is frozen
    ) -> None:
        super().__init__(eui64, medium, key_table_size)
        self.quirks = quirks
        self.stranger_key: bytes | None = None
        """The key of a node that has no entry of its own."""
        self.dropped: Counter[str] = Counter()
        """Encrypted frames that were not taken, by reason, since the firmware started."""
        self.conflict: Callable[[int], None] = _ignore
        """Told of a short address that two nodes claim."""
        self.manufacturer_code = manufacturer_code
        self.endpoints: dict[int, zdo.Endpoint] = {}
        self.fragmenter: Fragmenter | None = None
        self._counter = 0
        self._in_flight = 0
        self._boots = 0

    # --- power and network

    def power_on(self) -> None:
        """Switch on, without a network yet; volatile state is fresh."""
        self.powered = True
        self.up = False
        self.endpoints.clear()
        self.dropped.clear()
        self.reset()
        self._in_flight = 0
        self._boots += 1
        if self.fragmenter is not None:
            self.fragmenter.reset()
        self.medium.coordinator = self

    def power_off(self) -> None:
        self.powered = self.up = False
        self.medium.forget_held()

    def form(self, network: Network) -> None:
        """Start a new network with no devices."""
        self.network = network
        self.children.clear()
        self.addresses.clear()
        self.up = True
        self._changed()

    def start(self) -> bool:
        """Resume the stored network. Returns False if there is none."""
        self.up = self.network is not None
        return self.up

    def leave(self) -> None:
        """Forget the network."""
        self.network = None
        self.up = False
        self.children.clear()
        self.addresses.clear()
        self._changed()

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

    def believes_anybody(self, frame: ApsFrame) -> bool:
        """Tell whether an acknowledgement in clear, from anybody, counts for this frame."""
        return not frame.encrypted or self.quirks.forged_acks

    def takes_from(self, node: Node, frame: ApsFrame) -> bool:
        """Tell whether the frame is in clear, or can be decrypted and is no replay.

        The key is that of the EUI64 in the APS header, or else of whom the dongle has at the short address; the nonce
        must be of the same EUI64.
        """
        if not frame.encrypted or frame.broadcast:
            return True
        reason = self._refusal(frame, frame.secured_by or node.eui64)
        if reason:
            self.dropped[reason] += 1
        return not reason

    def _refusal(self, frame: ApsFrame, secured_by: Eui64) -> str:
        mapped = self.eui64_of(frame.source)
        extended = mapped != secured_by if frame.extended_nonce is None else frame.extended_nonce
        owner = secured_by if extended and self.quirks.honours_nonce else mapped
        if owner is None:
            return "unknown address"
        if extended and self.quirks.compares_nonce and owner != mapped:
            return "another's address"
        own = self.link_key(owner)
        key = own or self.stranger_key
        if key is None or key != frame.link_key or owner != secured_by:
            return "another key"
        if own is not None and frame.security_counter is not None:
            if frame.security_counter <= self.counters.of(owner):
                return "had before"
            if self.counters.accept(owner, frame.security_counter):
                self._changed()
        return ""

    def receive_from(self, node: Node, frame: ApsFrame) -> None:
        """Handle a frame from a device: the stack answers its own ZDO, and passes everything to the host."""
        if not self.hearing() or node.nwk is None:
            return
        whole = frame if self.fragmenter is None else self.fragmenter.receive(frame)
        if whole is None:
            return
        frame = whole
        if frame.profile == 0 and frame.destination_endpoint == 0:
            self._learn(frame)
            self._answer_zdo(frame)
        if self.listener is not None:
            self.listener.incoming(frame, node)

    def counter_told(self, eui64: Eui64) -> int:
        """Return the incoming frame counter of the node's key, as the host sees it."""
        return self.counters.of(eui64) if self.quirks.counters == "live" else 0

    def _learn(self, frame: ApsFrame) -> None:
        """Update the address map by claims of any sender: no key proves them."""
        said = zdo.address_told(frame.cluster, frame.payload)
        if said is None or said[0] == self.eui64:
            return
        eui64, nwk = said
        before = self.addresses.nwk_of(eui64)
        conflict = False
        if frame.cluster == zdo.DEVICE_ANNCE and self.quirks.announcements_move:
            conflict = self.addresses.announced(eui64, nwk)
        elif frame.cluster != zdo.DEVICE_ANNCE and self.quirks.answers_move:
            conflict = self.addresses.answered(eui64, nwk)
        if conflict:
            self.conflict(nwk)
            if self.quirks.conflict_moves_owner:
                self._move_away(nwk)
        if conflict or self.addresses.nwk_of(eui64) != before:
            self._changed()

    def _move_away(self, nwk: int) -> None:
        """Tell whoever has the address to take another, as the network layer does."""
        for node in self.medium.nodes:
            if node.nwk == nwk and isinstance(node, Movable):
                asyncio.get_running_loop().call_later(node.link.delay_s, node.move)

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
        """Describe the dongle as a Zigbee node."""
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
        """Answer a frame that the host sent to its own dongle, by the dongle's ZDO."""
        done(True)
        if self.listener is None or frame.profile != 0:
            return
        response = zdo.answer(self.describe(), frame.cluster, frame.payload, broadcast=False)
        if response is not None:
            cluster, payload = response
            self.listener.incoming(
                ApsFrame(COORDINATOR, COORDINATOR, 0, cluster, 0, 0, self.next_counter(), payload), None
            )


def _ignore(_: int) -> None:
    """Do nothing: no host is told."""
