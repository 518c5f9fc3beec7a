"""What passes between the radio and the HAN: plain frames, and the two sides' contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hanctl.eui64 import Eui64

SMART_ENERGY = 0x0109
ZDO_PROFILE = 0x0000


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
    """One APS data frame to be sent; ``destination_nwk`` 0xFFF8 and above is a broadcast."""

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


@dataclass(frozen=True, slots=True)
class NetworkState:
    """The network the dongle runs. No keys."""

    dongle_eui64: Eui64
    radio: str
    firmware: str
    channel: int
    pan_id: int
    extended_pan_id: str
    formed: bool
    """True where this start formed the network, False where it resumed one."""


class RadioListener(Protocol):
    """The HAN, as the radio sees it. All calls come on the event loop's thread and must not block."""

    def frame_received(self, frame: IncomingFrame) -> None: ...

    def device_joined(self, eui64: Eui64, nwk: int) -> None: ...

    def device_left(self, eui64: Eui64, nwk: int) -> None: ...

    def dongle_lost(self, reason: str) -> None:
        """The dongle is gone; called once. The radio object is not used again after ``stop``."""


class Radio(Protocol):
    """One dongle, open. ``send`` raises DeliveryFailed (the frame was not acknowledged or could not be
    queued) or DongleGone (the serial line is lost); nothing else."""

    async def start(self, listener: RadioListener) -> NetworkState:
        """Open the dongle, form or resume the network, register endpoints. Raises DongleError."""

    async def stop(self) -> None:
        """Close the serial line. Safe to call twice and after the dongle was lost."""

    async def send(self, frame: OutgoingFrame) -> None: ...

    async def open_join(self, eui64: Eui64, link_key: bytes, seconds: int) -> None:
        """Let this one device join with this 16-byte key, for up to ``seconds`` (at most 254)."""

    async def close_join(self) -> None: ...

    async def remove(self, eui64: Eui64, nwk: int) -> None:
        """Ask the device to leave."""
