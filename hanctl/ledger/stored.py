"""Read stored values back by the type of their field, and refuse what that type cannot be."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hanctl.base.eui64 import Eui64

Reader = Callable[[Any], Any]

_EUI64 = re.compile(r"[0-9a-f]{2}(:?[0-9a-f]{2}){7}")
_WINDOW = re.compile(r"\s*(?!(.{5})-\1)([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d\s*")
_FORMS = dict.fromkeys(("window", "transfer_window"), _WINDOW)
"""Forms of the text in these fields."""
_BITS = {
    **dict.fromkeys(("endpoint", "device_endpoint"), 8),
    **dict.fromkeys(("nwk", "manufacturer_code", "image_type", "profile", "device_id", "cluster", "attribute"), 16),
    **dict.fromkeys(("input_clusters", "output_clusters", "hardware_version", "hardware_min", "hardware_max"), 16),
    **dict.fromkeys(("file_version", "current_version", "old_version", "requires", "size", "offset", "message"), 32),
}
"""Sizes of the unsigned numbers in these fields, which go on air as they are."""
_YEARS = range(1970, 9000)
"""Nothing can be added to a time at the end of the calendar."""
_SECONDS = range(-(2**33), 2**37)
"""The years 1697 to 6325, in Unix seconds."""


def time_read(stored: Any) -> datetime:
    """Read a stored time. Raises ValueError, TypeError."""
    moment = datetime.fromisoformat(stored)
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise ValueError("it is no time")
    return moment


def eui64_read(stored: Any) -> Eui64:
    """Read a stored EUI64. Raises ValueError, TypeError."""
    if _EUI64.fullmatch(stored) is None:
        raise _wrong(stored)
    return Eui64(stored)


def seconds_read(stored: Any) -> datetime:
    """Read a stored time in Unix seconds. Raises ValueError, TypeError."""
    if stored not in _SECONDS:
        raise _wrong(stored)
    return datetime.fromtimestamp(stored, UTC)


def reader(name: str, hint: Any) -> Reader:
    """Return what reads a column of this field and type. It raises ValueError, TypeError or RecursionError."""
    if get_origin(hint) is tuple:
        inner = _value(name, hint)
        return lambda stored: inner(json.loads(stored))
    return _value(name, hint)


def _value(name: str, hint: Any) -> Reader:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _optional(_value(name, next(each for each in inner if each is not NoneType)))
    if origin is Literal:
        return _checked(lambda value: isinstance(value, str) and value in inner)
    if origin is tuple:
        return _many(_value(name, inner[0])) if inner[-1] is ... else _several([_value(name, each) for each in inner])
    if is_dataclass(hint):
        return _record(hint)
    return _PLAIN[hint](name)


def _text(name: str) -> Reader:
    form = _FORMS.get(name)
    return _checked(lambda value: isinstance(value, str) and (form is None or form.fullmatch(value) is not None))


def _number(name: str) -> Reader:
    bits = _BITS.get(name)
    within = range(-(2**63), 2**63) if bits is None else range(2**bits)
    return _checked(lambda value: type(value) is int and value in within)


def _boolean(name: str) -> Reader:
    def read(stored: Any) -> bool:
        if stored not in (0, 1):
            raise _wrong(stored)
        return bool(stored)

    return read


_PLAIN: dict[Any, Callable[[str], Reader]] = {
    str: _text,
    int: _number,
    bool: _boolean,
    float: lambda _: _checked(lambda value: isinstance(value, float) and math.isfinite(value)),
    datetime: lambda _: time_read,
    Eui64: lambda _: eui64_read,
}


def _checked(good: Callable[[Any], bool]) -> Reader:
    def read(stored: Any) -> Any:
        if not good(stored):
            raise _wrong(stored)
        return stored

    return read


def _optional(read: Reader) -> Reader:
    return lambda stored: None if stored is None else read(stored)


def _many(read: Reader) -> Reader:
    return lambda stored: tuple(read(each) for each in _list(stored))


def _several(readers: list[Reader]) -> Reader:
    return lambda stored: tuple(read(each) for read, each in zip(readers, _list(stored), strict=True))


def _record(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _value(field.name, hints[field.name]) for field in fields(kind)}

    def read(stored: Any) -> Any:
        if not isinstance(stored, dict) or stored.keys() != readers.keys():
            raise _wrong(stored)
        return kind(**{name: readers[name](value) for name, value in stored.items()})

    return read


def _list(stored: Any) -> list[Any]:
    if not isinstance(stored, list):
        raise _wrong(stored)
    return stored


def _wrong(stored: Any) -> ValueError:
    shown = repr(stored)
    return ValueError(f"{shown[:60]} cannot be there")
