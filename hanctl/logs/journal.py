"""Write the log to systemd's journal, each event with its fields: ``journalctl HANCTL_EVENT=update.failed``."""

from __future__ import annotations

import json
import logging
import os
import re
from typing import Any, TextIO

from logging_journald import JournaldTransport

SOCKET = "/run/systemd/journal/socket"
IDENTIFIER = "hanctl"
EVENTS = "hanctl"
"""The logger of the ledger's events."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9_]")


def leads_to_journal(stream: TextIO) -> bool:
    """Tell whether this stream leads to the journal: JOURNAL_STREAM has its device and inode (systemd.exec)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class JournalHandler(logging.Handler):
    """Send each line, formatted as a JSON object, to the journal, or to ``fallback`` if that fails.

    MESSAGE is for people. Of an event, HANCTL_EVENT is the type, and HANCTL_TIME when it was recorded; each further
    field of a line is HANCTL_ and its name.
    """

    def __init__(self, fallback: logging.Handler) -> None:
        super().__init__()
        self._fallback = fallback
        # Not connected: a restarted journal has another socket at that path.
        self._transport = JournaldTransport(SOCKET, connected=False)

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        try:
            self._transport.send(_entry(record, json.loads(line)))
        except (OSError, UnicodeError):
            self._fallback.emit(record)


def _entry(record: logging.LogRecord, line: dict[str, Any]) -> list[tuple[str, str]]:
    what, time = str(line.pop("event")), line.pop("time")
    del line["level"]
    exception = line.pop("exception", None)
    fields = {name: _text(value) for name, value in line.items() if value is not None}
    details = "".join(f" {name}={value}" for name, value in fields.items() if name != "id")
    entry = [
        ("MESSAGE", f"{what}{details}" + (f"\n{exception}" if exception else "")),
        ("PRIORITY", str(next((number for at_least, number in _PRIORITIES if record.levelno >= at_least), 7))),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("LOGGER", record.name),
        ("HANCTL_TIME", time),
    ]
    entry += [(f"HANCTL_{_NOT_IN_A_NAME.sub('_', name.upper())}", value) for name, value in fields.items()]
    return [*entry, ("HANCTL_EVENT", what)] if record.name == EVENTS else entry


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
