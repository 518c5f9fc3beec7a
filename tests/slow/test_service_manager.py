"""The hub as a real process under a notify socket, as systemd has it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from process_rig import ProcessRig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BLOCKED = """
import asyncio, time
from hanctl.service_manager import ServiceManager

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
