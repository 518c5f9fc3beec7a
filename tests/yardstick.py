"""Measure what the air alone allows: an OTA server inside the dongle that takes no time, without host or serial line.

``World.build(..., make_dongle=yardstick(image))`` has it in place of a dongle. It lets every device of the world join;
from ``serve`` on it gives each that asks the image, in the largest blocks that the device and one frame allow, and
activation at once. Devices that want more of a hub, such as key establishment, are none for it.
"""

from __future__ import annotations

import struct

from hanctl.simulator import zcl, zdo
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.ota import frames as ota
from hanctl.simulator.device.ota.download import MAX_BLOCK
from hanctl.simulator.device.spec import OTA, SMART_ENERGY
from hanctl.simulator.dongle import Dongle, Flash
from hanctl.simulator.network.fragmentation import ENCRYPTION_OVERHEAD, MAX_PAYLOAD
from hanctl.simulator.network.medium import COORDINATOR, ApsFrame, Node
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import JoinKind, Network, PartnerKeyOutcome
from hanctl.simulator.world import MakeDongle

_ENDPOINT = 1
_ALL_ENDPOINTS = 0xFF
_ZCL_AND_BLOCK = 3 + 14
_FOREVER_S = 1e9


def yardstick(image: bytes) -> MakeDongle:
    """Return the maker of a yardstick. ``image`` is a whole OTA file."""
    return lambda stack, flash: Yardstick(stack, flash, image)


class Yardstick(Dongle):
    """A dongle that needs no host."""

    def __init__(self, stack: Stack, flash: Flash, image: bytes) -> None:
        super().__init__(stack, flash)
        self._image = image
        self._serving = False
        stack.listener = self

    def serve(self) -> None:
        """Offer the image from now on, and notify every device that has joined."""
        self._serving = True
        for child in self.stack.children.values():
            notify = zcl.ZclFrame(0, ota.IMAGE_NOTIFY, b"\x00\x64", True, True, no_default_response=True)
            self._send(child.nwk, _ALL_ENDPOINTS, notify, encrypted=True)

    # --- as a dongle

    def boot(self) -> None:
        stack = self.stack
        stack.form(Network(15, 0x1234, bytes(range(8)), stack.medium.rng.randbytes(16)))
        stack.endpoints[_ENDPOINT] = zdo.Endpoint(_ENDPOINT, SMART_ENERGY, 0x0500, 0, (OTA,), ())
        stack.permit(_FOREVER_S)
        for node in stack.medium.nodes:
            if isinstance(node, SimulatedDevice):
                stack.add_transient_key(node.eui64, node.spec.link_key, _FOREVER_S)

    def shut_down(self) -> None:
        """Do nothing: it has no timers."""

    def data_received(self, data: bytes) -> None:
        """Ignore bytes: there is no host."""

    # --- what the stack says

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        if node is None or frame.profile != SMART_ENERGY or frame.cluster != OTA:
            return
        request = zcl.decode(frame.payload)
        answer = self._answer(request, encrypted=frame.encrypted) if request.cluster_specific else None
        if answer is not None:
            self._send(frame.source, frame.source_endpoint, answer, encrypted=frame.encrypted)

    def join_event(self, eui64: object, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        """Nobody is told."""

    def partner_key_event(self, requester: object, outcome: PartnerKeyOutcome) -> None:
        """Nobody is told."""

    def stack_changed(self) -> None:
        """Do nothing: it keeps no state."""

    # --- the server

    def _answer(self, request: zcl.ZclFrame, *, encrypted: bool) -> zcl.ZclFrame | None:
        named = request.payload[1:9]
        if request.command == ota.QUERY_NEXT_IMAGE_REQUEST:
            if not self._serving:
                none = bytes([zcl.NO_IMAGE_AVAILABLE])
                return request.answered(ota.QUERY_NEXT_IMAGE_RESPONSE, none, cluster_specific=True)
            payload = b"\x00" + self._image[10:18] + struct.pack("<I", len(self._image))
            return request.answered(ota.QUERY_NEXT_IMAGE_RESPONSE, payload, cluster_specific=True)
        if request.command == ota.IMAGE_BLOCK_REQUEST:
            offset, most = struct.unpack_from("<IB", request.payload, 9)
            room = MAX_PAYLOAD - _ZCL_AND_BLOCK - (ENCRYPTION_OVERHEAD if encrypted else 0)
            data = self._image[offset : offset + min(most, room, MAX_BLOCK)]
            payload = b"\x00" + named + struct.pack("<IB", offset, len(data)) + data
            return request.answered(ota.IMAGE_BLOCK_RESPONSE, payload, cluster_specific=True)
        if request.command == ota.UPGRADE_END_REQUEST:
            return request.answered(ota.UPGRADE_END_RESPONSE, named + bytes(8), cluster_specific=True)
        if request.command == ota.IMAGE_PAGE_REQUEST:
            return request.default_response(zcl.UNSUP_COMMAND)
        return None

    def _send(self, nwk: int, endpoint: int, command: zcl.ZclFrame, *, encrypted: bool) -> None:
        stack = self.stack
        eui64 = stack.eui64_of(nwk)
        key = stack.link_key(eui64) if encrypted and eui64 is not None else None
        payload, counter = command.encode(), stack.next_counter()
        frame = ApsFrame(
            COORDINATOR,
            nwk,
            SMART_ENERGY,
            OTA,
            _ENDPOINT,
            endpoint,
            counter,
            payload,
            encrypted=encrypted,
            link_key=key,
        )
        # Past the stack's bound on messages in flight, which a host would be up against.
        stack.medium.from_coordinator(frame, lambda _: None)
