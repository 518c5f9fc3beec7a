"""Answers that wait: until there is something to say, or for so long. Nothing is polled inside the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from fastapi import Query

if TYPE_CHECKING:
    from hanctl.daemon import Daemon

MOST_S = 600
WaitS = Annotated[float, Query(ge=0, le=MOST_S)]


async def until(daemon: Daemon, done: Callable[[], bool], wait_s: float, *, blocks: bool = False) -> None:
    """Return once ``done``, after ``wait_s`` seconds, or when the hub closes.

    ``done`` is asked at once and after each event; with ``blocks`` also after each block of an image.
    """
    news = asyncio.Event()

    def tell(_: object) -> None:
        news.set()

    served = daemon.updates.server.on_served
    unsubscribe = daemon.ledger.subscribe(tell)
    if blocks:
        served.append(tell)
    closing = asyncio.create_task(daemon.closing.wait())
    closing.add_done_callback(tell)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not done() and not closing.done():
                    news.clear()
                    await news.wait()
    finally:
        closing.cancel()
        unsubscribe()
        if blocks:
            served.remove(tell)
