"""Where in time the household's data are divided by a change: what is of before, and what is not."""

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
    """An attribute is of before where its date is earlier than ``before``.

    Its date is the value of the attribute ``stamp`` (a UTCTime) of its cluster, where that is held and is a time; else
    when it was written.
    """

    before: datetime
    stamp: int | None = None


@dataclass(frozen=True, slots=True)
class Cuts:
    """What is of before in an endpoint's data: dated attributes; and of tables the rows that are dated earlier than a
    time: records that have an end by it (they ended by that time), all others by when they begin."""

    attributes: Mapping[AttributeKey, Cut]
    tables: Mapping[str, datetime]


def item(key: AttributeKey) -> str:
    """An attribute as gates name it."""
    return f"{key[0]:04x}:{key[1]:04x}"


def is_before(before: int | None, time: int | None, stamp: bytes | None) -> bool:
    """Whether an attribute that was written at ``time`` (None: it was cleared) is of before, in seconds of Unix time.

    ``stamp``: the serialized UTCTime that dates it, where there is one.
    """
    if before is None or time is None:
        return False
    stamped = int.from_bytes(stamp or b"", "little")
    return (stamped + _EPOCH if stamped not in (0, 0xFFFFFFFF) else time) < before
