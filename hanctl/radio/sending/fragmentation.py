"""Cut messages that exceed one frame into blocks, and reassemble them. Pure.

All blocks of a message go under one APS counter, each once the one before was acknowledged (a window of one block, as
Smart Energy has it). The first block tells how many there are. Source: zigpy.md §4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hanctl.radio.errors import PayloadTooLong

LONGEST_MESSAGE = 1500
"""Bytes; what a Smart Energy device must be able to take. Source: comms_hub.md §4.3."""
MAX_BLOCKS = 255

ENCRYPTION_OVERHEAD = 9
"""What APS encryption takes of a frame: auxiliary header and integrity code. Source: comms_hub.md §1.5."""
BLOCK_OVERHEAD = 2
"""What the extended header takes: its frame control, and the block's number."""

REASSEMBLY_S = 30.0
"""How long the next block is waited for; a sender that sleeps repeats one for that long."""
REMEMBERED_S = 10.0
"""How long a complete message is remembered: its last block comes again where its acknowledgement was lost."""
MOST_MESSAGES = 32
"""In the making or remembered, of all devices together."""


def room(whole: int, *, encrypted: bool, in_blocks: bool = False) -> int:
    """Return the longest payload of a frame in bytes; ``whole``: of a frame without encryption and blocks."""
    return whole - (ENCRYPTION_OVERHEAD if encrypted else 0) - (BLOCK_OVERHEAD if in_blocks else 0)


def cut(payload: bytes, whole: int, *, encrypted: bool) -> list[bytes]:
    """Cut a message into blocks, all but the last of the same length."""
    size = room(whole, encrypted=encrypted, in_blocks=True)
    return [payload[at : at + size] for at in range(0, len(payload), size)]


def too_long(size: int, most: int) -> PayloadTooLong:
    """Make the error for a payload of ``size`` bytes where ``most`` are possible."""
    return PayloadTooLong(f"a payload of {size} bytes cannot be sent: the most is {most}", "send less at a time")


@dataclass(frozen=True, slots=True)
class MessageId:
    """What all blocks of a message have in common.

    Encryption is part of it: a message counts as encrypted only if each of its blocks was.
    """

    source: int
    counter: int
    profile: int
    cluster: int
    source_endpoint: int
    destination_endpoint: int
    encrypted: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """What to do about a block: ``acknowledge`` it, and pass on the ``message`` if it is complete now."""

    acknowledge: bool
    message: bytes | None = None


REFUSED = Taken(acknowledge=False)
REPEATED = Taken(acknowledge=True)


@dataclass(slots=True)
class _Message:
    """The first ``len(blocks)`` blocks of ``total``."""

    total: int
    expiry: float
    blocks: list[bytes] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return len(self.blocks) == self.total


class Reassembly:
    """Incoming messages in reassembly. A block that fits none is not acknowledged, so its sender repeats it."""

    def __init__(self) -> None:
        self._messages: dict[MessageId, _Message] = {}

    def __len__(self) -> int:
        """Return the number of incomplete messages."""
        return sum(not message.complete for message in self._messages.values())

    def take(self, message_id: MessageId, index: int, total: int, payload: bytes, now: float) -> Taken:
        """Take a block; ``total`` counts only in the first, whose ``index`` is 0."""
        for expired in list(self._expired(now)):
            del self._messages[expired]
        message = self._messages.get(message_id)
        if message is not None and index < len(message.blocks) and message.blocks[index] == payload:
            return REPEATED
        if index == 0:
            if not 0 < total <= MAX_BLOCKS:
                return REFUSED
            message = self._begin(message_id, total)
        elif message is None or index > len(message.blocks) or index >= message.total:
            return REFUSED
        else:
            # Another block in the place of one that was taken is another message's, whose sender began anew under the
            # same counter; all before it were the same, or it would not have come to this one.
            del message.blocks[index:]
        if not self._fits(message, payload):
            return REFUSED
        message.blocks.append(payload)
        message.expiry = now + (REMEMBERED_S if message.complete else REASSEMBLY_S)
        return Taken(acknowledge=True, message=b"".join(message.blocks) if message.complete else None)

    def _expired(self, now: float) -> Iterator[MessageId]:
        return (message_id for message_id, message in self._messages.items() if now >= message.expiry)

    def _begin(self, message_id: MessageId, total: int) -> _Message:
        self._messages.pop(message_id, None)
        if len(self._messages) >= MOST_MESSAGES:
            del self._messages[min(self._messages, key=lambda one: self._messages[one].expiry)]
        message = self._messages[message_id] = _Message(total, 0.0)
        return message

    @staticmethod
    def _fits(message: _Message, payload: bytes) -> bool:
        """Tell whether the block has the right size: that of the first, or less for the last."""
        if sum(map(len, message.blocks)) + len(payload) > LONGEST_MESSAGE:
            return False
        if not message.blocks:
            return True
        last = len(message.blocks) + 1 == message.total
        size = len(message.blocks[0])
        return len(payload) <= size if last else len(payload) == size
