"""The sender over a transmitter that does as it is told, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import wraps

import pytest

from hanctl.base import virtual
from hanctl.radio.errors import DeliveryFailed
from hanctl.radio.frames import Outcome, OutgoingFrame
from hanctl.radio.sending.numbers import FrameTags
from hanctl.radio.sending.sender import CONFIRMATION_S, Confirmed, Sender

FRAME = OutgoingFrame(0x1234, 1, 1, 0x0109, 0x0019, b"\x19\x01\x02")


class Dongle:
    """Confirms after ``delay_s``; ``answers`` are statuses given at once, the first first, None takes the frame."""

    def __init__(self) -> None:
        self.sender = Sender(self, FrameTags(), 16)
        self.frames: list[OutgoingFrame] = []
        self.answers: list[str | Exception | None] = []
        self.ends: list[str | None] = []
        self.delay_s: float | None = 0.01
        self.recovers = False
        self.recovered = 0

    async def transmit(self, frame: OutgoingFrame, number: int, confirmed: Confirmed) -> str | None:
        await asyncio.sleep(0.001)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            self.frames.append(frame)
            if self.delay_s is not None:
                end = self.ends.pop(0) if self.ends else None
                asyncio.get_running_loop().call_later(self.delay_s, confirmed, end)
        return answer

    async def recover(self, nwk: int, status: str) -> bool:
        self.recovered += 1
        return self.recovers


def in_virtual_time(test: Callable[[Dongle], Awaitable[None]]) -> Callable[[], None]:
    @wraps(test)
    def run() -> None:
        async def whole() -> None:
            dongle = Dongle()
            await test(dongle)
            dongle.sender.close()

        virtual.run(whole())

    del run.__wrapped__
    return run


@in_virtual_time
async def test_delivered(dongle: Dongle) -> None:
    await dongle.sender.send(FRAME)
    assert dongle.frames == [FRAME]


@in_virtual_time
async def test_not_delivered(dongle: Dongle) -> None:
    dongle.ends = ["ZIGBEE_DELIVERY_FAILED"]
    with pytest.raises(DeliveryFailed, match="ZIGBEE_DELIVERY_FAILED"):
        await dongle.sender.send(FRAME)
    assert dongle.recovered == 1


@in_virtual_time
async def test_a_route_is_repaired_once(dongle: Dongle) -> None:
    dongle.ends, dongle.recovers = ["NWK_NO_ROUTE", "NWK_NO_ROUTE"], True
    with pytest.raises(DeliveryFailed):
        await dongle.sender.send(FRAME)
    assert (len(dongle.frames), dongle.recovered) == (2, 1)
    dongle.ends = ["NWK_NO_ROUTE"]
    await dongle.sender.send(FRAME)


@pytest.mark.parametrize(
    "status", ["ZIGBEE_MAX_MESSAGE_LIMIT_REACHED", "ALLOCATION_FAILED", "MEM_ERROR", "BUFFER_FULL"]
)
def test_a_full_dongle_is_asked_again(status: str) -> None:
    async def whole() -> None:
        dongle = Dongle()
        dongle.answers = [status] * 12
        await dongle.sender.send(FRAME)
        assert dongle.frames == [FRAME]

    virtual.run(whole())


@in_virtual_time
async def test_a_confirmation_that_says_full_is_the_same(dongle: Dongle) -> None:
    dongle.ends = ["MAC_NO_RESOURCES", "MAC_NO_RESOURCES"]
    await dongle.sender.send(FRAME)
    assert len(dongle.frames) == 3
    assert dongle.recovered == 0


@in_virtual_time
async def test_whatever_the_library_raises_is_a_failed_delivery(dongle: Dongle) -> None:
    dongle.answers = [RuntimeError("closed")]
    with pytest.raises(DeliveryFailed, match="closed"):
        await dongle.sender.send(FRAME)


@in_virtual_time
async def test_no_confirmation(dongle: Dongle) -> None:
    dongle.delay_s = None
    began = asyncio.get_running_loop().time()
    with pytest.raises(DeliveryFailed, match="no confirmation"):
        await dongle.sender.send(FRAME)
    assert asyncio.get_running_loop().time() - began == pytest.approx(CONFIRMATION_S)


@in_virtual_time
async def test_a_thousand_lost_confirmations_cost_no_numbers(dongle: Dongle) -> None:
    for _ in range(1000):
        dongle.delay_s = None
        with pytest.raises(DeliveryFailed):
            await dongle.sender.send(FRAME)
    dongle.delay_s = 0.01
    await dongle.sender.send(FRAME)


@in_virtual_time
async def test_a_posted_frame_is_told_its_outcome(dongle: Dongle) -> None:
    told: list[Outcome] = []
    dongle.ends = [None, "APS_NO_ACK"]
    for offset in (0, 56):
        dongle.sender.post(replace(FRAME, bulk=offset, outcome=told.append))
        await asyncio.sleep(1)
    dongle.delay_s = None
    dongle.sender.post(replace(FRAME, bulk=112, outcome=told.append))
    await asyncio.sleep(20)
    dongle.sender.post(replace(FRAME, bulk=168, outcome=told.append))
    dongle.sender.close()
    dongle.sender.post(replace(FRAME, bulk=224, outcome=told.append))
    assert told == ["delivered", "failed", "failed", "dropped", "dropped"]


@in_virtual_time
async def test_many_at_once_are_in_the_dongle_one_after_the_other(dongle: Dongle) -> None:
    await asyncio.gather(*(dongle.sender.send(replace(FRAME, destination_nwk=n)) for n in range(50)))
    assert [frame.destination_nwk for frame in dongle.frames] == list(range(50))
