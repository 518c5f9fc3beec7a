"""Turns what happens on the medium into frames: addresses, numbers, security, acknowledgements, polls, and joining."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64
from hanctl.simulator.network.medium import BROADCAST_RX_ON, COORDINATOR, FIRST_BROADCAST, ApsFrame, Node
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import Network
from hanctl.simulator.zdo import MAC_MAINS_ROUTER, MAC_SLEEPY
from hanctl.wireshark import aps, mac, nwk
from hanctl.wireshark.numbers import Numbers
from hanctl.wireshark.security import Auxiliary, KeyId, key_of, secured


@dataclass(frozen=True, slots=True)
class _End:
    """One end of a link."""

    eui64: Eui64
    address: int
    sleepy: bool = False


class Sniffer:
    """The medium's observer, which builds the frames that a sniffer hears.

    ``write`` gets each frame, and how many seconds ago it began; ``reveal`` each key and its name, again and again,
    before any frame that needs it.
    """

    def __init__(
        self, stack: Stack, write: Callable[[bytes, float], None], reveal: Callable[[bytes, str], None]
    ) -> None:
        self._stack = stack
        self._record = write
        self._reveal = reveal
        self._numbers: defaultdict[Eui64, Numbers] = defaultdict(Numbers)
        self._broadcasts: dict[int, int] = {}
        self._network: Network | None = None

    # --- what the medium tells

    def unicast(self, node: Node, frame: ApsFrame, *, heard: bool) -> None:
        """Write a frame over the link with ``node``; it may be a broadcast that was held for a sleepy child."""
        shown = self.unicast_frame(node, frame)
        if shown is not None:
            self._tell(_child(node, frame) if frame.from_coordinator else self._hub, shown, heard=heard)

    def acknowledgement(self, node: Node, frame: ApsFrame, *, heard: bool) -> None:
        """Write the APS acknowledgement of a frame over such a link, from its receiver."""
        shown = self.acknowledgement_frame(node, frame)
        if shown is not None:
            self._tell(self._hub if frame.from_coordinator else _child(node, frame), shown, heard=heard)

    def broadcast(self, node: Node | None, frame: ApsFrame, *, heard: bool) -> None:
        """Write a broadcast of a node, or of the coordinator where ``node`` is None."""
        shown = self.broadcast_frame(node, frame)
        if shown is None:
            return
        if node is not None and node.sleepy:
            self._tell(self._hub, shown, heard=heard)
        else:
            self._write(shown)

    def poll(self, node: Node, *, heard: bool) -> None:
        """Write a poll of a sleepy child for which nothing is held."""
        network = self._running(node, down=False)
        if network is not None and node.nwk is not None:
            self._poll(network, node.eui64, node.nwk, pending=False, heard=heard)

    # --- what the medium shows itself

    def unicast_frame(self, node: Node, frame: ApsFrame) -> bytes | None:
        network = self._running(node, down=frame.from_coordinator)
        if network is None:
            return None
        child, hub = _child(node, frame), self._hub
        sender, receiver = (hub, child) if frame.from_coordinator else (child, hub)
        apdu = self._apdu(sender, receiver, frame, aps.data_header(frame, secure=frame.secured), frame.payload)
        number = self._broadcasts.get(frame.counter) if frame.broadcast and frame.from_coordinator else None
        npdu = self._npdu(network, sender, frame.destination, apdu, number=number)
        return self._mpdu(network, sender, receiver.address, npdu)

    def acknowledgement_frame(self, node: Node, frame: ApsFrame) -> bytes | None:
        network = self._running(node, down=not frame.from_coordinator)
        if network is None:
            return None
        child, hub = _child(node, frame), self._hub
        sender, receiver = (child, hub) if frame.from_coordinator else (hub, child)
        apdu = self._apdu(sender, receiver, frame, aps.acknowledgement_header(frame, secure=frame.secured), b"")
        return self._mpdu(network, sender, receiver.address, self._npdu(network, sender, frame.source, apdu))

    def broadcast_frame(self, node: Node | None, frame: ApsFrame) -> bytes | None:
        if node is not None and node.sleepy:
            # To its parent, whose business it is to hand it on.
            return self.unicast_frame(node, frame)
        network = self._running(node, down=node is None)
        if network is None:
            return None
        sender = self._hub if node is None else _child(node, frame)
        number = self._numbers[sender.eui64].nwk()
        if node is None:
            self._broadcasts[frame.counter] = number
        apdu = aps.data_header(frame, secure=False) + frame.payload
        npdu = self._npdu(network, sender, frame.destination, apdu, number=number)
        return self._mpdu(network, sender, mac.BROADCAST, npdu)

    def poll_frame(self, node: Node) -> bytes | None:
        network = self._running(node, down=False)
        if network is None or node.nwk is None:
            return None
        return mac.data_request(network.pan_id, COORDINATOR, node.nwk, self._numbers[node.eui64].mac())

    def show(self, frame: bytes, late_s: float) -> None:
        self._write(frame, late_s)

    def show_acknowledgement(self, frame: bytes, late_s: float, *, pending: bool) -> None:
        self._write(mac.acknowledgement(frame[mac.SEQUENCE], pending=pending), late_s)

    # --- who comes and goes

    def scan(self, node: Node, *, heard: bool) -> None:
        """Write the frames of a device that looks for a network, and the answer where it is heard."""
        self._write(mac.beacon_request(self._numbers[node.eui64].mac()))
        network = self._running(None, down=True)
        if not heard or network is None:
            return
        permits = self._stack.permitting and self._stack.policy.allow_joins
        payload = nwk.beacon_payload(network.extended_pan_id, network.update_id)
        number = self._numbers[self._stack.eui64].mac()
        self._write(mac.beacon(network.pan_id, COORDINATOR, number, payload, permits=permits))

    def association(self, node: Node, address: int, link_key: bytes | None) -> None:
        """Write the frames of a join: the device gets an address, and the network key if there is a link key for it."""
        network = self._running(node, down=True)
        if network is None:
            return
        hub, child = self._hub, _End(node.eui64, address, node.sleepy)
        numbers, own = self._numbers[hub.eui64], self._numbers[child.eui64]
        number = own.mac()
        self._write(mac.association_request(network.pan_id, COORDINATOR, child.eui64, number, _capability(node)))
        self._write(mac.acknowledgement(number))
        self._poll(network, child.eui64, child.eui64, pending=True)
        number = numbers.mac()
        self._write(mac.association_response(network.pan_id, child.eui64, hub.eui64, number, address))
        self._write(mac.acknowledgement(number))
        if link_key is not None:
            self._transport_network_key(network, child, link_key)

    def partner_key_request(self, node: Node, partner: Eui64, link_key: bytes) -> None:
        """Write the request of a device for a link key with another."""
        network = self._running(node, down=False)
        if network is not None and node.nwk is not None:
            hub, child = self._hub, _End(node.eui64, node.nwk, node.sleepy)
            apdu = self._aps_command(child, hub, aps.request_link_key(partner), link_key, KeyId.LINK)
            self._carry(network, child, hub, self._npdu(network, child, COORDINATOR, apdu))

    def partner_key(self, node: Node, partner: Eui64, key: bytes, link_key: bytes, *, asked: bool) -> None:
        """Write the command by which the trust centre gives a device a link key with another."""
        network = self._running(node, down=True)
        if network is not None and node.nwk is not None:
            hub, child = self._hub, _End(node.eui64, node.nwk, node.sleepy)
            self._reveal(key, f"link key of {' and '.join(sorted((node.eui64, partner)))}")
            command = aps.transport_link_key(key, partner, asked=asked)
            apdu = self._aps_command(hub, child, command, link_key, KeyId.KEY_LOAD)
            self._carry(network, hub, child, self._npdu(network, hub, node.nwk, apdu))

    def rejoin(self, node: Node, address: int) -> None:
        """Write the frames of a device that comes back with the network key."""
        network = self._running(node, down=True)
        if network is not None:
            hub, child = self._hub, _End(node.eui64, address, node.sleepy)
            request, response = nwk.rejoin_request(_capability(node)), nwk.rejoin_response(address)
            self._carry(network, child, hub, self._command(network, child, hub, request))
            self._carry(network, hub, child, self._command(network, hub, child, response))

    def trust_centre_rejoin(self, node: Node, address: int, link_key: bytes | None) -> None:
        """Write the frames of a device that comes back without the network key, and may be given it."""
        network = self._running(node, down=True)
        if network is None:
            return
        hub, child = self._hub, _End(node.eui64, address, node.sleepy)
        request, response = nwk.rejoin_request(_capability(node)), nwk.rejoin_response(address)
        self._carry(network, child, hub, self._command(network, child, hub, request, secure=False))
        self._carry(network, hub, child, self._command(network, hub, child, response, secure=False))
        if link_key is not None:
            self._transport_network_key(network, child, link_key)

    def leave(self, node: Node, *, rejoin: bool) -> None:
        """Write the command by which a device says that it leaves."""
        network = self._running(node, down=False)
        if network is None or node.nwk is None:
            return
        child, command = _End(node.eui64, node.nwk), nwk.leave(rejoin=rejoin)
        if node.sleepy:
            npdu = self._command(network, child, self._hub, command)
            self._carry(network, child, self._hub, npdu, heard=self._stack.hearing())
        else:
            self._carry_to_all(network, child, self._command(network, child, None, command))

    # --- from layer to layer

    def _write(self, frame: bytes, late_s: float = 0.0) -> None:
        self._record(frame, late_s)

    def _apdu(self, sender: _End, receiver: _End, frame: ApsFrame, header: bytes, payload: bytes) -> bytes:
        if not frame.secured:
            return header + payload
        assert frame.link_key is not None
        child = receiver if sender.address == COORDINATOR else sender
        self._reveal(frame.link_key, f"link key of {child.eui64}")
        counter = self._numbers[sender.eui64].under_link_key(receiver.eui64)
        # The source is known from the network header, unless the sender has another name here.
        source, extended = frame.secured_by or sender.eui64, bool(frame.extended_nonce)
        return secured(header, payload, frame.link_key, Auxiliary(KeyId.LINK, counter, source, extended=extended))

    def _aps_command(self, sender: _End, receiver: _End, command: bytes, link_key: bytes, key: KeyId) -> bytes:
        child = receiver if sender.address == COORDINATOR else sender
        self._reveal(link_key, f"link key of {child.eui64}")
        numbers = self._numbers[sender.eui64]
        auxiliary = Auxiliary(key, numbers.under_link_key(receiver.eui64), sender.eui64)
        return secured(aps.command_header(numbers.aps_command()), command, key_of(link_key, key), auxiliary)

    def _npdu(
        self, network: Network, sender: _End, destination: int, apdu: bytes, *, number: int | None = None
    ) -> bytes:
        header = nwk.Header(
            destination,
            sender.address,
            self._numbers[sender.eui64].nwk() if number is None else number,
            discover_route=destination < FIRST_BROADCAST,
            end_device=sender.sleepy,
        )
        return self._under_network_key(network, sender, header, apdu)

    def _transport_network_key(self, network: Network, child: _End, link_key: bytes) -> None:
        """Write the network key's transport under the device's link key alone, as the device has no network key yet."""
        hub = self._hub
        self._reveal(network.key, f"network key {network.key_sequence}")
        command = aps.transport_network_key(network.key, network.key_sequence, child.eui64, hub.eui64)
        apdu = self._aps_command(hub, child, command, link_key, KeyId.KEY_TRANSPORT)
        header = nwk.Header(child.address, COORDINATOR, self._numbers[hub.eui64].nwk(), secure=False)
        self._carry(network, hub, child, header.pack() + apdu)

    def _command(
        self, network: Network, sender: _End, receiver: _End | None, command: bytes, *, secure: bool = True
    ) -> bytes:
        """Return a network command to a neighbour, or to all of them."""
        header = nwk.Header(
            BROADCAST_RX_ON if receiver is None else receiver.address,
            sender.address,
            self._numbers[sender.eui64].nwk(),
            radius=1,
            command=True,
            secure=secure,
            long_destination=None if receiver is None else receiver.eui64,
            long_source=sender.eui64,
        )
        return self._under_network_key(network, sender, header, command) if secure else header.pack() + command

    def _under_network_key(self, network: Network, sender: _End, header: nwk.Header, payload: bytes) -> bytes:
        self._reveal(network.key, f"network key {network.key_sequence}")
        counter = self._numbers[sender.eui64].under_network_key()
        auxiliary = Auxiliary(KeyId.NETWORK, counter, sender.eui64, sequence=network.key_sequence)
        return secured(header.pack(), payload, network.key, auxiliary)

    def _tell(self, receiver: _End, frame: bytes, *, heard: bool) -> None:
        """Write a frame to one receiver, with all that the MAC does for it."""
        if receiver.sleepy and self._network is not None:
            self._poll(self._network, receiver.eui64, receiver.address, pending=True)
        self._write(frame)
        if heard:
            self._write(mac.acknowledgement(frame[mac.SEQUENCE]))

    def _carry(self, network: Network, sender: _End, receiver: _End, npdu: bytes, *, heard: bool = True) -> None:
        self._tell(receiver, self._mpdu(network, sender, receiver.address, npdu), heard=heard)

    def _carry_to_all(self, network: Network, sender: _End, npdu: bytes) -> None:
        self._write(self._mpdu(network, sender, mac.BROADCAST, npdu))

    def _mpdu(self, network: Network, sender: _End, destination: int, npdu: bytes) -> bytes:
        return mac.data(network.pan_id, destination, sender.address, self._numbers[sender.eui64].mac(), npdu)

    def _poll(self, network: Network, child: Eui64, address: int | Eui64, *, pending: bool, heard: bool = True) -> None:
        number = self._numbers[child].mac()
        self._write(mac.data_request(network.pan_id, COORDINATOR, address, number))
        if heard:
            self._write(mac.acknowledgement(number, pending=pending))

    # --- who is there

    @property
    def _hub(self) -> _End:
        return _End(self._stack.eui64, COORDINATOR)

    def _running(self, node: Node | None, *, down: bool) -> Network | None:
        """Return the network on which a frame goes ``down`` to a node or up from it; None where it does not go.

        The sender must have power, and a sleepy receiver must have asked. A device goes on with the network that it
        was on where the coordinator has left it.
        """
        self._network = self._stack.network or self._network
        if down and not self._stack.hearing():
            return None
        if node is not None and (node.sleepy or not down) and not node.powered:
            return None
        return self._network


def _child(node: Node, frame: ApsFrame) -> _End:
    """Return the device at its end of the link that carries a frame."""
    if not frame.from_coordinator:
        return _End(node.eui64, frame.source, node.sleepy)
    address = frame.destination if not frame.broadcast or node.nwk is None else node.nwk
    return _End(node.eui64, address, node.sleepy)


def _capability(node: Node) -> int:
    return MAC_SLEEPY if node.sleepy else MAC_MAINS_ROUTER
