"""Record refused requests as events: the first at once, later ones in one event with their number."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.han.security import Fault
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import RequestRefused

QUIET_S = 600.0
"""Between two events of the same device, cluster and reason."""
KEPT = 256

_Key = tuple[Eui64, int, Fault]


@dataclass(slots=True)
class _Told:
    at: float
    unheard: int = 0


class Refusals:
    """Count refusals, and record them at a limited rate."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._told: OrderedDict[_Key, _Told] = OrderedDict()

    def note(self, device: Eui64, cluster: int, fault: Fault) -> None:
        """Count a refused request of this device."""
        key, now = (device, cluster, fault), self._clock.monotonic()
        told = self._told.get(key)
        if told is not None and now - told.at < QUIET_S:
            told.unheard += 1
            return
        count = 1 + (told.unheard if told is not None else 0)
        self._told[key] = _Told(now)
        self._told.move_to_end(key)
        while len(self._told) > KEPT:
            self._told.popitem(last=False)
        self._ledger.note(RequestRefused(device=device, cluster=cluster, reason=fault, count=count))
