"""Messaging (0x0703). Source: comms_hub.md appendix F and §3.4."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.base.eui64 import Eui64
from hanctl.data.servers.base import SUCCESS, Answer, DataServer, Handler, publish, replies
from hanctl.han.cluster import Reply, Request
from hanctl.han.smart_energy.messaging import Messaging
from hanctl.ledger.household import Record
from hanctl.model.data_events import MessageConfirmed

GET = Messaging.ServerCommandDefs
PUBLISH = Messaging.ClientCommandDefs
UNTIL_CHANGED = 0xFFFF


class MessagingServer(DataServer):
    """Serve the last message, until it has expired."""

    cluster = Messaging.cluster_id
    weighed = frozenset({int(GET.message_confirmation.id)})
    personal: Callable[[Eui64], bytes | None] | None = None
    """Gives the hub's own message for one device, as the payload of Display Message: it comes before all others."""

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        return (
            (GET.get_last_message, self._last_message),
            (GET.message_confirmation, self._confirmed),
            (GET.get_message_cancellation, self._cancellation),
        )

    def _last_message(self, request: Request, fields: Any) -> Answer:
        own = self.personal(request.device) if self.personal is not None else None
        if own is not None:
            return Reply(PUBLISH.display_message.id, own)
        now = self.now()
        messages = [*self.records("messages"), *self.records("supplier_messages")]
        valid = [record for record in messages if not _expired(record, now)]
        valid.sort(key=lambda record: (record.body["start_time"], record.id))
        return replies([publish(PUBLISH.display_message, record) for record in valid[-1:]])

    def _confirmed(self, request: Request, fields: Any) -> Answer:
        self._ledger.note(
            MessageConfirmed(device=request.device, endpoint=self.endpoint, message=int(fields.message_id))
        )
        return SUCCESS

    def _cancellation(self, request: Request, fields: Any) -> Answer:
        found = [
            record
            for record in self.records("message_cancellations")
            if record.body["implementation_date_time"] >= fields.earliest_implementation_time
        ]
        return replies([publish(PUBLISH.cancel_all_messages, record) for record in found[-1:]])


def _expired(message: Record, now: int) -> bool:
    minutes = message.body["duration_in_minutes"]
    return bool(minutes != UNTIL_CHANGED and message.body["start_time"] + 60 * minutes <= now)
