"""Virtual time: an event loop whose clock jumps to the next timer when nothing is runnable.

A week of timers takes as long as the work they cause. The clock stands still while a thread of the default executor
is busy, and while any file descriptor is ready, so results do not depend on the speed of the machine. Whatever must
run in virtual time may use only this loop's time, and must talk within this process.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Stalled(RuntimeError):
    """Nothing is runnable and no timer is set: the program waits for something that cannot happen."""


class _JumpingSelector(selectors.BaseSelector):
    """Asks the real selector what is ready now; where nothing is, lets the clock jump instead of waiting."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0 or self.loop is None:
            return ready
        if self.loop.threads_busy:
            return self._real.select(timeout if timeout is None else 0.05)
        if timeout is None:
            raise Stalled("nothing is runnable and no timer is set")
        self.loop.advance(timeout)
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time; ``time()`` starts at 1000.0 and moves only by jumps."""

    def __init__(self) -> None:
        self._now = 1000.0
        self.threads_busy = 0
        selector = _JumpingSelector()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now += max(0.0, seconds)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.threads_busy += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *timeout: Any) -> None:
        """Wait for the pool's threads in real time; asyncio does it from one more thread."""
        self.threads_busy += 1
        try:
            await super().shutdown_default_executor(*timeout)
        finally:
            self.threads_busy -= 1

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self.threads_busy -= 1


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time, as ``asyncio.run`` does in real time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
