"""Read a display's console as long as the hub runs, and pass its lines to all who wait for them."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from hanctl.base.clock import Clock
from hanctl.console.lines import LineSplitter, Redactor
from hanctl.console.log_file import LogFile
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import ConsoleLost, ConsoleOpened

log = structlog.get_logger()

KEPT_LINES = 10_000
"""Lines that are kept in memory for whoever asks; the file has more."""
DELAYS_S = (0.5, 1.0, 2.0, 5.0, 10.0)
PROMPT_S = 1.0
"""A line that has not ended waits for an answer after so long without another byte."""
CHUNK = 4096


class PortReader(Protocol):
    """An open port. ``read`` returns nothing once it is closed."""

    async def read(self, most: int, /) -> bytes: ...

    def close(self) -> None: ...


OpenPort = Callable[[], Awaitable[PortReader]]
"""Raises OSError."""


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """One redacted line. Numbers begin with 1 when the hub starts."""

    number: int
    time: datetime
    text: str


class DeviceConsole:
    """One console. ``run`` reads it until cancelled; a port that goes away is opened again."""

    def __init__(
        self,
        name: str,
        port: str,
        ledger: Ledger,
        clock: Clock,
        open_port: OpenPort,
        redactor: Redactor,
        file: LogFile,
    ) -> None:
        self.name = name
        self.port = port
        self.open = False
        self.last = 0
        """The number of the newest line."""
        self._ledger = ledger
        self._clock = clock
        self._open_port = open_port
        self._redactor = redactor
        self._file = file
        self._lines: deque[ConsoleLine] = deque(maxlen=KEPT_LINES)
        self._news: set[asyncio.Event] = set()
        self._file_failed = False
        self._told_lost = ""

    def lines(self, after: int = 0) -> list[ConsoleLine]:
        """Return the lines with a number above ``after``, oldest first, as far as they are kept."""
        first = self._lines[0].number if self._lines else 1
        skip = max(0, after + 1 - first)
        return [line for index, line in enumerate(self._lines) if index >= skip]

    async def wait_for_news(self, after: int) -> None:
        """Wait until there is a line with a number above ``after``."""
        news = asyncio.Event()
        self._news.add(news)
        try:
            while self.last <= after:
                news.clear()
                await news.wait()
        finally:
            self._news.discard(news)

    async def wait_for(
        self, pattern: str | re.Pattern[str], deadline_s: float, after: int | None = None
    ) -> ConsoleLine:
        """Return the first line that matches, of those above ``after`` or from now on. Raises TimeoutError."""
        place = self.last if after is None else after
        async with asyncio.timeout(deadline_s):
            while True:
                for line in self.lines(place):
                    if re.search(pattern, line.text):
                        return line
                    place = line.number
                await self.wait_for_news(place)

    async def run(self) -> None:
        """Read the port until cancelled."""
        attempt = 0
        try:
            while True:
                if await self._read_it():
                    attempt = 0
                await asyncio.sleep(DELAYS_S[min(attempt, len(DELAYS_S) - 1)])
                attempt += 1
        finally:
            self._file.close()

    async def _read_it(self) -> bool:
        """Open the port and read it until it disappears. Returns whether it could be opened."""
        try:
            reader = await self._open_port()
        except OSError as error:
            self._lost(f"it cannot be opened: {error.strerror or error}")
            return False
        self.open = True
        self._told_lost = ""
        with suppress(LedgerFull):
            self._ledger.record(ConsoleOpened(console=self.name, port=self.port))
        splitter = LineSplitter()
        try:
            await self._read_lines(reader, splitter)
            reason = "the port was closed"
        except OSError as error:
            reason = error.strerror or str(error)
        finally:
            self.open = False
            reader.close()
            self._keep(splitter.rest())
        self._lost(reason)
        return True

    async def _read_lines(self, reader: PortReader, splitter: LineSplitter) -> None:
        while True:
            try:
                async with asyncio.timeout(PROMPT_S):
                    data = await reader.read(CHUNK)
            except TimeoutError:
                self._keep(splitter.prompt())
                data = await reader.read(CHUNK)
            if not data:
                return
            for line in splitter.feed(data):
                self._keep(line)

    def _keep(self, raw: tuple[bytes, bool] | None) -> None:
        if raw is None:
            return
        self.last += 1
        line = ConsoleLine(self.last, self._clock.now(), self._redactor.line(*raw))
        self._lines.append(line)
        self._write(line)
        for news in self._news:
            news.set()

    def _write(self, line: ConsoleLine) -> None:
        try:
            self._file.write(f"{line.time:%Y-%m-%dT%H:%M:%S.%f}Z {line.text}")
            self._file_failed = False
        except OSError as error:
            if not self._file_failed:
                log.warning("the console's lines are not written to their file", reason=error.strerror)
            self._file_failed = True

    def _lost(self, reason: str) -> None:
        """Record the loss of the port, once per reason until it is open again."""
        if reason != self._told_lost:
            self._told_lost = reason
            with suppress(LedgerFull):
                self._ledger.record(ConsoleLost(console=self.name, port=self.port, reason=reason))


def console_file(state_dir: Path, name: str) -> Path:
    """Return the path of a console's log file."""
    return state_dir / "console" / f"{name}.log"
