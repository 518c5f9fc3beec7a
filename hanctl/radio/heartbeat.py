"""Check every few seconds that the dongle still answers, so that one that hangs is noticed in seconds.

The libraries' own watchdogs ask every 10 s (bellows, which lets five failures pass) and every 30 s (zigpy-znp, which
waits 15 s for an answer). Source: zigpy.md §10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

PERIOD_S = 4.0
ANSWER_S = 3.0
"""Longer than firmware is busy with its flash at a stretch."""
MISSES = 2
"""One answer may be lost; so many in a row are not."""


async def heartbeat(ask: Callable[[], Awaitable[None]], lost: Callable[[str], None]) -> None:
    """Ask until cancelled, or until the dongle missed ``MISSES`` answers in a row; then call ``lost``."""
    misses = 0
    while misses < MISSES:
        if misses == 0:
            await asyncio.sleep(PERIOD_S)
        try:
            async with asyncio.timeout(ANSWER_S):
                await ask()
        except Exception as error:
            # Whatever a library makes of no answer.
            misses += 1
            log.debug("the dongle did not answer", reason=repr(error))
        else:
            misses = 0
    lost("it does not answer")
