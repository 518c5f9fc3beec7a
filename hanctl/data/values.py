"""Convert values between the forms that people write, the store keeps (plain JSON) and zigpy serializes. Pure.

Times are written with their offset from UTC and kept as seconds since 2000-01-01 UTC; octet strings are text in UTF-8.
"""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from typing import Any

import zigpy.types as t

from hanctl.data.errors import BadValue
from hanctl.han.clusters.time import EPOCH, zigbee_time
from hanctl.han.smart_energy.types import OctetString, Text

NOW = 0x00000000
"""In a request or a command: now."""
NEVER = 0xFFFFFFFF
"""In a request or a command: no time, or all times."""
ANY = 0xFF
"""In a date: every year, month, day or day of the week."""

Plain = Any
"""An int, a str, a list of them or a dict by field name."""


def utc_seconds(from_utc_seconds: datetime) -> int:
    """Return seconds since 2000-01-01 UTC. Raises BadValue for a time outside 32 bits, or reserved ("now", "never")."""
    if from_utc_seconds.tzinfo is None:
        raise BadValue("is a time without an offset: write it with Z, or as +01:00")
    seconds = zigbee_time(from_utc_seconds)
    if not NOW < seconds < NEVER:
        raise BadValue("is a time before 2000-01-01T00:00:01Z or after 2136-02-07T06:28:14Z")
    return seconds


def from_utc_seconds(seconds: int) -> datetime:
    """Return the time of ``seconds`` since 2000-01-01 UTC."""
    return datetime.fromtimestamp(EPOCH.timestamp() + seconds, UTC)


def to_plain(kind: Any, given: Any) -> Plain:
    """Check a value for a zigpy type and convert it to plain JSON. Raises BadValue."""
    if issubclass(kind, t.UTCTime):
        return _time(given)
    if issubclass(kind, t.Date):
        return _date(given)
    if issubclass(kind, t.Struct):
        return struct_to_plain(kind, given)
    if issubclass(kind, t.List):
        if not isinstance(given, list):
            raise BadValue("is not a list")
        return [_below(n, kind._item_type, item) for n, item in enumerate(given)]
    if issubclass(kind, OctetString):
        if not isinstance(given, str):
            raise BadValue("is not a text")
        encoded = given.encode()
        if len(encoded) > kind.max_length:
            raise BadValue(f"has {len(encoded)} bytes, and {kind.max_length} are the most")
        return encoded.decode("latin-1")
    if issubclass(kind, Text):
        if not isinstance(given, str) or "\x00" in given:
            raise BadValue("is not a text")
        if len(given.encode()) > OctetString.max_length:
            raise BadValue(f"has more than {OctetString.max_length} bytes")
        return given
    return _number(kind, given)


def struct_to_plain(kind: Any, given: Any, *, without: frozenset[str] = frozenset()) -> dict[str, Plain]:
    """Convert the fields of a structure, except those in ``without``, to plain JSON. Raises BadValue.

    A field that is not given is 0 or empty, or where it is optional, left out with all that follow. How long a list is
    is not given, but counted.
    """
    if not isinstance(given, dict):
        raise BadValue("is not a table of fields")
    lengths = _lengths(kind)
    fields = {field.name: field for field in kind.fields if field.name not in without and field.name not in lengths}
    for name in given:
        if name not in fields:
            raise BadValue("is not known here; there are: " + ", ".join(fields), (name,), unknown=True)
    last = max((n for n, name in enumerate(fields) if name in given), default=-1)
    plain = {
        name: _below(name, field.type, given[name]) if name in given else empty(field.type)
        for n, (name, field) in enumerate(fields.items())
        if n <= last or not field.optional
    }
    return plain | {count: len(plain[counted]) for count, counted in lengths.items()}


def _lengths(kind: Any) -> dict[str, str]:
    """Return the fields that hold the length of another field, and which."""
    names = [field.name for field in kind.fields]
    return {
        [name for name in names[: names.index(field.name)] if name.startswith("number_of")][-1]: field.name
        for field in kind.fields
        if field.length is not None
    }


