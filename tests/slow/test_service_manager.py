"""The hub as a real process under a notify socket, as systemd has it."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from process_rig import HANCTL, ProcessRig, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BLOCKED = """
import asyncio, time
from hanctl.base.service_manager import ServiceManager

async def main():
    feeding = asyncio.create_task(ServiceManager().feed())
    await asyncio.sleep(1)
    time.sleep(2)

asyncio.run(main())
"""


class Manager:
    """Hears what services say, each message with the time at which it came."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)

    def hear(self, seconds: float) -> tuple[float, list[str]]:
        """The next message. Raises TimeoutError."""
        self._socket.settimeout(seconds)
        return time.monotonic(), self._socket.recv(4096).decode().split("\n")

    def until(self, first: str) -> list[str]:
        """The next message that begins so."""
        while (message := self.hear(20)[1])[0] != first:
            pass
        return message

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["a file", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    abstract = request.param == "an abstract name"
    name = f"hanctl-test-{tmp_path}" if abstract else str(tmp_path / "notify")
    manager = Manager("\0" + name if abstract else name)
    monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if abstract else name)
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    yield manager
    manager.close()


def test_a_hub_says_that_it_is_ready_then_that_it_lives_and_that_it_stops(manager: Manager, tmp_path: Path) -> None:
    rig = ProcessRig(tmp_path, "znp")
    with rig.dongle():
        hub = rig.hub()
        _, (first, status) = next(
            message for message in iter(lambda: manager.hear(20), None) if "READY=1" in message[1]
        )
        assert first == "READY=1" and status.startswith("STATUS=znp dongle 00:12:4b:")
        for _ in range(5):
            assert manager.hear(0.5)[1] == ["WATCHDOG=1"]
        hub.terminate()
        assert manager.until("STOPPING=1")[1] == "STATUS=received SIGTERM"
        assert hub.wait(20) == 0


def test_a_hub_that_is_hung_up_on_says_that_it_reloads_and_keeps_its_network(
    manager: Manager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seldom fed: a socket that is not read all the time holds as few as ten messages.
    monkeypatch.setenv("WATCHDOG_USEC", "600000000")
    rig = ProcessRig(tmp_path, "ezsp")
    with rig.dongle():
        hub = rig.hub()
        manager.until("READY=1")
        with rig.config.open("a") as file:
            file.write("[join]\nwindow_s = 9\n[network]\nchannel = 20\n")
        before = time.monotonic()
        hub.send_signal(signal.SIGHUP)
        assert before <= int(manager.until("RELOADING=1")[1].removeprefix("MONOTONIC_USEC=")) / 1e6 <= time.monotonic()
        assert manager.hear(5)[1][0] == "READY=1"
        (told,) = rig.events("config.reloaded")
        assert (told["applied"], told["restart"]) == (["join.window_s"], ["network.channel"])
        good = rig.config.read_text()
        rig.config.write_text(good + "[jion]\n")
        hub.send_signal(signal.SIGHUP)
        manager.until("RELOADING=1")
        # Still ready, with what it had.
        assert manager.hear(5)[1][0] == "READY=1"
        rig.config.write_text(good)
        assert "did you mean [join]" in rig.events("config.refused")[0]["reason"]
        assert len(rig.events("dongle.opened")) == 1
        hub.terminate()
        assert hub.wait(20) == 0


def test_a_hang_up_during_the_start_or_the_stop_does_no_harm(tmp_path: Path) -> None:
    rig = ProcessRig(tmp_path, "znp")
    with rig.dongle():
        with (tmp_path / "hub.log").open("w") as log:
            hub = subprocess.Popen([*HANCTL, "run", "-c", str(rig.config)], stderr=log)
        # The interpreter and the command line are not ours yet for the first moments.
        wait_for(lambda: "0000000000000001" in signals(hub.pid, "SigBlk") or hub.poll() is not None)
        while rig.try_cli("status") != 0:
            hub.send_signal(signal.SIGHUP)
            assert hub.poll() is None, (tmp_path / "hub.log").read_text()
        hub.terminate()
        while hub.poll() is None:
            hub.send_signal(signal.SIGHUP)
            time.sleep(0.002)
        assert hub.returncode == 0, (tmp_path / "hub.log").read_text()


def signals(pid: int, mask: str) -> str:
    """A mask of a process's signals, in hex; SIGHUP is its lowest bit."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((line for line in lines if line.startswith(mask)), "")


def test_a_hub_whose_terminal_is_closed_stops(tmp_path: Path) -> None:
    rig = ProcessRig(tmp_path, "znp")
    with rig.dongle():
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(sys.executable, [*HANCTL, "run", "-c", str(rig.config)])
        wait_for(lambda: rig.try_cli("status") == 0)
        os.kill(pid, signal.SIGHUP)
        wait_for(lambda: len(rig.events("config.reloaded")) == 1)
        os.close(terminal)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        hub = rig.hub()
        assert [each["reason"] for each in rig.events("hub.stopped")] == ["the terminal was closed"]
        hub.terminate()
        assert hub.wait(20) == 0


def test_a_blocked_event_loop_says_nothing(manager: Manager) -> None:
    with subprocess.Popen([sys.executable, "-c", BLOCKED]) as process:
        times = []
        while process.poll() is None:
            try:
                times.append(manager.hear(0.1)[0])
            except TimeoutError:
                continue
    assert len(times) >= 4
    gaps = [after - before for before, after in pairwise(times)]
    # It lived for a second, and then nothing was heard of it until it ended.
    assert max(gaps, default=0) < 0.6
    assert times[-1] - times[0] < 1.5
