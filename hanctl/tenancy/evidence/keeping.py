"""List what a change leaves as it is, and why: names and counts, no values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hanctl.data import dating
from hanctl.data.catalogue import ATTRIBUTES, TABLES
from hanctl.han.smart_energy.clusters import CLUSTERS
from hanctl.ledger.household import Household
from hanctl.model.change_records import ChangeKind, Fuel
from hanctl.tenancy.controls import Control
from hanctl.tenancy.hub_data import ENDPOINTS

LATER = "dated after the cut-off"


@dataclass(frozen=True, slots=True)
class Kept:
    """Data that stays, how many, and why."""

    what: str
    count: int
    why: str


def kept(
    household: Household, kind: ChangeKind, control: int, fuels: Iterable[Fuel], cut_off: datetime | None
) -> tuple[Kept, ...]:
    """List what devices can still read after a change of this kind, control and cut-off, grouped by reason."""
    later = None if cut_off is None else dating.hidden(kind, cut_off)
    counts: dict[tuple[str, str], int] = {}

    def add(what: str, bits: int, reason: str, dated: bool, count: int = 1) -> None:
        if not count or (_touched(bits, control) and not dated):
            return
        why = LATER if dated else f"{reason}; the change does not ask for it" if bits else reason
        counts[what, why] = counts.get((what, why), 0) + count

    for fuel, endpoint in [(each, endpoint) for each in fuels for endpoint in ENDPOINTS[each]]:
        held, hidden = household.held(endpoint), household.hidden(endpoint)
        for cluster in {cluster for cluster, _ in held.attributes}:
            for attribute, stored in household.read(endpoint, cluster).items():
                entry = ATTRIBUTES[cluster, attribute]
                dated = later is not None and (cluster, attribute) in later.attributes
                if stored.value is not None and not (dated and stored.value == entry.neutral):
                    add(f"{fuel}: attributes of {CLUSTERS[cluster].__name__}", int(entry.bits), entry.reason, dated)
        for table, count in held.tables.items():
            rule, dated = TABLES[table], later is not None and table in later.tables
            add(f"{fuel}: {table}", int(rule.bits), rule.reason, dated, count - hidden.tables.get(table, 0))
    return tuple(Kept(what, count, why) for (what, why), count in sorted(counts.items()))


def _touched(bits: int, control: int) -> bool:
    """Tell whether a change clears or hides what these bits clear."""
    if control & Control.BLOCK_HISTORICAL_LOAD_PROFILE and bits & Control.CLEAR_HISTORICAL_LOAD_PROFILE:
        return True
    return bool(bits & control)
