"""Judge what a device did about a change, in a verdict that names its basis. Pure.

A Default Response with SUCCESS proves nothing (comms_hub.md §2.5), so it is never better than "acknowledged only".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hanctl.model.change_records import Evidence, EvidenceKind, Fuel

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
    """Return the verdict on one device, from all evidence of it and one change, oldest first."""
    told = _told_at(evidence, fuels)
    looks = [each for each in evidence if each.kind in {"seen cleared", "still shows", "confirmed"}]
    if looks and looks[-1].kind == "still shows":
        return Judgement("still shows", _rests_on(looks[-1], looks[-1].what), told)
    confirmed = [each for each in looks if each.kind == "confirmed"]
    if confirmed:
        return Judgement("operator confirmed", f"by {confirmed[-1].what}", told)
    if looks:
        return Judgement("seen cleared", _rests_on(looks[-1], f"read back: {looks[-1].what}"), told)
    each_fuel = [_of_fuel(evidence, fuel) for fuel in fuels]
    verdict, basis = min(each_fuel, key=lambda found: _WEAKEST_FIRST.index(found[0]))
    return Judgement(verdict, basis, told)


def _told_at(evidence: Sequence[Evidence], fuels: Sequence[Fuel]) -> datetime | None:
    """Return when the publication for the last fuel first reached it; None while one has not."""
    first: dict[Fuel | None, datetime] = {}
    for each in evidence:
        if (each.kind == "queried" and each.proof != "address") or (each.kind == "told" and each.what in PUBLISHED):
            first.setdefault(each.fuel, each.at)
    return max(first.values()) if first and set(fuels) <= set(first) else None


def _of_fuel(evidence: Sequence[Evidence], fuel: Fuel) -> tuple[Verdict, str]:
    verdict: Verdict = "silent"
    basis = f"it was not reached ({fuel})"
    for each in evidence:
        if each.fuel != fuel:
            continue
        if each.proof == "address":
            # Somebody said so from its address: that is worth a line, and no verdict.
            if verdict == "silent":
                basis = f"{_ADDRESS} came no more than {_frame(each)} ({fuel}): it may be another's or a replay"
            continue
        match each.kind:
            case "told" if each.what in PUBLISHED and verdict == "silent":
                basis = f"it took {each.what} ({fuel}) and said nothing"
            case "reported cleared":
                when = f"; it counts {each.what}" if each.what else ""
                verdict, basis = "reported cleared", _rests_on(each, f"its own event says so ({fuel}){when}")
            case "reported rejected":
                basis = _rests_on(each, f"its own event says that it rejected the change ({fuel})")
                verdict = "refused"
            case "refused" if each.what in PUBLISHED and verdict != "reported cleared":
                verdict = "refused"
                basis = _rests_on(each, f"{each.what} ({fuel}) was answered with status 0x{each.status or 0:02x}")
            case "acknowledged" if each.what in PUBLISHED and verdict != "reported cleared":
                verdict, basis = (
                    "acknowledged only",
                    _rests_on(each, f"{each.what} ({fuel}) was answered with SUCCESS, which proves nothing"),
                )
            case "queried" | "reported received" if verdict == "silent":
                said = "asked and was answered" if each.kind == "queried" else "reported that it received it"
                verdict, basis = "acknowledged only", _rests_on(each, f"it {said} ({fuel})")
            case _:
                pass
    return verdict, basis


_ADDRESS = "from its address, under some key,"
_FRAMES: dict[EvidenceKind, str] = {
    "acknowledged": "a Default Response",
    "refused": "a Default Response",
    "queried": "a query for the change",
    "reported received": "a Publish Event",
    "reported cleared": "a Publish Event",
    "reported cancelled": "a Publish Event",
    "reported rejected": "a Publish Event",
    "seen cleared": "a Read Attributes Response",
    "still shows": "a Read Attributes Response",
}


def _frame(evidence: Evidence) -> str:
    return _FRAMES.get(evidence.kind, "a frame")


def _rests_on(evidence: Evidence, basis: str) -> str:
    """Return the basis of the verdict, with the frame and the proof of its sender."""
    match evidence.proof:
        case "key counters":
            return f"{basis} — {_frame(evidence)} under its link key, by the dongle's key counters"
        case "secret":
            return f"{basis} — {_frame(evidence)} under its link key, to a secret that it alone could read"
        case "earlier version":
            return f"{basis} — recorded by an earlier version"
        case _:
            return basis
