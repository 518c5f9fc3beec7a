"""A household whose data lie around a cut-off, a change at it, and all that a display can get, by its own requests."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from household_bench import NOW, Household, le, seconds

from hanctl.data import catalogue
from hanctl.data.snapshots import take_snapshot
from hanctl.data.values import from_utc_seconds
from hanctl.han.smart_energy.device_management import DeviceManagement
from hanctl.han.smart_energy.events import Events
from hanctl.han.smart_energy.messaging import Messaging
from hanctl.han.smart_energy.metering import Metering
from hanctl.han.smart_energy.prepayment import Prepayment
from hanctl.han.smart_energy.price import Price
from hanctl.model.change_records import Change, Fuel
from hanctl.tenancy.controls import Wanted
from hanctl.tenancy.payloads import parse_gbcs_payload
from hanctl.tenancy.tenancy import Tenancy

SECOND, HALF_HOUR, DAY = timedelta(seconds=1), timedelta(minutes=30), timedelta(days=1)
GAS, ELECTRICITY = ((2, "gas"),), ((1, "esi"), (3, "meter"))
ALWAYS, NEVER = 0, 0xFFFFFFFF
PRICE, METERING, MESSAGING, PREPAYMENT, MANAGEMENT, EVENTS = 0x0700, 0x0702, 0x0703, 0x0705, 0x0708, 0x0709

INTERVALS = {"half_hours": HALF_HOUR, "days": DAY}
LOGS: dict[str, tuple[int, str, dict[str, Any]]] = {
    "snapshots": (METERING, "snapshot_time", {"snapshot_cause": 1}),
    "prepay_snapshots": (PREPAYMENT, "snapshot_time", {"snapshot_cause": 1}),
    "top_ups": (PREPAYMENT, "top_up_time", {"top_up_code": "code", "top_up_amount": 5}),
    "debt_payments": (PREPAYMENT, "collection_time", {"amount_collected": 5}),
    "event_log": (EVENTS, "event_time", {"log_id": 3, "event_id": 7}),
    "credit_payments": (PRICE, "credit_payment_date", {"credit_payment": 5}),
}
"""Tables that are given out wholly: of which cluster, dated by which field, and what else a record needs."""
LATEST: dict[str, tuple[int, str, dict[str, Any]]] = {
    "messages": (MESSAGING, "start_time", {"message_id": 1, "duration_in_minutes": 0xFFFF, "message": "text"}),
    "consumer_passwords": (MANAGEMENT, "implementation_date_time", {"password": "1234"}),
    "customer_numbers": (MANAGEMENT, "implementation_time", {"customer_id_number": "number"}),
}
"""Tables of which the latest record alone is given out."""
PERIODS = {"billing_periods": 2, "consolidated_bills": 3}
"""Tables whose records are of a period, and its unit."""

BALANCES: dict[tuple[int, int], int] = {
    (METERING, 0x0000): 0,
    (METERING, 0x0100): 0,
    (METERING, 0x0A00): 0x10,
    (PREPAYMENT, 0x0001): 0x04,
    (PREPAYMENT, 0x0002): 0x04,
    (PREPAYMENT, 0x0005): 0x08,
    (PREPAYMENT, 0x0211): 0x08,
    (PREPAYMENT, 0x0231): 0x08,
    (PRICE, 0x0802): 0x10 | 0x200,
}
"""Registers, balances and debts, and the control bits that ask for them."""
HISTORY = {
    0x0401: ("day", 0),
    0x0403: ("day", 1),
    0x0420: ("day", 2),
    0x042D: ("day", 8),
    0x0430: ("week", 0),
    0x0432: ("week", 1),
    0x043B: ("week", 5),
    0x0440: ("month", 0),
    0x0442: ("month", 1),
    0x045B: ("month", 13),
    0x0410: ("year", 0),
}
"""Of Metering: how many periods before the one in which it was written."""
TOP_UPS = tuple(range(0x0100, 0x0150, 0x10))
PAYMENTS = tuple(range(0x0810, 0x0860, 0x10))


@dataclass
class Planted:
    """What a load put into an endpoint: times by table; values and dates of attributes."""

    times: dict[str, list[datetime]] = field(default_factory=dict)
    ends: dict[str, dict[datetime, datetime]] = field(default_factory=dict)
    values: dict[tuple[int, int], bytes] = field(default_factory=dict)
    stamps: dict[tuple[int, int], datetime] = field(default_factory=dict)
    written: datetime = NOW


class House:
    """A hub that serves a household, and its changes."""

    def __init__(self, directory: Path, empty: Path | None = None) -> None:
        if empty is not None:
            shutil.copy(empty, directory / "ledger.sqlite")
        self.directory = directory
        self.open(NOW)

    def open(self, now: datetime) -> None:
        self.hub = Household(self.directory, stand_in=True)
        self.hub.clock.time = now
        snapshots = partial(take_snapshot, self.hub.ledger.household)
        self.tenancy = Tenancy(
            self.hub.ledger,
            self.hub.han,
            self.hub.clock,
            snapshots=snapshots,
            overdue_after=DAY,
            places=(),
        )
        self.tenancy.orders.on_done.append(lambda _: self.hub.data.changed())

    def kill(self) -> None:
        """End as ``kill -9`` would, and start again."""
        now = self.hub.clock.time
        self.hub.ledger.abandon()
        self.open(now)
        self.tenancy.catch_up()

    # --- planting

    def plant(self, rng: random.Random, name: str, cut_off: datetime, before: Planted | None = None) -> Planted:
        """Load an endpoint with data on both sides of a cut-off, and at it, as a file does.

        ``before``: what was loaded earlier; samples are added to it, all else is replaced.
        """
        planted = Planted(written=self.hub.clock.time)
        tables: dict[str, Any] = {}
        served = self.hub.data.endpoints[{"esi": 1, "gas": 2, "meter": 3}[name]]
        for table, (cluster, dated, rest) in {**LOGS, **LATEST}.items():
            if cluster in served:
                planted.times[table] = _around(rng, cut_off)
                tables[table] = [{dated: _iso(time), **rest} for time in planted.times[table]]
        for table, unit in PERIODS.items() if PRICE in served else ():
            planted.times[table], planted.ends[table], tables[table] = _periods(rng, unit, cut_off)
        for table, length in INTERVALS.items() if METERING in served else ():
            first = _floor(cut_off, length) - length * rng.randrange(2, 12)
            count = rng.randrange(10, 30)
            held = set() if before is None else set(before.times[table])
            planted.times[table] = sorted({*held, *(first + n * length for n in range(count))})
            tables[table] = {"start": _iso(first), "values": list(range(1, count + 1))}
        clusters: dict[str, dict[str, Any]] = {}
        for key, given in self._attributes(rng, served, cut_off, planted).items():
            entry = catalogue.ATTRIBUTES[key]
            clusters.setdefault(CLUSTER_NAMES[key[0]], {})[entry.name] = given
        self.hub.data.load(json.dumps({name: {**clusters, **tables}}), "household.json")
        return planted

    def _attributes(
        self, rng: random.Random, served: Iterable[int], cut_off: datetime, planted: Planted
    ) -> dict[tuple[int, int], Any]:
        given: dict[tuple[int, int], Any] = {}
        for number, key in enumerate([*BALANCES, *((METERING, attribute) for attribute in HISTORY)]):
            given[key] = 100 + number
        for base in TOP_UPS:
            at = rng.choice(_around(rng, cut_off))
            given |= {(PREPAYMENT, base): _iso(at), (PREPAYMENT, base + 1): 77, (PREPAYMENT, base + 3): "code"}
            planted.stamps |= {(PREPAYMENT, base + n): at for n in (0, 1, 3)}
        for base in PAYMENTS:
            at = rng.choice(_around(rng, cut_off))
            given |= {(PRICE, base): 88, (PRICE, base + 1): _iso(at), (PRICE, base + 2): "ref"}
            planted.stamps |= {(PRICE, base + n): at for n in range(3)}
        given = {key: value for key, value in given.items() if key[0] in served and key in catalogue.ATTRIBUTES}
        for key, value in given.items():
            kind = catalogue.ATTRIBUTES[key].type
            if isinstance(value, str) and value.endswith("Z"):
                planted.values[key] = seconds(datetime.fromisoformat(value)).to_bytes(4, "little")
            elif isinstance(value, str):
                planted.values[key] = bytes([len(value)]) + value.encode()
            else:
                planted.values[key] = int(value).to_bytes(len(kind(0).serialize()), "little")
        return given

    # --- what a display gets

    def tables(self, endpoint: int) -> dict[str, list[datetime]]:
        """The times of all that it is given, by table: asked for as widely as can be."""
        ask = partial(self._published, endpoint)
        found: dict[str, list[Any]] = {
            "snapshots": self._one_by_one(endpoint, METERING, 0x06, Metering.ClientCommandDefs.publish_snapshot),
            "prepay_snapshots": self._one_by_one(
                endpoint, PREPAYMENT, 0x07, Prepayment.ClientCommandDefs.publish_prepay_snapshot
            ),
            "top_ups": [
                entry.top_up_time
                for answer in ask(PREPAYMENT, 0x08, le(NEVER) + "00", Prepayment.ClientCommandDefs.publish_top_up_log)
                for entry in answer.top_up_payload
            ],
            "debt_payments": [
                entry.collection_time
                for answer in ask(PREPAYMENT, 0x0A, le(NEVER) + "00ff", Prepayment.ClientCommandDefs.publish_debt_log)
                for entry in answer.debt_payload
            ],
            "event_log": [
                entry.event_time
                for answer in ask(
                    EVENTS,
                    0x00,
                    "10 0000" + le(ALWAYS) + le(NEVER) + "00 0000",
                    Events.ClientCommandDefs.publish_event_log,
                )
                for entry in answer.log_payload
            ],
            "credit_payments": [
                answer.credit_payment_date
                for answer in ask(PRICE, 0x0E, le(NEVER) + "00", Price.ClientCommandDefs.publish_credit_payment)
            ],
            "billing_periods": [
                answer.billing_period_start_time
                for answer in ask(
                    PRICE, 0x0B, le(1) + le(NEVER) + "00 00", Price.ClientCommandDefs.publish_billing_period
                )
            ],
            "consolidated_bills": [
                answer.billing_period_start_time
                for answer in ask(
                    PRICE, 0x0C, le(1) + le(NEVER) + "00 00", Price.ClientCommandDefs.publish_consolidated_bill
                )
            ],
            "messages": [
                answer.start_time for answer in ask(MESSAGING, 0x00, "", Messaging.ClientCommandDefs.display_message)
            ],
            "consumer_passwords": [
                answer.implementation_date_time
                for answer in ask(
                    MANAGEMENT, 0x02, "02", DeviceManagement.ClientCommandDefs.request_new_password_response
                )
            ],
            "customer_numbers": [
                answer.implementation_time
                for answer in ask(MANAGEMENT, 0x05, "", DeviceManagement.ClientCommandDefs.update_cin)
            ],
            "half_hours": self._samples(endpoint, 0, HALF_HOUR),
            "days": self._samples(endpoint, 1, DAY),
        }
        profile = self._profile(endpoint)
        assert set(profile) <= set(found["half_hours"])
        return {
            table: sorted(time if isinstance(time, datetime) else from_utc_seconds(int(time)) for time in times)
            for table, times in found.items()
        }

    def attribute(self, endpoint: int, key: tuple[int, int]) -> bytes:
        """What a display reads."""
        (answer,) = self.hub.send(key[0], f"00 TT 00 {le(key[1], 2)}", endpoint)
        head = bytes.fromhex(answer)[:6]
        assert head[4:5] == b"\x00", answer
        return bytes.fromhex(answer)[6:]

    def _published(self, endpoint: int, cluster: int, command: int, payload: str, published: Any) -> list[Any]:
        if cluster not in self.hub.data.endpoints[endpoint]:
            return []
        self.hub.han.forget_answers()
        answers = self.hub.ask(cluster, command, payload.replace(" ", ""), endpoint)
        if answers == [f"status {command:02x}8b"] or answers[0].startswith("status"):
            assert answers[0].endswith("8b"), answers
            return []
        assert {answer[:2] for answer in answers} == {f"{int(published.id):02x}"}
        return [published.schema.deserialize(bytes.fromhex(answer[2:]))[0] for answer in answers]

    def _one_by_one(self, endpoint: int, cluster: int, command: int, published: Any) -> list[Any]:
        found: list[Any] = []
        while answers := self._published(
            endpoint, cluster, command, le(ALWAYS) + le(NEVER) + le(len(found), 1) + le(NEVER), published
        ):
            found.append(answers[0].snapshot_time)
        return found

    def _samples(self, endpoint: int, sample_id: int, length: timedelta) -> list[datetime]:
        answers = self._published(
            endpoint,
            METERING,
            0x08,
            le(sample_id, 2) + le(ALWAYS) + "00" + le(60, 2),
            Metering.ClientCommandDefs.get_sampled_data_response,
        )
        return [
            from_utc_seconds(int(answer.sample_start_time)) + n * length
            for answer in answers
            for n, value in enumerate(answer.samples)
            if value != 0xFFFFFF
        ]

    def _profile(self, endpoint: int) -> list[datetime]:
        answers = self._published(
            endpoint, METERING, 0x00, "00" + le(ALWAYS) + "3c", Metering.ClientCommandDefs.get_profile_response
        )
        return [
            from_utc_seconds(int(answer.end_time)) - (n + 1) * HALF_HOUR
            for answer in answers
            for n, value in enumerate(answer.intervals)
            if value != 0xFFFFFF
        ]


CLUSTER_NAMES = {PRICE: "price", METERING: "metering", PREPAYMENT: "prepayment"}


def expected(planted: Planted, cut_off: datetime) -> dict[str, list[datetime]]:
    """The times that a display may get, by table, and no others."""
    found: dict[str, list[datetime]] = {name: [] for name in [*LOGS, *LATEST, *PERIODS, *INTERVALS]}
    for table, times in planted.times.items():
        if table in INTERVALS:
            open_ = [time for time in times if time + INTERVALS[table] > cut_off]
        elif table in PERIODS:
            open_ = [time for time in times if planted.ends[table][time] > cut_off]
        else:
            open_ = [time for time in times if time >= cut_off]
        found[table] = sorted(open_)[-1:] if table in LATEST else sorted(open_)
    return found


def readable(planted: Planted, key: tuple[int, int], cut_off: datetime) -> bool:
    """Whether a display may read what an attribute was loaded with."""
    if key in planted.stamps:
        return planted.stamps[key] >= cut_off
    if key[0] == METERING and key[1] in HISTORY:
        return _end_of(planted.written, *HISTORY[key[1]]) > cut_off
    return True


def order(house: House, rng: random.Random, fuel: Fuel, cut_off: datetime) -> tuple[Change, int]:
    """A change with this cut-off: by a message or by hand; and the control bits that it asks for."""
    way = rng.choice(["message", "message", "by hand", "bits", "later"])
    if way == "message" and fuel == "gas":
        control = rng.choice([0x200, 0x200, 0, 0x80, 0x7B9C])
        payload = "0109010107080014090000" + le(0) + le(0x1C374A80) + "00" + le(seconds(cut_off)) + le(control)
        return house.tenancy.orders.order_gbcs(parse_gbcs_payload(payload)), control
    if way == "message":
        date = f"{cut_off.year:04X}{cut_off.month:02X}{cut_off.day:02X}FF"
        date += f"{cut_off.hour:02X}{cut_off.minute:02X}{cut_off.second:02X}008000FF"
        payload = f"D9200003E8000102000100005E2C03020201090C{date}"
        return house.tenancy.orders.order_gbcs(parse_gbcs_payload(payload)), 0
    if way == "bits":
        bits = sum(1 << bit for bit in (0, 1, 2, 3, 4, 7, 8, 9, 13, 14) if rng.random() < 0.3)
        return house.tenancy.orders.order("tenancy", [fuel], cut_off=cut_off, control=Wanted(bits | 0x1800)), bits
    if way == "later":
        at = house.hub.clock.time + timedelta(seconds=rng.randrange(1, 90 * 86400))
        change = house.tenancy.orders.order("tenancy", [fuel], at=at, cut_off=cut_off)
        assert change.state == "scheduled"
        house.hub.clock.time = at
        house.tenancy.orders.catch_up()
        return house.tenancy.orders.get(change.id), 0
    return house.tenancy.orders.order("tenancy", [fuel], cut_off=cut_off), 0


def _around(rng: random.Random, cut_off: datetime) -> list[datetime]:
    """Different times: some before, the last second among them, and some after, the first among them."""
    spread = rng.choice([60, 86400, 200 * 86400])
    offsets = {rng.randrange(-spread, spread) for _ in range(6)} | set(rng.sample([-1, 0, 1], 2))
    return sorted(cut_off + timedelta(seconds=offset) for offset in offsets)


def _periods(
    rng: random.Random, unit: int, cut_off: datetime
) -> tuple[list[datetime], dict[datetime, datetime], list[dict[str, Any]]]:
    """Periods of whole weeks (2) or months (3), one of which ends with the cut-off where that is the start of a day."""
    ends: dict[datetime, datetime] = {}
    rows: list[dict[str, Any]] = []
    start = _floor(cut_off, DAY).replace(day=1) - timedelta(days=rng.randrange(100, 160))
    start = start.replace(day=1) if unit == 3 else start + timedelta(days=rng.randrange(7))
    while start < cut_off + timedelta(days=60) and len(rows) < 8:
        count = rng.randrange(1, 4) if unit == 3 else rng.randrange(2, 9)
        end = start + timedelta(weeks=count)
        if unit == 3:
            end = start
            for _ in range(count):
                end = (end + timedelta(days=32)).replace(day=1)
        ends[start] = end
        kind = {"timebase": unit, "control": 0}
        rows.append(
            {
                "billing_period_start_time": _iso(start),
                "billing_period_duration": count,
                "billing_period_duration_type": kind,
            }
        )
        start = end
    return list(ends), ends, rows


def _end_of(written: datetime, unit: str, back: int) -> datetime:
    """When the period ended, or ends, that was so many back when it was written."""
    start = _floor(written, DAY)
    if unit == "day":
        return start + DAY - back * DAY
    if unit == "week":
        return start - start.weekday() * DAY + 7 * DAY - back * 7 * DAY
    if unit == "year":
        return datetime(written.year + 1 - back, 1, 1, tzinfo=UTC)
    end = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    for _ in range(back):
        end = (end - DAY).replace(day=1)
    return end


def _floor(time: datetime, length: timedelta) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (time - start) // length * length


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def unchanged(control: int) -> Mapping[tuple[int, int], int]:
    """The balances that a control leaves alone."""
    return {key: bits for key, bits in BALANCES.items() if not bits & control}
