"""Events (0x0709): the event logs, to be read. Source: comms_hub.md appendix F and §3.6."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.data.servers.base import NOT_FOUND, Answer, DataServer, Handler, replies, split
from hanctl.data.values import NEVER, NOW, build
from hanctl.han.cluster import DefaultReply, LaterReply, Reply, Request, Status, Weight
from hanctl.han.smart_energy.clusters import pack
from hanctl.han.smart_energy.events import Events
from hanctl.han.smart_energy.types import EventLogPayload

GET = Events.ServerCommandDefs
PUBLISH = Events.ClientCommandDefs
ALL = 0
FULL = 1
HEAD = 5
MOST_IN_FRAME = 15
"""The number of events in a frame has four bits."""
MOST_EVENTS = 100


class EventsServer(DataServer):
    """Serve the event logs of one endpoint. A display may not clear them.

    ``published`` takes events that devices publish; None: they are ignored.
    """

    cluster = Events.cluster_id
    published: Callable[[Request], DefaultReply] | None = None

    def weight(self, request: Request) -> Weight:
        return "end" if request.from_server else super().weight(request)

    def handle(self, request: Request) -> Reply | DefaultReply | LaterReply:
        if not request.from_server:
            return super().handle(request)
        return DefaultReply(Status.UNSUP_COMMAND) if self.published is None else self.published(request)

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        return (
            (GET.get_event_log, self._log),
            (GET.clear_event_log_request, lambda request, fields: DefaultReply(Status.NOT_AUTHORIZED)),
        )

    def _log(self, request: Request, fields: Any) -> Answer:
        """Return the events of a log between two times, of one kind or of all, latest first."""
        wanted = fields.event_control_log_id
        end = NEVER if fields.end_time == NOW else fields.end_time
        found = [
            record.body
            for record in reversed(self.records("event_log"))
            if wanted.log_id in (ALL, record.body["log_id"])
            and fields.event_id in (ALL, record.body["event_id"])
            and fields.start_time <= record.body["event_time"] <= end
        ]
        told = found[fields.event_offset :][: fields.number_of_events or MOST_EVENTS]
        if not told:
            return NOT_FOUND
        if wanted.event_control != FULL:
            told = [body | {"event_data": ""} for body in told]
        parts = [
            page[at : at + MOST_IN_FRAME]
            for page in split(EventLogPayload, told, HEAD)
            for at in range(0, len(page), MOST_IN_FRAME)
        ]
        return replies(
            [
                Reply(
                    int(PUBLISH.publish_event_log.id),
                    pack(
                        PUBLISH.publish_event_log,
                        total_number_of_events=len(found),
                        command_index=index,
                        total_commands=len(parts),
                        log_payload_control={"log_payload_control": 0, "number_of_events": len(part)},
                        log_payload=[build(EventLogPayload, body) for body in part],
                    ),
                )
                for index, part in enumerate(parts)
            ]
        )
