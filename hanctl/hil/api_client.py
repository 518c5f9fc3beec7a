"""The hub's HTTP API for tests: the same requests over the simulated hub in this process and over a rig's socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from hanctl.base.errors import DaemonUnreachable
from hanctl.cli.client import RemoteError, check

ANSWER_S = 60
LONGEST_POLL_S = 300


class ApiClient:
    """Every method raises RemoteError where the hub answers with an error, DaemonUnreachable where nobody does."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._http = httpx.AsyncClient(transport=transport, base_url="http://hanctl", timeout=ANSWER_S)

    async def get(self, path: str, **query: Any) -> Any:
        return await self._request("GET", path, query)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return await self._request("POST", path, {}, json=body)

    async def upload(self, path: str, data: bytes, **query: Any) -> Any:
        return await self._request("POST", path, query, content=data)

    async def delete(self, path: str) -> Any:
        return await self._request("DELETE", path, {})

    async def wait(self, path: str, within_s: float, **query: Any) -> Any:
        """Get an answer for which the hub may wait ``within_s`` seconds, or as long as one request may take if less."""
        wait_s = max(0.0, min(within_s, LONGEST_POLL_S))
        return await self._request("GET", path, query | {"wait_s": wait_s}, timeout=wait_s + ANSWER_S)

    async def close(self) -> None:
        await self._http.aclose()

    async def _request(self, method: str, path: str, query: dict[str, Any], **more: Any) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        try:
            response = await self._http.request(method, path, params=given, **more)
        except httpx.TransportError as error:
            raise DaemonUnreachable("the hub stopped answering", "see its log") from error
        check(response)
        return response.json() if response.content else None


def now() -> float:
    """Return the time of the running loop in seconds: real on a rig, virtual in a simulation."""
    return asyncio.get_running_loop().time()


__all__ = ["ApiClient", "RemoteError", "now"]
