"""Answers of the API that wait for something, in virtual time: they come with it, and not before or after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from hanctl.api.app import make_app
from hanctl.base import virtual
from hanctl.hil.bench import Bench
from hanctl.model.events import HubStarted
from hanctl.simulator.device.spec import DeviceSpec

CODE = "83FED3407A939723A5C639B26916D505C3B5"
DISPLAY = "00:0d:6f:00:0b:00:00:01"
SPEC = DeviceSpec.model_validate({"name": "display", "eui64": DISPLAY, "type": "ppmid", "install_code": CODE})

Ask = Callable[..., Awaitable[Any]]
Scenario = Callable[[Bench, Ask], Awaitable[None]]


def play(directory: Path, scenario: Scenario) -> None:
    async def main() -> None:
        bench = Bench(directory, [SPEC])
        bench.world.plug()
        app = make_app(await bench.start())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hanctl") as http:

            async def ask(path: str, **query: Any) -> Any:
                return (await http.get(path, params=query)).json()

            await scenario(bench, ask)
        await bench.close()

    virtual.run(main())


def test_an_answer_waits_for_the_first_event_and_no_longer(tmp_path: Path) -> None:
    async def scenario(bench: Bench, ask: Ask) -> None:
        assert bench.hub is not None
        last = (await ask("/status"))["last_event"]
        asked = bench.clock.now()
        answer = asyncio.ensure_future(ask("/events", after=last, wait_s=60))
        await asyncio.sleep(20)
        assert not answer.done()
        bench.hub.ledger.record(HubStarted(version="x"))
        assert [event["id"] for event in await answer] == [last + 1]
        assert (bench.clock.now() - asked).total_seconds() == 20
        # What is there already is not waited for.
        assert len(await ask("/events", after=last, wait_s=60)) == 1
        assert (bench.clock.now() - asked).total_seconds() == 20

    play(tmp_path, scenario)


def test_an_answer_is_empty_when_its_time_is_up(tmp_path: Path) -> None:
    async def scenario(bench: Bench, ask: Ask) -> None:
        assert bench.hub is not None
        last = (await ask("/status"))["last_event"]
        asked = bench.clock.now()
        waiting = asyncio.ensure_future(ask("/events", after=last, wait_s=60, type="device.left"))
        await asyncio.sleep(5)
        # An event of another type is not what was asked for.
        bench.hub.ledger.record(HubStarted(version="x"))
        assert await waiting == []
        assert (bench.clock.now() - asked).total_seconds() == 60
        assert "error" in await ask("/events", wait_s=601)

    play(tmp_path, scenario)


def test_a_waiting_answer_comes_when_the_hub_closes(tmp_path: Path) -> None:
    async def scenario(bench: Bench, ask: Ask) -> None:
        assert bench.hub is not None
        waiting = asyncio.ensure_future(ask("/events", after=10_000, wait_s=600))
        await asyncio.sleep(1)
        bench.hub.closing.set()
        async with asyncio.timeout(1):
            assert await waiting == []

    play(tmp_path, scenario)


def test_a_device_is_waited_for_until_it_is_heard(tmp_path: Path) -> None:
    async def scenario(bench: Bench, ask: Ask) -> None:
        assert bench.hub is not None
        await bench.hub.join(SPEC.eui64, CODE)
        bench.world.devices[0].power_on()
        await ask("/events", type="device.interviewed", wait_s=60)
        before = (await ask(f"/devices/{DISPLAY}"))["last_seen"]
        bench.world.power_cycle("display", off_s=120)
        asked = bench.clock.now()
        after = (await ask(f"/devices/{DISPLAY}", seen_after=before, wait_s=600))["last_seen"]
        assert after > before
        assert 120 <= (bench.clock.now() - asked).total_seconds() < 125

    play(tmp_path, scenario)
