"""Which dongle a hub had last, read from the ledger of a hub that may be running or not."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from hanctl.errors import InvalidInput
from hanctl.eui64 import Eui64, parse_eui64
from hanctl.ledger.events import DongleOpened


def last_dongle(path: Path) -> Eui64 | None:
    """The address of the dongle that was opened last; None where no ledger tells. Nothing is written."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(
                "SELECT body FROM events WHERE type = ? ORDER BY id DESC LIMIT 1", (DongleOpened.type,)
            ).fetchone()
        return None if row is None else parse_eui64(json.loads(row[0])["dongle_eui64"])
    except (sqlite3.Error, ValueError, KeyError, InvalidInput):
        return None
