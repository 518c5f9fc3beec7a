"""Take snapshots of registers and balances, and publish them.

Source: comms_hub.md §3.1 (causes, sizes of the payloads) and appendix G.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hanctl.data.tables import TABLES, PrepaySnapshotRecord
from hanctl.data.values import NEVER, NOW, utc_seconds
from hanctl.han.smart_energy.enumerations import SnapshotCause, SnapshotPayloadType
from hanctl.han.smart_energy.types import PrepaySnapshotDebtCredit, SnapshotTouDelivered, SnapshotTouDeliveredNoBilling
from hanctl.ledger.household import Household, Record
from hanctl.radio.endpoints import METERING, PREPAYMENT

CHUNK = 150
"""Bytes of a snapshot's payload in one command."""
NO_BILL = int(SnapshotCause.General)
"""The cause of daily reads, which go without the bill; all others go with it."""

_REGISTERS = {
    0x0000: "current_summation",
    0x0A00: "bill_to_date",
    0x0A01: "bill_to_date_time_stamp",
    0x0A02: "projected_bill",
    0x0A03: "projected_bill_time_stamp",
    0x0A04: "bill_trailing_digit",
}
_TIERS = range(0x0100, 0x0160, 2)
_BALANCES = {
    0x0005: "accumulated_debt",
    0x0211: "type_1_debt_remaining",
    0x0221: "type_2_debt_remaining",
    0x0231: "type_3_debt_remaining",
    0x0002: "emergency_credit_remaining",
    0x0001: "credit_remaining",
}
_SIGNED = {"accumulated_debt", "emergency_credit_remaining", "credit_remaining"}


def take_snapshot(household: Household, endpoint: int, cause: int, now: datetime) -> tuple[int, ...]:
    """Store the endpoint's present registers and balances. Returns ids of the new records; none without data.

    Tables ``snapshots`` and ``prepay_snapshots``. Call it inside a transaction to join it with other changes.
    """
    stamp = {"snapshot_time": utc_seconds(now), "snapshot_cause": int(cause)}
    taken: list[int] = []
    meter = {number: stored.value for number, stored in household.read(endpoint, METERING).items()}
    if meter.get(0x0000) is not None:
        body = TABLES["snapshots"].plain({}) | stamp
        body |= {name: _number(meter[number]) for number, name in _REGISTERS.items() if meter.get(number) is not None}
        body["tier_summations"] = [_number(meter[number]) for number in _TIERS if meter.get(number) is not None]
        taken.append(household.add(endpoint, "snapshots", now, body))
    balances = {number: stored.value for number, stored in household.read(endpoint, PREPAYMENT).items()}
    if balances.get(0x0001) is not None or balances.get(0x0005) is not None:
        body = TABLES["prepay_snapshots"].plain({}) | stamp
        body |= {
            name: _number(balances[number], signed=name in _SIGNED)
            for number, name in _BALANCES.items()
            if balances.get(number) is not None
        }
        taken.append(household.add(endpoint, "prepay_snapshots", now, body))
    return tuple(taken)


def _number(value: bytes | None, *, signed: bool = False) -> int:
    return int.from_bytes(value or b"", "little", signed=signed)


def metering_payload(body: Mapping[str, Any]) -> tuple[int, list[bytes]]:
    """Return the payload type of a record of ``snapshots``, and its payload in parts that each fit a command."""
    tiers = body["tier_summations"]
    structure: Any = SnapshotTouDelivered
    kind = SnapshotPayloadType.TouInformationSetDeliveredRegisters
    if body["snapshot_cause"] == NO_BILL:
        structure = SnapshotTouDeliveredNoBilling
        kind = SnapshotPayloadType.TouInformationSetDeliveredRegistersNoBilling
    values = {field.name: body[field.name] for field in structure.fields if field.name in body}
    payload = structure(**values, number_of_tiers_in_use=len(tiers)).serialize()
    return int(kind), [payload[at : at + CHUNK] for at in range(0, len(payload), CHUNK)]


def prepay_payload(body: Mapping[str, Any]) -> bytes:
    """Return the payload (type 0) of a record of ``prepay_snapshots``."""
    names = [field.name for field in PrepaySnapshotDebtCredit.fields]
    assert set(names) < {field.name for field in PrepaySnapshotRecord.fields}
    return bytes(PrepaySnapshotDebtCredit(**{name: body[name] for name in names}).serialize())


def matching(records: Sequence[Record], fields: Any) -> list[Record]:
    """Return the records that GetSnapshot or GetPrepaySnapshot asks for, oldest first: by time and causes."""
    latest = NEVER if fields.latest_end_time == NOW else fields.latest_end_time
    return [
        record
        for record in records
        if fields.earliest_start_time <= record.body["snapshot_time"] <= latest
        and int(record.body["snapshot_cause"]) & int(fields.snapshot_cause)
    ]
