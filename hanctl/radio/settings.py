"""Settings of the radio layer from the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hanctl.base.eui64 import Eui64
from hanctl.model.records import EndpointRecord
from hanctl.radio.endpoints import HUB_ENDPOINTS

RadioKind = Literal["ezsp", "znp"]
FlowControl = Literal["none", "hardware", "software"]


@dataclass(frozen=True, slots=True)
class DongleSettings:
    """One dongle. ``path`` is a device path, a pty, or ``tcp://host:port``; ``channel`` (11–26) is used to form."""

    radio: RadioKind
    path: str
    channel: int = 11
    baudrate: int = 115200
    flow_control: FlowControl = "none"
    """bellows takes "none" as "software" (XON and XOFF), which an EZSP dongle without it does not mind."""
    eui64: Eui64 | None = None
    """The address the dongle must have: that of the hub's certificate. With another, no network is formed or used."""
    network: Eui64 | None = None
    """The extended PAN id of the network that the hub's devices belong to: no other is formed or used."""
    endpoints: tuple[EndpointRecord, ...] = HUB_ENDPOINTS
    """The hub's endpoints, to be registered in the dongle."""
