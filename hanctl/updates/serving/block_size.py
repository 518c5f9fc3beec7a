"""Choose the number of image bytes in a block to each device. Pure.

It starts with the most that fits one encrypted frame (comms_hub.md §1.5), as only a source route leaves less room, and
nothing tells of one beforehand. Blocks that fail one after the other make it smaller; many that arrive, larger again.
"""

from __future__ import annotations

from dataclasses import dataclass

from hanctl.base.eui64 import Eui64

SIZES = (56, 48, 40, 32, 24)
"""Bytes, largest first; each step leaves room for four relays more."""
FAILURES = 3
"""So many blocks in a row that are not delivered are one step down."""
DELIVERIES = 256
"""So many blocks in a row that are delivered are one step up."""


@dataclass(slots=True)
class _Path:
    step: int = 0
    failures: int = 0
    deliveries: int = 0


class BlockSizes:
    """Block size of each device, kept as long as the hub runs."""

    def __init__(self) -> None:
        self._paths: dict[Eui64, _Path] = {}

    def largest(self, device: Eui64) -> int:
        """Return the largest number of bytes in a block to this device."""
        path = self._paths.get(device)
        return SIZES[path.step] if path is not None else SIZES[0]

    def delivered(self, device: Eui64) -> None:
        """Note that a block arrived."""
        path = self._paths.get(device)
        if path is None:
            return
        path.failures = 0
        path.deliveries += 1
        if path.deliveries >= DELIVERIES:
            path.deliveries = 0
            path.step = max(0, path.step - 1)

    def failed(self, device: Eui64, size: int) -> None:
        """Note that a block of ``size`` bytes did not arrive; a block below the largest size does not count."""
        path = self._paths.setdefault(device, _Path())
        if size < SIZES[path.step]:
            return
        path.deliveries = 0
        path.failures += 1
        if path.failures >= FAILURES:
            path.failures = 0
            path.step = min(len(SIZES) - 1, path.step + 1)
