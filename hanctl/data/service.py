"""Serve the hub's household data to devices; load and show it for people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from hanctl.base.clock import Clock
from hanctl.base.errors import NotFound
from hanctl.base.eui64 import Eui64
from hanctl.data.catalogue import ATTRIBUTES
from hanctl.data.catalogue import TABLES as RULES
from hanctl.data.dating import ends
from hanctl.data.errors import BadData, BadValue
from hanctl.data.files import BY_NAME, CLUSTER_NAMES, ENDPOINTS, EndpointData, read_csv, read_household
from hanctl.data.reports import Reports
from hanctl.data.servers.base import DataServer
from hanctl.data.servers.calendar import CalendarServer
from hanctl.data.servers.device_management import DeviceManagementServer, KnownChanges
from hanctl.data.servers.events import EventsServer
from hanctl.data.servers.messaging import MessagingServer
from hanctl.data.servers.metering import MeteringServer
from hanctl.data.servers.prepayment import PrepaymentServer
from hanctl.data.servers.price import PriceServer
from hanctl.data.tables import INTERVALS
from hanctl.data.values import serialize, shown, to_plain
from hanctl.han.cluster import DefaultReply, Request
from hanctl.han.han import Han
from hanctl.han.smart_energy.clusters import CLUSTERS
from hanctl.ledger.household import Sample, Selection
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.rows import time_text
from hanctl.model.data_events import DataLoaded
from hanctl.radio.endpoints import DEVICE_MANAGEMENT

SERVERS: dict[int, type[DataServer]] = {
    server.cluster: server
    for server in (
        PriceServer,
        MeteringServer,
        MessagingServer,
        PrepaymentServer,
        CalendarServer,
        DeviceManagementServer,
        EventsServer,
    )
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """Counts of what was loaded into one endpoint, never values."""

    endpoint: int
    attributes: int
    records: dict[str, int]


@dataclass(frozen=True, slots=True)
class Item:
    """One stored attribute or table. ``value``: only on request; ``hidden``: number of data that a change hid."""

    endpoint: int
    cluster: str
    name: str
    id: int | None
    data_class: str
    count: int
    hidden: int
    value: Any = None


class DataService:
    """Serve the data clusters of the hub's endpoints from ``ledger.household``."""

    def __init__(self, ledger: Ledger, han: Han, clock: Clock) -> None:
        self._ledger = ledger
        self._han = han
        self._clock = clock
        self.reports = Reports(ledger, han, clock)
        self._reading = asyncio.Lock()
        self._management: list[DeviceManagementServer] = []
        self._events: list[EventsServer] = []
        self._messaging: list[MessagingServer] = []
        self.endpoints: dict[int, frozenset[int]] = {}
        """The data clusters of each endpoint."""
        for record in han.endpoints:
            clusters = frozenset(record.input_clusters) & SERVERS.keys()
            self.endpoints[record.endpoint] = clusters
            for cluster in sorted(clusters):
                server = SERVERS[cluster](ledger, clock, record.endpoint, self.reports)
                han.register(server, both_sides=isinstance(server, EventsServer))
                self.reports.servers[record.endpoint, cluster] = server
                if isinstance(server, DeviceManagementServer):
                    self._management.append(server)
                if isinstance(server, EventsServer):
                    self._events.append(server)
                if isinstance(server, MessagingServer):
                    self._messaging.append(server)

    def answer_changes(self, changes: KnownChanges, events: Callable[[Request], DefaultReply] | None = None) -> None:
        """Let queries for changes be answered by ``changes``, and devices' own events be taken by ``events``."""
        for server in self._management:
            server.changes = changes
        for each in self._events:
            each.published = events

    def answer_messages(self, personal: Callable[[Eui64], bytes | None]) -> None:
        """Let a device that asks for its message get the hub's own for it, where there is one."""
        for server in self._messaging:
            server.personal = personal

    def changed(self) -> None:
        """Forget answers kept for repeats and send due reports, after data was changed other than by devices."""
        self._han.forget_answers()
        self.reports.wake()

    async def run(self) -> None:
        """Send reports until cancelled."""
        await self.reports.run()

    # --- loading

    def load(self, text: str, name: str) -> list[Loaded]:
        """Load a TOML or JSON file, wholly or not at all: its attributes and samples replace those of the same name and
        time, its tables what was in them. Raises BadData."""
        return self._take(read_household(text, name, self.endpoints, self._clock.now()))

    async def load_aside(self, text: str, name: str) -> list[Loaded]:
        """Load as ``load``, and read the file in a thread, one file at a time: a large one takes seconds."""
        async with self._reading:
            found = await asyncio.to_thread(read_household, text, name, self.endpoints, self._clock.now())
        return self._take(found)

    def _take(self, found: list[EndpointData]) -> list[Loaded]:
        for data in found:
            self._check_served(data)
        with self._ledger.transaction():
            loaded = [self._store(data) for data in found]
        self.changed()
        return loaded

    def load_csv(self, text: str, name: str, endpoint: str, table: str, zone: str | None = None) -> Loaded:
        """Load consumption by interval, see ``files.read_csv``. Raises BadData, NotFound."""
        number = self.endpoint(endpoint)
        return self._take_samples(number, table, read_csv(text, name, table, zone))

    async def load_csv_aside(self, text: str, name: str, endpoint: str, table: str, zone: str | None = None) -> Loaded:
        """Load as ``load_csv``, and read the file in a thread, one file at a time."""
        number = self.endpoint(endpoint)
        async with self._reading:
            samples = await asyncio.to_thread(read_csv, text, name, table, zone)
        return self._take_samples(number, table, samples)

    def _take_samples(self, number: int, table: str, samples: list[Sample]) -> Loaded:
        (loaded,) = self._take([EndpointData(number, samples={table: samples})])
        return loaded

    def set(self, endpoint: str, cluster: str, attribute: str, text: str) -> None:
        """Set one attribute from what a person wrote. Raises BadData, NotFound."""
        number = self.endpoint(endpoint)
        entry = BY_NAME.get((CLUSTER_NAMES.get(cluster, 0), attribute))
        if entry is None or entry.cluster not in self.endpoints[number]:
            raise NotFound(f"endpoint {number} has no such attribute", "see: hanctl data attributes")
        try:
            value = serialize(entry.type, to_plain(entry.type, _as_written(text, entry.type)))
        except BadValue as error:
            raise BadData(f"the value of {cluster}.{attribute} {error}", "nothing was changed") from None
        with self._ledger.transaction():
            self._store(EndpointData(number, attributes=[(entry, value)]))
        self.changed()

    def endpoint(self, name: str) -> int:
        """Return an endpoint of the hub by its name or number. Raises NotFound."""
        number = ENDPOINTS.get(name, int(name) if name.isdigit() else 0)
        if number not in self.endpoints:
            names = ", ".join(f"{key} ({value})" for key, value in ENDPOINTS.items() if value in self.endpoints)
            raise NotFound("the hub has no such endpoint", f"there are: {names}; [data] meter_stand_in adds one")
        return number

    def _check_served(self, data: EndpointData) -> None:
        served = self.endpoints[data.endpoint]
        wanted = {entry.cluster: f"attributes of {entry.name}" for entry, _ in data.attributes}
        wanted |= {RULES[record.table].cluster: record.table for record in data.records}
        wanted |= {RULES[table].cluster: table for table in data.samples}
        for cluster, what in wanted.items():
            if cluster not in served:
                raise BadData(
                    f"endpoint {data.endpoint} does not serve {CLUSTERS[cluster].__name__}, to which {what} belong",
                    "nothing was loaded; docs/data.md tells which endpoint serves what",
                )

    def _store(self, data: EndpointData) -> Loaded:
        store, now = self._ledger.household, self._clock.now()
        for entry, value in data.attributes:
            store.write(data.endpoint, (entry.cluster, entry.id), entry.data_type, value)
        provider = self._provider(data.endpoint)
        store.clear(data.endpoint, Selection({}, frozenset(record.table for record in data.records)))
        counts: dict[str, int] = {}
        for record in data.records:
            body = record.body
            if body.get("provider_id") == 0:
                body = body | {"provider_id": provider}
            time = record.time or now
            store.add(data.endpoint, record.table, time, body, ends=ends(record.table, time, body))
            counts[record.table] = counts.get(record.table, 0) + 1
        for table, samples in data.samples.items():
            counts[table] = store.add_samples(data.endpoint, table, samples)
        self._ledger.record(
            DataLoaded(
                endpoint=data.endpoint,
                attributes=len(data.attributes),
                records=sum(counts.values()),
                tables=", ".join(f"{name} {count}" for name, count in sorted(counts.items())),
            )
        )
        return Loaded(data.endpoint, len(data.attributes), counts)

    def _provider(self, endpoint: int) -> int:
        """Return the supplier at this endpoint, used for records that name none."""
        held = self._ledger.household.read(endpoint, DEVICE_MANAGEMENT).get(0x0100)
        return int.from_bytes(held.value, "little") if held is not None and held.value is not None else 0

    # --- showing

    def show(self, endpoint: str | None = None, *, values: bool = False) -> list[Item]:
        """List the stored data, with classes and counts; values only on request, and never hidden ones."""
        numbers = [self.endpoint(endpoint)] if endpoint is not None else list(self.endpoints)
        return [item for number in numbers for item in self._items(number, values=values)]

    def _items(self, endpoint: int, *, values: bool) -> Iterable[Item]:
        held, hidden = self._ledger.household.held(endpoint), self._ledger.household.hidden(endpoint)
        clusters = {cluster for cluster, _ in held.attributes}
        stored = {cluster: self._ledger.household.read(endpoint, cluster) for cluster in clusters}
        for key in held.attributes:
            entry = ATTRIBUTES[key]
            value = stored[entry.cluster][entry.id].value
            item = Item(
                endpoint=endpoint,
                cluster=CLUSTERS[entry.cluster].__name__,
                name=entry.name,
                id=entry.id,
                data_class=entry.data_class,
                count=1,
                hidden=int(value is None),
            )
            yield replace(item, value=shown(entry.type, value)) if values and value is not None else item
        for table, count in held.tables.items():
            rule = RULES[table]
            item = Item(
                endpoint=endpoint,
                cluster=CLUSTERS[rule.cluster].__name__,
                name=table,
                id=None,
                data_class=rule.data_class,
                count=count,
                hidden=hidden.tables.get(table, 0),
            )
            yield replace(item, value=self._rows(endpoint, table)) if values else item

    def _rows(self, endpoint: int, table: str) -> list[Any]:
        """Return the records of a table as stored, or its samples as pairs of time and value."""
        store = self._ledger.household
        if table not in INTERVALS:
            return [record.body for record in store.records(endpoint, table)]
        return [[time_text(sample.time), sample.value] for sample in store.samples(endpoint, table)]


def _as_written(text: str, kind: Any) -> Any:
    """Convert a text to a number, if it is one and the type is not text."""
    if issubclass(kind, str | bytes):
        return text
    try:
        return int(text, 0)
    except ValueError:
        return text
