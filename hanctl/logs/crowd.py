"""Leave out log lines that somebody else causes by the hundred: the first in full, then their number."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from hanctl.logs.journal import EVENTS

IN_FULL = 20
PERIOD_S = 60.0
MOST_KINDS = 512


@dataclass(slots=True)
class _Kind:
    since: float
    lines: int = 0
    left_out: int = 0


class Crowd(logging.Filter):
    """Pass ``IN_FULL`` lines of a kind in a minute. A kind is a logger and a text, whatever its values.

    The first line of a kind after some were left out tells how many. Events of the ledger pass: it limits them itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line is to be written."""
        if record.name == EVENTS:
            return True
        text = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
        key = (record.name, str(text))
        kind = self._kinds.get(key)
        if kind is None or record.created - kind.since >= PERIOD_S:
            left_out = kind.left_out if kind is not None else 0
            self._kinds.pop(key, None)
            self._kinds[key] = _Kind(record.created, 1)
            if len(self._kinds) > MOST_KINDS:
                del self._kinds[next(iter(self._kinds))]
            if left_out:
                _say(record, left_out)
            return True
        kind.lines += 1
        if kind.lines <= IN_FULL:
            return True
        kind.left_out += 1
        return False


def _say(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "left_out": left_out}
    else:
        record.msg, record.args = f"{record.getMessage()} ({left_out} such lines before it were left out)", None
