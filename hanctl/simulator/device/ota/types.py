"""What the parts of the OTA client and its device share: states, outputs, identity, counts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hanctl.base.eui64 import Eui64


class OtaState(Enum):
    """States of the reference client; OFF while the device is on no network."""

    OFF = "off"
    DELAY = "delay"
    DISCOVER_SERVER = "discover server"
    GET_SERVER_EUI = "get server EUI64"
    QUERY_NEXT_IMAGE = "query next image"
    DOWNLOAD = "download"
    VERIFY_IMAGE = "verify image"
    WAITING_FOR_UPGRADE = "waiting for upgrade"
    COUNTDOWN = "countdown"
    OUT_OF_BAND = "out of band"


UPGRADE_STATUS = {
    OtaState.DOWNLOAD: 1,
    OtaState.VERIFY_IMAGE: 2,
    OtaState.WAITING_FOR_UPGRADE: 3,
    OtaState.COUNTDOWN: 4,
    OtaState.OUT_OF_BAND: 6,
}
STATUS_WAIT_FOR_MORE = 5


@dataclass(frozen=True, slots=True)
class FindServer:
    """Output: broadcast Match_Desc_req for the OTA cluster."""


@dataclass(frozen=True, slots=True)
class AskServerEui:
    """Output: send IEEE_addr_req to the server."""

    nwk: int


@dataclass(frozen=True, slots=True)
class OtaRequest:
    """Output: send a command of the OTA cluster to the server."""

    command: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class DefaultResponse:
    """Output: answer the command just received with this status."""

    status: int


@dataclass(frozen=True, slots=True)
class Activate:
    """Output: reboot into the image in the slot."""


Output = FindServer | AskServerEui | OtaRequest | DefaultResponse | Activate


@dataclass(frozen=True, slots=True)
class OtaIdentity:
    """Identity that the client sends; ``hardware_version`` None is not sent."""

    eui64: Eui64
    manufacturer: int
    image_type: int
    hardware_version: int | None


@dataclass(slots=True)
class OtaCounts:
    """What the client has done since the simulation began."""

    queries: int = 0
    blocks: int = 0
    retries: int = 0
    pages: int = 0
    ends: int = 0
    aborts: int = 0
    applied_unasked: int = 0
