"""Keep the incoming frame counter of each link key in a dongle, by which it detects replays."""

from __future__ import annotations

from dataclasses import dataclass, field

from hanctl.base.eui64 import Eui64

SAVED_EVERY = 1000
"""Z-Stack writes a counter to flash after about so many changes. Source: TI, ZDSecMgr; to be proven on silicon."""


@dataclass(slots=True)
class KeyCounters:
    """The last counter that was accepted under each node's key, live and as flash has it (Z-Stack's only)."""

    live: dict[Eui64, int] = field(default_factory=dict)
    saved: dict[Eui64, int] = field(default_factory=dict)

    def of(self, eui64: Eui64) -> int:
        """Return the last counter accepted; 0 if there was none."""
        return self.live.get(eui64, 0)

    def accept(self, eui64: Eui64, counter: int) -> bool:
        """Count an accepted frame. Returns whether it is time to write flash."""
        self.live[eui64] = counter
        if counter - self.saved.get(eui64, 0) < SAVED_EVERY:
            return False
        self.saved[eui64] = counter
        return True

    def begin(self, eui64: Eui64) -> None:
        """Restart the counter of a node whose key was written, even if it is the same."""
        self.live.pop(eui64, None)
        self.saved.pop(eui64, None)

    def boot(self, saved: dict[Eui64, int] | None = None) -> None:
        """Start with the counters in flash; EmberZNet keeps none there."""
        self.saved = dict(saved or {})
        self.live = dict(self.saved)
