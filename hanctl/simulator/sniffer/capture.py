"""The two files of a capture: frames as pcap, and their keys as a Wireshark table. Both are for their owner alone."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO

from hanctl.simulator.dongle import SimulatorError
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.sniffer.sniffer import Sniffer
from hanctl.wireshark.files import LINKTYPE_IEEE802_15_4_WITHFCS, create_private, key_line

LOGGER = logging.getLogger(__name__)

_MAGIC, _VERSION, _SNAP_LENGTH = 0xA1B2C3D4, (2, 4), 0xFFFF
_TICK_US = 1


class Capture:
    """A sniffer on the medium of ``stack``, until ``close``.

    ``now`` gives seconds since the epoch; frames keep their order, whatever it gives.
    """

    def __init__(self, stack: Stack, pcap: Path, keys: Path, now: Callable[[], float]) -> None:
        """Create both files, and begin. Raises SimulatorError where one cannot be written."""
        if keys == pcap:
            raise SimulatorError(f"{pcap} cannot hold both frames and keys", "name another file for the keys")
        self._medium = stack.medium
        self._sniffer = Sniffer(stack, self._write, self._reveal)
        self._now = now
        self._last_us = 0
        self._revealed: set[bytes] = set()
        self._frames = _create(pcap)
        try:
            self._keys = _create(keys)
        except SimulatorError:
            self._frames.close()
            raise
        self._medium.observer = self._sniffer
        header = struct.pack("<IHHiIII", _MAGIC, *_VERSION, 0, 0, _SNAP_LENGTH, LINKTYPE_IEEE802_15_4_WITHFCS)
        self._record(self._frames, header)

    def close(self) -> None:
        """End the capture."""
        if self._medium.observer is self._sniffer:
            self._medium.observer = None
        self._frames.close()
        self._keys.close()

    def _write(self, frame: bytes, late_s: float) -> None:
        self._last_us = max(round((self._now() - late_s) * 1_000_000), self._last_us + _TICK_US)
        seconds, microseconds = divmod(self._last_us, 1_000_000)
        header = struct.pack("<IIII", seconds & 0xFFFFFFFF, microseconds, len(frame), len(frame))
        self._record(self._frames, header + frame)

    def _reveal(self, key: bytes, name: str) -> None:
        if key not in self._revealed:
            self._revealed.add(key)
            self._record(self._keys, key_line(key, name))

    def _record(self, file: IO[bytes], record: bytes) -> None:
        if file.closed:
            # It ended in the middle of an exchange.
            return
        try:
            file.write(record)
        except OSError as error:
            LOGGER.warning("the capture ends here, as %s cannot be written: %s", file.name, error.strerror)
            self.close()


def _create(path: Path) -> IO[bytes]:
    try:
        return create_private(path)
    except OSError as error:
        raise SimulatorError(f"{path} cannot be written: {error.strerror}", "name another file") from error