def empty(kind: Any) -> Plain:
    """Return the plain value of a field that is not given."""
    if issubclass(kind, t.Date):
        return [ANY] * 4
    if issubclass(kind, t.Struct):
        return struct_to_plain(kind, {})
    if issubclass(kind, t.List):
        return []
    return "" if issubclass(kind, OctetString | Text) else 0


def build(kind: Any, plain: Plain) -> Any:
    """Convert a plain value to zigpy's type."""
    if issubclass(kind, t.Date):
        return kind(*plain)
    if issubclass(kind, t.Struct):
        return kind(
            **{field.name: build(field.type, plain[field.name]) for field in kind.fields if field.name in plain}
        )
    if issubclass(kind, t.List):
        return kind([build(kind._item_type, item) for item in plain])
    if issubclass(kind, OctetString):
        return kind(plain.encode("latin-1"))
    return kind(plain)


def serialize(kind: Any, plain: Plain) -> bytes:
    """Serialize a plain value as sent over the air."""
    return bytes(build(kind, plain).serialize())


def shown(kind: Any, value: bytes) -> Any:
    """Convert a serialized value to the form shown to people: the reverse of to_plain, as far as there is one."""
    found, _ = kind.deserialize(value)
    if isinstance(found, t.UTCTime):
        return None if found == NEVER else from_utc_seconds(int(found)).isoformat().replace("+00:00", "Z")
    if isinstance(found, bytes):
        return found.decode(errors="replace")
    return str(found) if isinstance(found, str) else int(found)


def _below(key: str | int, kind: Any, given: Any) -> Plain:
    try:
        return to_plain(kind, given)
    except BadValue as error:
        raise error.below(key) from None


def _time(given: Any) -> int:
    if isinstance(given, bool):
        raise BadValue("is not a time")
    if isinstance(given, int):
        if not 0 <= given <= NEVER:
            raise BadValue("is not a number of 32 bits")
        return given
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise BadValue("is not a time: write it as 2026-03-29T00:30:00Z") from None
    if not isinstance(given, datetime):
        raise BadValue("is not a time: write it as 2026-03-29T00:30:00Z")
    return utc_seconds(given)


def _date(given: Any) -> list[int]:
    """Return years since 1900, month, day, day of the week (1 is Monday). "*" in a text means every."""
    if isinstance(given, date) and not isinstance(given, datetime):
        given = given.isoformat()
    parts = given.split("-") if isinstance(given, str) else []
    try:
        year, month, day = (None if part == "*" else int(part) for part in parts)
        if None not in (year, month, day):
            weekday = date(year, month, day).isoweekday()  # type: ignore[arg-type]
        else:
            # 2000 was a leap year: a 29 February of every year is a date.
            date(year or 2000, month or 1, day or 1)
            weekday = ANY
        if year is not None and not 1900 <= year < 1900 + ANY:
            raise ValueError
    except ValueError:
        raise BadValue("is not a date: write it as 2026-12-25, or *-12-25 for every year") from None
    return [ANY if year is None else year - 1900, ANY if month is None else month, ANY if day is None else day, weekday]


def _number(kind: Any, given: Any) -> int:
    if isinstance(given, str | list):
        given = _named(kind, given)
    if isinstance(given, bool) and issubclass(kind, t.Bool):
        return int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise BadValue("is not a whole number")
    try:
        kind(given)
    except (ValueError, struct.error):
        raise BadValue(f"does not fit {kind._bits} bits") from None
    return given


def _named(kind: Any, given: Any) -> int:
    """Return the value for names of an enumeration or a bitmap; of a bitmap several may be given."""
    members: dict[str, Any] = getattr(kind, "__members__", {})
    names = {_key(name): int(value) for name, value in members.items()}
    if not names:
        raise BadValue("is not a number")
    wanted = given if isinstance(given, list) else [given]
    total = 0
    for name in wanted:
        if not isinstance(name, str) or _key(name) not in names:
            raise BadValue("is none of: " + ", ".join(members))
        total |= names[_key(name)]
    if len(wanted) != 1 and not issubclass(kind, t.bitmap8 | t.bitmap16 | t.bitmap24 | t.bitmap32):
        raise BadValue("is more than one name")
    return total


def _key(name: str) -> str:
    return name.replace("_", "").replace(" ", "").replace("-", "").lower()
