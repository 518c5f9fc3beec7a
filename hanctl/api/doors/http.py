"""One HTTP connection: uvicorn's, with a deadline for each request's header and no word about what a client sent."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from http import HTTPStatus

import h11
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from hanctl.api.doors.connections import Connections
from hanctl.api.errors import answer
from hanctl.base.errors import ExitCode

HEADER_S = 10.0
"""From the connection, or the end of the answer before, to the end of a request's header."""
MOST_HEADER_BYTES = 16 * 1024


class HttpConnection(H11Protocol):
    """A connection that is dropped if it asks nothing for ``HEADER_S``, and where others need its place."""

    def __init__(self, config: Config, state: ServerState, connections: Connections, origin: Hashable) -> None:
        super().__init__(config, state, {})
        self._connections_held = connections
        self._origin = origin
        self._since = 0.0
        self._served = 0
        self._unsent = 0
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def _at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and not self.transport.is_closing()

    def rank(self) -> tuple[int, float] | None:
        """Return how soon it has to go: without any answer, between requests, not reading the answer."""
        if self._at_work:
            return (2, self._since) if self.flow.write_paused else None
        return min(self._served, 1), self._since

    def drop(self) -> None:
        """Close it at once, whatever is unsent."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._connections_held.add(self, self._origin)
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connections_held.discard(self)
        self._unset_keepalive_if_required()
        self._stop_waiting()

    def handle_events(self) -> None:
        super().handle_events()
        if self._at_work:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        # A refusal closes the connection: only who was let in comes to be known.
        self._served += not self.transport.is_closing()
        self._wait_for_request()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, in the form of all errors; close where an answer has begun already."""
        if self._at_work:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        elif self.conn.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            refusal = answer(
                HTTPStatus.BAD_REQUEST,
                "bad-request",
                "what was sent is not an HTTP request",
                f"send HTTP/1.1 with a header of at most {MOST_HEADER_BYTES} bytes",
                ExitCode.USAGE,
            )
            headers = [*refusal.raw_headers, (b"connection", b"close")]
            events = (
                h11.Response(status_code=refusal.status_code, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(refusal.body)),
                h11.EndOfMessage(),
            )
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait_for_request(self) -> None:
        self._stop_waiting()
        self._since = self.loop.time()
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline = self.loop.call_later(HEADER_S, self._waited)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _waited(self) -> None:
        # Who still reads a long answer is let read on.
        unsent = self.transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._wait_for_request()
        else:
            self.transport.abort()
