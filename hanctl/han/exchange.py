"""Send requests over the attached radio, and match responses to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from hanctl.base.errors import HanctlError
from hanctl.han.errors import TimedOut, Unproven
from hanctl.han.security import needs_encryption
from hanctl.han.tasks import Tasks
from hanctl.han.zcl import ZclFrame
from hanctl.han.zdo import RESPONSE
from hanctl.radio.errors import DeliveryFailed, DongleGone
from hanctl.radio.frames import SMART_ENERGY, ZDO_PROFILE, IncomingFrame, Outcome, OutgoingFrame, Radio

log = structlog.get_logger()

Arrived = Callable[[bool], None]
OnWay = Callable[[int], Arrived]
Accepts = Callable[[ZclFrame], bool]


@dataclass(slots=True)
class _Waiting:
    """A waiter for a response. ``accepts``: takes a response as the answer; None: any is taken."""

    answered: asyncio.Future[Any]
    accepts: Accepts | None
    encrypted: bool = False
    other: ZclFrame | None = None


class Exchange:
    """Send frames, and match responses by sender, cluster and sequence number.

    ZCL and ZDO count their own sequences; neither is the APS counter.
    """

    def __init__(self) -> None:
        self._radio: Radio | None = None
        self._waiting: dict[Hashable, _Waiting] = {}
        self._zcl_tsn = 0
        self._zdo_tsn = 0
        self.on_way: OnWay = lambda _: lambda _: None
        """Told of each frame that goes out under a link key, by its destination; what it returns is told whether the
        frame was acknowledged."""

    @property
    def radio(self) -> Radio:
        """Return the attached radio. Raises DongleGone if there is none."""
        if self._radio is None:
            raise DongleGone("the dongle is not open", "it is reopened as soon as it is back")
        return self._radio

    def attach(self, radio: Radio) -> None:
        """Send over this radio from now on."""
        self._radio = radio

    def detach(self) -> None:
        """Detach the radio: all waiters for a response get DongleGone."""
        self._radio = None
        for waiting in self._waiting.values():
            if not waiting.answered.done():
                waiting.answered.set_exception(
                    DongleGone("the dongle was lost", "it is reopened as soon as it is back")
                )

    async def send(self, frame: OutgoingFrame) -> None:
        """Send a frame and wait for its acknowledgement. Raises DeliveryFailed, DongleGone."""
        radio = self.radio
        if not _is_acknowledged(frame):
            await radio.send(frame)
            return
        acknowledged = False
        arrived = self.on_way(frame.destination_nwk)
        try:
            await radio.send(frame)
            acknowledged = True
        finally:
            arrived(acknowledged)

    def answer(self, frames: Sequence[OutgoingFrame], tasks: Tasks) -> None:
        """Send the frames that answer one request; several go in order, as one of these ``tasks``."""
        if len(frames) == 1:
            self.post(frames[0])
        elif frames:
            tasks.start(self._send_in_order(frames))

    async def _send_in_order(self, frames: Sequence[OutgoingFrame]) -> None:
        try:
            for frame in frames:
                await self.send(frame)
        except HanctlError as error:
            log.debug("an answer was not delivered", nwk=frames[0].destination_nwk, reason=str(error))

    def post(self, frame: OutgoingFrame) -> None:
        """Send without waiting; ``frame.outcome`` is told, "dropped" while there is no radio."""
        if self._radio is not None:
            if _is_acknowledged(frame):
                arrived = self.on_way(frame.destination_nwk)
                frame = replace(frame, outcome=partial(_posted, frame.outcome, arrived))
            self._radio.post(frame)
        elif frame.outcome is not None:
            frame.outcome("dropped")

    def backlog(self) -> float:
        """Return how long bulk frames wait for their turn, in seconds."""
        return 0.0 if self._radio is None else self._radio.backlog()

    def next_zcl_tsn(self) -> int:
        """Return a ZCL sequence number for a new frame of the hub."""
        self._zcl_tsn = (self._zcl_tsn + 1) & 0xFF
        return self._zcl_tsn

    async def request_zcl(
        self,
        *,
        nwk: int,
        endpoint: int,
        source_endpoint: int,
        cluster: int,
        frame: ZclFrame,
        timeout_s: float,
        sleepy: bool = False,
        encrypted: bool | None = None,
        aps_ack: bool = True,
        accepts: Accepts | None = None,
    ) -> ZclFrame:
        """Send a ZCL frame (under a sequence number given here) and return its response.

        ``timeout_s``: seconds, from the delivery on. ``encrypted``: None is as the cluster wants it. ``accepts``: a
        response that it does not take leaves the request waiting. Raises DeliveryFailed, DongleGone, TimedOut, and
        Unproven where only such responses came.
        """

        def key(tsn: int) -> Hashable:
            return ("zcl", nwk, endpoint, cluster, tsn)

        tsn = self._free(self.next_zcl_tsn, key)
        outgoing = OutgoingFrame(
            destination_nwk=nwk,
            destination_endpoint=endpoint,
            source_endpoint=source_endpoint,
            profile=SMART_ENERGY,
            cluster=cluster,
            payload=replace(frame, tsn=tsn).serialize(),
            aps_encrypted=needs_encryption(cluster) if encrypted is None else encrypted,
            aps_ack=aps_ack,
            sleepy=sleepy,
        )
        response: ZclFrame = await self._request(key(tsn), outgoing, timeout_s, accepts)
        return response

    async def request_zdo(
        self, *, nwk: int, cluster: int, build: Callable[[int], bytes], timeout_s: float, sleepy: bool = False
    ) -> bytes:
        """Send the ZDO request that ``build`` makes of a sequence number; returns the response's payload.

        Raises DeliveryFailed, DongleGone, TimedOut.
        """

        def key(tsn: int) -> Hashable:
            return ("zdo", nwk, cluster | RESPONSE, tsn)

        tsn = self._free(self._next_zdo_tsn, key)
        outgoing = OutgoingFrame(
            destination_nwk=nwk,
            destination_endpoint=0,
            source_endpoint=0,
            profile=ZDO_PROFILE,
            cluster=cluster,
            payload=build(tsn),
            sleepy=sleepy,
        )
        response: bytes = await self._request(key(tsn), outgoing, timeout_s)
        return response

    def post_zdo(self, *, nwk: int, cluster: int, build: Callable[[int], bytes]) -> None:
        """Send a ZDO request; its response, if any, is treated as a claim like any other."""
        self.post(
            OutgoingFrame(
                destination_nwk=nwk,
                destination_endpoint=0,
                source_endpoint=0,
                profile=ZDO_PROFILE,
                cluster=cluster,
                payload=build(self._next_zdo_tsn()),
            )
        )

    def zcl_response(self, frame: IncomingFrame, zcl_frame: ZclFrame) -> bool:
        """Give a response to whoever waits for it; False where nobody does."""
        key = ("zcl", frame.source_nwk, frame.source_endpoint, frame.cluster, zcl_frame.tsn)
        waiting = self._waiting.get(key)
        if waiting is not None and waiting.encrypted and not frame.aps_encrypted:
            return False
        return self._resolve(key, zcl_frame)

    def zdo_response(self, frame: IncomingFrame) -> bool:
        """Give a response to whoever waits for it; False where nobody does."""
        return self._resolve(("zdo", frame.source_nwk, frame.cluster, frame.payload[0]), frame.payload)

    def _next_zdo_tsn(self) -> int:
        self._zdo_tsn = (self._zdo_tsn + 1) & 0xFF
        return self._zdo_tsn

    def _free(self, count: Callable[[], int], key: Callable[[int], Hashable]) -> int:
        for _ in range(0x100):
            tsn = count()
            if key(tsn) not in self._waiting:
                return tsn
        raise DeliveryFailed("256 requests to this device wait for their answers already", "try again later")

    async def _request(
        self, key: Hashable, frame: OutgoingFrame, timeout_s: float, accepts: Accepts | None = None
    ) -> Any:
        # The response may overtake the confirmation of delivery, so it is awaited from before the sending.
        future = asyncio.get_running_loop().create_future()
        waiting = self._waiting[key] = _Waiting(future, accepts, frame.aps_encrypted)
        try:
            await self.send(frame)
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            if waiting.other is not None:
                raise Unproven(
                    f"0x{frame.destination_nwk:04x} answered, but not with what only the device itself can know",
                    "a device that repeats no unknown attribute ids cannot prove itself; see docs/trust.md",
                    waiting.other,
                ) from None
            raise TimedOut(
                f"0x{frame.destination_nwk:04x} did not answer within {timeout_s:g} s",
                "a sleeping device answers when it wakes; otherwise check that it is powered and in range",
            ) from None
        finally:
            del self._waiting[key]
            if future.done() and not future.cancelled():
                future.exception()

    def _resolve(self, key: Hashable, value: Any) -> bool:
        waiting = self._waiting.get(key)
        if waiting is None or waiting.answered.done():
            return False
        if waiting.accepts is not None and not waiting.accepts(value):
            # Somebody guessed the number; the device's own answer may be still to come.
            waiting.other = value
            return True
        waiting.answered.set_result(value)
        return True


def _is_acknowledged(frame: OutgoingFrame) -> bool:
    """Tell whether the destination acknowledges the frame under its link key."""
    return frame.aps_encrypted and frame.aps_ack


def _posted(told: Callable[[Outcome], None] | None, arrived: Arrived, outcome: Outcome) -> None:
    arrived(outcome == "delivered")
    if told is not None:
        told(outcome)
