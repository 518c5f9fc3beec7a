"""Tell after an absence of the hub which waiting devices may have activated: 10 missed answers make them.

Source: comms_hub.md §0, trap 4, and §1.7: a waiting client asks every 3 to 3.25 s when it gets no answer, and after ten
misses in all applies the image, unless its timeout policy forbids that.
"""

from __future__ import annotations

from datetime import datetime

from hanctl.base.clock import Clock
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device, Update
from hanctl.updates.life import lifecycle
from hanctl.updates.life.gates import OUT_OF_BAND
from hanctl.updates.life.lifecycle import UpdateStep

PATIENCE_S = 30.0
"""Ten misses at the shortest interval. A hub that was away for less was not missed so often, unless it was before."""

NOTE_INTERVAL_S = 10.0
"""So often the hub notes that it is there, while a device waits; the length of an absence is known no better."""

DOES_NOT_APPLY = 1
"""UpgradeTimeoutPolicy: the device does not activate for want of answers (comms_hub.md §1.4)."""


class Attendance:
    """Note that the hub is present, and tell after an absence which devices may not have waited."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._last = ledger.last_presence()

    def note(self) -> None:
        """Note that the hub is present. Raises LedgerError."""
        now = self._clock.now()
        self._ledger.note_presence(now)
        self._last = now

    def doubt(self, update: Update, device: Device) -> UpdateStep | None:
        """Tell whether a device that was told to wait may have activated while the hub was away."""
        since = self._since(update)
        if update.state != "holding" or since is None:
            return None
        away = (self._clock.now() - since).total_seconds()
        patient = device.timeout_policy == DOES_NOT_APPLY or device.activation_policy == OUT_OF_BAND
        if abs(away) < PATIENCE_S or patient or update.activation == "by-device":
            return None
        # A clock that is behind does not tell for how long.
        length = f"{away:.0f} s" if away > 0 else "an unknown time"
        return lifecycle.move(
            update,
            "in_doubt",
            f"the hub was away for {length}: the device may have missed ten answers, and activated by itself",
        )

    def _since(self, update: Update) -> datetime | None:
        """Return when the hub was last present while this device waited."""
        known = [moment for moment in (self._last, update.transferred_at) if moment is not None]
        return max(known, default=None)
