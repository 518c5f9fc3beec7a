"""The tables of changes of tenancy and supplier."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from hanctl.base.eui64 import Eui64
from hanctl.ledger.rows import Execute, Rows
from hanctl.model.change_records import Change, ChangePart, Evidence


class Changes:
    """Changes by number, their parts, and their evidence, which is only ever added to."""

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._execute = execute
        self._transaction = transaction
        self._rows = Rows(execute, "changes", Change, "id")
        self._parts = Rows(execute, "change_parts", ChangePart, "id")
        self._evidence = Rows(execute, "change_evidence", Evidence, "id")

    def get(self, number: int) -> Change | None:
        return self._rows.get(number)

    def all(self, state: str | None = None) -> list[Change]:
        """Return changes in the order they were made, optionally of one state."""
        if state is None:
            return self._rows.select("ORDER BY id")
        return self._rows.select("WHERE state = ? ORDER BY id", (state,))

    def parts(self, number: int) -> list[ChangePart]:
        """Return the parts of a change, electricity first."""
        return self._parts.select("WHERE change = ? ORDER BY fuel", (number,))

    def create(self, parts: Iterable[dict[str, Any]], **fields: Any) -> Change:
        """Store a new change: the fields of Change and of each ChangePart but their ids."""
        with self._transaction():
            number = self._rows.insert(fields)
            for part in parts:
                self._parts.insert({"change": number, **part})
            made = self.get(number)
        assert made is not None
        return made

    def put(self, change: Change) -> None:
        with self._transaction():
            self._rows.upsert(change)

    def put_part(self, part: ChangePart) -> None:
        with self._transaction():
            self._parts.upsert(part)

    def last_issuer_event_id(self) -> int:
        """Return the highest issuer event id that was published; 0 if none was."""
        found = self._execute("SELECT coalesce(max(issuer_event_id), 0) FROM change_parts").fetchone()
        return int(found[0])

    def add_evidence(self, **fields: Any) -> Evidence:
        """Store one Evidence: its fields but ``id``."""
        with self._transaction():
            made = self._evidence.get(self._evidence.insert(fields))
        assert made is not None
        return made

    def evidence(self, number: int, device: Eui64 | None = None) -> list[Evidence]:
        """Return the evidence of a change, oldest first, optionally of one device."""
        if device is None:
            return self._evidence.select("WHERE change = ? ORDER BY id", (number,))
        return self._evidence.select("WHERE change = ? AND device = ? ORDER BY id", (number, device))
