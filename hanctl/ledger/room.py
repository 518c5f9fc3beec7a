"""Repeat work that a full disk interrupts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hanctl.ledger.errors import LedgerFull

AGAIN_S = 15.0
"""How long until work that found no room looks whether there is any."""


async def as_there_is_room(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run ``work``, and again whenever it raises LedgerFull; what it could not write must then still be due."""
    while True:
        try:
            await work()
        except LedgerFull:
            await asyncio.sleep(AGAIN_S)
        else:
            return
