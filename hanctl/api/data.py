"""Routes of household data. Only ``GET /data?values=true`` returns values."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request

from hanctl.api.models import AttributeOrder
from hanctl.data.errors import BadData
from hanctl.data.service import Item, Loaded

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

MOST_BYTES = 8 << 20
LARGEST = (MOST_BYTES, BadData(f"the file has more than {MOST_BYTES} bytes", "load it in parts"))
"""The most bytes of a file, and the error for more."""
_TEXT = {"requestBody": {"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}}}


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    @routes.get("/data")
    async def show(endpoint: str | None = None, values: bool = False) -> list[Item]:
        """List the household data that the hub holds, with classes and counts; ``values``: with values too."""
        return daemon.data.show(endpoint, values=values)

    @routes.post("/data", openapi_extra=_TEXT)
    async def load(request: Request, name: str = "household.toml") -> list[Loaded]:
        """Load a household file, all of it or nothing. The body is TOML, or JSON if ``name`` ends in .json."""
        # Errors name the file by its form alone: whatever else a client sends is not repeated.
        return await daemon.data.load_aside(
            await _text(request), "file.json" if name.lower().endswith(".json") else "file.toml"
        )

    @routes.post("/data/{endpoint}/{table}", openapi_extra=_TEXT)
    async def load_csv(
        request: Request,
        endpoint: str,
        table: Literal["half_hours", "days"],
        zone: str | None = None,
    ) -> Loaded:
        """Load consumption by interval, all of it or nothing. The body is CSV with lines time,value."""
        return await daemon.data.load_csv_aside(await _text(request), "file.csv", endpoint, table, zone)

    @routes.put("/data/{endpoint}/{cluster}/{attribute}", status_code=HTTPStatus.NO_CONTENT)
    async def put(endpoint: str, cluster: str, attribute: str, order: AttributeOrder) -> None:
        """Set one attribute, named by its cluster and its own name."""
        daemon.data.set(endpoint, cluster, attribute, order.value)

    return routes


async def _text(request: Request) -> str:
    data = await request.body()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadData(f"the file, line {line}: is not UTF-8", "save it as UTF-8") from None
