"""MT framing: ``FE, length, cmd0, cmd1, data, FCS``, where FCS is the exclusive-or of everything after the ``FE``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

SOF = 0xFE
MAX_DATA = 250
_OVERHEAD = 5


@dataclass(frozen=True, slots=True)
class MtFrame:
    """One MT command. ``cmd0`` holds type (bits 5-7) and subsystem (bits 0-4), ``cmd1`` the command's number."""

    cmd0: int
    cmd1: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the bytes of the frame on the serial line."""
        body = bytes([len(self.data), self.cmd0, self.cmd1]) + self.data
        return bytes([SOF]) + body + bytes([reduce(xor, body)])


@dataclass(frozen=True, slots=True)
class BadBytes:
    """Bytes that are not a frame, and why: ``noise``, ``length`` or ``fcs``."""

    reason: str
    data: bytes


class MtReader:
    """Reader of frames in a stream of bytes. After a bad frame it looks for the next SOF, inside the bad one too."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def clear(self) -> None:
        """Forget a frame that has only partly arrived."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[MtFrame | BadBytes]:
        """Return the frames that the bytes complete, in order of arrival."""
        self._buffer += data
        found: list[MtFrame | BadBytes] = []
        while self._buffer:
            item = self._next()
            if item is None:
                break
            found.append(item)
        return found

    def _next(self) -> MtFrame | BadBytes | None:
        buffer = self._buffer
        if buffer[0] != SOF:
            return self._drop("noise")
        if len(buffer) < 2:
            return None
        length = buffer[1]
        if length > MAX_DATA:
            return self._drop("length")
        size = length + _OVERHEAD
        if len(buffer) < size:
            return None
        if reduce(xor, buffer[1 : size - 1]) != buffer[size - 1]:
            return self._drop("fcs")
        frame = MtFrame(buffer[2], buffer[3], bytes(buffer[4 : size - 1]))
        del buffer[:size]
        return frame

    def _drop(self, reason: str) -> BadBytes:
        """Drop the bytes before the next SOF."""
        end = self._buffer.find(SOF, 1)
        if end < 0:
            end = len(self._buffer)
        bad = BadBytes(reason, bytes(self._buffer[:end]))
        del self._buffer[:end]
        return bad
