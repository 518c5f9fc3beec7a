"""Route of a display's debug console."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from hanctl.base.errors import NotFound
from hanctl.console.console import ConsoleLine, console_file

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

PAGE = 1000
LONGEST_WAIT_S = 30


@dataclass(frozen=True, slots=True)
class ConsoleLines:
    """Lines of a console. ``last``: the number of the newest there is; ``now``: the hub's time."""

    name: str
    port: str
    open: bool
    file: str
    now: datetime
    last: int
    lines: list[ConsoleLine]


def router(daemon: Daemon) -> APIRouter:
    routes = APIRouter()

    @routes.get("/console/lines")
    async def lines(
        after: Annotated[int, Query(ge=0)] = 0,
        wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> ConsoleLines:
        """Return lines numbered above ``after``, oldest first; if there is none, wait ``wait_s`` seconds for one."""
        console = daemon.console
        if console is None:
            raise NotFound("no console is configured", "name its port in the hub's configuration: [console] port")
        if wait_s and console.last <= after:
            await _first_of(wait_s, console.wait_for_news(after), daemon.closing.wait())
        return ConsoleLines(
            console.name,
            console.port,
            console.open,
            str(console_file(daemon.config.hub.state_dir, console.name)),
            daemon.clock.now(),
            console.last,
            console.lines(after)[:limit],
        )

    return routes


async def _first_of(seconds: float, *waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them has finished, or after the timeout."""
    tasks = [asyncio.create_task(each) for each in waits]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
