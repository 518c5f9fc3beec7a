"""Zigbee application support frames. Source: Zigbee R22 §2.2.5; commands §4.4."""

from __future__ import annotations

import struct
from typing import Protocol

from hanctl.base.eui64 import Eui64, to_bytes

_DATA, _COMMAND, _ACK = 0, 1, 2
_BROADCAST, _GROUP = 0x08, 0x0C
_SECURITY = 0x20
_ACK_REQUEST = 0x40
_EXTENDED = 0x80
_FIRST_BLOCK, _LATER_BLOCK = 1, 2

_TRANSPORT_KEY = 0x05
_REQUEST_KEY = 0x08
_STANDARD_NETWORK_KEY = 0x01
_APPLICATION_LINK_KEY_REQUESTED = 0x02
_APPLICATION_LINK_KEY = 0x03


class Block(Protocol):
    """The extended header of one block of a fragmented message; only the first tells the ``total``."""

    @property
    def index(self) -> int: ...

    @property
    def total(self) -> int: ...


class DataFrame(Protocol):
    """What the header of a data frame says. ``group`` and ``block`` None: it has none."""

    @property
    def profile(self) -> int: ...

    @property
    def cluster(self) -> int: ...

    @property
    def source_endpoint(self) -> int: ...

    @property
    def destination_endpoint(self) -> int: ...

    @property
    def counter(self) -> int: ...

    @property
    def broadcast(self) -> bool: ...

    @property
    def ack_request(self) -> bool: ...

    @property
    def group(self) -> int | None: ...

    @property
    def block(self) -> Block | None: ...


def data_header(frame: DataFrame, *, secure: bool) -> bytes:
    """Return the header of a data frame. ``secure``: an auxiliary header and an encrypted payload follow."""
    control = _DATA
    if frame.group is not None:
        control |= _GROUP
    elif frame.broadcast:
        control |= _BROADCAST
    elif frame.ack_request:
        control |= _ACK_REQUEST
    control |= _SECURITY if secure else 0
    control |= _EXTENDED if frame.block is not None else 0
    ends = struct.pack("<HH", frame.cluster, frame.profile) + bytes([frame.source_endpoint])
    to = bytes([frame.destination_endpoint]) if frame.group is None else struct.pack("<H", frame.group)
    return bytes([control]) + to + ends + bytes([frame.counter]) + _block(frame.block)


def acknowledgement_header(frame: DataFrame, *, secure: bool) -> bytes:
    """Return the acknowledgement of a data frame, as its receiver sends it; it has no payload."""
    control = _ACK | (_SECURITY if secure else 0) | (_EXTENDED if frame.block is not None else 0)
    ends = struct.pack("<BHHB", frame.source_endpoint, frame.cluster, frame.profile, frame.destination_endpoint)
    block = b""
    if frame.block is not None:
        # The window is one block, and its only bit is set.
        kind = _LATER_BLOCK if frame.block.index else _FIRST_BLOCK
        block = bytes([kind, frame.block.index, 0x01])
    return bytes([control]) + ends + bytes([frame.counter]) + block


def command_header(counter: int) -> bytes:
    """Return the header of a command that is secured and not acknowledged."""
    return bytes([_COMMAND | _SECURITY, counter])


def transport_network_key(key: bytes, sequence: int, destination: Eui64, source: Eui64) -> bytes:
    """Return the Transport Key command that gives the network key to a device that joins."""
    head = bytes([_TRANSPORT_KEY, _STANDARD_NETWORK_KEY]) + key + bytes([sequence])
    return head + to_bytes(destination) + to_bytes(source)


def request_link_key(partner: Eui64) -> bytes:
    """Return the Request Key command by which a device asks for a link key with another."""
    return bytes([_REQUEST_KEY, _APPLICATION_LINK_KEY_REQUESTED]) + to_bytes(partner)


def transport_link_key(key: bytes, partner: Eui64, *, asked: bool) -> bytes:
    """Return the Transport Key command with a link key with another device; ``asked``: its receiver asked for it."""
    return bytes([_TRANSPORT_KEY, _APPLICATION_LINK_KEY]) + key + to_bytes(partner) + bytes([asked])


def _block(block: Block | None) -> bytes:
    if block is None:
        return b""
    return bytes([_LATER_BLOCK, block.index]) if block.index else bytes([_FIRST_BLOCK, block.total])
