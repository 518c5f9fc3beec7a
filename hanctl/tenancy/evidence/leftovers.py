"""Find files that may hold data a change should remove and that the hub does not delete; a person has to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hanctl.ledger.files.restoring import ASIDE

CAPTURES = frozenset({".pcap", ".pcapng", ".cap", ".zlf", ".psd", ".isd"})
LOGS = frozenset({".log", ".txt", ".jsonl", ".ndjson", ".out", ".err"})
DATA = frozenset({".csv"})
"""Consumption by interval is loaded from such files."""
MOST_FILES = 10_000
"""A directory with more is not searched to its end, and that is said."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """One file or place. ``changed_at`` None: it is not a file that could be read."""

    kind: str
    path: str
    size: int | None = None
    changed_at: datetime | None = None


def find_leftovers(
    places: Iterable[Path], since: datetime, environment: Mapping[str, str] = os.environ
) -> list[Leftover]:
    """Find captures, logs, tables and set-aside ledgers below these places that were written to since then, and logs
    that are no files."""
    found = []
    if "JOURNAL_STREAM" in environment or "INVOCATION_ID" in environment:
        found.append(Leftover("console log", "the system's journal: journalctl _SYSTEMD_UNIT=hanctl.service"))
    for place in places:
        found += _below(place, since)
    return sorted(found, key=lambda leftover: (leftover.kind, leftover.path))


def _below(place: Path, since: datetime) -> list[Leftover]:
    found: list[Leftover] = []
    paths = [place] if place.is_file() else place.rglob("*")
    for count, path in enumerate(paths):
        if count >= MOST_FILES:
            found.append(Leftover("not searched", f"{place} has more than {MOST_FILES} files"))
            break
        kind = _kind(path)
        if kind is None:
            continue
        try:
            status = path.stat()
        except OSError:
            continue
        changed = datetime.fromtimestamp(status.st_mtime, UTC)
        if changed >= since:
            found.append(Leftover(kind, str(path), status.st_size, changed))
    return found


def _kind(path: Path) -> str | None:
    if path.name.startswith(ASIDE):
        return "ledger put aside"
    # A rotated log has its number or compression behind: hub.log.1, hub.log.2.gz.
    endings = {suffix.lower() for suffix in path.suffixes}
    if endings & CAPTURES:
        return "packet capture"
    if endings & LOGS:
        return "console log"
    return "table of data" if endings & DATA else None
