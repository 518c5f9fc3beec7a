"""What is known of one device after a change, and how well: a verdict that is honest about its basis. Pure.

A Default Response with SUCCESS proves nothing (comms_hub.md §2.5), so it is never better than "acknowledged only".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hanctl.ledger.change_records import Evidence, Fuel

Verdict = Literal[
    "still shows",
    "silent",
    "refused",
    "acknowledged only",
    "reported cleared",
    "seen cleared",
    "operator confirmed",
]
SETTLED: frozenset[Verdict] = frozenset({"reported cleared", "seen cleared", "operator confirmed"})
"""Something more than an acknowledgement says that the device cleared. All others are outstanding."""

PUBLISHED = frozenset({"PublishChangeOfTenancy", "PublishChangeOfSupplier"})
"""The commands whose answers count; those that withdraw single messages or tariffs are listed, and weigh nothing."""

_WEAKEST_FIRST: tuple[Verdict, ...] = ("silent", "refused", "acknowledged only", "reported cleared")


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what it rests on. ``told_at``: when the device took the publication, for all fuels."""

    verdict: Verdict
    basis: str
    told_at: datetime | None = None

    @property
    def settled(self) -> bool:
        return self.verdict in SETTLED


def judge(evidence: Sequence[Evidence], fuels: Sequence[Fuel]) -> Judgement:
    """The verdict on one device, from all evidence of it and one change, oldest first."""
    told = _told_at(evidence, fuels)
    looks = [each for each in evidence if each.kind in {"seen cleared", "still shows", "confirmed"}]
    if looks and looks[-1].kind == "still shows":
        return Judgement("still shows", looks[-1].what, told)
    confirmed = [each for each in looks if each.kind == "confirmed"]
    if confirmed:
        return Judgement("operator confirmed", f"by {confirmed[-1].what}", told)
    if looks:
        return Judgement("seen cleared", f"read back: {looks[-1].what}", told)
    each_fuel = [_of_fuel(evidence, fuel) for fuel in fuels]
    verdict, basis = min(each_fuel, key=lambda found: _WEAKEST_FIRST.index(found[0]))
    return Judgement(verdict, basis, told)


def _told_at(evidence: Sequence[Evidence], fuels: Sequence[Fuel]) -> datetime | None:
    """When the last fuel's publication reached it first; None while one has not."""
    first: dict[Fuel | None, datetime] = {}
    for each in evidence:
        if each.kind == "queried" or (each.kind == "told" and each.what in PUBLISHED):
            first.setdefault(each.fuel, each.at)
    return max(first.values()) if first and set(fuels) <= set(first) else None


def _of_fuel(evidence: Sequence[Evidence], fuel: Fuel) -> tuple[Verdict, str]:
    verdict: Verdict = "silent"
    basis = f"it was not reached ({fuel})"
    for each in evidence:
        if each.fuel != fuel:
            continue
        match each.kind:
            case "told" if each.what in PUBLISHED and verdict == "silent":
                basis = f"it took {each.what} ({fuel}) and said nothing"
            case "reported cleared":
                verdict, basis = "reported cleared", f"its own event says so ({fuel})"
            case "reported rejected":
                verdict, basis = "refused", f"its own event says that it rejected the change ({fuel})"
            case "refused" if each.what in PUBLISHED and verdict != "reported cleared":
                verdict, basis = "refused", f"{each.what} ({fuel}) was answered with status 0x{each.status or 0:02x}"
            case "acknowledged" if each.what in PUBLISHED and verdict != "reported cleared":
                verdict, basis = (
                    "acknowledged only",
                    f"{each.what} ({fuel}) was answered with SUCCESS, which proves nothing",
                )
            case "queried" | "reported received" if verdict == "silent":
                said = "asked and was answered" if each.kind == "queried" else "reported that it received it"
                verdict, basis = "acknowledged only", f"it {said} ({fuel})"
            case _:
                pass
    return verdict, basis
