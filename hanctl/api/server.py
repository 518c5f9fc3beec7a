"""Serving the API on the control socket."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from hanctl.api.app import make_app

if TYPE_CHECKING:
    from hanctl.daemon import Daemon

GRACE_S = 2


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are the daemon's.
        yield


async def serve(daemon: Daemon, control: socket.socket) -> None:
    """Serve until ``daemon.closing``; then answers on their way get a moment, and the socket is closed."""
    server = _Server(
        uvicorn.Config(
            make_app(daemon),
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
    serving = asyncio.create_task(server.serve(sockets=[control]))
    closing = asyncio.create_task(daemon.closing.wait())
    try:
        await asyncio.wait({serving, closing}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        serving.cancel()
        closing.cancel()
        await asyncio.gather(serving, closing, return_exceptions=True)
