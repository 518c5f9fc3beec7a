"""The updates table."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from hanctl.errors import Refused
from hanctl.eui64 import Eui64
from hanctl.ledger.records import OPEN_STATES, Update
from hanctl.ledger.rows import Execute, Rows

_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN_STATES))


class Updates:
    """Updates by number. One device has at most one open update; the schema enforces it."""

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._rows = Rows(execute, "updates", Update, "id")

    def get(self, id: int) -> Update | None:  # noqa: A002
        return self._rows.get(id)

    def all(self, device: Eui64 | None = None, open_only: bool = False) -> list[Update]:
        """Updates in the order they were made, of one device and open ones only where asked."""
        conditions = ["1"]
        parameters: tuple[Any, ...] = ()
        if device is not None:
            conditions.append("device = ?")
            parameters += (device,)
        if open_only:
            conditions.append(f"state IN ({_OPEN})")
        return self._rows.select(f"WHERE {' AND '.join(conditions)} ORDER BY id", parameters)

    def open_for(self, eui64: Eui64) -> Update | None:
        """The device's open update, or None."""
        found = self.all(device=eui64, open_only=True)
        return found[0] if found else None

    def create(self, **fields: Any) -> Update:
        """Store a new update: the fields of Update but ``id``.

        Raises Refused where the device has an open update already.
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

    def put(self, update: Update) -> None:
        with self._transaction():
            self._rows.upsert(update)
