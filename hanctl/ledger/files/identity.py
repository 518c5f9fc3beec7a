"""Tell whose a ledger is: two hubs have two networks, and most often two dongles."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.ledger.rows import UNREADABLE
from hanctl.model.events import DongleOpened, NetworkFormed, NetworkResumed


@dataclass(frozen=True, slots=True)
class HubIdentity:
    """Network and dongle that a hub opened last; None: not on record. ``has_devices``: some belong to the network."""

    network: Eui64 | None = None
    dongle: Eui64 | None = None
    has_devices: bool = False

    def is_not(self, other: HubIdentity) -> bool:
        """Tell whether they are two hubs for certain. A dongle that was replaced makes none of one."""
        if self.network is not None and other.network is not None:
            return self.network != other.network
        return None not in (self.dongle, other.dongle) and self.dongle != other.dongle

    def __str__(self) -> str:
        if self.network is None:
            return "no network" if self.dongle is None else f"no network, dongle {self.dongle}"
        return f"network {self.network}, dongle {self.dongle or '-'}"


def identity_in(connection: sqlite3.Connection) -> HubIdentity:
    """Return the identity on record in a ledger of any version. Raises sqlite3.Error."""
    return HubIdentity(
        network=_last(connection, "extended_pan_id", NetworkFormed.type, NetworkResumed.type),
        dongle=_last(connection, "dongle_eui64", DongleOpened.type),
        has_devices=_has_devices(connection),
    )


def _has_devices(connection: sqlite3.Connection) -> bool:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'devices'").fetchone() is None:
        return False
    found = connection.execute("SELECT 1 FROM devices WHERE state IN ('joined', 'interviewed', 'left')").fetchone()
    return found is not None


def identity_of(ledger: Path) -> HubIdentity | None:
    """Return the identity of a ledger that a hub may have open; None if there is none, or it cannot be read."""
    try:
        with closing(connect_to_read(ledger)) as connection:
            return identity_in(connection)
    except (OSError, sqlite3.Error, *UNREADABLE):
        return None


def connect_to_read(ledger: Path) -> sqlite3.Connection:
    """Open a ledger that a hub may have open, without a file of the reader's own beside it.

    Raises FileNotFoundError, PermissionError, sqlite3.Error.
    """
    ledger.stat()
    # Without a log beside it nobody has it open; and SQLite would make one to read it.
    log = ledger.with_name(ledger.name + "-wal")
    mode = "mode=ro" if log.exists() else "immutable=1"
    return sqlite3.connect(f"{ledger.absolute().as_uri()}?{mode}", uri=True)


def _last(connection: sqlite3.Connection, field: str, *types: str) -> Eui64 | None:
    places = ", ".join("?" * len(types))
    row = connection.execute(
        f"SELECT body FROM events WHERE type IN ({places}) ORDER BY id DESC LIMIT 1",  # noqa: S608
        types,
    ).fetchone()
    try:
        return None if row is None else parse_eui64(json.loads(row[0])[field])
    except (*UNREADABLE, InvalidInput):
        return None
