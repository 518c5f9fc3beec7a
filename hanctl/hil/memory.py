"""An in-memory serial line: ``memory://NAME`` opens the simulated dongle registered under that name.

Both radio libraries open their port through serialx, so they run on it unmodified. What the dongle does runs in the
context in which it was plugged in, and what the host does in the context in which it opened the port, as if they were
two processes.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
from typing import Any

from serialx import BaseSerialTransport, ModemPins, register_uri_handler
from serialx.platforms.serial_socket import SocketSerial

from hanctl.simulator.dongle import Dongle


class _Socket:
    """Where a dongle is plugged in, and the host's end while a host has it open."""

    def __init__(self, dongle: Dongle) -> None:
        self.dongle = dongle
        self.context = contextvars.copy_context()
        self.line: MemoryTransport | None = None


_SOCKETS: dict[str, _Socket] = {}


def plug(name: str, dongle: Dongle) -> str:
    """Make a dongle reachable; returns its URL. While it has no power the port does not exist."""
    _SOCKETS[name] = _Socket(dongle)
    return f"memory://{name}"


def unplug(name: str) -> None:
    """Remove a dongle from the registry."""
    _SOCKETS.pop(name, None)


def hang_up(name: str) -> None:
    """Close the end of a host that died, as its operating system would, without telling the host."""
    socket = _SOCKETS[name]
    if socket.line is not None:
        socket.line.vanish()


class MemoryTransport(BaseSerialTransport):
    """The host's end of the line."""

    transport_name = "memory"

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__(loop, protocol)
        self._socket: _Socket | None = None
        self._context = contextvars.copy_context()

    async def _connect(self, *, path: str | None, **_: Any) -> None:
        socket = _SOCKETS.get((path or "").removeprefix("memory://"))
        if socket is None or not socket.dongle.powered:
            raise FileNotFoundError(errno.ENOENT, "no such port", path)
        if socket.line is not None:
            raise OSError(errno.EBUSY, "port is in use", path)
        self._socket = socket
        socket.line = self
        socket.dongle.power_listeners.append(self._power_changed)
        socket.dongle.attach(self._from_dongle)
        self._call_protocol_connection_made()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing and self._socket is not None:
            self._loop.call_soon(self._to_dongle, bytes(data), context=self._socket.context)

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def vanish(self) -> None:
        """Close this end without a word to the protocol."""
        self._closing = True
        self._let_go()

    def _to_dongle(self, data: bytes) -> None:
        if self._socket is not None and self._socket.dongle.powered:
            self._socket.dongle.from_host(data)

    def _from_dongle(self, data: bytes) -> None:
        self._loop.call_soon(self._to_host, data, context=self._context)

    def _to_host(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def _power_changed(self, powered: bool) -> None:
        if not powered:
            self._end(OSError(errno.EIO, "the dongle was unplugged"))

    def _end(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._let_go()
        self._loop.call_soon(self._call_protocol_connection_lost, error, context=self._context)

    def _let_go(self) -> None:
        socket, self._socket = self._socket, None
        if socket is None:
            return
        socket.line = None
        socket.dongle.power_listeners.remove(self._power_changed)
        if socket.dongle.powered:
            socket.dongle.detach()

    async def _get_modem_pins(self) -> ModemPins:
        return ModemPins()

    async def _set_modem_pins(self, modem_pins: ModemPins) -> None:
        """Do nothing: the line has no pins."""

    async def _flush(self) -> None:
        """Do nothing: bytes are on the far side at once."""

    async def _reconfigure_port(self, update: Any) -> None:
        """Do nothing: the line has no speed."""


register_uri_handler(
    scheme="memory://", unique_scheme="memory://", sync_cls=SocketSerial, async_transport_cls=MemoryTransport
)
