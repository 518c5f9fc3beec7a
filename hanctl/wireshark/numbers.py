"""The sequence numbers and frame counters of one sender."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from hanctl.base.eui64 import Eui64


@dataclass(slots=True)
class Numbers:
    """Each call gives the next one. Sequence numbers are bytes; frame counters never come again under a key."""

    _sequences: Counter[str] = field(default_factory=Counter)
    _counters: Counter[str] = field(default_factory=Counter)

    def mac(self) -> int:
        return self._sequence("mac")

    def nwk(self) -> int:
        return self._sequence("nwk")

    def aps_command(self) -> int:
        return self._sequence("aps command")

    def under_network_key(self) -> int:
        return self._counter("network")

    def under_link_key(self, partner: Eui64) -> int:
        return self._counter(partner)

    def _sequence(self, layer: str) -> int:
        self._sequences[layer] = (self._sequences[layer] + 1) & 0xFF
        return self._sequences[layer]

    def _counter(self, key: str) -> int:
        self._counters[key] += 1
        return self._counters[key]
