"""Fragment and reassemble APS messages as the stack of a device or Z-Stack does. The window is one block.

A long message goes as blocks that share its APS counter; each is sent once the one before is acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hanctl.simulator.network.medium import COORDINATOR, ApsFrame, BlockId, Counting, Done, ExtendedHeader, Medium, Node

MAX_PAYLOAD = 82
"""Payload of a frame under NWK security."""
ENCRYPTION_OVERHEAD = 9
BLOCK_OVERHEAD = 2
"""The extended header: its frame control, and the block's number."""
SPACING_S = 0.05
"""Pause between blocks; Z-Stack's default, and the Smart Energy profile's."""
REASSEMBLY_S = 30.0
"""After the last block; long enough for the retries of a sender that sleeps."""
FORGET_S = 10.0
"""How long a complete message is remembered, for the sake of repeated blocks."""


def room(frame: ApsFrame) -> int:
    """Return the longest payload of a frame like this one, in bytes."""
    overhead = ENCRYPTION_OVERHEAD if frame.encrypted else 0
    return MAX_PAYLOAD - overhead - (BLOCK_OVERHEAD if frame.block is not None else 0)


def split(frame: ApsFrame) -> list[ApsFrame]:
    """Split a long message into blocks."""
    size = room(replace(frame, block=ExtendedHeader(0)))
    parts = [frame.payload[at : at + size] for at in range(0, len(frame.payload), size)]
    return [
        replace(frame, payload=part, ack_request=True, block=ExtendedHeader(index, 0 if index else len(parts)))
        for index, part in enumerate(parts)
    ]


def block_id(node: Node, frame: ApsFrame) -> BlockId:
    """Return the id of this block on the link with a device."""
    assert frame.block is not None
    return BlockId(node.eui64, frame.source == COORDINATOR, frame.counter, frame.block.index)


@dataclass(slots=True)
class _Partial:
    """An incoming message in reassembly. ``blocks`` are complete from the first on."""

    total: int
    blocks: list[bytes] = field(default_factory=list)
    expiry: float = 0.0

    @property
    def complete(self) -> bool:
        return len(self.blocks) == self.total


class Fragmenter:
    """Fragmentation and reassembly for one node. ``transmit`` puts a frame on air, ``acknowledge`` an answer to one.

    ``spacing_s`` may be changed at any time. ``dropped`` counts blocks that fit no message.
    """

    def __init__(
        self,
        transmit: Callable[[ApsFrame, Done], None],
        acknowledge: Callable[[ApsFrame], None],
        *,
        longest: int = 1500,
    ) -> None:
        self.spacing_s = SPACING_S
        self.longest = longest
        self.dropped = 0
        self._transmit = transmit
        self._acknowledge = acknowledge
        self._partial: dict[tuple[int, int, bool], _Partial] = {}
        self._run = 0

    def reset(self) -> None:
        """Forget all messages, as the node lost power; nobody is told."""
        self._partial.clear()
        self._run += 1

    def send(self, frame: ApsFrame, done: Done) -> None:
        """Send a frame, in blocks if it does not fit; ``done`` is called once."""
        if frame.broadcast or len(frame.payload) <= room(frame):
            self._transmit(frame, done)
            return
        blocks, run = split(frame), self._run

        def send_block(index: int) -> None:
            if run == self._run:
                self._transmit(blocks[index], lambda delivered: sent(index, delivered))

        def sent(index: int, delivered: bool) -> None:
            if not delivered or index + 1 == len(blocks):
                done(delivered)
            else:
                asyncio.get_running_loop().call_later(self.spacing_s, send_block, index + 1)

        send_block(0)

    def receive(self, frame: ApsFrame) -> ApsFrame | None:
        """Return the frame itself, or the whole message if a block completes it; None for any other block."""
        if frame.block is None:
            return frame
        now = asyncio.get_running_loop().time()
        self._partial = {key: partial for key, partial in self._partial.items() if now < partial.expiry}
        key = (frame.source, frame.counter, frame.encrypted)
        partial = self._partial.get(key)
        number, payload = frame.block.index, frame.payload
        repeated = partial is not None and number < len(partial.blocks) and partial.blocks[number] == payload
        if number == 0 and not repeated and frame.block.total:
            partial = self._partial[key] = _Partial(frame.block.total)
        if partial is None or not (repeated or self._is_next(partial, number, payload)):
            self.dropped += 1
            return None
        self._acknowledge(frame)
        if repeated:
            return None
        partial.blocks.append(payload)
        partial.expiry = now + (FORGET_S if partial.complete else REASSEMBLY_S)
        return replace(frame, payload=b"".join(partial.blocks), block=None) if partial.complete else None

    def _is_next(self, partial: _Partial, number: int, payload: bytes) -> bool:
        size = sum(map(len, partial.blocks)) + len(payload)
        return number == len(partial.blocks) < partial.total and size <= self.longest


def fragmenter_of(node: Node, medium: Medium) -> Fragmenter:
    """Return the fragmenter of a device."""

    def transmit(frame: ApsFrame, done: Done) -> None:
        if frame.secured and isinstance(node, Counting):
            frame = replace(frame, security_counter=node.next_security_counter())
        medium.to_coordinator(node, frame, done)

    return Fragmenter(
        transmit,
        lambda frame: medium.acknowledge(node, block_id(node, frame)),
    )
