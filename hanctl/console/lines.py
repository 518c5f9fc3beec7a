"""Turn the bytes of a serial console into lines that may be kept. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST = 1000
"""Characters of a line that are kept."""
MOST_BYTES = 4 * LONGEST
"""A line is redacted whole up to so many bytes; what is behind is dropped up to its end."""

REDACTED = "[redacted]"
CUT = " […]"

_BYTE = "(?:0x)?[0-9A-Fa-f]{2}"
LONG_HEX = rf"[0-9A-Fa-f]{{18,}}|(?:(?<![0-9A-Za-z])|(?=0x)){_BYTE}(?:[ :,\-]{{0,2}}{_BYTE}){{8,}}"
"""More than eight bytes in hex, joined or apart: keys and install codes, but not an EUI64."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])")
"""Sequences of terminals: colours, cursor, title. Source: ECMA-48 §5.4, §5.6."""
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_PROMPT = re.compile(rb"[>#$%?\]] ?$|: $")
_HEX_GROUP = re.compile(r"(?:0x)?[0-9A-Fa-f]{2,8}[:,\-]?")


class LineSplitter:
    """Split incoming bytes into lines at CR, LF or both. Empty lines are dropped."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._line = bytearray()
        self._too_long = False

    def feed(self, data: bytes) -> list[tuple[bytes, bool]]:
        """Return the lines complete now, each with whether its end was dropped."""
        found = []
        *ended, rest = re.split(rb"[\r\n]", data)
        for part in ended:
            self._add(part)
            if self._line:
                found.append(self._take())
        self._add(rest)
        return found

    def prompt(self) -> tuple[bytes, bool] | None:
        """Return an unfinished line that is a prompt, once nothing more came for a while.

        A line that ends otherwise may be half of something secret, and stays.
        """
        return self._take() if _PROMPT.search(self._line) else None

    def rest(self) -> tuple[bytes, bool] | None:
        """Return the line that was cut off when the port disappeared, marked as incomplete."""
        return (self._take()[0], True) if self._line else None

    def _add(self, part: bytes) -> None:
        room = self._most - len(self._line)
        self._too_long = self._too_long or len(part) > room
        self._line += part[:room]

    def _take(self) -> tuple[bytes, bool]:
        line = bytes(self._line), self._too_long
        self._line.clear()
        self._too_long = False
        return line


class Redactor:
    """Remove what must not be kept: long hex strings, and text that matches the patterns."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = [re.compile(pattern) for pattern in (LONG_HEX, *patterns)]

    def line(self, raw: bytes, too_long: bool = False) -> str:
        """Return the line as text: readable, without control characters, redacted, and then cut.

        Of a line whose end was dropped, the last word goes too, and all of a hex dump: it may be half of something.
        """
        text = clean(raw)
        if too_long:
            text = _without_its_end(text)
        for pattern in self._patterns:
            text = pattern.sub(REDACTED, text)
        if too_long or len(text) > LONGEST:
            return text[:LONGEST] + CUT
        return text


def clean(raw: bytes) -> str:
    """Return the text of one line without colours and control characters; invalid UTF-8 as escapes."""
    text = _ESCAPES.sub("", raw.decode("utf-8", errors="backslashreplace"))
    return _CONTROLS.sub("", text.replace("\t", "    ")).rstrip()


def _without_its_end(text: str) -> str:
    words = text.split(" ")[:-1]
    while words and (not words[-1] or _HEX_GROUP.fullmatch(words[-1])):
        words.pop()
    return " ".join(words)
