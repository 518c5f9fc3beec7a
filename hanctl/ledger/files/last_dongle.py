"""Find the last dongle and network of a hub."""

from __future__ import annotations

from pathlib import Path

from hanctl.base.eui64 import Eui64
from hanctl.ledger.files.identity import identity_of
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import NetworkFormed, NetworkResumed


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
    hub = identity_of(path)
    return None if hub is None else hub.dongle
