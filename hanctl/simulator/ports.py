"""Serial ports for a simulated dongle: TCP and pseudo-terminal. Each is gone while the dongle has no power."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import tty
from pathlib import Path

from hanctl.simulator.dongle import Dongle, SimulatorError


class _TcpLine(asyncio.Protocol):
    """One host connected over TCP; a second one is turned away, as a serial port would be busy."""

    def __init__(self, port: TcpPort) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._port.line is not None:
            transport.abort()
            return
        self._transport = transport
        self._port.line = transport
        self._port.dongle.attach(transport.write)

    def data_received(self, data: bytes) -> None:
        if self._transport is self._port.line:
            self._port.dongle.from_host(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None and self._transport is self._port.line:
            self._port.line = None
            self._port.dongle.detach()


class TcpPort:
    """A dongle on a TCP port, one host at a time."""

    def __init__(self, dongle: Dongle, host: str = "127.0.0.1", port: int = 0) -> None:
        self.dongle = dongle
        self.line: asyncio.Transport | None = None
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Return the URL for a host, as hanctl, bellows and zigbee-herdsman write it."""
        return f"tcp://{self._host}:{self._port}"

    async def open(self) -> None:
        """Listen on the port. Raises SimulatorError if it is taken."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(lambda: _TcpLine(self), self._host, self._port, reuse_address=True)
        except OSError as error:
            raise SimulatorError(
                f"cannot listen on {self._host}:{self._port}: {os.strerror(error.errno or 0)}",
                "choose another port with --tcp, or 0 for any free one",
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop the host."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self.line is not None:
            self.line.abort()


class PtyPort:
    """A dongle on a pseudo-terminal, with a symbolic link at a path that stays the same."""

    def __init__(self, dongle: Dongle, link: Path | None = None) -> None:
        self.dongle = dongle
        self.link = link
        self._master: int | None = None
        self._slave: int | None = None
        self.path = ""

    @property
    def url(self) -> str:
        """Return the device path that a host opens."""
        return str(self.link) if self.link is not None else self.path

    async def open(self) -> None:
        """Create the terminal. Raises SimulatorError if the link's path is taken by something else."""
        if self.link is not None and self.link.exists() and not self.link.is_symlink():
            raise SimulatorError(f"{self.link} exists and is not a link", "choose another path with --pty")
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        if self.link is not None:
            self._make_link(self.link)
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        self.dongle.attach(self._write)

    async def close(self) -> None:
        """Remove the terminal; a host that has it open sees it hang up."""
        if self._master is None or self._slave is None:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        if self.link is not None:
            self.link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = None
        self.dongle.detach()

    def _make_link(self, link: Path) -> None:
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(self.path)
        except OSError as error:
            raise SimulatorError(
                f"{link} cannot be made: {os.strerror(error.errno or 0)}", "choose another path with --pty"
            ) from error

    def _readable(self) -> None:
        assert self._master is not None
        try:
            data = os.read(self._master, 4096)
        except OSError as error:
            # EIO: no host has the terminal open just now.
            if error.errno not in (errno.EIO, errno.EAGAIN):
                raise
            return
        if data:
            self.dongle.from_host(data)

    def _write(self, data: bytes) -> None:
        if self._master is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(self._master, data)
