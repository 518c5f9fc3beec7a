"""ASH frames as bytes: control byte, CRC, byte stuffing, data randomisation (source: zigpy.md §9, peers.md §3.1)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from hanctl.base.errors import HanctlError

FLAG = 0x7E
ESCAPE = 0x7D
XON = 0x11
XOFF = 0x13
SUBSTITUTE = 0x18
CANCEL = 0x1A
_STUFFED = re.compile(b"[\x7e\x7d\x11\x13\x18\x1a]")
_ESCAPED = re.compile(b"\x7d(.)", re.DOTALL)
_OUT_OF_BAND = re.compile(b"[\x11\x13\x18\x1a]")
STUFF_MASK = 0x20

ASH_VERSION = 2
MAX_DATA = 133
MAX_FRAME = 1 + MAX_DATA + 2


class AshError(HanctlError):
    """Bytes between two flags that are no ASH frame. ``data_frame``: it looked like a DATA frame, so a NAK is due."""

    code = "ash-frame"

    def __init__(self, message: str, *, data_frame: bool = False) -> None:
        super().__init__(message, "check the host's ASH implementation")
        self.data_frame = data_frame


class ResetCode(IntEnum):
    """Why the dongle reset or failed."""

    UNKNOWN = 0x00
    EXTERNAL = 0x01
    POWER_ON = 0x02
    WATCHDOG = 0x03
    ASSERT = 0x06
    BOOTLOADER = 0x09
    SOFTWARE = 0x0B
    ACK_TIMEOUTS = 0x51


@dataclass(frozen=True, slots=True)
class Data:
    """An EZSP frame (not randomised here) with its sequence numbers (0-7)."""

    number: int
    ack: int
    payload: bytes
    retransmitted: bool = False


@dataclass(frozen=True, slots=True)
class Ack:
    """ACK: ``ack`` is the next frame expected; ``not_ready``: the host has no room for callbacks."""

    ack: int
    not_ready: bool = False


@dataclass(frozen=True, slots=True)
class Nak:
    """NAK: the frames from ``ack`` on are to be sent again."""

    ack: int
    not_ready: bool = False


@dataclass(frozen=True, slots=True)
class Rst:
    """RST: the host wants a reset."""


@dataclass(frozen=True, slots=True)
class RstAck:
    """RSTACK: the dongle has reset."""

    code: int


@dataclass(frozen=True, slots=True)
class Error:
    """ERROR: the dongle has given up, and waits for a reset."""

    code: int


Frame = Data | Ack | Nak | Rst | RstAck | Error


def _random_sequence(length: int) -> bytes:
    output = bytearray()
    value = 0x42
    for _ in range(length):
        output.append(value)
        value = (value >> 1) ^ 0xB8 if value & 1 else value >> 1
    return bytes(output)


_RANDOM = _random_sequence(256)


def randomise(data: bytes) -> bytes:
    """Apply exclusive-or with the fixed pseudo-random sequence; its own inverse."""
    length = len(data)
    return (int.from_bytes(data, "big") ^ int.from_bytes(_RANDOM[:length], "big")).to_bytes(length, "big")


def crc(data: bytes) -> bytes:
    """Return the CRC-CCITT, initial value 0xFFFF, most significant byte first."""
    return binascii.crc_hqx(data, 0xFFFF).to_bytes(2, "big")


def stuff(data: bytes) -> bytes:
    """Escape reserved bytes."""
    return _STUFFED.sub(lambda m: bytes((ESCAPE, m[0][0] ^ STUFF_MASK)), data)


def unstuff(data: bytes) -> bytes:
    """Undo ``stuff``. Raises AshError where an escape stands last."""
    output = _ESCAPED.sub(lambda m: bytes((m[1][0] ^ STUFF_MASK,)), data)
    if data and data[-1] == ESCAPE and (len(data) - len(data.rstrip(b"\x7d"))) % 2:
        raise AshError("frame ends with an escape byte", data_frame=_looks_like_data(data))
    return output


def encode(frame: Frame) -> bytes:
    """Return a frame as it goes on the line, with its closing flag."""
    match frame:
        case Data(number, ack, payload, retransmitted):
            body = bytes([number << 4 | retransmitted << 3 | ack]) + randomise(payload)
        case Ack(ack, not_ready):
            body = bytes([0x80 | not_ready << 3 | ack])
        case Nak(ack, not_ready):
            body = bytes([0xA0 | not_ready << 3 | ack])
        case Rst():
            body = b"\xc0"
        case RstAck(code):
            body = bytes([0xC1, ASH_VERSION, code])
        case Error(code):
            body = bytes([0xC2, ASH_VERSION, code])
    return stuff(body + crc(body)) + bytes([FLAG])


def decode(stuffed: bytes) -> Frame:
    """Decode what stands between two flags. Raises AshError."""
    body = unstuff(stuffed)
    is_data = bool(body) and not body[0] & 0x80
    if len(body) < 3:
        raise AshError(f"frame too short: {body.hex()}", data_frame=is_data)
    if len(body) > MAX_FRAME:
        raise AshError(f"frame too long: {len(body)} bytes", data_frame=is_data)
    if crc(body[:-2]) != body[-2:]:
        raise AshError(f"bad CRC: {body.hex()}", data_frame=is_data)
    control, rest = body[0], body[1:-2]
    if is_data:
        if len(rest) < 3:
            raise AshError(f"DATA frame too short: {body.hex()}", data_frame=True)
        return Data(control >> 4, control & 7, randomise(rest), bool(control & 8))
    if control & 0xE0 in (0x80, 0xA0) and not rest:
        kind = Nak if control & 0x20 else Ack
        return kind(control & 7, bool(control & 8))
    if control == 0xC0 and not rest:
        return Rst()
    if control in (0xC1, 0xC2) and len(rest) == 2 and rest[0] == ASH_VERSION:
        return RstAck(rest[1]) if control == 0xC1 else Error(rest[1])
    raise AshError(f"no such frame: {body.hex()}")


class Splitter:
    """Splitter of the byte stream into what stands between flags. Reads may be split or merged anywhere."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._spoilt = False

    def feed(self, data: bytes) -> Iterator[bytes | AshError]:
        """Yield each complete frame (still stuffed), or the error that stands for it."""
        if not self._buffer and not self._spoilt and data[-1:] == b"\x7e" and not _OUT_OF_BAND.search(data):
            # By far the most reads are whole frames.
            pieces = data.split(b"\x7e")
            if max(map(len, pieces)) <= 2 * MAX_FRAME:
                yield from filter(None, pieces)
                return
        for byte in data:
            if byte == FLAG:
                content, spoilt = bytes(self._buffer), self._spoilt
                self.clear()
                if spoilt:
                    yield AshError("frame too long or hit by a line error", data_frame=_looks_like_data(content))
                elif content:
                    yield content
            elif byte == CANCEL:
                self.clear()
            elif byte == SUBSTITUTE:
                self._spoilt = True
            elif byte in (XON, XOFF):
                continue
            elif len(self._buffer) >= 2 * MAX_FRAME:
                self._spoilt = True
            else:
                self._buffer.append(byte)

    def clear(self) -> None:
        """Forget an incomplete frame."""
        self._buffer.clear()
        self._spoilt = False


def _looks_like_data(stuffed: bytes) -> bool:
    if not stuffed:
        return False
    first = stuffed[1] ^ STUFF_MASK if stuffed[0] == ESCAPE and len(stuffed) > 1 else stuffed[0]
    return not first & 0x80
