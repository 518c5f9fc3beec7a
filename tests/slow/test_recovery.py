"""Dongles pulled, reset by themselves or hung, and hubs killed, while an update and a change of tenancy go on.

Seeded runs in virtual time, on both radios. However it goes, nothing is lost and nothing comes twice: the display runs
the ordered bytes, each notice is given once, the change is done once and both displays are told of it and clear; and
the hub is back within ten seconds of the moment from which it can be.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from seeded_runs import in_memory

from hanctl.base import virtual
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import parse_eui64
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.model.change_records import Change
from hanctl.model.records import Update
from hanctl.model.update_states import OPEN_STATES
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.ezsp import EzspDongle
from hanctl.simulator.znp import ZnpDongle

pytestmark = pytest.mark.slow

Radio = Literal["ezsp", "znp"]
RUNS = 100
"""On each radio."""
WITHIN_S = 10.0
FIRST, SECOND = (parse_eui64(f"00:0d:6f:00:0b:00:00:0{number}") for number in (1, 2))
CODE = "83FED3407A939723A5C639B26916D505C3B5"
OLD, NEW = 0x00010000, 0x00010001
DISPLAY_ACTS_WITHIN = timedelta(seconds=5)
SHOWN = [{"cluster": 0x0705, "attribute": 0x0211, "value": 777}]


def specs() -> list[DeviceSpec]:
    return [
        DeviceSpec.model_validate(
            {
                "name": name,
                "eui64": eui64,
                "type": "ppmid",
                "install_code": CODE,
                "running_version": OLD,
                "start_delay_s": 0.5,
                "timings": {"start_delay_s": (1.0, 20.0)},
                "tenancy": {"data": SHOWN},
            }
        )
        for name, eui64 in (("first", FIRST), ("second", SECOND))
    ]


class Run:
    """One bench and what befalls it."""

    def __init__(self, radio: Radio, rng: random.Random, directory: Path) -> None:
        version = rng.choice([13, 14, 18]) if radio == "ezsp" else None
        self.bench = Bench(directory, specs(), radio=radio, protocol_version=version, seed=rng.randrange(2**32))
        self.rng = rng
        self.update_id = 0
        self.change_id = 0
        self.deaf: list[tuple[datetime, datetime]] = []
        """From when to when no display could be heard."""

    @property
    def hub(self) -> Daemon:
        assert self.bench.hub is not None
        return self.bench.hub

    async def patiently(self, act: Callable[[], Awaitable[Any]]) -> None:
        """As a service manager would: start it again."""
        while True:
            try:
                await act()
            except HanctlError:
                await asyncio.sleep(5)
            else:
                return

    async def within(self, condition: Callable[[], bool], seconds: float = WITHIN_S) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)

    async def trouble(self) -> None:
        kinds = [self.pulled, self.resets_itself, self.hangs, self.killed, self.killed_while_pulled, self.flickers]
        for kind in self.rng.sample(kinds, self.rng.choice([2, 3])):
            await asyncio.sleep(self.rng.uniform(0, 15))
            began = self.bench.clock.now()
            await kind()
            self.deaf.append((began, self.bench.clock.now()))

    # --- what befalls it

    async def pulled(self) -> None:
        self.bench.world.unplug()
        await self.within(lambda: self.hub.network is None, 1)
        await asyncio.sleep(self.rng.choice([self.rng.uniform(0.05, 3), self.rng.uniform(3, 60), 400]))
        self.bench.world.plug()
        await self.within(lambda: self.hub.network is not None)

    async def flickers(self) -> None:
        """A loose plug."""
        for _ in range(self.rng.randrange(2, 6)):
            self.bench.world.unplug()
            await asyncio.sleep(self.rng.uniform(0.01, 1))
            self.bench.world.plug()
            await asyncio.sleep(self.rng.uniform(0.01, 3))
        await self.within(lambda: self.hub.network is not None)

    async def resets_itself(self) -> None:
        dongle = self.bench.world.dongle
        if isinstance(dongle, EzspDongle):
            dongle.reset()
        elif isinstance(dongle, ZnpDongle):
            dongle.crash()
        await self.within(lambda: self.hub.network is None, 1)
        await self.within(lambda: self.hub.network is not None)

    async def hangs(self) -> None:
        """Noticed within ten seconds; a person power-cycles it sooner or later."""
        dongle = self.bench.world.dongle
        assert isinstance(dongle, EzspDongle | ZnpDongle)
        dongle.hang()
        await self.within(lambda: self.hub.network is None)
        await asyncio.sleep(self.rng.uniform(0, 60))
        self.bench.world.unplug()
        await asyncio.sleep(self.rng.uniform(0.1, 5))
        self.bench.world.plug()
        await self.within(lambda: self.hub.network is not None)

    async def killed(self) -> None:
        await self.bench.kill()
        await asyncio.sleep(self.rng.choice([self.rng.uniform(0, 5), 60]))
        await self.within_start()

    async def killed_while_pulled(self) -> None:
        self.bench.world.unplug()
        await asyncio.sleep(self.rng.uniform(0, 3))
        await self.bench.kill()
        starting = asyncio.create_task(self.patiently(self.bench.start))
        await asyncio.sleep(self.rng.uniform(0, 20))
        self.bench.world.plug()
        await self.within(starting.done)

    async def within_start(self) -> None:
        async with asyncio.timeout(WITHIN_S):
            await self.bench.start()

    # --- what goes on meanwhile

    def order_update(self) -> bytes:
        payload = self.rng.randbytes(self.rng.randrange(2000, 6000))
        data = build(payload, Fields(manufacturer_code=0x1234, image_type=0x0001, file_version=NEW))
        image = self.hub.updates.add_image(data, name="recovery.ota")
        self.update_id = self.hub.updates.start(FIRST, image.file_sha256).id
        return data

    def order_change(self) -> None:
        """Now, or at a moment that trouble may fall upon."""
        ahead = self.rng.choice([None, timedelta(seconds=self.rng.uniform(1, 60))])
        at = None if ahead is None else self.bench.clock.now() + ahead
        self.change_id = self.hub.tenancy.orders.order("tenancy", at=at).id

    def update(self) -> Update:
        found = self.hub.ledger.updates.get(self.update_id)
        assert found is not None
        return found

    def change(self) -> Change:
        return self.hub.tenancy.orders.get(self.change_id)

    def all_is_done(self) -> bool:
        if self.bench.hub is None or self.update().state in OPEN_STATES or self.change().state != "done":
            return False
        return all(each.told_at is not None for each in self.hub.tenancy.report(self.change_id).devices)


async def one_run(radio: Radio, seed: str, directory: Path) -> None:
    rng = random.Random(seed)
    run = Run(radio, rng, directory)
    bench = run.bench
    bench.world.plug()
    await bench.start()
    for device in bench.world.devices:
        device.power_on()
    await asyncio.sleep(rng.uniform(0, 5))
    before = run.hub.ledger.last_event_id()
    image = run.order_update()
    run.order_change()
    await run.trouble()
    async with asyncio.timeout(6 * 3600):
        while not run.all_is_done():
            await asyncio.sleep(5)
    # Nothing may come twice afterwards.
    await asyncio.sleep(700)
    hub = run.hub
    told = hub.ledger.events(after=before)
    update, change = run.update(), run.change()
    devices = hub.tenancy.report(run.change_id).devices
    stored = [hub.ledger.devices.get(each) for each in (FIRST, SECOND)]
    faults = dict(bench.world.dongle.faults)
    shown = [bench.world.devices[number].tenancy.shown for number in (0, 1)]
    display = bench.world.device("first")
    await bench.close()

    assert update.state == "confirmed", update.reason
    assert display.running_version == NEW
    assert display.flash_image() == image
    kinds = [one.event.type for one in told]
    assert [kinds.count(each) for each in ("delivery.notice", "transfer.notice", "activation.notice")] == [1, 1, 1]
    assert (change.state, kinds.count("change.done")) == ("done", 1)
    for each in devices:
        # A display says once that it cleared; where nobody can hear it, the hub claims no more than it knows.
        missed = each.told_at is not None and any(
            began - DISPLAY_ACTS_WITHIN <= each.told_at <= ended for began, ended in run.deaf
        )
        assert each.verdict in ({"reported cleared", "acknowledged only"} if missed else {"reported cleared"})
    assert shown == [{}, {}]
    assert [device is not None and device.state for device in stored] == ["interviewed"] * 2
    assert kinds.count("device.evicted") == 0
    assert [one.id for one in told] == list(range(before + 1, before + 1 + len(told)))
    check_openings(kinds)
    assert faults == {}


def check_openings(kinds: list[str]) -> None:
    """A dongle that was lost was opened once before the next loss, whatever else came between."""
    is_open = True
    for kind in kinds:
        if kind == "dongle.lost":
            assert is_open, "lost twice"
            is_open = False
        elif kind == "dongle.opened":
            is_open = True
        elif kind == "hub.started":
            is_open = False
    assert is_open


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    with in_memory() as directory:
        yield directory


@pytest.fixture(scope="session")
def joined(memory: Path) -> Callable[[Radio], Path]:
    """A bench whose displays have joined."""
    made: dict[Radio, Path] = {}

    def make(radio: Radio) -> Path:
        if radio not in made:
            made[radio] = memory / radio

            async def join() -> None:
                bench = Bench(made[radio], specs(), radio=radio)
                bench.world.plug()
                hub = await bench.start()
                for device in bench.world.devices:
                    await hub.join(device.eui64, CODE)
                    device.power_on()
                    while (found := hub.ledger.devices.get(device.eui64)) is None or found.state != "interviewed":
                        await asyncio.sleep(1)
                await bench.close()

            virtual.run(join())
        return made[radio]

    return make


@pytest.mark.parametrize("seed", range(RUNS))
@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_trouble(
    radio: Radio, seed: int, memory: Path, joined: Callable[[Radio], Path], request: pytest.FixtureRequest
) -> None:
    directory = memory / "run"
    shutil.copytree(joined(radio), directory)
    name = request.node.name
    try:
        virtual.run(one_run(radio, name, directory))
    except BaseException:
        print(f"replay: pytest -m slow 'tests/slow/test_recovery.py::{name}'")
        raise
    finally:
        shutil.rmtree(directory)
