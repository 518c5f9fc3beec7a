"""The files of a capture: for their owner alone, and each record one write, so that what a kill leaves can be read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import IO

LINKTYPE_IEEE802_15_4_WITHFCS = 195


def create_private(path: Path) -> IO[bytes]:
    """Create a file, unbuffered, of mode 0600; a named pipe keeps its mode. Raises OSError."""
    return open(path, "wb", buffering=0, opener=_open_private)


def key_line(key: bytes, name: str) -> bytes:
    """Return a line of Wireshark's table of Zigbee keys."""
    return f'"{key.hex(":")}","Normal","{name}"\n'.encode()


def _open_private(path: str, flags: int) -> int:
    descriptor = os.open(path, flags, 0o600)
    # A file that was there keeps its mode; a pipe to Wireshark is left as it is.
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.fchmod(descriptor, 0o600)
    return descriptor
