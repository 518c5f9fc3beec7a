"""What the hub's dongle was given and handed over, dressed up as frames on the air.

A dongle takes and gives application payloads with their addresses, and keeps to itself how they went over the air. So
the headers of MAC and network and their numbers are made up here, and the keys are made for one capture alone: those
of the HAN stay in the dongle. What is true: time, addresses, endpoints, profile, cluster, payload, whether a frame was
under APS security, and the APS counter of what was received. A long message is one frame, longer than any on the air.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from hanctl.base.eui64 import Eui64
from hanctl.wireshark import aps, mac, nwk
from hanctl.wireshark.numbers import Numbers
from hanctl.wireshark.security import Auxiliary, KeyId, secured

WHAT_IT_IS = (
    "Frames as hanctl gave them to its dongle and as the dongle handed them over. "
    "Payload, addresses and APS fields are those of the HAN; the headers and numbers of MAC and network are made up, "
    "acknowledgements and repeats are not shown, and the keys are made for this capture alone."
)

COORDINATOR = 0x0000
TO_ALL_AWAKE = 0xFFFD
_UNKNOWN = "00:00:00:00:00:00:{:02x}:{:02x}"
"""The address of a device whose own is not known: ends in its network address."""


@dataclass(frozen=True, slots=True)
class HubFrame:
    """One record of ``GET /frames``."""

    direction: Literal["in", "out"]
    device: int
    """Its network address; of what the hub sends to many, the broadcast address."""
    eui64: Eui64 | None
    device_endpoint: int
    hub_endpoint: int
    profile: int
    cluster: int
    payload: bytes
    aps_encrypted: bool
    aps_counter: int | None
    aps_ack: bool | None
    broadcast: bool

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> HubFrame:
        names = ("direction", "eui64", "device_endpoint", "hub_endpoint", "profile", "cluster")
        more = ("aps_encrypted", "aps_counter", "aps_ack", "broadcast")
        fields = {name: record[name] for name in (*names, *more)}
        return cls(device=record["nwk"], payload=bytes.fromhex(record["payload"]), **fields)


@dataclass(frozen=True, slots=True)
class _Header:
    """As ``aps.DataFrame``."""

    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    counter: int
    broadcast: bool
    ack_request: bool
    group: None = None
    block: None = None


class Encoder:
    """Encodes the frames of one capture, in their order. ``keys``: what decrypts them, with names."""

    def __init__(self, hub: Eui64, pan_id: int, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._hub = hub
        self._pan_id = pan_id
        self._network_key = random(16)
        self._link_key = random(16)
        self._numbers: defaultdict[Eui64, Numbers] = defaultdict(Numbers)

    @property
    def keys(self) -> tuple[tuple[bytes, str], ...]:
        """One key for the network, and one for all frames under APS security."""
        return (self._network_key, "network key of this capture"), (self._link_key, "link key of this capture")

    def encode(self, frame: HubFrame) -> bytes:
        """Return the frame with all its headers, encrypted."""
        device = frame.eui64 or Eui64(_UNKNOWN.format(frame.device >> 8, frame.device & 0xFF))
        incoming = frame.direction == "in"
        sender = device if incoming else self._hub
        source, destination = self._addresses(frame)
        numbers = self._numbers[sender]
        header = nwk.Header(destination, source, numbers.nwk())
        auxiliary = Auxiliary(KeyId.NETWORK, numbers.under_network_key(), sender, sequence=0)
        npdu = secured(header.pack(), self._apdu(frame, sender), self._network_key, auxiliary)
        next_hop = mac.BROADCAST if frame.broadcast else destination
        return mac.data(self._pan_id, next_hop, source, numbers.mac(), npdu, acknowledged=False)

    def _addresses(self, frame: HubFrame) -> tuple[int, int]:
        """Return the addresses from and to. Of a received broadcast, the dongle does not tell to whom it was sent."""
        if frame.direction == "out":
            return COORDINATOR, frame.device
        return frame.device, TO_ALL_AWAKE if frame.broadcast else COORDINATOR

    def _apdu(self, frame: HubFrame, sender: Eui64) -> bytes:
        ends = (frame.device_endpoint, frame.hub_endpoint)
        source, destination = ends if frame.direction == "in" else ends[::-1]
        numbers = self._numbers[sender]
        counter = frame.aps_counter if frame.aps_counter is not None else numbers.aps_command()
        ack = bool(frame.aps_ack) and not frame.broadcast
        fields = _Header(frame.profile, frame.cluster, source, destination, counter, frame.broadcast, ack)
        secure = frame.aps_encrypted and not frame.broadcast
        header = aps.data_header(fields, secure=secure)
        if not secure:
            return header + frame.payload
        # One key for all, and so one counter for each sender: no nonce comes twice.
        auxiliary = Auxiliary(KeyId.LINK, numbers.under_link_key(sender), sender, extended=False)
        return secured(header, frame.payload, self._link_key, auxiliary)
