"""Reads a pcapng file block by block, by the letter of the draft."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEAD = {0x0A0D0D0A: 16, 1: 8, 5: 12, 6: 20}


class Block(NamedTuple):
    """One block: its fixed fields, what follows them where it is a packet, and its options in their order."""

    kind: int
    head: bytes
    data: bytes
    options: list[tuple[int, bytes]]

    def option(self, code: int) -> bytes | None:
        return dict(self.options).get(code)

    @property
    def time_us(self) -> int:
        high, low = struct.unpack("<II", self.head[4:12])
        return int(high << 32 | low)

    @property
    def comment(self) -> str:
        return (self.option(1) or b"").decode()


def read(file: bytes) -> list[Block]:
    blocks = []
    while file:
        kind, length = struct.unpack("<II", file[:8])
        assert length % 4 == 0 and file[length - 4 : length] == file[4:8]
        body, file = file[8 : length - 4], file[length:]
        head, rest = body[: HEAD[kind]], body[HEAD[kind] :]
        data = b""
        if kind == 6:
            captured, original = struct.unpack("<II", head[12:20])
            assert captured == original
            data, rest = rest[:captured], rest[captured + -captured % 4 :]
        blocks.append(Block(kind, head, data, _options(rest)))
    return blocks


def _options(rest: bytes) -> list[tuple[int, bytes]]:
    found = []
    while rest:
        code, length = struct.unpack("<HH", rest[:4])
        if code == 0:
            assert rest == bytes(4)
            break
        found.append((code, rest[4 : 4 + length]))
        rest = rest[4 + length + -length % 4 :]
    return found
