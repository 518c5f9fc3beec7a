"""Record evidence of devices and changes: each fact is one row and its event, in one transaction.

Commands that withdraw single messages or tariffs are evidence, and no events: they can be many.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import Proof
from hanctl.ledger.ledger import Ledger
from hanctl.model.change_events import (
    ChangeAcknowledged,
    ChangeConfirmed,
    ChangeOverdue,
    ChangeQueried,
    ChangeRefused,
    ChangeReported,
    ChangeSeenCleared,
    ChangeStillShows,
    ChangeTold,
)
from hanctl.model.change_records import Change, ChangePart, Evidence, EvidenceKind, EvidenceProof, Fuel
from hanctl.model.event import Event
from hanctl.tenancy.evidence.verdicts import PUBLISHED, Judgement, judge

SUCCESS = 0x00
Report = Literal["received", "cleared", "cancelled", "rejected"]


class Records:
    """Write evidence and read it back as verdicts. ``on_evidence`` is called with each fact once it is durable."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self.on_evidence: list[Callable[[Evidence], None]] = []

    def done(self) -> list[Change]:
        """Return the changes that are done, in order."""
        return self._ledger.changes.all("done")

    def parts(self, change: int) -> list[ChangePart]:
        return self._ledger.changes.parts(change)

    def of(self, change: int, device: Eui64) -> list[Evidence]:
        return self._ledger.changes.evidence(change, device)

    def latest(self, kind: str, fuel: Fuel) -> tuple[Change, ChangePart] | None:
        """Return the last change of this kind that was done for this fuel, and its part."""
        for change in reversed(self.done()):
            if change.kind == kind:
                for part in self.parts(change.id):
                    if part.fuel == fuel:
                        return change, part
        return None

    def judge(self, change: int, device: Eui64) -> Judgement:
        return judge(self.of(change, device), [part.fuel for part in self.parts(change)])

    def devices(self, change: int) -> list[Eui64]:
        """Return the devices that the change concerns, in the order they became known."""
        return list(dict.fromkeys(each.device for each in self._ledger.changes.evidence(change)))

    # --- facts

    def joined_later(self, change: int, device: Eui64) -> None:
        self._add(change, device, "joined later")

    def told(self, change: int, device: Eui64, fuel: Fuel, command: str) -> None:
        event = ChangeTold(change=change, device=device, fuel=fuel, command=command)
        self._add(change, device, "told", fuel, command, event=event if command in PUBLISHED else None)

    def answered(self, change: int, device: Eui64, fuel: Fuel, command: str, status: int, proof: Proof) -> None:
        """Record that the device answered a command with a Default Response."""
        event: Event
        if status == SUCCESS:
            event = ChangeAcknowledged(change=change, device=device, fuel=fuel, command=command)
        else:
            event = ChangeRefused(change=change, device=device, fuel=fuel, command=command, status=status)
        kind: EvidenceKind = "acknowledged" if status == SUCCESS else "refused"
        counts = command in PUBLISHED and proof != "address"
        self._add(change, device, kind, fuel, command, status, event if counts else None, proof=proof)

    def queried(self, change: int, device: Eui64, fuel: Fuel, command: str, proof: Proof) -> None:
        """Record, once, that the device asked by itself and is about to be answered."""
        if not any((each.kind, each.fuel, each.proof) == ("queried", fuel, proof) for each in self.of(change, device)):
            event = ChangeQueried(change=change, device=device, fuel=fuel, command=command)
            counts = proof != "address"
            self._add(change, device, "queried", fuel, command, event=event if counts else None, proof=proof)

    def reported(self, change: int, device: Eui64, fuel: Fuel, report: Report, when: str, proof: Proof) -> None:
        """Record the device's own event about the change; ``when``: the clock by which it is dated after it."""
        kinds: dict[Report, EvidenceKind] = {
            "received": "reported received",
            "cleared": "reported cleared",
            "cancelled": "reported cancelled",
            "rejected": "reported rejected",
        }
        event: Event
        if report == "rejected":
            event = ChangeRefused(change=change, device=device, fuel=fuel, command="event", status=None)
        else:
            event = ChangeReported(change=change, device=device, fuel=fuel, report=report)
        self._add(change, device, kinds[report], fuel, when, event=event if proof != "address" else None, proof=proof)

    def showed_before(self, change: int, device: Eui64, attributes: str) -> None:
        self._add(change, device, "showed before", what=attributes, proof="secret")

    def seen_cleared(self, change: int, device: Eui64, attributes: str) -> None:
        event = ChangeSeenCleared(change=change, device=device, attributes=attributes)
        self._add(change, device, "seen cleared", what=attributes, event=event, proof="secret")

    def still_shows(self, change: int, device: Eui64, basis: str, proof: EvidenceProof) -> None:
        event = ChangeStillShows(change=change, device=device, basis=basis)
        self._add(change, device, "still shows", what=basis, event=event, proof=proof)

    def confirmed(self, change: int, device: Eui64, by: str) -> None:
        self._add(change, device, "confirmed", what=by, event=ChangeConfirmed(change=change, device=device, by=by))

    def overdue(self, change: int, device: Eui64, verdict: str, days: int) -> None:
        event = ChangeOverdue(change=change, device=device, verdict=verdict, days=days)
        self._add(change, device, "overdue", what=verdict, event=event)

    def _add(
        self,
        change: int,
        device: Eui64,
        kind: EvidenceKind,
        fuel: Fuel | None = None,
        what: str = "",
        status: int | None = None,
        event: Event | None = None,
        proof: EvidenceProof = "hub",
    ) -> None:
        with self._ledger.transaction():
            evidence = self._ledger.changes.add_evidence(
                change=change,
                device=device,
                at=self._clock.now(),
                kind=kind,
                fuel=fuel,
                what=what,
                status=status,
                proof=proof,
            )
            if event is not None:
                self._ledger.record(event)
        for callback in tuple(self.on_evidence):
            callback(evidence)
