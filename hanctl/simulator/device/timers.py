"""Named timers of a simulated device: setting one replaces it, and a power cut cancels all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Timers:
    """Timers on the running loop's clock."""

    def __init__(self) -> None:
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def set(self, name: str, seconds: float, callback: Callable[[], None]) -> None:
        """Call ``callback`` in ``seconds``, and nothing else under this name."""
        self.cancel(name)

        def fire() -> None:
            self._handles.pop(name, None)
            callback()

        self._handles[name] = asyncio.get_running_loop().call_later(max(0.0, seconds), fire)

    def cancel(self, name: str) -> None:
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.cancel()

    def cancel_all(self) -> None:
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()
