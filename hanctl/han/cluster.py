"""Interfaces of cluster servers that services register with the HAN, with their requests and replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, Protocol, runtime_checkable

from hanctl.base.eui64 import Eui64
from hanctl.radio.frames import Outcome

Proof = Literal["key counters", "secret", "address"]
"""What shows that a request is its device's: the counters of the dongle's keys; what the device itself said to a
secret; or no more than that it came from the device's address, under some key."""

Weight = Literal["none", "step", "end"]
"""What hangs on whose a request is: nothing; a step on a device's way; or the end of it, and a verdict."""


class Status(IntEnum):
    """ZCL status codes. Source: comms_hub.md §1.5."""

    SUCCESS = 0x00
    FAILURE = 0x01
    NOT_AUTHORIZED = 0x7E
    MALFORMED_COMMAND = 0x80
    UNSUP_COMMAND = 0x81
    INVALID_FIELD = 0x85
    UNSUPPORTED_ATTRIBUTE = 0x86
    INVALID_VALUE = 0x87
    READ_ONLY = 0x88
    INSUFFICIENT_SPACE = 0x89
    NOT_FOUND = 0x8B
    UNREPORTABLE_ATTRIBUTE = 0x8C
    INVALID_DATA_TYPE = 0x8D
    TIMEOUT = 0x94
    ABORT = 0x95
    INVALID_IMAGE = 0x96
    WAIT_FOR_DATA = 0x97
    NO_IMAGE_AVAILABLE = 0x98
    REQUIRE_MORE_IMAGE = 0x99
    UNSUPPORTED_CLUSTER = 0xC3


@dataclass(frozen=True, slots=True)
class Request:
    """One cluster-specific command from a device. ``payload`` excludes the ZCL header."""

    device: Eui64
    source_endpoint: int
    destination_endpoint: int
    cluster: int
    command: int
    tsn: int
    payload: bytes
    aps_encrypted: bool
    broadcast: bool
    from_server: bool = False
    """The command goes from server to client: it is for the hub's client side."""
    proof: Proof = "address"


@dataclass(frozen=True, slots=True)
class Reply:
    """A cluster-specific answer, sent with the request's transaction sequence number, and so is what comes ``then``.

    ``bulk``, ``outcome`` and ``taken``: see ``OutgoingFrame``. A bulk answer is not kept for repeats of its request:
    the server is asked again.
    """

    command: int
    payload: bytes
    then: tuple[Reply, ...] = ()
    bulk: int | None = None
    outcome: Callable[[Outcome], None] | None = field(default=None, compare=False, repr=False)
    taken: Callable[[], None] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DefaultReply:
    """Answer with a Default Response; SUCCESS only if the request asked for one, an error always."""

    status: Status


@dataclass(frozen=True, slots=True)
class LaterReply:
    """The server answers by itself, later; it is asked again when the request is repeated."""


@dataclass(frozen=True, slots=True)
class ServedAttribute:
    """One served attribute: ZCL data type id and serialized value."""

    data_type: int
    value: bytes
    writable: bool = False


class ClusterServer(Protocol):
    """One cluster on one endpoint of the hub."""

    cluster: int
    endpoint: int

    def attributes(self) -> Mapping[int, ServedAttribute]:
        """Return the served attributes as they are now."""

    def handle(self, request: Request) -> Reply | DefaultReply | LaterReply:
        """Answer one command. Must not block; raises nothing for bad payloads (they get a DefaultReply)."""


@runtime_checkable
class Weighs(Protocol):
    """Interface of a cluster server whose commands change the record of the device."""

    def weight(self, request: Request) -> Weight:
        """Tell how much depends on the sender of the request. Called for every command, so it must be fast."""

    async def corroborate(self, request: Request) -> bool | None:
        """Ask the device whether it agrees with the request. None: it does not tell. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Reporting:
    """Reporting of an attribute, configured by a device. ``max_s`` 0: on change only; ``change``: only for numbers."""

    attribute: int
    data_type: int
    min_s: int
    max_s: int
    change: int | None = None


@runtime_checkable
class AttributeStore(Protocol):
    """Interface of a cluster server that lets devices write attributes and configure reporting."""

    def write(self, device: Eui64, attribute: int, data_type: int, value: bytes, *, check_only: bool) -> Status:
        """Write a served attribute, or only tell what the status would be."""

    def configure(self, device: Eui64, device_endpoint: int, wanted: Reporting) -> Status:
        """Report a served attribute to this endpoint of the device from now on; ``max_s`` 0xFFFF: no longer.

        Raises nothing; the status says if it is not possible.
        """

    def configured(self, device: Eui64, attribute: int) -> Reporting | None:
        """Return how the attribute is reported to the device, if it is."""
