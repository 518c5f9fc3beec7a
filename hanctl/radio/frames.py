"""Frames between the radio and the HAN, and the interfaces of both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from hanctl.base.eui64 import Eui64

SMART_ENERGY = 0x0109
ZDO_PROFILE = 0x0000
FIRST_BROADCAST = 0xFFF8

Outcome = Literal["delivered", "failed", "dropped"]
"""What became of a frame; "dropped": another took its place, or nobody wanted it any more."""


@dataclass(frozen=True, slots=True)
class IncomingFrame:
    """One APS data frame received by the dongle."""

    source_nwk: int
    source_endpoint: int
    destination_endpoint: int
    profile: int
    cluster: int
    payload: bytes
    aps_counter: int
    aps_encrypted: bool
    broadcast: bool
    lqi: int | None = None
    rssi: int | None = None


@dataclass(frozen=True, slots=True)
class OutgoingFrame:
    """One APS data frame to be sent; ``destination_nwk`` from ``FIRST_BROADCAST`` on is a broadcast."""

    destination_nwk: int
    destination_endpoint: int
    source_endpoint: int
    profile: int
    cluster: int
    payload: bytes
    aps_encrypted: bool = False
    aps_ack: bool = True
    sleepy: bool = False
    """The destination sleeps: allow the longer delivery confirmation."""
    bulk: int | None = None
    """Not None: one of the many frames of something large, and which one it is. Such frames go when nothing else waits,
    devices in turn; one more to the same endpoint takes the place of one that still waits, and one that says what is
    on its way already goes only where that fails."""
    outcome: Callable[[Outcome], None] | None = field(default=None, compare=False, repr=False)
    """Told what became of the frame, where it was posted."""
    taken: Callable[[], None] | None = field(default=None, compare=False, repr=False)
    """Called when the dongle has taken the frame; once more where it is sent again."""


@dataclass(frozen=True, slots=True)
class NetworkState:
    """The network that the dongle runs, without keys."""

    dongle_eui64: Eui64
    radio: str
    firmware: str
    channel: int
    pan_id: int
    extended_pan_id: str
    formed: bool
    """True where this start formed the network, False where it resumed one."""
    key_capacity: int | None = None
    """How many established link keys the dongle can hold; None: it did not say."""


class RadioListener(Protocol):
    """Interface of the HAN that the radio calls, on the event loop's thread. No call may block."""

    def frame_received(self, frame: IncomingFrame) -> None: ...

    def device_joined(self, eui64: Eui64, nwk: int) -> None: ...

    def device_left(self, eui64: Eui64, nwk: int) -> None: ...

    def address_conflict(self, nwk: int) -> None:
        """Take note that the dongle heard two nodes with this network address."""

    def partner_key_asked(self, eui64: Eui64, given: bool, detail: str) -> None:
        """Take note that a device asked for a link key with another: both got one, or ``detail`` says why not."""

    def join_denied(self, eui64: Eui64, how: str) -> None:
        """Take note that the dongle denied a device; ``how`` it tried: "join", or "rejoin" without the network key."""

    def dongle_lost(self, reason: str) -> None:
        """Take note that the dongle is gone; called once. The radio object is not used again after ``stop``."""


class Radio(Protocol):
    """One dongle, open. ``send`` raises DeliveryFailed (the frame was not acknowledged or could not be
    queued) or DongleGone (the serial line is lost); nothing else.

    Payloads that no single frame holds (82 bytes, 73 encrypted) go in blocks, both ways: unicast to one device up to
    1500 bytes on EZSP, and 230 out and 1500 in on ZNP. A longer one raises PayloadTooLong, a DeliveryFailed.
    """

    async def start(self, listener: RadioListener) -> NetworkState:
        """Open the dongle, form or resume the network, register endpoints. Raises DongleError."""

    async def stop(self) -> None:
        """Close the serial line. Safe to call twice and after the dongle was lost."""

    async def send(self, frame: OutgoingFrame) -> None: ...

    def post(self, frame: OutgoingFrame) -> None:
        """Send without waiting; ``frame.outcome`` is called, with "dropped" once the dongle is gone."""

    def backlog(self) -> float:
        """Return how long bulk frames wait for their turn now, in seconds."""

    async def open_join(self, eui64: Eui64, link_key: bytes, seconds: int) -> None:
        """Let this one device join with this 16-byte key, for up to ``seconds`` (at most 254)."""

    async def close_join(self) -> None: ...

    async def remove(self, eui64: Eui64, nwk: int) -> None:
        """Ask the device to leave."""

    async def install_link_key(self, eui64: Eui64, nwk: int, key: bytes) -> None:
        """Make these 16 bytes the device's link key, for good; it is there when this returns.

        Raises KeyTableFull, DeliveryFailed, DongleGone.
        """

    async def remove_link_key(self, eui64: Eui64) -> None:
        """Forget the link key that was installed for the device, if any. Raises DeliveryFailed, DongleGone."""

    async def address_of(self, eui64: Eui64) -> int | None:
        """Return the network address that the dongle has for the device; None if it has none.

        It is only a claim: announcements in clear change it. Raises DeliveryFailed, DongleGone.
        """

    async def repair_address(self, eui64: Eui64, nwk: int) -> None:
        """Set the dongle's address of the device again, as far as it can be.

        Raises DeliveryFailed, DongleGone.
        """

    async def key_counter(self, eui64: Eui64) -> int | None:
        """Return the counter of the last frame accepted under the device's link key; None: the dongle cannot tell.

        Raises DeliveryFailed, DongleGone.
        """

    async def backup(self) -> dict[str, Any]:
        """Return the network with all keys as Open Coordinator Backup (secret). Takes seconds on some dongles.

        Raises DeliveryFailed, DongleGone.
        """
