"""Sockets of the API: the control socket, and the listener if one is configured."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hanctl.api.doors import control_socket
from hanctl.api.doors.listener import AccessTokens, listen

if TYPE_CHECKING:
    from fastapi import FastAPI

    from hanctl.hub.daemon import Daemon


class ApiServer:
    """Sockets of the API. The constructor binds them, so that clients can wait; ``load`` and ``serve`` serve them.

    Raises Refused and ConfigError; then nothing is left bound.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._path = daemon.config.hub.socket
        settings = daemon.config.listener
        # The two have an application each: no mistake about where a request came from can open the gate.
        self._tokens = AccessTokens.read(settings) if settings is not None else None
        self._control = control_socket.bind(self._path)
        try:
            self._listener = listen(settings.address) if settings is not None else None
        except BaseException:
            control_socket.remove(self._control, self._path)
            raise

    def load(self) -> None:
        """Import and build the application, a large part of the start. May run in a thread."""
        from hanctl.api import web

        self._app: FastAPI = web.make_app(self._daemon)

    async def serve(self) -> None:
        """Serve until ``daemon.closing``; then give running requests a short time to finish, and close the sockets."""
        from hanctl.api import web

        closing, most = self._daemon.closing, web.DoorLimits.of_this_process()
        async with asyncio.TaskGroup() as servers:
            own = web.Connections("control socket", most.socket, most.socket)
            servers.create_task(web.serve(self._app, self._control, own, closing))
            if self._listener is not None and self._tokens is not None:
                others = web.Connections("listener", most.listener, most.address)
                gate = web.BearerGate(self._app, self._tokens)
                servers.create_task(web.serve(gate, self._listener, others, closing))

    def close(self) -> None:
        """Close the sockets, served or not. Safe to call twice."""
        control_socket.remove(self._control, self._path)
        if self._listener is not None:
            self._listener.close()
