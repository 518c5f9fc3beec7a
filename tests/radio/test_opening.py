from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import socket
from pathlib import Path

import pytest

from hanctl.base.errors import DongleError
from hanctl.radio import DongleSettings, open_radio
from hanctl.radio.errors import NotADongle, PortAbsent, PortBusy, PortForbidden, PortUnreachable
from hanctl.radio.finding.opening import opening_error
from hanctl.radio.frames import IncomingFrame
from hanctl.radio.settings import RadioKind

RADIOS: list[RadioKind] = ["ezsp", "znp"]


class NoListener:
    def frame_received(self, frame: IncomingFrame) -> None: ...

    def device_joined(self, eui64: str, nwk: int) -> None: ...

    def device_left(self, eui64: str, nwk: int) -> None: ...

    def address_conflict(self, nwk: int) -> None: ...

    def partner_key_asked(self, eui64: str, given: bool, detail: str) -> None: ...

    def join_denied(self, eui64: str, how: str) -> None: ...

    def dongle_lost(self, reason: str) -> None: ...


async def open_error(radio: RadioKind, path: str) -> DongleError:
    with pytest.raises(DongleError) as caught:
        await open_radio(DongleSettings(radio, path)).start(NoListener())
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("radio", RADIOS)
async def test_a_port_that_is_absent(radio: RadioKind, tmp_path: Path) -> None:
    assert isinstance(await open_error(radio, str(tmp_path / "ttyUSB0")), PortAbsent)


@pytest.mark.parametrize("radio", RADIOS)
async def test_a_file_is_not_a_port(radio: RadioKind, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert isinstance(await open_error(radio, str(tmp_path / "file")), NotADongle)


@pytest.mark.parametrize("radio", RADIOS)
async def test_a_port_that_another_program_holds(radio: RadioKind) -> None:
    manager, port = pty.openpty()
    try:
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert isinstance(await open_error(radio, os.ttyname(port)), PortBusy)
    finally:
        os.close(manager)
        os.close(port)


@pytest.mark.parametrize("radio", RADIOS)
async def test_a_refused_connection(radio: RadioKind) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert isinstance(await open_error(radio, f"tcp://127.0.0.1:{port}"), PortUnreachable)


@pytest.mark.parametrize("radio", RADIOS)
async def test_a_serial_server_that_has_a_client_already(radio: RadioKind) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert isinstance(await open_error(radio, f"tcp://127.0.0.1:{port}"), PortBusy)
    server.close()
    left = {task for task in asyncio.all_tasks() if "ping" in repr(task.get_coro())}
    assert not left


def test_a_port_without_permission() -> None:
    error = opening_error(PermissionError(13, "Permission denied"), DongleSettings("ezsp", "/dev/ttyUSB0"))
    assert isinstance(error, PortForbidden)
    assert "/dev/ttyUSB0" in str(error)


@pytest.mark.slow
@pytest.mark.parametrize("radio", RADIOS)
async def test_what_does_not_answer_is_no_dongle(radio: RadioKind) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(100):
            pass
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    started = asyncio.get_running_loop().time()
    error = await open_error(radio, f"tcp://127.0.0.1:{port}")
    assert isinstance(error, NotADongle)
    assert "115200" in error.hint
    assert asyncio.get_running_loop().time() - started < 12
    server.close()
