"""List each declared attribute and table with its class, control bits and neutral value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zigpy.zcl.foundation import DataType, DataTypeId

from hanctl.data.classes import ATTRIBUTE_RULES, HISTORY, TABLE_RULES, DataClass, Neutral, TableRule
from hanctl.han.smart_energy.clusters import DATA_ATTRIBUTES
from hanctl.han.smart_energy.enumerations import ProposedChangeControl as Bit
from hanctl.ledger.household import Selection
from hanctl.model.cuts import AttributeKey

_STRINGS = (DataTypeId.octstr, DataTypeId.string)


@dataclass(frozen=True, slots=True)
class AttributeEntry:
    """One attribute of the hub's server sides."""

    cluster: int
    id: int
    name: str
    type: Any
    data_type: int
    writable: bool
    data_class: DataClass
    bits: Bit
    neutral: bytes
    """What it reads once cleared, serialized as its type."""
    reason: str


def _neutral(data_type: int, kind: Neutral) -> bytes:
    if data_type in _STRINGS:
        return b"\x00"
    python_type: Any = DataType.from_type_id(DataTypeId(data_type)).python_type  # type: ignore[no-untyped-call]
    size = len(python_type(0).serialize())
    flags = DataTypeId.map8 <= data_type <= DataTypeId.map64
    if flags or (kind == "zero" and data_type != DataTypeId.UTC):
        return bytes(size)
    if DataTypeId.int8 <= data_type <= DataTypeId.int64:
        return bytes(size - 1) + b"\x80"
    return b"\xff" * size


def _entry(cluster: int, definition: Any) -> AttributeEntry:
    number = int(definition.id)
    rule = next(rule for rule in ATTRIBUTE_RULES if rule.cluster == cluster and rule.first <= number <= rule.last)
    return AttributeEntry(
        cluster=cluster,
        id=number,
        name=definition.name,
        type=definition.type,
        data_type=int(definition.zcl_type),
        writable="w" in str(definition.access).lower(),
        data_class=rule.data_class,
        bits=rule.bits,
        neutral=_neutral(int(definition.zcl_type), rule.neutral),
        reason=rule.reason,
    )


ATTRIBUTES: dict[AttributeKey, AttributeEntry] = {
    key: _entry(key[0], definition) for key, definition in DATA_ATTRIBUTES.items()
}
"""By (cluster, attribute id), in that order."""

TABLES: dict[str, TableRule] = {rule.name: rule for rule in TABLE_RULES}


def cleared_by(control: int) -> Selection:
    """Return what a change with these control bits clears (bit 7 blocks, and clears nothing)."""
    return _selected(control)


def history() -> Selection:
    """Return what bit 7 hides and bit 8 clears."""
    return _selected(HISTORY)


def _selected(bits: int) -> Selection:
    return Selection(
        attributes={key: entry.neutral for key, entry in ATTRIBUTES.items() if entry.bits & bits},
        tables=frozenset(name for name, rule in TABLES.items() if rule.bits & bits),
    )
