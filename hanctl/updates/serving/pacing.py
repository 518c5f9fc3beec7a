"""Decide when a device is told to ask for its next block later: WAIT_FOR_DATA and minimum block period. Pure.

Where all is well nothing is limited. When blocks wait long for their turn on the air, or a period is configured,
devices are told to space their requests: those that negotiate a period get one, in the unit they count in; the others
are told to wait before each block. Source: comms_hub.md §1.5, "MinimumBlockPeriod negotiation", and §0, trap 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hanctl.base.eui64 import Eui64

BUSY_PERIODS_MS = (250, 500, 1000, 2000, 4000)
"""From one to the next as long as blocks wait too long."""
RAISE_S, LOWER_S = 5.0, 10.0
"""A change shows its effect only after a while: the period is raised, and lowered, so often at most."""

PROBE = 60
"""A period that is told apart in milliseconds and in seconds by when the device comes back."""
PROBE_THRESHOLD_S = PROBE - PROBE // 8 + 1
"""53 whole seconds and more are seconds (60 - 60/8, rounded as the reference server does, and strictly above it)."""


MISSES = 3


class Unit(Enum):
    """Unit of a device's minimum block period; NONE: the device ignores the period."""

    MILLISECONDS = "ms"
    SECONDS = "s"
    NONE = "none"


REVISIONS = {1: Unit.MILLISECONDS, 2: Unit.SECONDS, 3: Unit.MILLISECONDS}
"""By the OTA cluster's revision; others say nothing."""


@dataclass(frozen=True, slots=True)
class Wait:
    """WAIT_FOR_DATA: ask again after ``seconds``, and from then on every ``period``, in the device's unit."""

    seconds: int
    period: int | None = None


@dataclass(slots=True)
class _Client:
    negotiates: bool = False
    unit: Unit | None = None
    asked: bool = False
    """Its cluster's revision was asked for."""
    answered: bool = False
    """It was told, or is not to be had."""
    told: int | None = None
    """The period it was told last, and when."""
    told_at: float = 0.0
    misses: int = 0
    """So often in a row it came back with another period than it was told: the answer may have been lost."""
    waited_at: int | None = None
    """The offset at which it was told to wait: there, it is served when it comes back."""


class Pacing:
    """``period_ms``: between two blocks of one device at least, always; ``busy_s``: blocks that wait longer for their
    turn are too many."""

    def __init__(self, period_ms: int = 0, busy_s: float = 1.0) -> None:
        self.keep_to(period_ms, busy_s)
        self._level = 0
        self._changed_at = float("-inf")
        self._clients: dict[Eui64, _Client] = {}

    def keep_to(self, period_ms: int, busy_s: float) -> None:
        """Apply new settings from the next request on; arguments as for the constructor."""
        self._least_ms, self._busy_s = period_ms, busy_s

    @property
    def period_ms(self) -> int:
        """Return the period that devices must keep now, in ms; 0: none."""
        return max(self._least_ms, BUSY_PERIODS_MS[self._level - 1] if self._level else 0)

    def wait(self, device: Eui64, offset: int, period: int | None, backlog_s: float, now: float) -> Wait | None:
        """Return the wait for a device that asks for the block at ``offset``; None: give it the block.

        ``period``: of its request; None: it negotiates none. ``backlog_s``: how long blocks wait in the queue, seconds.
        """
        self._adapt(backlog_s, now)
        wanted = self.period_ms
        if wanted == 0 and not period:
            return None
        client = self._clients.setdefault(device, _Client())
        if period is None or client.unit is Unit.NONE:
            return _wait_once(client, offset, _seconds(wanted))
        client.negotiates = True
        if wanted == 0:
            return _tell(client, period, 0, now)
        if client.unit is None:
            return self._find_out(client, period, now) or self._settle(client, period, offset, now)
        return self._settle(client, period, offset, now)

    def wants_revision(self, device: Eui64) -> bool:
        """Tell, once, that the revision of the device's OTA cluster should be read and passed to ``revision``."""
        client = self._clients.get(device)
        if client is None or not client.negotiates or client.unit is not None or client.asked or not self.period_ms:
            return False
        client.asked = True
        return True

    def revision(self, device: Eui64, revision: int | None) -> None:
        """Note the revision of the device's OTA cluster; None: the device did not say."""
        client = self._clients.setdefault(device, _Client())
        client.answered = True
        if client.unit is None and revision is not None:
            client.unit = REVISIONS.get(revision)

    def forget(self, device: Eui64) -> None:
        """Forget the unit of a device that has its image: its next firmware may use another."""
        self._clients.pop(device, None)

    def _adapt(self, backlog_s: float, now: float) -> None:
        since = now - self._changed_at
        if backlog_s > self._busy_s and since >= RAISE_S:
            level = min(self._level + 1, len(BUSY_PERIODS_MS))
        elif backlog_s < self._busy_s / 4 and since >= LOWER_S:
            level = max(self._level - 1, 0)
        else:
            return
        if level != self._level:
            self._level, self._changed_at = level, now

    @staticmethod
    def _find_out(client: _Client, period: int, now: float) -> Wait | None:
        """Learn the unit of a device from the time of its next request, if its revision does not tell."""
        if not client.answered:
            return None
        if client.told != PROBE or period != PROBE:
            return _tell(client, period, PROBE, now)
        client.unit = Unit.SECONDS if now - client.told_at >= PROBE_THRESHOLD_S else Unit.MILLISECONDS
        return None

    def _settle(self, client: _Client, period: int, offset: int, now: float) -> Wait | None:
        if client.unit is None:
            return None
        if client.unit is Unit.NONE:
            return _wait_once(client, offset, _seconds(self.period_ms))
        wanted = self.period_ms if client.unit is Unit.MILLISECONDS else _seconds(self.period_ms)
        return _tell(client, period, wanted, now)


def _tell(client: _Client, period: int, wanted: int, now: float) -> Wait | None:
    client.misses = client.misses + 1 if period != wanted == client.told else 0
    if client.misses >= MISSES:
        # It would be told for ever.
        client.unit = Unit.NONE
        return None
    if period == wanted:
        return None
    client.told, client.told_at = wanted, now
    return Wait(0, wanted)


def _wait_once(client: _Client, offset: int, seconds: int) -> Wait | None:
    """Tell the device to wait, once before each block."""
    if seconds == 0 or client.waited_at == offset:
        return None
    client.waited_at = offset
    return Wait(seconds)


def _seconds(period_ms: int) -> int:
    return (period_ms + 500) // 1000
