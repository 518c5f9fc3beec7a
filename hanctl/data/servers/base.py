"""Base of the household data servers: attributes of the store, commands by id, answers in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.data.catalogue import ATTRIBUTES
from hanctl.data.reports import Reports
from hanctl.data.values import NEVER, NOW, build
from hanctl.han.cluster import DefaultReply, LaterReply, Reply, Reporting, Request, ServedAttribute, Status, Weight
from hanctl.han.clusters.time import zigbee_time
from hanctl.han.errors import MalformedZcl
from hanctl.han.smart_energy.clusters import read
from hanctl.ledger.household import Record
from hanctl.ledger.ledger import Ledger
from hanctl.model.data_events import AttributeWritten

PAGE = 200
"""Bytes of a command's payload at most: what a ZNP dongle sends, less the header. Longer lists are sent in pages."""
MOST_COMMANDS = 10
"""Publish commands that answer one request at most: a device asks on from the last."""

Answer = Reply | DefaultReply
Handler = Callable[[Request, Any], "Answer"]

NOT_FOUND = DefaultReply(Status.NOT_FOUND)
SUCCESS = DefaultReply(Status.SUCCESS)


class DataServer:
    """One cluster of one endpoint. Subclasses name their cluster, and their commands with what answers each.

    ``weighed``: the commands by which a device says something of itself, and which count as its own alone.
    """

    cluster: int
    weighed: frozenset[int] = frozenset()

    def __init__(self, ledger: Ledger, clock: Clock, endpoint: int, reports: Reports) -> None:
        self.endpoint = endpoint
        self._ledger = ledger
        self._clock = clock
        self._reports = reports
        self._handlers: dict[int, tuple[ZCLCommandDef, Handler]] = {
            int(command.id): (command, handler) for command, handler in self.commands()
        }

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        """Return the commands that the cluster serves, each with its handler."""
        raise NotImplementedError

    # --- attributes

    def attributes(self) -> Mapping[int, ServedAttribute]:
        """Return the stored attributes. One that a change hides reads as if it were cleared."""
        found = {}
        for number, stored in self._ledger.household.read(self.endpoint, self.cluster).items():
            entry = ATTRIBUTES[self.cluster, number]
            value = entry.neutral if stored.value is None else stored.value
            found[number] = ServedAttribute(stored.data_type, value, entry.writable)
        return found

    def write(self, device: Eui64, attribute: int, data_type: int, value: bytes, *, check_only: bool) -> Status:
        if len(value) - 1 > getattr(ATTRIBUTES[self.cluster, attribute].type, "max_length", len(value)):
            return Status.INVALID_VALUE
        if not check_only:
            with self._ledger.transaction():
                self._ledger.household.write(self.endpoint, (self.cluster, attribute), data_type, value)
                self._ledger.note(
                    AttributeWritten(device=device, endpoint=self.endpoint, cluster=self.cluster, attribute=attribute)
                )
            self._reports.wake()
        return Status.SUCCESS

    def configure(self, device: Eui64, device_endpoint: int, wanted: Reporting) -> Status:
        return self._reports.configure(device, device_endpoint, self.endpoint, self.cluster, wanted)

    def configured(self, device: Eui64, attribute: int) -> Reporting | None:
        return self._reports.configured(device, self.endpoint, self.cluster, attribute)

    # --- commands

    def weight(self, request: Request) -> Weight:
        """Return how much depends on the sender of the request; see ``Weighs``."""
        return "end" if not request.from_server and request.command in self.weighed else "none"

    async def corroborate(self, request: Request) -> bool | None:
        """Return None: a device cannot be asked whether it said something."""
        return None

    def handle(self, request: Request) -> Reply | DefaultReply | LaterReply:
        command, handler = self._handlers.get(request.command, (None, None))
        if command is None or handler is None:
            return DefaultReply(Status.UNSUP_COMMAND)
        try:
            fields = read(command, request.payload)
        except MalformedZcl:
            return DefaultReply(Status.MALFORMED_COMMAND)
        return handler(request, fields)

    def records(self, table: str, *, since: datetime | None = None, before: datetime | None = None) -> list[Record]:
        """Return the records of this endpoint, oldest first."""
        return self._ledger.household.records(self.endpoint, table, since=since, before=before)

    def now(self) -> int:
        """Return the time now, in seconds since 2000."""
        return zigbee_time(self._clock.now())

    def at(self, seconds: int) -> int:
        """Return the time of a request, in which 0 means now."""
        return self.now() if seconds == NOW else seconds


def publish(command: ZCLCommandDef, record: Record, **filled: Any) -> Reply:
    """Build the command that publishes a record; ``filled``: plain values of fields that are not in it."""
    return Reply(int(command.id), bytes(build(command.schema, record.body | filled).serialize()))


def replies(found: Sequence[Reply]) -> Answer:
    """Return all these commands as the answer to one request; NOT_FOUND if there are none."""
    if not found:
        return NOT_FOUND
    return Reply(found[0].command, found[0].payload, tuple(found[1:]))


def in_force(records: Iterable[Record], time: str, at: int) -> list[Record]:
    """Return the record in force at a time, by its field ``time``, and then all later ones."""
    ordered = sorted(records, key=lambda record: record.body[time])
    later = [record for record in ordered if record.body[time] > at]
    holding = [record for record in ordered if record.body[time] <= at]
    return holding[-1:] + later


def most(records: Sequence[Record], count: int) -> Sequence[Record]:
    """Return the first ``count`` records (0: all), never more than MOST_COMMANDS."""
    return records[: min(count or MOST_COMMANDS, MOST_COMMANDS)]


def of_event(records: Iterable[Record], min_issuer_event_id: int) -> list[Record]:
    """Return records with this issuer event id or a higher one; 0xFFFFFFFF: any."""
    if min_issuer_event_id == NEVER:
        return list(records)
    return [record for record in records if record.body.get("issuer_event_id", 0) >= min_issuer_event_id]


def split(kind: Any, items: Sequence[Any], head: int) -> list[list[Any]]:
    """Split plain items of a zigpy type into parts that fit a command whose other fields take ``head`` bytes; one
    part at least."""
    parts: list[list[Any]] = [[]]
    used = head
    for item in items:
        size = len(build(kind, item).serialize())
        if used + size > PAGE and parts[-1]:
            parts.append([])
            used = head
        parts[-1].append(item)
        used += size
    return parts


def publish_in_pages(
    command: ZCLCommandDef, record: Record, field: str, *, total: str, count: str | None = None
) -> list[Reply]:
    """Return the commands that publish a record whose list ``field`` may not fit one: ``command_index`` counts them,
    the field ``total`` tells how many there are, and the field ``count`` how long the whole list is."""
    items = record.body[field]
    filled: dict[str, Any] = {"command_index": 0, total: 0, **({count: len(items)} if count else {})}
    item_type = next(each.type for each in command.schema.fields if each.name == field)._item_type
    head = len(publish(command, record, **filled, **{field: []}).payload)
    parts = split(item_type, items, head)
    return [
        publish(command, record, **{**filled, "command_index": index, total: len(parts), field: part})
        for index, part in enumerate(parts)
    ]
