"""The real radio libraries on the simulated dongles: form, resume, join, talk, unplug.

In virtual time, on a serial line in memory; and over TCP, where time is real: slow, but for one test.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from hanctl.base import virtual
from hanctl.base.clock import LoopClock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.crypto.install_code import parse_install_code
from hanctl.han.han import Han
from hanctl.hil import memory
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device
from hanctl.radio import DongleSettings, open_radio
from hanctl.radio.errors import DeliveryFailed, DongleGone
from hanctl.radio.frames import NetworkState, Radio
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.dongle import Dongle
from hanctl.simulator.ports import TcpPort
from hanctl.simulator.world import Kind, World

CODE = "83FED3407A939723A5C639B26916D505C3B5"
DISPLAY = parse_eui64("00:0d:6f:00:0a:90:69:e7")
STRANGER = Eui64("00:0d:6f:00:0a:90:69:e8")
Variant = tuple[Kind, int | None]
VARIANTS: list[Variant] = [("ezsp", 13), ("ezsp", 14), ("ezsp", 18), ("znp", None)]
NEWEST: list[Variant] = [("ezsp", 18), ("znp", None)]
NUMBERS = itertools.count(1)


def spec(name: str, eui64: Eui64, *, sleepy: bool = False) -> DeviceSpec:
    return DeviceSpec.model_validate(
        {
            "name": name,
            "eui64": eui64,
            "type": "ppmid",
            "install_code": CODE,
            "sleepy": sleepy,
            "poll_interval_s": 0.5,
            "running_version": 0x0102,
            "boot_time_s": 0.0,
            "start_delay_s": 0.0,
            "join_retry_s": 0.2,
            "timings": {"start_delay_s": [3000.0, 3600.0]},
        }
    )


class MemoryPort:
    """A dongle on a serial line in memory, as ``TcpPort`` is one over TCP."""

    def __init__(self, dongle: Dongle) -> None:
        self._dongle = dongle
        self._name = f"against-simulator-{next(NUMBERS)}"
        self.url = f"memory://{self._name}"

    async def open(self) -> None:
        memory.plug(self._name, self._dongle)

    async def close(self) -> None:
        memory.unplug(self._name)


class Bench:
    """A hub without services, and a world at the far side of a port."""

    def __init__(
        self,
        kind: Kind,
        version: int | None,
        directory: Path,
        port: Callable[[Dongle], MemoryPort | TcpPort],
        *,
        sleepy: bool,
    ) -> None:
        self.kind: Kind = kind
        clock = LoopClock(asyncio.get_running_loop(), datetime(2026, 1, 1, tzinfo=UTC))
        self.ledger = Ledger.open(directory / "ledger.sqlite", clock)
        self.han = Han(self.ledger, clock)
        self.world = World.build([spec("display", DISPLAY, sleepy=sleepy)], kind=kind, protocol_version=version)
        self.port = port(self.world.dongle)
        self.radio: Radio | None = None
        self.lost: list[str] = []
        self.han.on_dongle_lost.append(self.lost.append)

    async def open(self) -> NetworkState:
        self.radio = open_radio(DongleSettings(self.kind, self.port.url, channel=20))
        network = await self.radio.start(self.han)
        self.han.attach(self.radio, network)
        return network

    async def close(self) -> None:
        if self.radio is not None:
            self.han.detach()
            await self.radio.stop()

    def device(self) -> Device | None:
        return self.ledger.devices.get(DISPLAY)

    def state(self) -> str | None:
        device = self.device()
        return device.state if device else None

    async def join(self) -> None:
        await self.han.expect(DISPLAY, parse_install_code(CODE).link_key, 60)
        await until(lambda: self.state() == "interviewed")


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


Test = Callable[[Bench], Coroutine[Any, Any, None]]


def on_each_dongle(
    *, sleepy: bool = False, fast_over_tcp: list[Variant] | None = None
) -> Callable[[Test], Callable[..., None]]:
    """Run a test on each kind of dongle on both lines; over TCP it is slow, but on ``fast_over_tcp``.

    So is EZSP 14, whose frames are those of 18.
    """

    def decorate(test: Test) -> Callable[..., None]:
        async def play(variant: Variant, directory: Path, port: Callable[[Dongle], MemoryPort | TcpPort]) -> None:
            bench = Bench(*variant, directory, port, sleepy=sleepy)
            bench.world.plug()
            await bench.port.open()
            try:
                await test(bench)
            finally:
                await bench.han.stop()
                await bench.close()
                bench.world.stop()
                await bench.port.close()
                bench.ledger.close()
            assert not bench.world.dongle.faults

        @wraps(test)
        def run(variant: Variant, over_tcp: bool, tmp_path: Path) -> None:
            if over_tcp:
                asyncio.run(play(variant, tmp_path, TcpPort))
            else:
                virtual.run(play(variant, tmp_path, MemoryPort))

        del run.__wrapped__
        rows = []
        for over_tcp, variant in itertools.product((False, True), VARIANTS):
            slow = variant == ("ezsp", 14) or (over_tcp and variant not in (fast_over_tcp or []))
            name = f"{variant[0]}{variant[1] or ''}{'-tcp' if over_tcp else ''}"
            rows.append(pytest.param(variant, over_tcp, id=name, marks=[pytest.mark.slow] if slow else []))
        marked: Callable[..., None] = pytest.mark.parametrize(("variant", "over_tcp"), rows)(run)
        return marked

    return decorate


@on_each_dongle()
async def test_forming_and_resuming(bench: Bench) -> None:
    formed = await bench.open()
    assert formed.formed
    assert formed.channel == 20
    assert formed.dongle_eui64 == bench.world.stack.eui64
    await bench.close()
    resumed = await bench.open()
    assert not resumed.formed
    assert (resumed.channel, resumed.pan_id, resumed.extended_pan_id) == (
        20,
        formed.pan_id,
        formed.extended_pan_id,
    )
    network = bench.world.stack.network
    assert network is not None
    assert network.pan_id == formed.pan_id


@on_each_dongle()
async def test_nobody_joins_unasked(bench: Bench) -> None:
    await bench.open()
    assert not bench.world.stack.permitting
    bench.world.device("display").power_on()
    await asyncio.sleep(0.5)
    assert bench.world.device("display").nwk is None
    await bench.han.expect(STRANGER, parse_install_code(CODE).link_key, 60)
    await asyncio.sleep(0.5)
    assert bench.world.device("display").nwk is None
    bench.han._joins.close(STRANGER, "cancelled")
    await until(lambda: not bench.world.stack.permitting)


@on_each_dongle()
async def test_a_join_and_an_interview(bench: Bench) -> None:
    await bench.open()
    bench.world.device("display").power_on()
    await bench.join()
    device = bench.device()
    assert device is not None
    assert device.device_type == "ppmid"
    assert device.current_version == 0x0102
    assert device.nwk == bench.world.device("display").nwk
    await until(lambda: not bench.world.stack.permitting)
    values = await bench.han.read_attributes(DISPLAY, cluster=0x0019, attributes=[2], client_side=True)
    assert values[2] == 0x0102


@on_each_dongle(sleepy=True)
async def test_a_sleepy_device_joins_and_is_interviewed(bench: Bench) -> None:
    await bench.open()
    bench.world.device("display").power_on()
    await bench.join()
    device = bench.device()
    assert device is not None
    assert device.sleepy


@on_each_dongle()
async def test_a_device_that_is_off_is_a_failed_delivery(bench: Bench) -> None:
    await bench.open()
    bench.world.device("display").power_on()
    await bench.join()
    bench.world.device("display").power_off()
    with pytest.raises(DeliveryFailed):
        await bench.han.read_attributes(DISPLAY, cluster=0x0000, attributes=[4])


@on_each_dongle()
async def test_a_removed_device_leaves(bench: Bench) -> None:
    await bench.open()
    bench.world.device("display").power_on()
    await bench.join()
    await bench.han.remove(DISPLAY)
    await until(lambda: bench.world.device("display").nwk is None)
    assert bench.state() == "removed"


@on_each_dongle(fast_over_tcp=NEWEST)
async def test_unplugging_and_replugging(bench: Bench) -> None:
    formed = await bench.open()
    bench.world.device("display").power_on()
    await bench.join()
    sending = [
        asyncio.create_task(bench.han.read_attributes(DISPLAY, cluster=0x0000, attributes=[4])) for _ in range(5)
    ]
    await asyncio.sleep(0)
    await bench.port.close()
    bench.world.unplug()
    await until(lambda: bench.lost, 2.0)
    results = await asyncio.gather(*sending, return_exceptions=True)
    assert all(isinstance(result, HanctlError) for result in results)
    with pytest.raises(DongleGone):
        await bench.han.send_command(DISPLAY, cluster=0x0019, command=0, payload=b"\x00\x64")
    await bench.close()
    bench.world.plug()
    await bench.port.open()
    resumed = await bench.open()
    assert (resumed.formed, resumed.pan_id) == (False, formed.pan_id)
    values = await bench.han.read_attributes(DISPLAY, cluster=0x0000, attributes=[4])
    assert values[4]
    assert len(bench.lost) == 1
