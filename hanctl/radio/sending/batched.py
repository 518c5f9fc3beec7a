"""Gather serial writes: those of the same loop iteration go out in one piece.

For each frame of the far side bellows writes an acknowledgement, and most often a command follows; each write is a
system call, here and at the far side of a network port. The bytes and their order stay the same.
"""

from __future__ import annotations

import asyncio
from typing import Any

TURNS = 2
"""So many turns of the event loop a write waits for more: as many as lie between a frame and the answer to it."""


class BatchedWrites:
    """Wrap a serial transport, which does everything but writing itself."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._pieces: list[bytes] = []
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes) -> None:
        """Write ``data`` at the end of this loop iteration."""
        if not self._pieces:
            self._loop.call_soon(self._wait, TURNS - 1)
        self._pieces.append(data)

    def close(self) -> None:
        """Write pending data, and close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _wait(self, turns: int) -> None:
        if turns > 0:
            self._loop.call_soon(self._wait, turns - 1)
        else:
            self._flush()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
