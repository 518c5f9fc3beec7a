"""Decide which household data is dated before a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

AttributeKey = tuple[int, int]
"""(cluster, attribute id)"""

_EPOCH = 946_684_800
"""Unix time of 2000-01-01 UTC, from which a UTCTime counts; of its values 0 and 0xFFFFFFFF are no times."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut-off for one attribute: it is hidden if its date is earlier than ``before``.

    Its date is the value of the attribute ``stamp`` (a UTCTime) of its cluster, if that is held and is a time; else
    the time it was written.
    """

    before: datetime
    stamp: int | None = None


@dataclass(frozen=True, slots=True)
class Cuts:
    """Cut-offs for the data of an endpoint: attributes, and rows of tables.

    A row is hidden if it is dated before a time: by its end if it has one, else by its start.
    """

    attributes: Mapping[AttributeKey, Cut]
    tables: Mapping[str, datetime]


def item(key: AttributeKey) -> str:
    """Return the name of an attribute that gates use."""
    return f"{key[0]:04x}:{key[1]:04x}"


def is_before(before: int | None, time: int | None, stamp: bytes | None) -> bool:
    """Tell whether an attribute written at ``time`` (Unix seconds; None: it was cleared) is dated before the cut-off.

    ``stamp``: the serialized UTCTime that dates it, if there is one.
    """
    if before is None or time is None:
        return False
    stamped = int.from_bytes(stamp or b"", "little")
    return (stamped + _EPOCH if stamped not in (0, 0xFFFFFFFF) else time) < before
