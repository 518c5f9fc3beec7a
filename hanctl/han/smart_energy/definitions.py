"""What zigpy's declarations lack for Smart Energy: attribute families with regular ids, and a client side's attributes.

Source of all ids, names and types here: comms_hub.md appendices A–G, unless a module names another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import zigpy.types as t
from zigpy.zcl import Cluster
from zigpy.zcl.foundation import BaseAttributeDefs, CommandSchema, ZCLAttributeAccess, ZCLAttributeDef, ZCLCommandDef

U8: Any = t.uint8_t
U16: Any = t.uint16_t
U24: Any = t.uint24_t
U32: Any = t.uint32_t
U48: Any = t.uint48_t
S8: Any = t.int8s
S24: Any = t.int24s
S32: Any = t.int32s
UTC: Any = t.UTCTime

READ = ZCLAttributeAccess.Read | ZCLAttributeAccess.Report


class SmartEnergyCluster(Cluster):
    """One cluster. zigpy's own ``AttributeDefs`` are the server's side; the client's are apart, as their ids collide.

    Kept out of zigpy's registry: the hub's frames do not pass zigpy's device objects.
    """

    _skip_registry = True
    cluster_id: Any = None
    ep_attribute: Any = None

    class ClientAttributeDefs(BaseAttributeDefs):
        """Attributes of the client side."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, definition in vars(cls.ClientAttributeDefs).items():
            if isinstance(definition, ZCLAttributeDef):
                object.__setattr__(definition, "name", name)


def command(id: int, schema: Mapping[str, Any] | type[CommandSchema] | None = None) -> ZCLCommandDef:  # noqa: A002
    """Declare a command and its fields in order; a name that ends in ? is of a field that older revisions lack.

    Where fields depend on the ones before them, the schema is a class.
    """
    fields: Any = schema if isinstance(schema, type) else dict(schema or {})
    return ZCLCommandDef(id=U8(id), schema=fields)


def read_only(id: int, type: Any) -> ZCLAttributeDef:  # noqa: A002
    """Declare an attribute that devices may read."""
    return ZCLAttributeDef(id=U16(id), type=type, access=READ)


def writable(id: int, type: Any) -> ZCLAttributeDef:  # noqa: A002
    """Declare an attribute that devices may read and write."""
    return ZCLAttributeDef(id=U16(id), type=type, access=READ | ZCLAttributeAccess.Write)


def family(
    pattern: str,
    first_id: int,
    *,
    count: int,
    type: Any,  # noqa: A002
    step: int = 1,
    first: int = 1,
    access: ZCLAttributeAccess = READ,
) -> dict[str, ZCLAttributeDef]:
    """Declare ``count`` attributes alike, ``step`` ids apart; {} in their names is their number, from ``first`` on."""
    return {
        pattern.format(first + n): ZCLAttributeDef(id=U16(first_id + n * step), type=type, access=access)
        for n in range(count)
    }


def grid(
    pattern: str,
    first_id: int,
    *,
    tiers: int,
    blocks: int,
    type: Any,  # noqa: A002
) -> dict[str, ZCLAttributeDef]:
    """Declare attributes by tier and block: blocks follow each other, tiers are 16 ids apart."""
    return {
        pattern.format(tier + 1, block + 1): read_only(first_id + 16 * tier + block, type)
        for tier in range(tiers)
        for block in range(blocks)
    }


def both_directions(pattern: str, first_id: int, *, type: Any, step: int = 1) -> dict[str, ZCLAttributeDef]:  # noqa: A002
    """Declare the same register for energy delivered and, ``step`` ids on, received."""
    return {
        pattern.format(direction): read_only(first_id + n * step, type)
        for n, direction in enumerate(("delivered", "received"))
    }


def past_periods(first_id: int, what: str, *, days: Any, weeks: Any, months: Any) -> dict[str, ZCLAttributeDef]:
    """Declare what was consumed on previous days 2–8, in this and the last 5 weeks, and in this and the last 13 months.

    Each delivered, and received one id on. Metering's two sets and Prepayment's costs have this shape in common.
    """

    def periods() -> Iterator[tuple[str, int, Any]]:
        for day in range(2, 9):
            yield f"previous_day_{day}", 2 * (day - 2), days
        for unit, offset, kind, last in (("week", 0x10, weeks, 5), ("month", 0x20, months, 13)):
            yield f"current_{unit}", offset, kind
            yield f"previous_{unit}", offset + 2, kind
            for n in range(2, last + 1):
                yield f"previous_{unit}_{n}", offset + 2 * n, kind

    found: dict[str, ZCLAttributeDef] = {}
    for period, offset, kind in periods():
        found |= both_directions(f"{period}_{what}_{{}}", first_id + offset, type=kind)
    return found
