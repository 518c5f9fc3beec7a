"""The serial line's speed: what is written arrives when its last byte does, each way by itself."""

from __future__ import annotations

import asyncio

import pytest
from simulator_hub import in_virtual_time

from hanctl.simulator.world import World
from hanctl.simulator.znp.mt import MtFrame

PING = MtFrame(0x21, 0x01).encode()
ANSWER = 7
"""Bytes of the answer: two of capabilities."""


async def line(baud: int) -> tuple[World, list[tuple[float, bytes]]]:
    """A Z-Stack dongle that has booted, and what it writes, with the time at which the host has it."""
    world = World.build([], kind="znp", air="real", baud=baud)
    world.plug()
    await asyncio.sleep(5)
    got: list[tuple[float, bytes]] = []
    loop = asyncio.get_running_loop()
    world.dongle.attach(lambda data: got.append((loop.time(), data)))
    return world, got


@pytest.mark.parametrize(("baud", "byte_s"), [(115_200, 1 / 11_520), (9600, 1 / 960)])
@in_virtual_time
async def test_every_byte_takes_its_time(baud: int, byte_s: float) -> None:
    world, got = await line(baud)
    began = asyncio.get_running_loop().time()
    world.dongle.from_host(PING)
    await asyncio.sleep(1)
    ((at, answer),) = got
    assert len(answer) == ANSWER
    assert at - began == pytest.approx((len(PING) + ANSWER) * byte_s, abs=2e-6)


@in_virtual_time
async def test_one_way_waits_for_itself_and_not_for_the_other() -> None:
    world, got = await line(115_200)
    began = asyncio.get_running_loop().time()
    for _ in range(3):
        world.dongle.from_host(PING)
    await asyncio.sleep(1)
    # While an answer goes up, the next request comes down; answers are longer, so that they queue.
    expected = [(5 + 7 * (n + 1)) / 11_520 for n in range(3)]
    assert [at - began for at, _ in got] == pytest.approx(expected, abs=5e-6)


@in_virtual_time
async def test_what_is_on_the_line_is_lost_with_the_power() -> None:
    world, got = await line(9600)
    world.dongle.from_host(PING)
    await asyncio.sleep(0.006)  # it has arrived, and the answer is on its way
    world.unplug()
    world.plug()
    await asyncio.sleep(5)
    assert got == []
    assert world.dongle.faults == {}
