"""The real bench: the running daemon's control socket, the device's plugs by commands, real time.

Where no daemon answers, one is started with the same configuration, and stopped at the end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any, TypeVar

import httpx

from hanctl.base.errors import ConfigError, DaemonUnreachable, ExitCode, HanctlError
from hanctl.config.reading import load_config
from hanctl.hil.api_client import ApiClient, RemoteError
from hanctl.hil.driver import Driver
from hanctl.hil.under_test import DeviceUnderTest

T = TypeVar("T")
START_S = 60
STOP_S = 30
COMMAND_S = 60
CAPTURE_S = 15
LAST_LINE = 2**62
"""A number that no line of a console has yet."""


class HubNotStarted(HanctlError):
    """The hub of the rig did not come up; in its own words, and with its own exit code."""

    code = "hub-not-started"
    exit_code = ExitCode.DAEMON_UNREACHABLE

    @classmethod
    def of(cls, said: str, code: int | None) -> HubNotStarted:
        found = {name: text for name, _, text in (line.partition(": ") for line in said.splitlines())}
        error = cls(found.get("error", "the hub of the rig did not start in time"), found.get("hint", "see its log"))
        if code is not None and code in set(ExitCode):
            error.exit_code = ExitCode(code)
        return error


class PlugError(HanctlError):
    """A command that was to switch the device's power failed."""

    code = "plug"


class RigDriver(Driver):
    """A rig by its configuration. Raises ConfigError, ImageError, and what keeps its daemon from starting."""

    def __init__(self, config: Path) -> None:
        loaded = load_config(config)
        if loaded.hil is None:
            raise ConfigError(
                f"{config}: the section [hil] is missing", "describe the device under test; see docs/hil.md"
            )
        self._config = config
        self._hil = loaded.hil
        self.device = DeviceUnderTest.of(loaded.hil)
        self.description = f"rig {config.name}: {loaded.dongle.radio.upper()} dongle at {loaded.dongle.path}"
        self.switches_power = bool(loaded.hil.power_off and loaded.hil.power_on)
        self.switches_mains = bool(loaded.hil.mains_off and loaded.hil.mains_on)
        self._socket = loaded.hub.socket
        self._daemon: asyncio.subprocess.Process | None = None
        self._capturing: asyncio.subprocess.Process | None = None
        self._heard = 0
        """The last line of the console before the test."""
        self._runner = asyncio.Runner()
        self._runner.get_loop()
        self.api = ApiClient(httpx.AsyncHTTPTransport(uds=str(self._socket)))
        try:
            self.run(self._reach())
        except BaseException:
            self.close()
            raise

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def power(self, *, on: bool) -> None:
        await self._command(self._hil.power_on if on else self._hil.power_off)

    async def mains(self, *, on: bool) -> None:
        await self._command(self._hil.mains_on if on else self._hil.mains_off)

    def begin(self) -> None:
        console = self.run(self._console(LAST_LINE))
        self._heard = 0 if console is None else int(console["last"])

    def console_lines(self) -> list[str]:
        return self.run(self._lines())

    def start_capture(self, path: Path) -> bool:
        return self.run(self._capture(path.with_suffix(".pcapng")))

    def stop_capture(self) -> None:
        self.run(self._end_capture())

    def close(self) -> None:
        try:
            self.run(self._end())
        finally:
            self._runner.close()

    async def _reach(self) -> None:
        try:
            await self.api.get("/status")
        except DaemonUnreachable:
            await self._start()

    async def _start(self) -> None:
        """Start the daemon, and wait until it says, as to a service manager, that it is ready."""
        with (
            TemporaryDirectory(prefix="hanctl-hil-") as directory,
            _notify_socket(directory) as told,
            TemporaryFile() as said,
        ):
            daemon = self._daemon = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hanctl", "run", "-c", str(self._config)),
                env=os.environ | {"NOTIFY_SOCKET": str(Path(directory) / "notify")},
                stderr=said,
                stdout=asyncio.subprocess.DEVNULL,
                # Ctrl-C is for the tests: they stop it.
                start_new_session=True,
            )
            ready, ended = asyncio.create_task(_ready(told)), asyncio.create_task(daemon.wait())
            done, pending = await asyncio.wait({ready, ended}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            if ready in done:
                return
            said.seek(0)
            raise HubNotStarted.of(said.read().decode(errors="replace"), daemon.returncode)

    async def _console(self, after: int) -> Any:
        """Return a page of the console's lines; None where no console is attached."""
        try:
            return await self.api.get("/console/lines", after=after)
        except RemoteError:
            return None

    async def _lines(self) -> list[str]:
        lines: list[str] = []
        after = self._heard
        while (page := await self._console(after)) is not None and page["lines"]:
            lines += [f"{line['time']} {line['text']}" for line in page["lines"]]
            after = page["lines"][-1]["number"]
        return lines

    async def _capture(self, path: Path) -> bool:
        """Start ``hanctl capture``, and wait until it hears the hub."""
        self._capturing = capturing = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hanctl", "capture", "-o", str(path), "--socket", str(self._socket)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert capturing.stderr is not None
        try:
            said = await asyncio.wait_for(capturing.stderr.readline(), CAPTURE_S)
        except TimeoutError:
            return False
        return said.startswith(b"capturing")

    async def _end_capture(self) -> None:
        capturing, self._capturing = self._capturing, None
        if capturing is None or capturing.returncode is not None:
            return
        capturing.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(capturing.wait(), CAPTURE_S)
        except TimeoutError:
            capturing.kill()
            await capturing.wait()

    async def _end(self) -> None:
        await self._end_capture()
        await self.api.close()
        daemon, self._daemon = self._daemon, None
        if daemon is None or daemon.returncode is not None:
            return
        daemon.terminate()
        try:
            await asyncio.wait_for(daemon.wait(), STOP_S)
        except TimeoutError:
            daemon.kill()
            await daemon.wait()

    async def _command(self, command: tuple[str, ...]) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
            )
        except OSError as error:
            raise PlugError(f"{command[0]}: {error.strerror}", "correct the command in [hil]") from error
        try:
            _, said = await asyncio.wait_for(process.communicate(), COMMAND_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise PlugError(f"{command[0]} did not end within {COMMAND_S} s", "correct the command in [hil]") from None
        if process.returncode:
            reason = said.decode(errors="replace").strip() or f"exit code {process.returncode}"
            raise PlugError(f"{command[0]} failed: {reason}", "correct the command in [hil], or its permissions")


def _notify_socket(directory: str) -> socket.socket:
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(Path(directory) / "notify"))
    told.setblocking(False)
    return told


async def _ready(told: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while b"READY=1" not in await loop.sock_recv(told, 4096):
        pass
