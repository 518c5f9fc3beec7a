"""Report the evidence of a change: data cleared and kept, what devices were told, and what is outstanding.

Names and counts; no value is in it, as none is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.ledger.ledger import Ledger
from hanctl.model.change_records import Change, ChangePart, Evidence
from hanctl.tenancy import controls
from hanctl.tenancy.evidence.keeping import Kept, kept
from hanctl.tenancy.evidence.leftovers import Leftover, find_leftovers
from hanctl.tenancy.evidence.records import Records
from hanctl.tenancy.evidence.verdicts import Judgement

MEANINGS = {
    "operator confirmed": "a person looked at it",
    "seen cleared": "what it serves was read back",
    "reported cleared": "it says so itself",
    "acknowledged only": "it answered, which proves nothing",
    "refused": "it answered that it did not",
    "silent": "it was not heard on this",
    "still shows": "what was to go is still there",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened between the hub and a device."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device. ``sleepy`` and ``state`` say why it may take long."""

    eui64: Eui64
    device_type: str
    model: str | None
    state: str
    sleepy: bool
    verdict: str
    basis: str
    settled: bool
    told_at: datetime | None
    overdue: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All evidence of one change."""

    change: Change
    parts: tuple[ChangePart, ...]
    control_names: tuple[str, ...]
    made_at: datetime
    kept: tuple[Kept, ...]
    devices: tuple[DeviceReport, ...]
    outstanding: int
    leftovers: tuple[Leftover, ...]
    period_from: datetime


class Reporter:
    """Make reports. ``places``: directories where captures and logs may be."""

    def __init__(self, ledger: Ledger, records: Records, clock: Clock, places: Iterable[Path]) -> None:
        self._ledger = ledger
        self._records = records
        self._clock = clock
        self.places = tuple(places)

    def report(self, change: Change) -> Report:
        """Return the report of one change as of now."""
        parts = tuple(self._records.parts(change.id))
        devices = tuple(self._device(change, eui64) for eui64 in self._records.devices(change.id))
        since = self._period(change)
        return Report(
            change=change,
            parts=parts,
            control_names=controls.names(change.control),
            made_at=self._clock.now(),
            kept=kept(
                self._ledger.household, change.kind, change.control, [part.fuel for part in parts], change.cut_off
            ),
            devices=devices,
            outstanding=sum(not device.settled for device in devices),
            leftovers=tuple(find_leftovers(self.places, since)),
            period_from=since,
        )

    def _period(self, change: Change) -> datetime:
        """Return the time from which files may hold data of the change: the change before it, or the beginning."""
        before = [
            other.done_at
            for other in self._records.done()
            if other.kind == change.kind and other.id < change.id and other.done_at is not None
        ]
        if before:
            return before[-1]
        first = self._ledger.events(limit=1)
        return first[0].time if first else change.ordered_at

    def _device(self, change: Change, eui64: Eui64) -> DeviceReport:
        known = self._records.of(change.id, eui64)
        judged: Judgement = self._records.judge(change.id, eui64)
        device = self._ledger.devices.get(eui64)
        assert device is not None  # the ledger keeps every device that evidence is of
        basis = judged.basis
        if device.endpoints and not any(0x0708 in each.output_clusters for each in device.endpoints):
            basis = "it has no Device Management client: it cannot be told, and a person has to look at it"
        elif device.state == "removed":
            basis += f"; it was removed from the HAN: {device.removed_reason or 'no reason on record'}"
        return DeviceReport(
            eui64=eui64,
            device_type=device.device_type,
            model=device.model,
            state=device.state,
            sleepy=device.sleepy,
            verdict=judged.verdict,
            basis=basis,
            settled=judged.settled,
            told_at=judged.told_at,
            overdue=not judged.settled and any(each.kind == "overdue" for each in known),
            lines=tuple(Line(each.at, sentence(each)) for each in known),
        )


def sentence(evidence: Evidence) -> str:
    """Describe one line of evidence for people, and say if it proves little."""
    said = _said(evidence)
    return f"{said} (from its address, under some key: no evidence)" if evidence.proof == "address" else said


def _said(evidence: Evidence) -> str:
    fuel = f" ({evidence.fuel})" if evidence.fuel else ""
    status = "" if evidence.status is None else f" with status 0x{evidence.status:02x}"
    match evidence.kind:
        case "concerned":
            return "it belonged to the HAN at the moment of the change"
        case "joined later":
            return "it joined after the change"
        case "told":
            return f"it took {evidence.what}{fuel}, unicast"
        case "acknowledged" | "refused":
            answered = "acknowledged" if evidence.kind == "acknowledged" else "refused"
            return f"it {answered} {evidence.what or 'the change'}{fuel}{status}"
        case "queried":
            return f"it asked by itself, and was answered with {evidence.what}{fuel}"
        case "showed before":
            return f"before it was told it held something in {evidence.what}"
        case "seen cleared":
            return f"read back, it holds nothing in {evidence.what}"
        case "still shows":
            return f"it still shows: {evidence.what}"
        case "confirmed":
            return f"{evidence.what} looked at it and saw nothing of before"
        case "overdue":
            return f"it was flagged as overdue, {evidence.what}"
        case _:
            return f"its own event: {evidence.kind.removeprefix('reported ')}{fuel}"
