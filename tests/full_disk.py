"""A ledger without room, as on a full disk."""

from __future__ import annotations

from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import HubStarted


def fill(ledger: Ledger) -> None:
    """Leave the ledger no room for anything: no page more, and none free in those that there are."""
    (pages,) = ledger._execute("PRAGMA page_count").fetchone()
    ledger._execute(f"PRAGMA max_page_count = {pages}")
    size = 4000
    while size:
        try:
            ledger.record(HubStarted(version="x" * size))
        except LedgerFull:
            # It is not full yet: what is smaller still fits, and would be told as the end of a stall.
            ledger._full_since = None
            size //= 2


def make_room(ledger: Ledger) -> None:
    """Give back what ``fill`` took."""
    ledger._execute("PRAGMA max_page_count = 1000000")
