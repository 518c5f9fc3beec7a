"""The Zigbee stack inside a simulated dongle: coordinator and trust centre, common to EZSP and Z-Stack.

A personality (EZSP or ZNP) configures it, sends through it, and hears of what it receives. What survives a power cut
is kept by the personality in its own tokens or NVRAM; the stack is rebuilt from them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from enum import Enum

from hanctl.eui64 import Eui64
from hanctl.simulator import zdo
from hanctl.simulator.fragmentation import Fragmenter, block_id, room
from hanctl.simulator.medium import COORDINATOR, ApsFrame, BlockId, Done, Medium, Node
from hanctl.simulator.trust_centre import Network, TrustCentre

LOGGER = logging.getLogger(__name__)

IN_FLIGHT_LIMIT = 20


class SendError(Enum):
    """Why the stack did not take a frame."""

    NETWORK_DOWN = "network down"
    TOO_LONG = "payload too long"
    BUSY = "too many messages in flight"
    NO_LINK_KEY = "no link key with the destination"


class Stack(TrustCentre):
    """A coordinator. All limits are per dongle; ``key_table_size`` entries, then an error.

    ``fragmenter`` cuts long messages and reassembles them where the firmware does that by itself; where it is None
    the host does, and hears of each block.
    """

    def __init__(self, eui64: Eui64, medium: Medium, *, key_table_size: int = 12, manufacturer_code: int = 0) -> None:
        super().__init__(eui64, medium, key_table_size)
        self.manufacturer_code = manufacturer_code
        self.endpoints: dict[int, zdo.Endpoint] = {}
        self.fragmenter: Fragmenter | None = None
        self._counter = 0
        self._in_flight = 0
        self._boots = 0

    # --- power and network

    def power_on(self) -> None:
        """Power, without a network yet; volatile state is fresh."""
        self.powered = True
        self.up = False
        self.endpoints.clear()
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
