"""Virtual time: jumps over waiting, never over work in a thread."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from hanctl.base import virtual


def test_a_week_passes_in_no_time() -> None:
    async def week() -> float:
        start = asyncio.get_running_loop().time()
        for _ in range(7 * 24):
            await asyncio.sleep(3600)
        return asyncio.get_running_loop().time() - start

    began = time.perf_counter()
    assert virtual.run(week()) == pytest.approx(7 * 24 * 3600)
    assert time.perf_counter() - began < 5


def test_timers_fire_in_order_of_time() -> None:
    async def order() -> list[str]:
        seen: list[str] = []

        async def note(name: str, delay: float) -> None:
            await asyncio.sleep(delay)
            seen.append(name)

        await asyncio.gather(note("late", 50), note("early", 1), note("middle", 49.99))
        return seen

    assert virtual.run(order()) == ["early", "middle", "late"]


def test_the_clock_waits_for_a_thread() -> None:
    async def race() -> str:
        release = asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)
        done, _ = await asyncio.wait({release}, timeout=3600)
        return "thread" if done else "timer"

    assert virtual.run(race()) == "thread"


def test_a_socket_with_data_goes_before_the_clock() -> None:
    async def race() -> bytes:
        near, far = socket.socketpair()
        reader, writer = await asyncio.open_unix_connection(sock=near)
        far.send(b"here")
        async with asyncio.timeout(0.001):
            data = await reader.read(10)
        writer.close()
        far.close()
        return data

    assert virtual.run(race()) == b"here"


def test_waiting_for_the_impossible_is_an_error() -> None:
    async def forever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(virtual.Stalled):
        virtual.run(forever())
