"""A console on a pseudo-terminal, through the hub: recorded, asked for and waited for."""

from __future__ import annotations

import asyncio
import json
import os
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from commands import Command
from hub_fakes import configure, running

from hanctl.base.errors import ConfigError, ExitCode
from hanctl.config.reading import load_config
from hanctl.console.console import DeviceConsole
from hanctl.hub.daemon import Daemon
from hanctl.tenancy.evidence.leftovers import find_leftovers

KEY = "5a6967426565416c6c69616e63653039"


class Display:
    """The display's end of the wire."""

    def __init__(self) -> None:
        self.manager, port = os.openpty()
        tty.setraw(port)
        self.path = os.ttyname(port)
        os.close(port)

    def say(self, text: str) -> None:
        os.write(self.manager, text.encode())

    def unplug(self) -> None:
        if self.manager >= 0:
            os.close(self.manager)
            self.manager = -1


@pytest.fixture
def display() -> Iterator[Display]:
    display = Display()
    yield display
    display.unplug()


def section(port: str, more: str = "") -> str:
    return f'[console]\nport = "{port}"\nname = "ppmid"\n{more}'


@asynccontextmanager
async def hub(directory: Path, display: Display, more: str = "", *, serve: bool = False) -> AsyncIterator[Daemon]:
    async with running(configure(directory, section(display.path, more)), serve=serve) as daemon:
        async with asyncio.timeout(10):
            while not recorded(daemon).open:
                await asyncio.sleep(0.01)
        yield daemon


def recorded(daemon: Daemon) -> DeviceConsole:
    assert daemon.console is not None
    return daemon.console


async def test_what_the_display_says_is_recorded_and_redacted(tmp_path: Path, display: Display) -> None:
    async with hub(tmp_path, display, 'redact = ["PIN \\\\d+"]\n') as daemon:
        waiting = asyncio.create_task(recorded(daemon).wait_for("ready", 10))
        await asyncio.sleep(0)
        display.say(f"boot\r\nlink key {KEY}, PIN 1234\r\nready\r\n")
        assert (await waiting).number == 3
        assert [line.text for line in recorded(daemon).lines()] == ["boot", "link key [redacted], [redacted]", "ready"]
        types = [event.event.type for event in daemon.ledger.events()]
        assert types.count("console.opened") == 1
    file = tmp_path / "state" / "console" / "ppmid.log"
    assert file.stat().st_mode & 0o777 == 0o600
    for path in (tmp_path / "state").rglob("*"):
        assert path.is_dir() or KEY[:8].encode() not in path.read_bytes()
    # It may hold what was on the display: a change of tenancy reports it.
    yesterday = datetime.now(UTC) - timedelta(days=1)
    (leftover,) = [each for each in find_leftovers([tmp_path / "state"], yesterday, {}) if "ppmid" in each.path]
    assert (leftover.kind, leftover.path) == ("console log", str(file))


async def test_a_console_that_is_unplugged_does_not_end_the_hub(tmp_path: Path, display: Display) -> None:
    async with hub(tmp_path, display) as daemon:
        display.unplug()
        async with asyncio.timeout(10):
            while recorded(daemon).open:
                await asyncio.sleep(0.01)
        assert daemon.network is not None
        (lost,) = [event.event for event in daemon.ledger.events(type="console.lost")]
        assert lost.model_dump()["console"] == "ppmid"


async def test_a_console_that_is_not_there_does_not_keep_the_hub_from_starting(tmp_path: Path) -> None:
    async with running(configure(tmp_path, section(str(tmp_path / "none")))) as daemon:
        async with asyncio.timeout(10):
            while not daemon.ledger.events(type="console.lost"):
                await asyncio.sleep(0.01)
        assert daemon.network is not None


def test_the_dongles_port_is_no_console(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/none")
    for port in ("/dev/none", str(tmp_path / "link")):
        with pytest.raises(ConfigError, match="the dongle's"):
            configure(tmp_path, section(port))


@pytest.mark.parametrize("line", ['redact = ["("]', "redact = [5]", 'name = "../x"', "files = 0", "baudrate = 1"])
def test_settings_that_are_not_allowed(line: str, tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    with pytest.raises(ConfigError, match=line.split(" ", maxsplit=1)[0]):
        configure(tmp_path, f'[console]\nport = "{tmp_path / "other"}"\n{line}\n')


async def test_a_request_waits_for_a_line_and_ends_with_the_hub(tmp_path: Path, display: Display) -> None:
    async with hub(tmp_path, display, serve=True) as daemon:
        transport = httpx.AsyncHTTPTransport(uds=str(daemon.config.hub.socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://hanctl") as api:
            asked = asyncio.create_task(api.get("/console/lines", params={"wait_s": 20}))
            await asyncio.sleep(0.1)
            assert not asked.done()
            display.say("one\r\n")
            answer = (await asked).json()
            assert (answer["name"], answer["open"], answer["last"]) == ("ppmid", True, 1)
            assert [(line["number"], line["text"]) for line in answer["lines"]] == [(1, "one")]
            none = (await api.get("/console/lines", params={"after": 1})).json()
            assert (none["lines"], none["last"]) == ([], 1)
            asked = asyncio.create_task(api.get("/console/lines", params={"after": 1, "wait_s": 30}))
            await asyncio.sleep(0.1)
            await daemon.stop("the test is over")
            assert (await asked).json()["lines"] == []


async def command(daemon: Daemon, *arguments: str) -> tuple[int, str, str]:
    process = await Command.start("console", "--socket", str(daemon.config.hub.socket), *arguments)
    out, err = await process.communicate()
    assert process.returncode is not None and "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_shows_lines_and_waits_for_one(tmp_path: Path, display: Display) -> None:
    async with hub(tmp_path, display, serve=True) as daemon:
        display.say("boot\r\nOTA: verified\r\n")
        await recorded(daemon).wait_for("verified", 10, after=0)
        code, out, _ = await command(daemon)
        assert code == 0 and [line.split("  ", 1)[1] for line in out.splitlines()] == ["boot", "OTA: verified"]

        code, out, _ = await command(daemon, "--wait-for", "OTA: +ver", "--since", "5m", "--json")
        assert code == 0 and json.loads(out)["text"] == "OTA: verified"

        # What was said before does not count, unless it is asked for.
        code, out, err = await command(daemon, "--wait-for", "OTA", "--timeout", "1s")
        assert (code, out) == (ExitCode.TIMED_OUT, "") and "no line came in 1 s" in err

        waiting = asyncio.create_task(command(daemon, "--wait-for", "activated", "--timeout", "30s"))
        while not waiting.done():
            display.say("OTA: activated\r\n")
            await asyncio.sleep(0.2)
        code, out, _ = await waiting
        assert code == 0 and out.endswith("  OTA: activated\n")

        code, _, err = await command(daemon, "--wait-for", "(")
        assert code == ExitCode.USAGE and "not a regular expression" in err


async def test_without_a_console_the_command_says_how_to_name_one(tmp_path: Path) -> None:
    async with running(configure(tmp_path), serve=True) as daemon:
        code, _, err = await command(daemon)
        assert code == ExitCode.NOT_FOUND and "[console] port" in err


def test_a_configuration_without_a_console(tmp_path: Path) -> None:
    file = tmp_path / "hanctl.toml"
    file.write_text('[dongle]\npath = "/dev/none"\nradio = "ezsp"\n')
    assert load_config(file).console is None
