"""Changes without a radio: a ledger in a file, a clock that obeys, and devices that only note what they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.data import catalogue
from hanctl.ledger.household import Sample
from hanctl.ledger.ledger import Ledger
from hanctl.model.cuts import AttributeKey
from hanctl.model.records import Device, EndpointRecord
from hanctl.tenancy.tenancy import Tenancy

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDPOINTS = {"electricity": (1, 3), "gas": (2,)}
SAMPLE_TABLES = {"half_hours", "days"}
NUMBERS: dict[str, dict[str, Any]] = {
    "messages": {"message_id": 101},
    "supplier_messages": {"message_id": 202},
    "tariffs": {"issuer_tariff_id": 303, "tariff_type_charging_scheme": {"tariff_type": 0}},
    "calendars": {"issuer_calendar_id": 404, "calendar_type": 3},
}
DISPLAY_CLUSTERS = (0x000A, 0x0700, 0x0702, 0x0703, 0x0707, 0x0708, 0x0709)


class Hands:
    """A clock whose hands a test moves."""

    def __init__(self, now: datetime = START) -> None:
        self.time = now
        self.steady = 1000.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.steady

    def pass_(self, length: timedelta) -> None:
        self.time += length
        self.steady += length.total_seconds()


class SilentHan:
    """Devices that take every frame and say nothing; ``fails`` keeps them from taking it."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.have_time: set[Eui64] = set()
        self.fails: HanctlError | None = None
        self.holds: dict[AttributeKey, int] = {}

    def has_time(self, eui64: Eui64) -> bool:
        return eui64 in self.have_time

    async def send_command(self, eui64: Eui64, **frame: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.sent.append({"device": eui64, **frame})

    async def read_attributes(
        self, eui64: Eui64, *, cluster: int, attributes: Sequence[int], **_: Any
    ) -> dict[int, Any]:
        if self.fails is not None:
            raise self.fails
        return {each: self.holds.get((cluster, each)) for each in attributes}


class House:
    """A hub's ledger and its changes."""

    def __init__(self, directory: Path, hands: Hands | None = None) -> None:
        self.path = directory / "ledger.sqlite"
        self.hands = hands or Hands()
        self.han = SilentHan()
        self.places: list[Path] = []
        self.open()

    def open(self) -> None:
        self.ledger = Ledger.open(self.path, self.hands)
        self.tenancy = Tenancy(
            self.ledger,
            self.han,
            self.hands,
            snapshots=self.snapshot,
            overdue_after=timedelta(hours=24),
            places=self.places,
        )

    def snapshot(self, endpoint: int, cause: int, time: datetime) -> list[int]:
        """Stands in for the data room's own."""
        return [self.ledger.household.add(endpoint, "snapshots", time, {"cause": cause})]

    @property
    def orders(self) -> Any:
        return self.tenancy.orders

    def add_display(self, number: int, clusters: Iterable[int] = DISPLAY_CLUSTERS, **more: Any) -> Eui64:
        address = Eui64(f"00:db:12:34:56:78:00:{number:02x}")
        endpoint = EndpointRecord(1, 0x0109, 0x0502, more.pop("serves", (0,)), tuple(clusters))
        self.ledger.devices.put(
            Device(
                eui64=address,
                added_at=self.hands.now(),
                device_type=more.pop("device_type", "ihd"),
                state=more.pop("state", "interviewed"),
                nwk=more.pop("nwk", 0x1000 + number),
                endpoints=(endpoint,),
                **more,
            )
        )
        return address

    def plant(self, endpoints: Iterable[int] = (1, 2, 3), *, every: int = 1) -> None:
        """A value in every attribute, or in one of so many, and a row in every table there is."""
        household = self.ledger.household
        with self.ledger.transaction():
            for endpoint in endpoints:
                for (cluster, attribute), entry in list(catalogue.ATTRIBUTES.items())[::every]:
                    household.write(endpoint, (cluster, attribute), entry.data_type, planted(entry.neutral))
                for table in catalogue.TABLES:
                    if table in SAMPLE_TABLES:
                        household.add_samples(endpoint, table, [Sample(START - timedelta(days=1), 7)])
                    else:
                        body = NUMBERS.get(table, {"any": 1})
                        household.add(endpoint, table, START - timedelta(days=1), body)

    def held(self, endpoint: int) -> tuple[dict[AttributeKey, bytes], dict[str, int]]:
        """All there is in the file, whatever is hidden."""
        execute = self.ledger.household._execute
        attributes = execute("SELECT cluster, attribute, value FROM data_attributes WHERE endpoint = ?", (endpoint,))
        return {(c, a): bytes(v) for c, a, v in attributes}, dict(self.ledger.household.held(endpoint).tables)

    def shown(self, endpoint: int) -> tuple[set[AttributeKey], dict[str, int]]:
        """What a read gets."""
        household = self.ledger.household
        clusters = {cluster for cluster, _ in catalogue.ATTRIBUTES}
        attributes = {
            (cluster, attribute)
            for cluster in clusters
            for attribute, stored in household.read(endpoint, cluster).items()
            if stored.value is not None
        }
        tables = {
            table: len(
                household.samples(endpoint, table) if table in SAMPLE_TABLES else household.records(endpoint, table)
            )
            for table in catalogue.TABLES
        }
        return attributes, {table: count for table, count in tables.items() if count}

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [each.as_dict() for each in self.ledger.events(type=kind)]


def planted(neutral: bytes) -> bytes:
    """A value of the same type that is neither neutral nor 0."""
    if neutral == b"\x00":
        return b"\x02no"
    return bytes([0x11]) + bytes(len(neutral) - 1)
