"""Serve the application: directly on the control socket, behind the bearer gate on the listener."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from hanctl.api.app import make_app
from hanctl.api.doors.bearer_gate import BearerGate
from hanctl.api.doors.connections import Connections, DoorLimits
from hanctl.api.doors.http import MOST_HEADER_BYTES, HttpConnection
from hanctl.base.repeats import Repeats

__all__ = ["BearerGate", "Connections", "DoorLimits", "make_app", "serve"]

GRACE_S = 2
IDLE_S = 5
"""How long a connection may stay open between two requests."""


class _Server(uvicorn.Server):
    """uvicorn's server with an ``accepting`` of its own; signals are the daemon's."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, connections: Connections) -> None:
        super().__init__(config)
        self.servers: list[asyncio.Server] = []
        self.accepting = asyncio.create_task(connections.accept(listening, partial(self._connection, connections)))

    def _connection(self, connections: Connections, origin: Hashable) -> HttpConnection:
        return HttpConnection(self.config, self.server_state, connections, origin)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.accepting.cancel()
        await super().shutdown()


class _Repeated(logging.Filter):
    """Let a message of the HTTP server through once; its repeats are counted, as strangers can cause them at will."""

    def __init__(self) -> None:
        super().__init__()
        self._repeats: Repeats[str] = Repeats(self._tell)

    def filter(self, record: logging.LogRecord) -> bool:
        failure = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        return record.name != _SERVER_LOG.name or self._repeats.first(f"{record.msg} {failure}".strip())

    def _tell(self, message: str, count: int) -> None:
        _REPEATS_LOG.warning("again, %s times: %s", count, message)


_SERVER_LOG = logging.getLogger("uvicorn.error")
_REPEATS_LOG = logging.getLogger("uvicorn")


async def serve(app: ASGIApp, listening: socket.socket, connections: Connections, closing: asyncio.Event) -> None:
    """Serve until ``closing``; then give running requests a short time to finish, and close the socket."""
    config = uvicorn.Config(
        app,
        loop="none",
        http=HttpConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=IDLE_S,
        timeout_graceful_shutdown=GRACE_S,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
    )
    repeated = _Repeated()
    _SERVER_LOG.addFilter(repeated)
    server = _Server(config, listening, connections)
    serving = asyncio.create_task(server.serve())
    closed = asyncio.create_task(closing.wait())
    try:
        await asyncio.wait({serving, server.accepting, closed}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        tasks = (serving, server.accepting, closed)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _SERVER_LOG.removeFilter(repeated)
        listening.close()
