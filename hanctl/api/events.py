"""Routes of the event stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from hanctl.api.models import MAX_ID
from hanctl.api.waiting import WaitS
from hanctl.api.waiting import until as holds
from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.ledger.ledger import Ledger, Recorded
from hanctl.model.event import EVENT_TYPES

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

PAGE = 500

Limit = Annotated[int, Query(ge=1, le=10000)]
After = Annotated[int, Query(ge=0, le=MAX_ID)]
UpdateId = Annotated[int, Query(ge=1, le=MAX_ID)]


class _Selection:
    """Which events a request selects."""

    def __init__(
        self,
        ledger: Ledger,
        device: str | None,
        update: int | None,
        type: str | None,  # noqa: A002
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> None:
        if type is not None and type not in EVENT_TYPES:
            raise InvalidInput("there is no such event type", "docs/events.md lists them")
        self._ledger = ledger
        self._device: Eui64 | None = None if device is None else parse_eui64(device)
        self._update = update
        self._type = type
        self._since = since
        self._until = until

    def after(self, place: int, limit: int) -> list[Recorded]:
        return self._ledger.events(
            after=place,
            limit=limit,
            device=self._device,
            update=self._update,
            type=self._type,
            since=self._since,
            until=self._until,
        )


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    @routes.get("/events")
    async def events(
        after: After = 0,
        limit: Limit = 1000,
        device: str | None = None,
        update: UpdateId | None = None,
        type: str | None = None,  # noqa: A002
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        wait_s: WaitS = 0,
    ) -> list[dict[str, Any]]:
        """Return events with an id above ``after``, oldest first; repeat with the last id for more.

        ``since`` and ``until``: recorded then or later, and before. Where there is none yet, the answer waits
        ``wait_s`` seconds for the first.
        """
        selection = _Selection(daemon.ledger, device, update, type, since, until)
        if wait_s:
            await holds(daemon, lambda: bool(selection.after(after, 1)), wait_s)
        return [recorded.as_dict() for recorded in selection.after(after, limit)]

    @routes.get("/events/stream", response_class=StreamingResponse)
    async def stream(
        after: After | None = None,
        device: str | None = None,
        update: UpdateId | None = None,
        type: str | None = None,  # noqa: A002
    ) -> StreamingResponse:
        """Stream events as JSON lines: those after ``after`` (default: none), then new ones as they happen."""
        selection = _Selection(daemon.ledger, device, update, type)
        start = daemon.ledger.last_event_id() if after is None else after
        return StreamingResponse(_follow(daemon, selection, start), media_type="application/x-ndjson")

    return routes


async def _follow(daemon: Daemon, selection: _Selection, place: int) -> AsyncIterator[bytes]:
    # The ledger is the queue: a slow reader costs no memory.
    news = asyncio.Event()
    unsubscribe = daemon.ledger.subscribe(lambda recorded: news.set())
    closing = asyncio.create_task(daemon.closing.wait())
    try:
        while True:
            news.clear()
            page = selection.after(place, PAGE)
            for recorded in page:
                place = recorded.id
                yield (json.dumps(recorded.as_dict()) + "\n").encode()
            if len(page) == PAGE:
                continue
            if closing.done():
                return
            heard = asyncio.create_task(news.wait())
            try:
                await asyncio.wait({heard, closing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                heard.cancel()
    finally:
        closing.cancel()
        unsubscribe()
