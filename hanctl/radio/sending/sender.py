"""Hand frames to the dongle, one command after the other, in the order of the queue, and take their outcomes.

The serial protocols take one command at a time, so one task does it, and only while there is something to send. The
outcome comes later, by a call: no task waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from hanctl.radio.errors import DeliveryFailed
from hanctl.radio.frames import Outcome, OutgoingFrame
from hanctl.radio.sending.numbers import FrameTags
from hanctl.radio.sending.send_queue import Parcel, SendQueue

log = structlog.get_logger()

BUSY = frozenset(
    {
        # EmberZNet: its queue of outgoing messages or its buffers are full.
        "ZIGBEE_MAX_MESSAGE_LIMIT_REACHED",
        "ALLOCATION_FAILED",
        "NO_MORE_RESOURCE",
        "FULL",
        "BUSY",
        # Z-Stack.
        "MEM_ERROR",
        "BUFFER_FULL",
        "NWK_TABLE_FULL",
        "MAC_NO_RESOURCES",
        "MAC_CHANNEL_ACCESS_FAILURE",
    }
)
"""Statuses by which a dongle says that it has no room just now, in either library's names."""

CONFIRMATION_S = 8.0
SLEEPY_CONFIRMATION_S = 40.0
"""Whoever waits for a delivery is told that it failed after so long; the frame may arrive all the same."""
LEAST_DELAY_S = 0.001
HOUSEKEEPING_S = 1.0

Confirmed = Callable[[str | None], None]
"""Called once with what the dongle said in the end: None, or the name of a status."""


class Transmitter(Protocol):
    """Interface of the radio that the sender uses."""

    async def transmit(self, frame: OutgoingFrame, number: int, confirmed: Confirmed) -> str | None:
        """Give the dongle a frame. Returns None if accepted (the outcome follows), else a status. Raises anything."""

    async def recover(self, nwk: int, status: str) -> bool: ...


class Sender:
    """Sends frames in the order of the queue. ``most``: the largest number of bulk frames in flight."""

    def __init__(self, transmitter: Transmitter, numbers: FrameTags, most: int) -> None:
        self._transmitter = transmitter
        self._numbers = numbers
        self._queue = SendQueue(most)
        self._waiting: dict[Parcel, asyncio.Future[str | None]] = {}
        self._pump: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def post(self, frame: OutgoingFrame) -> None:
        """Queue the frame; ``frame.outcome`` is called with its outcome."""
        self._put(Parcel(frame, _now()))

    async def send(self, frame: OutgoingFrame) -> None:
        """Queue the frame, and wait until it is delivered. Raises DeliveryFailed."""
        parcel = Parcel(frame, _now())
        future = self._waiting[parcel] = asyncio.get_running_loop().create_future()
        self._put(parcel)
        try:
            async with asyncio.timeout(SLEEPY_CONFIRMATION_S if frame.sleepy else CONFIRMATION_S):
                status = await future
        except TimeoutError:
            raise DeliveryFailed("no confirmation in time") from None
        finally:
            del self._waiting[parcel]
        if status is not None:
            raise DeliveryFailed(f"not delivered: {status}")

    def backlog(self) -> float:
        """Return how long bulk frames wait for their turn, in seconds."""
        return self._queue.backlog(_now())

    def close(self) -> None:
        """Stop sending, as the dongle is gone. Waiters are not told here."""
        self._closed = True
        for parcel in self._queue.clear():
            _tell(parcel, "dropped")
        for task in (self._pump, *self._tasks):
            if task is not None:
                task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    # --- inside

    def _put(self, parcel: Parcel) -> None:
        if self._closed:
            _tell(parcel, "dropped")
            return
        replaced = self._queue.put(parcel)
        if replaced is not None:
            _tell(replaced, "dropped")
        self._go_on()

    def _go_on(self) -> None:
        if not self._closed and (self._pump is None or self._pump.done()):
            self._pump = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        while (parcel := self._queue.take(_now())) is not None:
            await self._send_one(parcel)
        self._set_timer()

    async def _send_one(self, parcel: Parcel) -> None:
        def confirmed(status: str | None) -> None:
            if parcel.number == number:
                self._ended(parcel, status)

        try:
            number = parcel.number = self._numbers.take()
            status = await self._transmitter.transmit(parcel.frame, number, confirmed)
            if status is None and parcel.frame.taken is not None:
                parcel.frame.taken()
        except Exception as error:
            # The line may be lost, which others notice; or the dongle did not answer in time.
            status = " ".join(str(error).split()) or type(error).__name__
        if status is not None:
            self._ended(parcel, status)

    def _ended(self, parcel: Parcel, status: str | None) -> None:
        if self._closed:
            return
        self._give_number_back(parcel)
        if status in BUSY:
            replaced = self._queue.refused(parcel, _now())
            if replaced is not None:
                _tell(replaced, "dropped")
        else:
            unneeded = self._queue.ended(parcel, delivered=status is None)
            if unneeded is not None:
                _tell(unneeded, "delivered")
            if status is None or parcel.recovered:
                self._over(parcel, status)
            else:
                parcel.recovered = True
                self._start(self._repair(parcel, status))
        self._go_on()

    async def _repair(self, parcel: Parcel, status: str) -> None:
        """Repair the route to a device if that helps, and send once more."""
        try:
            again = await self._transmitter.recover(parcel.frame.destination_nwk, status)
        except Exception as error:
            log.debug("a route was not repaired", nwk=parcel.frame.destination_nwk, error=repr(error))
            again = False
        if again:
            self._put(parcel)
        else:
            self._over(parcel, status)

    def _give_number_back(self, parcel: Parcel) -> None:
        if parcel.number is not None:
            self._numbers.give_back(parcel.number)
            parcel.number = None

    def _over(self, parcel: Parcel, status: str | None) -> None:
        future = self._waiting.get(parcel)
        if future is not None and not future.done():
            future.set_result(status)
        _tell(parcel, "delivered" if status is None else "failed")

    def _set_timer(self) -> None:
        """Set a timer for the end of a pause, or to check for lost frames while any wait or are in flight."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed or not self._queue.busy:
            return
        pause = self._queue.pause(_now())
        # What rounding leaves of a pause may be too little to move the clock on.
        delay = max(pause, LEAST_DELAY_S) if pause else HOUSEKEEPING_S
        self._timer = asyncio.get_running_loop().call_later(delay, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        for parcel in self._queue.stale(_now()):
            self._over(parcel, "the dongle has no room")
        for parcel in self._queue.lost(_now()):
            self._give_number_back(parcel)
            self._over(parcel, "no confirmation in time")
        self._go_on()

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _tell(parcel: Parcel, outcome: Outcome) -> None:
    if parcel.frame.outcome is not None:
        parcel.frame.outcome(outcome)


def _now() -> float:
    return asyncio.get_running_loop().time()
