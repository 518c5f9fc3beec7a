"""Inject faults on the serial line: bytes lost or changed, with a seeded probability."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(slots=True)
class LineFaults:
    """Probabilities, per byte and in both directions, that a byte is lost or has a bit flipped."""

    drop: float = 0.0
    corrupt: float = 0.0

    @property
    def any(self) -> bool:
        return self.drop > 0 or self.corrupt > 0

    def spoil(self, data: bytes, rng: random.Random) -> bytes:
        """Return what arrives of ``data``."""
        arrived = bytearray()
        for byte in data:
            if rng.random() < self.drop:
                continue
            arrived.append(byte ^ (1 << rng.randrange(8)) if rng.random() < self.corrupt else byte)
        return bytes(arrived)
