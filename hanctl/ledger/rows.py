"""Convert records to rows and back: one table per frozen dataclass, one column per field.

What is read is checked against the field's type, so that no damage of the file gets further than this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from hanctl.ledger.stored import Reader, reader, time_read

T = TypeVar("T")
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)
"""What reading stored content raises where it is not what was written."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a statement gave: all its rows, decoded where a way was given, and what it did."""

    rows: list[Any]
    lastrowid: int | None
    rowcount: int

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def fetchall(self) -> list[Any]:
        return self.rows

    def fetchone(self) -> Any:
        """Return the first row; None if there is none."""
        return self.rows[0] if self.rows else None


Execute = Callable[..., Fetched]
"""A statement, its parameters, and how to decode each row."""


def time_text(moment: datetime) -> str:
    """Format UTC as ISO 8601 of fixed width, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    """Read a stored time. Raises ValueError, TypeError."""
    return time_read(text)


@cache
def _hints(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


@cache
def _readers(record: Any) -> tuple[Reader, ...]:
    """Return what reads each column of a record; a ledger makes its tables more than once."""
    return tuple(reader(field.name, _hints(record)[field.name]) for field in fields(record))


class Rows(Generic[T]):
    """The rows of one table as records of one dataclass. Times are stored as text, tuples as JSON."""

    def __init__(self, execute: Execute, table: str, record: type[T], key: str) -> None:
        self._execute = execute
        self._table = table
        self._record = record
        self._key = key
        kind: Any = record
        hints = _hints(kind)
        self._columns = [field.name for field in fields(kind)]
        self._times = {name for name, hint in hints.items() if hint is datetime or datetime in get_args(hint)}
        self._tuples = {name for name, hint in hints.items() if get_origin(hint) is tuple}
        self._readers = _readers(kind)

    def select(self, where: str = "", parameters: tuple[Any, ...] = ()) -> list[T]:
        columns = ", ".join(self._columns)
        return self._execute(
            f"SELECT {columns} FROM {self._table} {where}",  # noqa: S608
            parameters,
            self._decode,
        ).fetchall()

    def one(self, where: str, parameters: tuple[Any, ...]) -> T | None:
        found = self.select(where + " LIMIT 1", parameters)
        return found[0] if found else None

    def get(self, key: Any) -> T | None:
        return self.one(f"WHERE {self._key} = ?", (key,))

    def upsert(self, record: T) -> None:
        changes = ", ".join(f"{name} = excluded.{name}" for name in self._columns if name != self._key)
        places = ", ".join("?" * len(self._columns))
        self._execute(
            f"INSERT INTO {self._table} ({', '.join(self._columns)}) VALUES ({places}) "  # noqa: S608
            f"ON CONFLICT ({self._key}) DO UPDATE SET {changes}",
            tuple(self._encode(name, getattr(record, name)) for name in self._columns),
        )

    def insert(self, values: Mapping[str, Any]) -> int:
        """Insert the given columns, with defaults for the others. Returns the new row's id."""
        places = ", ".join("?" * len(values))
        cursor = self._execute(
            f"INSERT INTO {self._table} ({', '.join(values)}) VALUES ({places})",  # noqa: S608
            tuple(self._encode(name, value) for name, value in values.items()),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def delete(self, key: Any) -> None:
        self._execute(f"DELETE FROM {self._table} WHERE {self._key} = ?", (key,))  # noqa: S608

    def _encode(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in self._times:
            return time_text(value)
        if name in self._tuples:
            return json.dumps(value, separators=(",", ":"), default=_plain)
        return value

    def _decode(self, row: tuple[Any, ...]) -> T:
        values = {}
        for name, read, stored in zip(self._columns, self._readers, row, strict=True):
            try:
                values[name] = read(stored)
            except UNREADABLE as error:
                raise ValueError(f"{name} in the table {self._table}: {error}") from error
        return self._record(**values)


def _plain(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}
