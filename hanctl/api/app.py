"""Build the HTTP API. Its handlers are coroutines on the daemon's own event loop; there are no threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

import hanctl
from hanctl.api import changes, console, data, events, firmware, frames, hub, metrics, updates
from hanctl.api.doors.bodies import Bodies, LargeBody
from hanctl.api.errors import handle_errors
from hanctl.api.models import ErrorAnswer

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon


def make_app(daemon: Daemon) -> FastAPI:
    """Build the application for one started daemon."""
    app = FastAPI(
        title="hanctl",
        version=hanctl.__version__,
        # The documentation pages would load scripts from a CDN.
        docs_url=None,
        redoc_url=None,
        # A redirect would repeat the request's address.
        redirect_slashes=False,
        responses={"default": {"model": ErrorAnswer}},
    )
    handle_errors(app)
    app.add_middleware(Bodies, large=_large)
    app.include_router(hub.router(daemon))
    app.include_router(firmware.router(daemon))
    app.include_router(updates.router(daemon))
    app.include_router(changes.router(daemon))
    app.include_router(data.router(daemon))
    app.include_router(events.router(daemon))
    app.include_router(frames.router(daemon))
    app.include_router(console.router(daemon))
    app.include_router(metrics.router(daemon))
    return app


def _large(method: str, path: str) -> LargeBody | None:
    if method != "POST":
        return None
    if path == "/images":
        return firmware.LARGEST
    return data.LARGEST if path.split("/")[1] == "data" else None
