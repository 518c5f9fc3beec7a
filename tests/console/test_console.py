"""A console is read for as long as the hub runs, whatever becomes of its port. In virtual time."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hanctl.base import virtual
from hanctl.base.clock import LoopClock
from hanctl.console import console as module
from hanctl.console.console import DeviceConsole
from hanctl.console.lines import Redactor
from hanctl.console.log_file import LogFile
from hanctl.ledger.ledger import Ledger

KEY = "5a6967426565416c6c69616e63653039"


class Wire:
    """A port that can be plugged in, spoken into and pulled out."""

    def __init__(self) -> None:
        self.there = True
        self.opened: list[float] = []
        self.reader = asyncio.StreamReader()
        self.closed = 0

    async def open(self) -> Wire:
        self.opened.append(asyncio.get_running_loop().time())
        if not self.there:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self.reader = asyncio.StreamReader()
        return self

    async def read(self, most: int) -> bytes:
        return await self.reader.read(most)

    def close(self) -> None:
        self.closed += 1

    def say(self, text: str) -> None:
        self.reader.feed_data(text.encode())

    def pull(self) -> None:
        self.there = False
        self.reader.set_exception(OSError(errno.EIO, "Input/output error"))


class Rig:
    def __init__(self, directory: Path) -> None:
        self.clock = LoopClock(asyncio.get_running_loop(), datetime(2026, 3, 1, tzinfo=UTC))
        self.ledger = Ledger.open(directory / "ledger.sqlite", self.clock)
        self.file = directory / "console" / "display.log"
        self.wire = Wire()
        self.console = DeviceConsole(
            "display", "/dev/x", self.ledger, self.clock, self.wire.open, Redactor(), LogFile(self.file, 100_000, 2)
        )

    def texts(self, after: int = 0) -> list[str]:
        return [line.text for line in self.console.lines(after)]

    def events(self) -> list[str]:
        return [recorded.event.type for recorded in self.ledger.events()]


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Rig]:
    rig = Rig(directory)
    reading = asyncio.create_task(rig.console.run())
    await asyncio.sleep(0.1)
    yield rig
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    rig.ledger.close()


def play(directory: Path, scenario: Callable[[Rig], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with running(directory) as rig:
            await scenario(rig)

    virtual.run(whole())


def test_lines_have_numbers_and_times_and_are_in_the_file(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.wire.say("boot\r\n")
        await asyncio.sleep(10)
        rig.wire.say("ready\r\nhalf a li")
        await asyncio.sleep(10)
        assert [(line.number, line.text) for line in rig.console.lines()] == [(1, "boot"), (2, "ready")]
        first, second = rig.console.lines()
        assert 9 < (second.time - first.time).total_seconds() < 11
        rig.wire.say("ne\n")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert rig.texts(after=2) == ["half a line"]
        written = rig.file.read_text().splitlines()
        assert [line.split(" ", 1)[1] for line in written] == ["boot", "ready", "half a line"]
        assert written[0].startswith("2026-03-01T00:00:00.")

    play(tmp_path, scenario)


def test_what_must_not_be_kept_reaches_neither_memory_nor_file_nor_ledger(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        # A pause in its middle changes nothing, nor does a port that goes away.
        rig.wire.say(f"link key {KEY[:10]}")
        await asyncio.sleep(30)
        rig.wire.say(f"{KEY[10:]}\nlink key {KEY[:12]}")
        await asyncio.sleep(30)
        rig.wire.pull()
        await asyncio.sleep(30)
        assert rig.texts() == ["link key [redacted]", "link key […]"]

    play(tmp_path, scenario)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY[:8].encode() not in path.read_bytes()


def test_a_prompt_is_there_though_its_line_has_no_end(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.wire.say("display> ")
        await asyncio.sleep(2)
        assert rig.texts() == ["display>"]

    play(tmp_path, scenario)


def test_a_port_that_is_pulled_out_is_opened_again_and_told_of_once(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.wire.say("before\n")
        await asyncio.sleep(1)
        rig.wire.pull()
        await asyncio.sleep(120)
        assert not rig.console.open
        assert rig.events() == ["console.opened", "console.lost", "console.lost"]
        gaps = [later - earlier for earlier, later in zip(rig.wire.opened, rig.wire.opened[1:], strict=False)]
        assert gaps[1:5] == pytest.approx([1.0, 2.0, 5.0, 10.0])
        assert gaps[5:] == pytest.approx([10.0] * len(gaps[5:]))
        rig.wire.there = True
        await asyncio.sleep(11)
        rig.wire.say("after\n")
        await asyncio.sleep(1)
        assert rig.console.open
        assert rig.texts() == ["before", "after"]
        assert rig.events()[-1] == "console.opened"
        assert rig.wire.closed == 1

    play(tmp_path, scenario)


def test_who_waits_for_a_line_gets_it_and_not_one_from_before(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.wire.say("state 1\n")
        await asyncio.sleep(1)
        waiting = asyncio.create_task(rig.console.wait_for(r"state (\d)", 60))
        await asyncio.sleep(30)
        assert not waiting.done()
        rig.wire.say("other\nstate 2\nstate 3\n")
        assert (await waiting).text == "state 2"
        assert (await rig.console.wait_for("state", 60, after=0)).text == "state 1"
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            await rig.console.wait_for("never", 60)
        assert asyncio.get_running_loop().time() - began == pytest.approx(60)

    play(tmp_path, scenario)


def test_only_so_many_lines_are_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_LINES", 10)

    async def scenario(rig: Rig) -> None:
        rig.wire.say("".join(f"{number}\n" for number in range(1, 31)))
        await asyncio.sleep(1)
        assert rig.texts() == [str(number) for number in range(21, 31)]
        assert rig.texts(after=28) == ["29", "30"]
        assert rig.texts(after=30) == rig.texts(after=99) == []

    play(tmp_path, scenario)


def test_a_file_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    async def scenario(rig: Rig) -> None:
        rig.file.parent.write_text("in the way")
        rig.wire.say("one\n")
        await asyncio.sleep(1)
        rig.file.parent.unlink()
        rig.wire.say("two\n")
        await asyncio.sleep(1)
        assert rig.texts() == ["one", "two"]
        assert rig.file.read_text().endswith(" two\n")

    play(tmp_path, scenario)
