"""The updates table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from hanctl.base.errors import Refused
from hanctl.base.eui64 import Eui64
from hanctl.ledger.rows import Execute, Rows
from hanctl.model.event import Event, UpdateTransition
from hanctl.model.records import Update
from hanctl.model.update_states import OPEN_STATES, check_way

_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN_STATES))


class Updates:
    """Updates by number. One device has at most one open update; the schema enforces it."""

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._execute = execute
        self._transaction = transaction
        self._rows = Rows(execute, "updates", Update, "id")

    def get(self, id: int) -> Update | None:  # noqa: A002
        return self._rows.get(id)

    def all(self, device: Eui64 | None = None, open_only: bool = False) -> list[Update]:
        """Return updates in the order they were made, optionally of one device or only open ones."""
        conditions = ["1"]
        parameters: tuple[Any, ...] = ()
        if device is not None:
            conditions.append("device = ?")
            parameters += (device,)
        if open_only:
            conditions.append(f"state IN ({_OPEN})")
        return self._rows.select(f"WHERE {' AND '.join(conditions)} ORDER BY id", parameters)

    def counts(self) -> dict[str, int]:
        """Return the number of updates in each state."""
        return dict(self._execute("SELECT state, count(*) FROM updates GROUP BY state").fetchall())

    def open_for(self, eui64: Eui64) -> Update | None:
        """Return the device's open update, or None."""
        found = self.all(device=eui64, open_only=True)
        return found[0] if found else None

    def create(self, **fields: Any) -> Update:
        """Store a new update: the fields of Update but ``id``.

        Raises Refused if the device has an open update already.
        """
        with self._transaction():
            try:
                number = self._rows.insert({"state": "ordered", "offset": 0, **fields})
            except sqlite3.IntegrityError as error:
                rival = self.open_for(fields["device"])
                if rival is None:
                    raise
                raise Refused(
                    f"device {rival.device} already has update {rival.id} in state {rival.state}",
                    f"wait for it, or cancel it: hanctl update cancel {rival.id}",
                ) from error
            made = self.get(number)
        assert made is not None
        return made

    def put(self, update: Update, *happened: Event) -> None:
        """Store the new update, and check that the events ``happened`` lead to its state.

        Raises IllegalTransition if the table has no steps to it from the last state, each with an event.
        """
        with self._transaction():
            before = self.get(update.id)
            if before is not None:
                check_way(before.state, [e.was for e in happened if isinstance(e, UpdateTransition)], update.state)
            self._rows.upsert(update)

    def next_id(self) -> int:
        """Return the number of the next update; inside a transaction nobody else makes one."""
        # SQLite's own counter: a number is never given twice.
        row = self._execute("SELECT seq FROM sqlite_sequence WHERE name = 'updates'").fetchone()
        return 1 if row is None else int(row[0]) + 1

    def following(self, update: Update) -> Update | None:
        """Return the next update of the chain, once it is made."""
        return self._rows.one("WHERE follows = ?", (update.id,))

    def chain(self, update: Update) -> list[Update]:
        """Return the updates of the chain of steps that this update belongs to, in order."""
        found = [update]
        while (before := found[0].follows) is not None and (first := self.get(before)) is not None:
            found.insert(0, first)
        while (following := self.following(found[-1])) is not None:
            found.append(following)
        return found

    def with_message(self) -> list[Update]:
        """Return updates, open or over, whose message is still on a display."""
        return self._rows.select("WHERE message IS NOT NULL ORDER BY id")
