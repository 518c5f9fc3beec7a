"""What the service manager is told, in virtual time."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from hanctl.base import virtual
from hanctl.base.service_manager import ServiceManager


def heard(out: socket.socket) -> list[str]:
    messages = []
    out.setblocking(False)
    while True:
        try:
            messages.append(out.recv(4096).decode())
        except BlockingIOError:
            return messages


@pytest.fixture
def listening(tmp_path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.bind(str(tmp_path / "notify"))
    return listening


@pytest.mark.parametrize(
    ("more", "fed"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 6),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 6),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0),
        ({}, 0),
    ],
)
def test_the_watchdog_is_fed_three_times_a_period_where_it_watches_this_process(
    more: dict[str, str], fed: int, listening: socket.socket, tmp_path: Path
) -> None:
    async def main() -> None:
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify"), **more})
        manager.ready("up")
        feeding = asyncio.create_task(manager.feed())
        await asyncio.sleep(59)
        assert not feeding.done()
        feeding.cancel()

    with listening:
        virtual.run(main())
        assert heard(listening) == ["READY=1\nSTATUS=up", *["WATCHDOG=1"] * fed]


def test_a_status_stays_one_line(listening: socket.socket, tmp_path: Path) -> None:
    with listening:
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}).stopping("it failed\nREADY=1")
        assert heard(listening) == ["STOPPING=1\nSTATUS=it failed READY=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_a_hub_without_a_manager_goes_on(address: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": address}).ready("up")
