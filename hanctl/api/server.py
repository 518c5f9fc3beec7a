"""Serving the API on the control socket, and on the listener where one is configured."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from hanctl.api import control_socket
from hanctl.api.app import make_app
from hanctl.api.listener import BearerGate, Tokens, listen

if TYPE_CHECKING:
    from hanctl.daemon import Daemon

GRACE_S = 2


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are the daemon's.
        yield


class ApiServer:
    """The API's sockets: bound as it is made, so that who connects waits, and served by ``serve``.

    Raises Refused and ConfigError; then nothing is left bound.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._path = daemon.config.hub.socket
        settings = daemon.config.listener
        # The two have an application each: no mistake about where a request came from can open the gate.
        self._tokens = Tokens.read(settings) if settings is not None else None
        self._control = control_socket.bind(self._path)
        try:
            self._listener = listen(settings.address) if settings is not None else None
        except BaseException:
            control_socket.remove(self._control, self._path)
            raise

    async def serve(self) -> None:
        """Serve until ``daemon.closing``; then answers on their way get a moment, and the sockets are closed."""
        app = make_app(self._daemon)
        async with asyncio.TaskGroup() as servers:
            servers.create_task(self._serve(app, self._control))
            if self._listener is not None and self._tokens is not None:
                servers.create_task(self._serve(BearerGate(app, self._tokens), self._listener))

    def close(self) -> None:
        """Close the sockets, served or not. Safe to call twice."""
        control_socket.remove(self._control, self._path)
        if self._listener is not None:
            self._listener.close()

    async def _serve(self, app: ASGIApp, listening: socket.socket) -> None:
        server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        closing = asyncio.create_task(self._daemon.closing.wait())
        try:
            await asyncio.wait({serving, closing}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
        finally:
            serving.cancel()
            closing.cancel()
            await asyncio.gather(serving, closing, return_exceptions=True)
