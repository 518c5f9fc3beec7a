"""Outbox of notices for the webhook. A notice is stored in one transaction with its event."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hanctl.ledger.rows import Execute, Rows


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice: its event, the id by which the receiver recognises a repeat, and its attempts so far."""

    event: int
    message_id: str
    body: str
    created_at: datetime
    attempts: int = 0
    delivered_at: datetime | None = None


class Outbox:
    """Notices by the id of their event."""

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._rows = Rows(execute, "outbox", Notice, "event")
        self.types: frozenset[str] = frozenset()
        """The event types that become notices as they are recorded; empty where no webhook is configured."""

    def get(self, event: int) -> Notice | None:
        """Return the notice of this event; None if there is none."""
        return self._rows.get(event)

    def pending(self) -> list[Notice]:
        """Return the notices that no receiver has accepted, oldest first."""
        return self._rows.select("WHERE delivered_at IS NULL ORDER BY event")

    def add(self, **fields: Any) -> None:
        with self._transaction():
            self._rows.insert(fields)

    def put(self, notice: Notice) -> None:
        with self._transaction():
            self._rows.upsert(notice)
