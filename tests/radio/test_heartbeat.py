"""Whether a dongle is noticed that no longer answers, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from hanctl.base import virtual
from hanctl.radio.heartbeat import heartbeat


class Dongle:
    def __init__(self, silent: set[int], error: Exception | None = None) -> None:
        self.silent = silent
        self.error = error
        self.asked = 0
        self.lost: list[str] = []

    async def ask(self) -> None:
        self.asked += 1
        if self.asked in self.silent:
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()


def watched(dongle: Dongle, seconds: float) -> float:
    """How long it was watched over: ``seconds``, or until it was given up."""

    async def main() -> float:
        began = asyncio.get_running_loop().time()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await heartbeat(dongle.ask, dongle.lost.append)
        return asyncio.get_running_loop().time() - began

    return virtual.run(main())


def test_a_dongle_that_answers_is_asked_on_and_on() -> None:
    dongle = Dongle(set())
    assert watched(dongle, 3600) == 3600
    assert dongle.lost == []
    assert dongle.asked > 600


@pytest.mark.parametrize("error", [None, RuntimeError("no answer"), TimeoutError()])
def test_one_that_hangs_is_noticed_within_ten_seconds(error: Exception | None) -> None:
    dongle = Dongle(set(range(5, 100)), error)
    noticed = watched(dongle, 3600)
    answered_until = 4 * 4.0
    assert dongle.lost == ["it does not answer"]
    assert noticed - answered_until <= 10


def test_answers_that_are_lost_now_and_then_are_forgiven() -> None:
    dongle = Dongle(set(range(2, 1000, 2)))
    assert watched(dongle, 3600) == 3600
    assert dongle.lost == []
