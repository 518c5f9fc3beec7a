"""Serve the application: directly on the control socket, behind the bearer gate on the listener."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from hanctl.api.app import make_app
from hanctl.api.doors.bearer_gate import BearerGate

__all__ = ["BearerGate", "make_app", "serve"]

GRACE_S = 2


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Signals are the daemon's.
        yield


async def serve(app: ASGIApp, listening: socket.socket, closing: asyncio.Event) -> None:
    """Serve until ``closing``; then give running requests a short time to finish, and close the socket."""
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
    closed = asyncio.create_task(closing.wait())
    try:
        await asyncio.wait({serving, closed}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving
    finally:
        serving.cancel()
        closed.cancel()
        await asyncio.gather(serving, closed, return_exceptions=True)
