"""What became of each scenario, and what that says of each requirement. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from hanctl.hil.conformance.requirements import ROWS

Status = Literal["pass", "partly", "fail", "not applicable", "not run"]
Ended = Literal["passed", "failed", "left out", "not run"]


@dataclass(frozen=True, slots=True)
class Trying:
    """A scenario tries a requirement: what of it, and what not."""

    row: str
    covers: str
    not_covered: str = ""


@dataclass(slots=True)
class Scenario:
    """One test. ``tested``: in words, exactly what; ``reason``: why it failed or was left out; ``evidence``, ``gaps``:
    one line each; ``seconds``: how long it took this machine; ``files``: where those of a failure are."""

    name: str
    tested: str
    tries: tuple[Trying, ...]
    ended: Ended = "not run"
    reason: str = ""
    evidence: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    seconds: float = 0.0
    files: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement: ``remarks`` say what a "partly" lacks, or why nothing was tried."""

    row: str
    requirement: str
    status: Status
    remarks: tuple[str, ...]
    scenarios: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ConformanceReport:
    """A whole run. ``facts``: what was tested. ``complete`` False: interrupted, or only some rows were asked for."""

    made_at: datetime
    facts: dict[str, str]
    complete: bool
    interrupted: bool
    rows: tuple[Row, ...]
    scenarios: tuple[Scenario, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(row.row for row in self.rows if row.status == "fail")


def judge(scenarios: Sequence[Scenario]) -> tuple[Row, ...]:
    """Judge every requirement by the scenarios that try it."""
    return tuple(_row(name, requirement, _trying(name, scenarios)) for name, requirement in ROWS.items())


def _trying(name: str, scenarios: Iterable[Scenario]) -> list[tuple[Scenario, Trying]]:
    return [(each, trying) for each in scenarios for trying in each.tries if trying.row == name]


def _row(name: str, requirement: str, tried: list[tuple[Scenario, Trying]]) -> Row:
    ends = {each.ended for each, _ in tried}
    if "failed" in ends:
        status: Status = "fail"
        remarks = [
            f"{_first(each.reason)} (tried: {trying.covers})" for each, trying in tried if each.ended == "failed"
        ]
    elif ends <= {"not run"}:
        status, remarks = "not run", []
    elif ends <= {"left out", "not run"}:
        status, remarks = "not applicable", [each.reason for each, _ in tried if each.reason]
    else:
        remarks = list(_lacks(tried))
        status = "partly" if remarks else "pass"
    return Row(name, requirement, status, tuple(dict.fromkeys(remarks)), tuple(each.name for each, _ in tried))


def _lacks(tried: Iterable[tuple[Scenario, Trying]]) -> Iterable[str]:
    for each, trying in tried:
        if each.ended == "passed":
            yield from (f"not tried: {what}" for what in (trying.not_covered, *each.gaps) if what)
        elif each.ended == "left out":
            yield f"not tried: {trying.covers}; {each.reason}"
        else:
            yield f"not run: {trying.covers}"


def _first(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason is known"
