"""What is on the air: APS frames whole, with what their security says of the sender, and the conditions of a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hanctl.base.eui64 import Eui64

COORDINATOR = 0x0000
BROADCAST_ALL = 0xFFFF
BROADCAST_RX_ON = 0xFFFD
FIRST_BROADCAST = 0xFFF8

Done = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class ExtendedHeader:
    """The extended header of one block of a fragmented message; only the first tells the ``total``, others have 0."""

    index: int
    total: int = 0


@dataclass(frozen=True, slots=True)
class BlockId:
    """The identity of a block: its message and its place in it, on the link with a device."""

    device: Eui64
    from_coordinator: bool
    counter: int
    index: int


@dataclass(frozen=True, slots=True)
class ApsFrame:
    """One APS data frame. ``encrypted`` means with the link key of the two ends: ``link_key``, which its sender used.

    A ``block`` is acknowledged by its receiver with ``Medium.acknowledge``; any other frame by its arrival.

    Of a frame to the coordinator, where it is encrypted: ``secured_by`` is the EUI64 in the nonce (None: its sender's);
    ``extended_nonce``: whether the sender wrote that EUI64 into the APS auxiliary header (None: where it must, because
    the coordinator has another node, or none, at ``source``); ``security_counter`` the frame counter under the key
    (None: the sender's next). ``network_source`` is the EUI64 in the network header, which no key vouches for.
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
    block: ExtendedHeader | None = None
    link_key: bytes | None = field(default=None, repr=False)
    secured_by: Eui64 | None = None
    extended_nonce: bool | None = None
    security_counter: int | None = None
    network_source: Eui64 | None = None

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
        """Tell whether a receiver that has this link key with the sender can decrypt it."""
        return not self.encrypted or self.broadcast or self.link_key == link_key


@dataclass(slots=True)
class Link:
    """Radio conditions between the coordinator and one device: seconds one way, and probability of loss."""

    delay_s: float = 0.004
    loss: float = 0.0
    lqi: int = 220
    rssi: int = -48
