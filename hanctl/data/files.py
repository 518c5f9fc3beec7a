"""Read files of household data: TOML or JSON for everything, CSV for consumption by interval. Pure.

A file is read completely or not at all. Errors name the line, never the value.
"""

from __future__ import annotations

import csv
import io
import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hanctl.base.places import line_of, syntax_place
from hanctl.data.catalogue import ATTRIBUTES, AttributeEntry
from hanctl.data.errors import BadData, BadValue
from hanctl.data.tables import INTERVALS, TABLES
from hanctl.data.values import NEVER, NOW, from_utc_seconds, serialize, to_plain, utc_seconds
from hanctl.han.smart_energy.clusters import DATA_CLUSTERS
from hanctl.ledger.household import Sample
from hanctl.radio.endpoints import ESI_ENDPOINT, GAS_PROXY_ENDPOINT, METER_ENDPOINT

ENDPOINTS = {"esi": ESI_ENDPOINT, "gas": GAS_PROXY_ENDPOINT, "meter": METER_ENDPOINT}
"""Names of the hub's endpoints: the ESI, the gas proxy, and the stand-in for an electricity meter."""

CLUSTER_NAMES = {
    str(cluster.ep_attribute).removeprefix("smartenergy_"): number for number, cluster in DATA_CLUSTERS.items()
}
BY_NAME: dict[tuple[int, str], AttributeEntry] = {(entry.cluster, entry.name): entry for entry in ATTRIBUTES.values()}
MOST_SAMPLE = 0xFFFFFE
"""The highest value of a sample: the next stands for "none"."""

