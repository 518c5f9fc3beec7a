"""Find the last dongle and network of a hub."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.rows import UNREADABLE
from hanctl.model.events import DongleOpened, NetworkFormed, NetworkResumed


def known_network(ledger: Ledger) -> Eui64 | None:
    """Return the extended PAN id of the network of the hub's devices; None if it has none."""
    if not any(device.present for device in ledger.devices.all()):
        return None
    last = ledger.last_event(NetworkFormed.type, NetworkResumed.type)
    return None if last is None else Eui64(last.as_dict()["extended_pan_id"])


def last_dongle(path: Path) -> Eui64 | None:
    """Return the EUI64 of the dongle that was opened last; None if no ledger has it.

    Read from the ledger of a hub that may be running or not; nothing is written.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(
                "SELECT body FROM events WHERE type = ? ORDER BY id DESC LIMIT 1", (DongleOpened.type,)
            ).fetchone()
        return None if row is None else parse_eui64(json.loads(row[0])["dongle_eui64"])
    except (sqlite3.Error, *UNREADABLE, InvalidInput):
        return None
