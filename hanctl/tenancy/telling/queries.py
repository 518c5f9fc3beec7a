"""Answer queries of devices for the last change, and take their own events. Pure but for its messenger.

Source: comms_hub.md §2.2 (events), §2.3 (commands), §2.5 (answers).
"""

from __future__ import annotations

from typing import Any, Protocol

import structlog

from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, Proof, Reply, Request, Status
from hanctl.han.smart_energy.events import Events
from hanctl.model.change_records import ChangeKind, Fuel
from hanctl.tenancy.evidence.records import Report
from hanctl.tenancy.hub_data import fuel_of
from hanctl.tenancy.telling.steps import TellingStep

log = structlog.get_logger()

PUBLISH_EVENT = 0x00
FIRST_EVENTS: dict[ChangeKind, int] = {"tenancy": 0x06C0, "supplier": 0x06C4}
REPORTS: tuple[Report, ...] = ("received", "cleared", "cancelled", "rejected")
EVENTS: dict[int, tuple[ChangeKind, Report]] = {
    first + n: (kind, report) for kind, first in FIRST_EVENTS.items() for n, report in enumerate(REPORTS)
}


class Answers(Protocol):
    """Source of answers about changes."""

    def query(self, eui64: Eui64, kind: ChangeKind, fuel: Fuel, proof: Proof) -> TellingStep | None: ...

    def report(
        self, eui64: Eui64, kind: ChangeKind, report: Report, fuel: Fuel | None, time: int, proof: Proof
    ) -> bool: ...


def answer_query(request: Request, kind: ChangeKind, answers: Answers) -> Reply | DefaultReply:
    """Answer a query for the last change of a kind; NOT_FOUND if there was none."""
    fuel = fuel_of(request.destination_endpoint)
    step = None if fuel is None else answers.query(request.device, kind, fuel, request.proof)
    return DefaultReply(Status.NOT_FOUND) if step is None else Reply(step.command, step.payload)


def take_event(request: Request, answers: Answers) -> DefaultReply:
    """Take an event that a device published, and ignore it unless it is about a change."""
    if request.command != PUBLISH_EVENT:
        return DefaultReply(Status.UNSUP_COMMAND)
    try:
        event: Any = Events.ClientCommandDefs.publish_event.schema.deserialize(request.payload)[0]
    except ValueError:
        return DefaultReply(Status.MALFORMED_COMMAND)
    told = EVENTS.get(int(event.event_id))
    if told is not None:
        kind, report = told
        fuel, time = fuel_of(request.destination_endpoint), int(event.event_time)
        if not answers.report(request.device, kind, report, fuel, time, request.proof):
            log.info("an event about a change that the device was not told of", device=request.device, kind=kind)
    return DefaultReply(Status.SUCCESS)