MOST_SAMPLES = 100_000
"""Five years of half-hours."""
MOST_VALUES = 400_000
MOST_RECORDS = 20_000
MOST_DOTS = (32, 50_000)
"""In one line of TOML, and in all: a dotted name of n parts makes n tables, and takes a parser the square of n."""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record to be added; ``time`` None: the time it is stored."""

    table: str
    time: datetime | None
    body: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndpointData:
    """Data of a file for one endpoint."""

    endpoint: int
    attributes: list[tuple[AttributeEntry, bytes]] = field(default_factory=list, repr=False)
    records: list[NewRecord] = field(default_factory=list, repr=False)
    samples: dict[str, list[Sample]] = field(default_factory=dict, repr=False)


def read_household(text: str, name: str, endpoints: Iterable[int], now: datetime) -> list[EndpointData]:
    """Read a TOML file, or a JSON file if ``name`` ends in .json. Raises BadData.

    ``endpoints``: those that the hub has. ``now`` stands for a time that is written as 0.
    """
    form = "json" if name.lower().endswith(".json") else "toml"
    _check_extent(text, name, form)
    try:
        tree = json.loads(text) if form == "json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise BadData(f"{name} is not {form.upper()} {syntax_place(error)}", "correct that line") from None
    except (ValueError, RecursionError):
        raise BadData(
            f"{name} is not {form.upper()}: a number is too long, or it nests too deep", "correct it"
        ) from None
    served = {key: number for key, number in ENDPOINTS.items() if number in set(endpoints)}
    try:
        if not isinstance(tree, dict):
            raise BadValue("is not a table of endpoints")
        found = []
        for key, content in tree.items():
            if key not in served:
                raise BadValue("is no endpoint of this hub; there are: " + ", ".join(served), (key,), unknown=True)
            found.append(_below(key, _endpoint, served[key], content, now))
    except BadValue as error:
        line = line_of(text, error.path, form)
        where = name if line is None else f"{name}, line {line}"
        raise BadData(
            f"{where}: {error.place} {error}", "nothing was loaded; docs/data.md lists what there is"
        ) from None
    _check_samples(sum(len(samples) for data in found for samples in data.samples.values()), name)
    return found


def _check_samples(count: int, name: str) -> None:
    if count > MOST_SAMPLES:
        raise BadData(f"{name} has more than {MOST_SAMPLES} samples", "nothing was loaded; load it in parts")


def _check_extent(text: str, name: str, form: str) -> None:
    """Refuse what would take a parser more than seconds and a hundred megabytes, before any parser sees it."""
    if sum(map(text.count, ",\n{[")) > MOST_VALUES or text.count("\n[") > MOST_RECORDS:
        raise BadData(
            f"{name} has more than {MOST_RECORDS} records or {MOST_VALUES} values",
            "nothing was loaded; load it in parts",
        )
    dots = [line.count(".") for line in text.splitlines()] if form == "toml" else []
    if max(dots, default=0) > MOST_DOTS[0] or sum(dots) > MOST_DOTS[1]:
        raise BadData(
            f"{name} has more than {MOST_DOTS[0]} dots in a line or {MOST_DOTS[1]} in all",
            "nothing was loaded; write tables without dotted names",
        )


def _below(key: str | int, function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except BadValue as error:
        raise error.below(key) from None


def _endpoint(endpoint: int, content: Any, now: datetime) -> EndpointData:
    if not isinstance(content, dict):
        raise BadValue("is not a table")
    found = EndpointData(endpoint)
    for key, value in content.items():
        if key in CLUSTER_NAMES:
            found.attributes.extend(_below(key, _attributes, CLUSTER_NAMES[key], value))
        elif key in TABLES:
            found.records.extend(_below(key, _records, key, value, now))
        elif key in INTERVALS:
            found.samples[key] = _below(key, _samples, key, value)
        else:
            known = [*CLUSTER_NAMES, *TABLES, *INTERVALS]
            raise BadValue("is neither a cluster nor a table; there are: " + ", ".join(known), (key,), unknown=True)
    return found


def _attributes(cluster: int, content: Any) -> list[tuple[AttributeEntry, bytes]]:
    if not isinstance(content, dict):
        raise BadValue("is not a table of attributes")
    found = []
    for name, value in content.items():
        if (cluster, name) not in BY_NAME:
            raise BadValue("is not an attribute of this cluster; see: hanctl data attributes", (name,), unknown=True)
        entry = BY_NAME[cluster, name]
        found.append((entry, _below(name, _attribute, entry, value)))
    return found


def _attribute(entry: AttributeEntry, value: Any) -> bytes:
    return serialize(entry.type, to_plain(entry.type, value))


def _records(table: str, content: Any, now: datetime) -> list[NewRecord]:
    if not isinstance(content, list):
        raise BadValue("is not a list of records: write [[...]]")
    return [_below(n, _record, table, value, now) for n, value in enumerate(content)]


def _record(table: str, given: Any, now: datetime) -> NewRecord:
    shape = TABLES[table]
    body = shape.plain(given)
    time = None
    if shape.time is not None:
        if shape.time not in given:
            raise BadValue("is missing: it dates the record", (shape.time,))
        if body[shape.time] == NOW:
            body[shape.time] = utc_seconds(now)
        if body[shape.time] == NEVER:
            raise BadValue("dates the record, and cannot be without a time", (shape.time,))
        time = from_utc_seconds(body[shape.time])
    if "issuer_event_id" in body and "issuer_event_id" not in given:
        # As suppliers do: a later one supersedes an earlier.
        body["issuer_event_id"] = utc_seconds(time or now)
    return NewRecord(table, time, body)


def _samples(table: str, content: Any) -> list[Sample]:
    """Read ``{start = TIME, values = [...]}``, or a list of such."""
    found: list[Sample] = []
    for n, run in enumerate(content if isinstance(content, list) else [content]):
        if not isinstance(run, dict) or run.keys() != {"start", "values"} or not isinstance(run["values"], list):
            raise BadValue("is not of the form { start = TIME, values = [...] }", (n,) if content is not run else ())
        start = from_utc_seconds(_below("start", lambda given: utc_seconds(_time(given)), run["start"]))
        for place, value in enumerate(run["values"]):
            try:
                found.append(_sample(table, start + place * timedelta(seconds=INTERVALS[table]), value))
            except BadValue as error:
                raise error.below(place).below("values") from None
    return found


def _time(given: Any) -> datetime:
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise BadValue("is not a time: write it as 2026-03-29T00:30:00Z") from None
    if not isinstance(given, datetime):
        raise BadValue("is not a time: write it as 2026-03-29T00:30:00Z")
    return given


def _sample(table: str, start: datetime, value: Any) -> Sample:
    length = INTERVALS[table]
    if utc_seconds(start) % length:
        what = "half-hour" if length == 1800 else "day"
        raise BadValue(f"does not begin with a {what} of UTC")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_SAMPLE:
        raise BadValue(f"is not a whole number from 0 to {MOST_SAMPLE}")
    return Sample(start, value)


# --- CSV


def read_csv(text: str, name: str, table: str, zone: str | None = None) -> list[Sample]:
    """Read consumption by interval: lines ``time,value`` after an optional header; ``time``: start of the interval.

    Times without an offset are local to ``zone``; a time that exists twice in autumn means the earlier one
    first. Raises BadData.
    """
    if table not in INTERVALS:
        raise BadData("this is not a table of intervals", "there are: " + ", ".join(INTERVALS))
    _check_samples(text.count("\n"), name)
    local = _zone(zone)
    found: dict[datetime, Sample] = {}
    lines = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in lines:
            if not row or (lines.line_num == 1 and not any(character.isdigit() for character in row[0])):
                continue
            sample = _row(row, table, local, found)
            found[sample.time] = sample
    except (BadValue, csv.Error) as error:
        reason = error if isinstance(error, BadValue) else "is not CSV"
        raise BadData(f"{name}, line {lines.line_num}: {reason}", "nothing was loaded; see docs/data.md") from None
    if not found:
        raise BadData(f"{name} has no samples", "its lines are time,value")
    return list(found.values())


def _row(row: list[str], table: str, zone: ZoneInfo | None, before: dict[datetime, Sample]) -> Sample:
    if len(row) != 2:
        raise BadValue(f"has {len(row)} columns, not 2: time,value")
    text = row[1].strip()
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MOST_SAMPLE))
    sample = _sample(table, _local(row[0].strip(), zone, before), int(text) if digits else None)
    if sample.time in before:
        raise BadValue("is of a time that came before")
    return sample


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadData("there is no such time zone", "give one as Europe/London") from None


def _local(text: str, zone: ZoneInfo | None, before: dict[datetime, Sample]) -> datetime:
    given = _time(text)
    if given.tzinfo is not None:
        return given.astimezone(UTC)
    if zone is None:
        raise BadValue("is a time without an offset; write it with Z, or name the zone: --zone Europe/London")
    earlier = given.replace(tzinfo=zone).astimezone(UTC)
    if earlier.astimezone(zone).replace(tzinfo=None) != given:
        raise BadValue("is a time that clocks skip: daylight saving begins then")
    later = given.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return later if earlier in before else earlier
