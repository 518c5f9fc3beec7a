"""Frames of the Key Establishment cluster, 0x0800. Source: comms_hub.md §5.1.

The same four commands go both ways: as requests from the initiator (the cluster's client), as responses from the
responder (its server). How long certificate and ephemeral key are depends on the suite; every length is exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from hanctl.base.errors import HanctlError
from hanctl.crypto import smac
from hanctl.crypto.suites import Suite, suite_of_bit

SUITE_ATTRIBUTE = 0x0000
"""KeyEstablishmentSuite, on both sides: the suites' bits."""


class EstablishmentCommand(IntEnum):
    """Command ids, of requests and responses alike."""

    INITIATE = 0x00
    EPHEMERAL = 0x01
    CONFIRM = 0x02
    TERMINATE = 0x03


class TerminateStatus(IntEnum):
    """Why an exchange was ended."""

    SUCCESS = 0x00
    UNKNOWN_ISSUER = 0x01
    BAD_KEY_CONFIRM = 0x02
    BAD_MESSAGE = 0x03
    NO_RESOURCES = 0x04
    UNSUPPORTED_SUITE = 0x05
    INVALID_CERTIFICATE = 0x06


class MessageError(HanctlError):
    """The payload is not that of the command."""

    code = "key-establishment-message"


class SuiteUnsupported(MessageError):
    """An Initiate for no suite, for several, or for one that is not known."""

    code = "key-establishment-suite"


@dataclass(frozen=True, slots=True)
class Initiate:
    """First message of both sides. The times are the seconds that the sender needs for its next two steps."""

    suite: Suite
    ephemeral_seconds: int
    confirm_seconds: int
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """A compressed ephemeral public key."""

    public_key: bytes


@dataclass(frozen=True, slots=True)
class Confirm:
    """An authentication code."""

    smac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Terminate:
    """The end of an exchange. ``status`` may be one that TerminateStatus does not know; ``suites`` are bits."""

    status: int
    wait_seconds: int
    suites: int


Message = Initiate | Ephemeral | Confirm | Terminate


def command_of(message: Message) -> EstablishmentCommand:
    """Return the command id of a message."""
    if isinstance(message, Initiate):
        return EstablishmentCommand.INITIATE
    if isinstance(message, Ephemeral):
        return EstablishmentCommand.EPHEMERAL
    return EstablishmentCommand.CONFIRM if isinstance(message, Confirm) else EstablishmentCommand.TERMINATE


def encode(message: Message) -> bytes:
    """Serialize a message to its payload, without the ZCL header."""
    if isinstance(message, Initiate):
        head = message.suite.bit.to_bytes(2, "little")
        return head + bytes((message.ephemeral_seconds, message.confirm_seconds)) + message.certificate
    if isinstance(message, Ephemeral):
        return message.public_key
    if isinstance(message, Confirm):
        return message.smac
    return bytes((message.status, message.wait_seconds)) + message.suites.to_bytes(2, "little")


def decode(command: int, payload: bytes, suite: Suite | None = None) -> Message:
    """Parse a payload. ``suite``: of the exchange; an Ephemeral needs it, an Initiate names it itself.

    Raises MessageError, and SuiteUnsupported for an Initiate whose suite is not one.
    """
    if command == EstablishmentCommand.INITIATE:
        return _decode_initiate(payload)
    if command == EstablishmentCommand.EPHEMERAL:
        if suite is None:
            raise MessageError("an ephemeral key came without an exchange it could belong to", "start with Initiate")
        return Ephemeral(_sized("Ephemeral Data", payload, suite.public_key_size))
    if command == EstablishmentCommand.CONFIRM:
        return Confirm(_sized("Confirm Key Data", payload, smac.SIZE))
    if command == EstablishmentCommand.TERMINATE:
        _sized("Terminate", payload, 4)
        return Terminate(payload[0], payload[1], int.from_bytes(payload[2:], "little"))
    raise MessageError(f"command {command:#04x} is not one of key establishment", "commands are 0x00 to 0x03")


def _decode_initiate(payload: bytes) -> Initiate:
    if len(payload) < 2:
        raise MessageError(f"an Initiate of {len(payload)} bytes", "it starts with two bytes for the suite")
    bits = int.from_bytes(payload[:2], "little")
    suite = suite_of_bit(bits)
    if suite is None:
        raise SuiteUnsupported(f"an Initiate for the suites {bits:#06x}", "it must name one: 0x0001 or 0x0002")
    _sized("Initiate", payload, 4 + suite.certificate_size)
    return Initiate(suite, payload[2], payload[3], payload[4:])


def _sized(name: str, payload: bytes, size: int) -> bytes:
    if len(payload) != size:
        raise MessageError(f"{name} has {len(payload)} bytes", f"it must have {size}")
    return payload


def common_suite(own: int, partner: int) -> Suite | None:
    """Return the highest common suite of two bitmaps. A partner's 0 means suite 1: old stacks do not set it."""
    common = own & (partner or 0x0001)
    return suite_of_bit(1 << common.bit_length() - 1) if common else None
