"""Hold requests that would change a device's record until it is known whether the device sent them.

A frame under some link key that came from B's address may be anybody's who has a key. One that only asks is answered:
the answer goes to B, under B's key. One that would change B's record is weighed first: by the counters of the dongle's
keys (``witness.py``), and where they say too little by asking B itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import Proof, Request, Weighs, Weight
from hanctl.han.identity.witness import Witness
from hanctl.han.tasks import Tasks
from hanctl.han.zcl import ZclFrame
from hanctl.radio.frames import IncomingFrame

log = structlog.get_logger()

WAITING = 8
"""Frames of one device that wait at most; a device repeats what is not answered."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """One frame to check. ``server`` can ask the device itself about ``request``.

    ``number``: which of the frames from the device's address it is, as the witness counts them.
    """

    frame: IncomingFrame
    zcl: ZclFrame
    weight: Weight
    server: Weighs | None = None
    request: Request | None = None
    number: int = 0


class Gate:
    """One queue per device. ``passed`` gets each accepted frame with its proof.

    ``forged`` is called with a device in whose name somebody else spoke.
    """

    def __init__(
        self,
        witness: Witness,
        tasks: Tasks,
        passed: Callable[[Eui64, Weighed, Proof], None],
        forged: Callable[[Eui64], None],
    ) -> None:
        self._witness = witness
        self._tasks = tasks
        self._passed = passed
        self._forged = forged
        self._queues: dict[Eui64, deque[Weighed]] = {}

    def put(self, eui64: Eui64, weighed: Weighed) -> None:
        """Queue a frame to be checked; drop it if the same one waits already or the queue is full."""
        queue = self._queues.get(eui64)
        if queue is None:
            queue = self._queues[eui64] = deque()
            self._tasks.start(self._work(eui64, queue))
        if len(queue) < WAITING and all(weighed.frame.payload != other.frame.payload for other in queue):
            queue.append(weighed)

    def look(self, eui64: Eui64, number: int) -> None:
        """Judge a frame that nothing hangs on, where none of the device's waits: what comes next is judged apart from
        it."""
        if eui64 not in self._queues:
            queue = self._queues[eui64] = deque()
            self._tasks.start(self._look(eui64, number, queue))

    async def _look(self, eui64: Eui64, number: int, queue: deque[Weighed]) -> None:
        try:
            if await self._witness.judge(eui64, number, strict=False) == "not its own":
                self._forged(eui64)
        finally:
            del self._queues[eui64]
            if queue:
                self._queues[eui64] = queue
                self._tasks.start(self._work(eui64, queue))

    async def _work(self, eui64: Eui64, queue: deque[Weighed]) -> None:
        try:
            while queue:
                await self._weigh(eui64, queue[0])
                queue.popleft()
        finally:
            del self._queues[eui64]

    async def _weigh(self, eui64: Eui64, weighed: Weighed) -> None:
        whose = await self._witness.judge(eui64, weighed.number, strict=weighed.weight == "end")
        if whose == "its own":
            self._passed(eui64, weighed, "key counters")
            return
        if whose == "not its own":
            self._forged(eui64)
        said: bool | None = None
        if weighed.server is not None and weighed.request is not None:
            said = await weighed.server.corroborate(weighed.request)
        if said:
            self._passed(eui64, weighed, "secret")
        elif said is None and whose == "unclear":
            self._passed(eui64, weighed, "address")
        else:
            log.info("a frame in a device's name was not its own", device=eui64, cluster=weighed.frame.cluster)
