"""Check network backup files, and summarise them without keys.

The files have the Open Coordinator Backup format, as zigpy's tools and zigbee2mqtt write and read it. They hold keys.
Source: zigpy's ``backups.py``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import zigpy.backups

from hanctl.base.errors import ExitCode, HanctlError
from hanctl.base.eui64 import Eui64, from_bytes


class BadBackup(HanctlError):
    """The file is not a complete backup of a network."""

    code = "backup-damaged"
    exit_code = ExitCode.STATE


@dataclass(frozen=True, slots=True)
class NetworkSummary:
    """Public summary of a backup. ``link_keys``: their number; ``made_at``: aware, if the file has it."""

    eui64: Eui64
    channel: int
    pan_id: int
    extended_pan_id: Eui64
    link_keys: int
    made_at: datetime | None


def read(path: Path) -> dict[str, Any]:
    """Read and check the content of a file. Raises BadBackup."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadBackup(f"{path} cannot be read: {error.strerror}", "check the name and who may read it") from error
    except ValueError as error:
        raise BadBackup(f"{path} is no backup of a network: it is not JSON", "take another file") from error
    try:
        summary(content)
    except BadBackup as error:
        raise BadBackup(f"{path}: {error}", error.hint) from error
    return dict(content)


def summary(content: Any) -> NetworkSummary:
    """Summarise a backup without its keys. Raises BadBackup if it is not complete."""
    backup = parse(content)
    network = backup.network_info
    return NetworkSummary(
        eui64=from_bytes(backup.node_info.ieee.serialize()),
        channel=int(network.channel),
        pan_id=int(network.pan_id),
        extended_pan_id=from_bytes(network.extended_pan_id.serialize()),
        link_keys=len(network.key_table),
        made_at=made_at(backup),
    )


def parse(content: Any) -> zigpy.backups.NetworkBackup:
    """Convert the content to the radio library's form. Raises BadBackup."""
    try:
        backup = zigpy.backups.NetworkBackup.from_open_coordinator_json(content)
    except Exception as error:
        raise BadBackup("it is no Open Coordinator Backup", "take a file that hanctl backup list shows") from error
    key = backup.network_info.network_key.key.serialize()
    if not backup.is_complete() or not any(key):
        raise BadBackup("the backup is not whole: the network's key or identity is missing", "take another file")
    return backup


def made_at(backup: zigpy.backups.NetworkBackup) -> datetime | None:
    """Return when the backup was made (aware), or None if it does not say."""
    # The library puts the epoch where a file does not say.
    return backup.backup_time if backup.backup_time.timestamp() else None
