"""Encode and decode MT commands by zigpy-znp's schemas, which are independent and checked by other hosts."""

from __future__ import annotations

from typing import Any

import zigpy_znp.commands
import zigpy_znp.types
from zigpy_znp.frames import GeneralFrame

from hanctl.simulator.znp.mt import MtFrame

# The schemas are built by metaclasses at import: nothing can be said of them statically.
c: Any = zigpy_znp.commands
t: Any = zigpy_znp.types
Command = Any

SREQ = 1
SRSP_BIT = 0x40
INVALID_SUBSYSTEM = 0x01
INVALID_COMMAND = 0x02
INVALID_LENGTH = 0x04

_REQUESTS: dict[tuple[int, int], Any] = {
    (int(cls.header.cmd0), int(cls.header.id)): cls for cls in c.COMMANDS_BY_ID.values() if cls is cls.Req
}
_SUBSYSTEMS = {cmd0 & 0x1F for cmd0, _ in _REQUESTS}


class Unreadable(Exception):
    """The frame is not a command that a dongle takes. ``code`` is what RPC_Error answers."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def decode(frame: MtFrame) -> Command:
    """Decode the request in the frame. Raises Unreadable, and nothing else."""
    cls = _REQUESTS.get((frame.cmd0, frame.cmd1))
    if cls is None:
        code = INVALID_COMMAND if frame.cmd0 & 0x1F in _SUBSYSTEMS else INVALID_SUBSYSTEM
        raise Unreadable(code, f"no command {frame.cmd0:02x} {frame.cmd1:02x}")
    try:
        return cls.from_frame(GeneralFrame(cls.header, t.Bytes(frame.data)), align=True)
    except Exception as error:
        # The schemas raise ValueError mostly, but also KeyError or UnicodeDecodeError, depending on the field.
        # Not its text, which repeats the data: there may be keys in it.
        detail = f"{cls.__qualname__}: {len(frame.data)} bytes do not fit its fields"
        raise Unreadable(INVALID_LENGTH, detail) from error


def encode(command: Command) -> MtFrame:
    """Encode a response or callback; structures are padded as on a 32-bit processor."""
    frame = command.to_frame(align=True)
    return MtFrame(int(frame.header.cmd0), int(frame.header.id), bytes(frame.data))


def srsp(request: type[Command], data: bytes) -> MtFrame:
    """Make a synchronous response of raw bytes, where the schema differs from what is really sent."""
    header = request.header
    return MtFrame(int(header.cmd0) + SRSP_BIT, int(header.id), data)


def rpc_error(frame: MtFrame, code: int) -> MtFrame:
    """Make the answer to a frame that cannot be accepted (0x60 0x00)."""
    return MtFrame(0x60, 0x00, bytes([code, frame.cmd0, frame.cmd1]))


def not_in_this_build(request: type[Command]) -> MtFrame:
    """Make the answer to a command that the firmware was built without."""
    header = request.header
    return rpc_error(MtFrame(int(header.cmd0), int(header.id)), INVALID_COMMAND)


def pack(value: Any) -> bytes:
    """Pack a structure as in the memory of a 32-bit processor."""
    return bytes(value.serialize(align=True))


def unpack(kind: Any, data: bytes) -> Any:
    """Unpack the structure that begins ``data``. Raises ValueError if it is too short."""
    return kind.deserialize(data, align=True)[0]
