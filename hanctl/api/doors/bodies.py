"""Read the body of each request before it is routed: to the limit of its route, in a time, in a bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hanctl.api.errors import answer, answer_to
from hanctl.base.errors import ExitCode, HanctlError

MOST_BYTES = 64 * 1024
"""Of a request in JSON: an order for 2,000 devices fits."""
MOST_IN_ALL = 48 << 20
"""Of all requests that are being read or worked on."""
BODY_S = 120.0

LargeBody = tuple[int, HanctlError]
"""The most bytes that a route takes, and its error for more."""


class _Gone(Exception):
    """The client closed the connection before its request was whole."""


class Bodies:
    """Pass on requests with their bodies. ``large``: the limit of a method and path that takes more than JSON."""

    def __init__(self, app: ASGIApp, large: Callable[[str, str], LargeBody | None]) -> None:
        self._app = app
        self._large = large
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chunks: list[bytes] = []
        try:
            refusal = await self._refusal(scope, receive, chunks)
            if refusal is None:
                body = b"".join(chunks)
                chunks[:] = [body]
                await self._app(scope, _with_body(body, receive), send)
            else:
                await refusal(scope, receive, send)
        except _Gone:
            return
        finally:
            self._held -= sum(map(len, chunks))

    async def _refusal(self, scope: Scope, receive: Receive, chunks: list[bytes]) -> Response | None:
        """Read the body into ``chunks``; return the answer where it is not read to its end. Raises _Gone."""
        most, too_large = self._large(scope["method"], scope["path"]) or (MOST_BYTES, None)
        refusal = _too_large(most) if too_large is None else answer_to(too_large)
        if int(Headers(scope=scope).get("content-length", "0")) > most:
            return refusal
        size, more = 0, True
        try:
            async with asyncio.timeout(BODY_S):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _Gone
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    self._held += len(chunks[-1])
                    if size > most:
                        return refusal
                    if self._held > MOST_IN_ALL:
                        return _busy()
                    more = message.get("more_body", False)
        except TimeoutError:
            return _too_slow()
        return None


def _with_body(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body as one message, and then what else comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return messages.pop() if messages else await receive()

    return next_message


def _too_large(most: int) -> Response:
    message = f"the request's body has more than {most} bytes"
    return answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", message, "send it in parts", ExitCode.USAGE)


def _too_slow() -> Response:
    message = f"the request's body was not there within {BODY_S:.0f} s"
    return answer(HTTPStatus.REQUEST_TIMEOUT, "too-slow", message, "send it at once", ExitCode.TIMED_OUT)


def _busy() -> Response:
    message = "the hub works on as many large requests as it takes at a time"
    return answer(HTTPStatus.SERVICE_UNAVAILABLE, "busy", message, "try again in a moment", ExitCode.REFUSED)
