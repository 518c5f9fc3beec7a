"""Logging: every event of the ledger is one line, pretty for a person at a terminal, JSON for a machine."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor

from hanctl.base.library_logs import LIBRARIES
from hanctl.ledger.ledger import Recorded
from hanctl.logs.crowd import Crowd
from hanctl.logs.journal import EVENTS, JournalHandler, leads_to_journal

_QUIET = ("uvicorn", "uvicorn.error", "httpx", "httpcore", "asyncio", *LIBRARIES)

_LONG_BYTES = re.compile(
    r"""\bb(?:'(?:[^'\\]|\\.){16,}'|"(?:[^"\\]|\\.){16,}")"""  # bytes as Python shows them
    r"|(?:[0-9A-Fa-f]{2}[:, -]? ?){15,}[0-9A-Fa-f]{2}"  # pairs of hex digits
    r"|(?:(?:0x)?[0-9A-Fa-f]{1,3}, ?){15,}(?:0x)?[0-9A-Fa-f]{1,3}"  # a list of numbers
)
"""Sixteen bytes or more, however they are written."""


def set_up_logging(mode: Literal["auto", "pretty", "json"], stream: TextIO = sys.stderr) -> None:
    """Send all logging of the process to ``stream``.

    "auto": pretty on a terminal, entries of the journal where ``stream`` leads there, and JSON otherwise.
    """
    pretty = mode == "pretty" or (mode == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        _add_time,
        structlog.processors.StackInfoRenderer(),
    ]
    final: list[Processor]
    if pretty:
        # Plain tracebacks: the rich ones show local variables, and those may be keys.
        final = [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(),
                timestamp_key="time",
                pad_event_to=22,
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
    else:
        final = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        foreign_pre_chain=[*shared, structlog.processors.format_exc_info, _leave_out_bytes],
    )
    handler: logging.Handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    if mode == "auto" and not pretty and leads_to_journal(stream):
        handler = JournalHandler(fallback=handler)
        handler.setFormatter(formatter)
    handler.addFilter(Crowd())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def log_event(recorded: Recorded) -> None:
    """Log one event of the ledger, at its level and with the time it was recorded."""
    fields = recorded.as_dict()
    level = logging.getLevelNamesMapping()[fields.pop("level").upper()]
    structlog.get_logger(EVENTS).log(level, fields.pop("type"), **fields)


def _leave_out_bytes(logger: Any, method: str, line: EventDict) -> EventDict:
    """Remove bytes: radio libraries log frames that they cannot parse, which may hold a key."""
    return {key: _LONG_BYTES.sub("(bytes)", value) if isinstance(value, str) else value for key, value in line.items()}


def _add_time(logger: Any, method: str, line: EventDict) -> EventDict:
    # A ledger event brings its own time.
    return (
        line
        if "time" in line
        else structlog.processors.TimeStamper(fmt="iso", utc=True, key="time")(logger, method, line)
    )
