"""Route of the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header
from fastapi.responses import PlainTextResponse, Response

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

PATH = "/metrics"


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    @routes.get(PATH, response_class=PlainTextResponse)
    async def metrics(accept: Annotated[str, Header()] = "") -> Response:
        """Return all metrics for Prometheus; docs/metrics.md lists them."""
        content, content_type = daemon.metrics.exposition(accept)
        return Response(content, headers={"content-type": content_type})

    return routes
