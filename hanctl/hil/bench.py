"""A bench in one event loop: the hub and a simulated world, joined by an in-memory serial line.

It runs in virtual time as well as in real time. ``kill`` ends the hub as ``kill -9`` would: nothing it still wanted
to do is done, and what is left is what its ledger and the dongle hold.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from hanctl.base.clock import LoopClock
from hanctl.config.sections import Config
from hanctl.hil import memory
from hanctl.hub.daemon import Daemon
from hanctl.simulator.air.constants import BAUD
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.quirks import Quirks
from hanctl.simulator.sniffer.capture import Capture
from hanctl.simulator.world import Air, World

_NUMBERS = itertools.count(1)
_HUB_TASKS: contextvars.ContextVar[set[asyncio.Task[Any]] | None] = contextvars.ContextVar("hub_tasks", default=None)


def _task_factory(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **kwargs: Any
) -> asyncio.Task[Any]:
    """Note which tasks belong to the hub: those made in its context, however indirectly."""
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **kwargs)
    tasks = _HUB_TASKS.get()
    if tasks is not None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return task


class Bench:
    """One dongle, its devices, and one hub at a time over the same state in ``directory``.

    ``sections``: more of the hub's configuration, section by section. ``air``, ``baud`` and ``quirks``: as
    ``World.build``.
    ``begin``: what the clock shows when it is built.
    """

    def __init__(
        self,
        directory: Path,
        specs: Sequence[DeviceSpec],
        *,
        radio: Literal["ezsp", "znp"] = "ezsp",
        protocol_version: int | None = None,
        seed: int = 0,
        sections: Mapping[str, Any] | None = None,
        air: Air = "ideal",
        baud: int = BAUD,
        quirks: Quirks = Quirks(),  # noqa: B008 - it is frozen
        begin: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    ) -> None:
        self.name = f"bench-{next(_NUMBERS)}"
        self.world = World.build(
            specs,
            kind=radio,
            protocol_version=protocol_version,
            seed=seed,
            state=directory / "simulator",
            air=air,
            baud=baud,
            quirks=quirks,
        )
        self.hub: Daemon | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._capture: Capture | None = None
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_task_factory)  # type: ignore[arg-type]
        self.clock = LoopClock(loop, begin)
        self._sections: dict[str, Any] = {
            "hub": {"state_dir": str(directory / "hub"), "socket": str(directory / "socket")},
            "dongle": {"path": memory.plug(self.name, self.world.dongle), "radio": radio},
        }
        self.configure(**(sections or {}))

    def configure(self, **sections: Any) -> None:
        """Set whole sections of the configuration that the hub reads when it is started, or told to reload it."""
        self._sections |= sections
        self._config = Config.model_validate(self._sections)

    def capture(self, pcap: Path) -> Capture:
        """Capture the air as ``World.capture`` does, by the bench's clock; the capture ends with the bench."""
        self._capture = self.world.capture(pcap, now=lambda: self.clock.now().timestamp())
        return self._capture

    async def start(self) -> Daemon:
        """Start the hub. The dongle must have power. Raises what ``Daemon.start`` raises."""
        hub = Daemon(self._config, self.clock, serve=False, reread=lambda: self._config)
        self._tasks = set()
        context = contextvars.copy_context()
        context.run(_HUB_TASKS.set, self._tasks)
        await asyncio.get_running_loop().create_task(hub.start(), context=context)
        self.hub = hub
        return hub

    async def kill(self) -> None:
        """End the hub as ``kill -9`` would."""
        hub, self.hub = self.hub, None
        if hub is None:
            return
        memory.hang_up(self.name)
        hub.ledger.abandon()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        hub.state.lock.release()

    async def close(self) -> None:
        """Stop the hub in good order and take the power from everything."""
        if self.hub is not None:
            await self.hub.stop("the bench is closed")
            self.hub = None
        self.world.stop()
        if self._capture is not None:
            self._capture.close()
        memory.unplug(self.name)
