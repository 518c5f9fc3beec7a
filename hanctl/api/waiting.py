"""Let answers wait for a condition or a timeout, without polling inside the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

from fastapi import Query

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

MOST_S = 600
WaitS = Annotated[float, Query(ge=0, le=MOST_S)]


Listeners = list[Callable[..., None]]


async def until(daemon: Daemon, done: Callable[[], bool], wait_s: float, *signs: Listeners) -> None:
    """Wait until ``done`` returns true, for ``wait_s`` seconds, or until the hub closes.

    ``done`` is called at once, after each event, and whenever one of ``signs`` is called.
    """
    news = asyncio.Event()

    def tell(*_: object) -> None:
        news.set()

    unsubscribe = daemon.ledger.subscribe(tell)
    for listeners in signs:
        listeners.append(tell)
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
        for listeners in signs:
            listeners.remove(tell)
