"""Date each item of the hub's data, so that a change can hide what is dated before its cut-off. Pure.

A datum is dated by its own time stamp; data about a period, by that period's end. Amounts that run on (registers,
balances, debts, the bill so far) and what is in force from a time on (tariffs, calendars) have no date.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from hanctl.data.catalogue import ATTRIBUTES
from hanctl.data.catalogue import TABLES as RULES
from hanctl.data.classes import METERING, PREPAY, PRICE, TableRule
from hanctl.data.tables import HALF_HOURS, INTERVALS
from hanctl.data.values import NEVER, from_utc_seconds
from hanctl.model.change_records import ChangeKind
from hanctl.model.cuts import AttributeKey, Cut, Cuts

INSTANT = timedelta(seconds=1)
"""The resolution of the HAN's clock: what ends at a cut-off is earlier than the cut-off and this."""
_DAY = timedelta(days=1)

PERIODS = frozenset({"billing_periods", "consolidated_bills"})
"""Tables whose records are of a billing period."""

_STAMPED: dict[AttributeKey, int] = {
    **{(PREPAY, top_up + n): top_up for top_up in range(0x0100, 0x0150, 0x10) for n in range(4)},
    **{(PRICE, payment + n): payment + 1 for payment in range(0x0810, 0x0860, 0x10) for n in range(3)},
}
"""Attributes that another attribute of their cluster dates: the last top-ups, the last credit payments."""
_LAST_PERIODS: dict[AttributeKey, int] = {
    (PRICE, base + n): base for base in (0x0700, 0x8700) for n in (0x02, 0x03, 0x04)
}
"""The last billing period, which ended as the current one began."""
_PARTIAL: dict[AttributeKey, int] = {(METERING, base + n): base + n % 2 for base in (0x0405, 0x0C05) for n in range(4)}
"""The half-hour that has not ended, by when it began."""

_PERIOD = re.compile(r"(current|previous)_(?:alternative_)?(day|week|month|year)(?:_(\d+))?_")


def cuts(cut_off: datetime) -> Cuts:
    """Return the cut-offs for all dated data: attributes, and the rows of every table."""
    return Cuts(
        {key: cut for key in ATTRIBUTES if (cut := _cut(key, cut_off)) is not None},
        {name: _table_time(name, cut_off) for name in RULES},
    )


def hidden(kind: ChangeKind, cut_off: datetime) -> Cuts:
    """Return what a change of this kind hides: household data dated before the cut-off; or, where the supplier alone
    changes, what the supplier told before it."""
    dated = cuts(cut_off)
    tables = {name: time for name, time in dated.tables.items() if _is_hidden(RULES[name], kind)}
    return Cuts(dated.attributes if kind == "tenancy" else {}, tables)


def ends(table: str, time: datetime, body: Mapping[str, Any]) -> datetime | None:
    """Return the end of a record's period that begins at ``time``; None for a table without periods."""
    if table not in PERIODS:
        return None
    count, unit = int(body["billing_period_duration"]), int(body["billing_period_duration_type"]["timebase"])
    length = {0: timedelta(minutes=1), 1: _DAY, 2: 7 * _DAY}.get(unit)
    try:
        return _months_later(time, count) if length is None else time + count * length
    except (OverflowError, ValueError):
        return from_utc_seconds(NEVER)


def _is_hidden(rule: TableRule, kind: ChangeKind) -> bool:
    if kind == "supplier":
        return rule.data_class == "supplier"
    return bool(rule.bits) and rule.data_class != "tariff"


def _table_time(name: str, cut_off: datetime) -> datetime:
    """Return the cut-off for the start of a sample: it is hidden if it ended by the cut-off."""
    return cut_off - timedelta(seconds=INTERVALS[name]) + INSTANT if name in INTERVALS else cut_off


def _cut(key: AttributeKey, cut_off: datetime) -> Cut | None:
    if key in _STAMPED:
        return Cut(cut_off, _STAMPED[key])
    if key in _LAST_PERIODS:
        return Cut(cut_off + INSTANT, _LAST_PERIODS[key])
    if key in _PARTIAL:
        return Cut(_table_time(HALF_HOURS, cut_off), _PARTIAL[key])
    period = _PERIOD.match(ATTRIBUTES[key].name)
    if period is None or key[0] not in (METERING, PREPAY):
        return None
    # "Previous" is counted back from when it was written: the n-th before ended with the start of the (n - 1)th before.
    back = int(period[3] or period[1] == "previous")
    return Cut(_LATER[period[2]](_START[period[2]](cut_off), back))


def _months_later(start: datetime, count: int) -> datetime:
    months = start.year * 12 + start.month - 1 + count
    first = datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)
    return first + (start - start.replace(day=1, hour=0, minute=0, second=0, microsecond=0))


_START: Mapping[str, Callable[[datetime], datetime]] = {
    "day": lambda at: at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0),
    "week": lambda at: _START["day"](at) - at.astimezone(UTC).weekday() * _DAY,
    "month": lambda at: _START["day"](at).replace(day=1),
    "year": lambda at: _START["day"](at).replace(month=1, day=1),
}
"""When the period of a time began; days are of UTC, weeks begin on Monday."""
_LATER: Mapping[str, Callable[[datetime, int], datetime]] = {
    "day": lambda start, count: start + count * _DAY,
    "week": lambda start, count: start + count * 7 * _DAY,
    "month": _months_later,
    "year": lambda start, count: _months_later(start, 12 * count),
}
