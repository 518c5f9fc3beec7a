"""Every way out of a state of the reference client, for each way to activate, with the hub killed or its dongle pulled.

Seeded runs in virtual time, on both radios. Source of the ways out: comms_hub.md §1.7. Each update ends, and ends
right: the display runs the ordered bytes or is as it was, the service user was told of each stage once, every change of
state was one of the table and told, and whatever an update waits for on its way, it says so.
"""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest
from seeded_runs import in_memory

from hanctl.base import virtual
from hanctl.base.errors import DaemonUnreachable, HanctlError
from hanctl.base.eui64 import parse_eui64
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.model.event import UpdateTransition
from hanctl.model.records import Activation, Update
from hanctl.model.update_states import OPEN_STATES, TRANSITIONS, UpdateState
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.ota.types import OtaState, Output
from hanctl.simulator.device.spec import DeviceSpec

pytestmark = pytest.mark.slow

Radio = Literal["ezsp", "znp"]
Trouble = Literal["killed", "unplugged"]
ACTIVATIONS: tuple[Activation, ...] = ("now", "hold", "at")
SEEDS = 1
"""For each cell of the matrix."""

DISPLAY = parse_eui64("00:0d:6f:00:0b:00:00:01")
INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
OLDER, OLD, NEW = 0x0000FFFF, 0x00010000, 0x00010001
DAY_S = 86400.0


@dataclass(frozen=True)
class Exit:
    """One way out of a state. ``spec``, ``client``: of the device and its OTA client; ``options``: of the order.

    ``act`` is what happens beside the mishap. ``ends``: how the update may end. ``version``: that of the image.
    """

    spec: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    act: Callable[[Operator], Coroutine[Any, Any, None]] | None = None
    ends: tuple[UpdateState, ...] = ("confirmed",)
    version: int = NEW


class Operator:
    """A person at the hub, and what befalls the bench."""

    def __init__(self, bench: Bench, rng: random.Random, directory: Path) -> None:
        self.bench = bench
        self.rng = rng
        self.directory = directory
        self.hands = asyncio.Lock()
        """Only one at a time kills the hub and starts it again."""
        self.update_id = 0
        self.image = b""
        self.silent_states: list[str] = []

    @property
    def hub(self) -> Daemon:
        """Raises DaemonUnreachable while it is down."""
        if self.bench.hub is None:
            raise DaemonUnreachable("it was killed")
        return self.bench.hub

    @property
    def device(self) -> SimulatedDevice:
        return self.bench.world.device("display")

    async def patiently(self, act: Callable[[], Any]) -> None:
        """As a person would: try again when the hub is down or refuses for now."""
        while True:
            try:
                done = act()
                if asyncio.iscoroutine(done):
                    await done
            except HanctlError:
                await asyncio.sleep(20)
            else:
                return

    def order(self, activation: Activation, version: int, options: dict[str, Any]) -> None:
        payload = self.rng.randbytes(self.rng.randrange(600, 3000))
        self.image = build(payload, Fields(manufacturer_code=0x1234, image_type=0x0001, file_version=version))
        image = self.hub.updates.add_image(self.image, name="soak.ota")
        if activation == "at":
            options = {"activate_at": self.bench.clock.now() + timedelta(seconds=self.rng.uniform(30, 2000)), **options}
        self.update_id = self.hub.updates.start(DISPLAY, image.file_sha256, activation=activation, **options).id

    def update(self) -> Update | None:
        hub = self.bench.hub
        return hub.ledger.updates.get(self.update_id) if hub is not None else None

    async def mishap(self, trouble: Trouble) -> None:
        """At a random point: mostly in the first minute, in which the transfer is, else until the date or release."""
        await asyncio.sleep(self.rng.uniform(0, 60) if self.rng.random() < 0.6 else self.rng.uniform(0, 2500))
        away = self.rng.choice([self.rng.uniform(0.1, 20), self.rng.uniform(20, 120)])
        if trouble == "killed":
            async with self.hands:
                await self.bench.kill()
                await asyncio.sleep(away)
                await self.patiently(self.bench.start)
        else:
            self.bench.world.unplug()
            await asyncio.sleep(away)
            self.bench.world.plug()

    async def release_when_holding(self) -> None:
        update = await self.until(lambda update: update.state == "holding" or update.state not in OPEN_STATES)
        await asyncio.sleep(self.rng.uniform(0, 600))

        async def release() -> None:
            now = self.hub.ledger.updates.get(update.id)
            assert now is not None
            if now.state in OPEN_STATES and now.released_at is None:
                await self.hub.updates.activate(update.id)

        await self.patiently(release)

    async def until(self, condition: Callable[[Update], bool]) -> Update:
        """Wait; meanwhile an open update always says what it waits for."""
        while True:
            update = self.update()
            if update is not None:
                if update.state in OPEN_STATES and not self.hub.updates.progress(update.id).waits_for:
                    self.silent_states.append(update.state)
                if condition(update):
                    return update
            await asyncio.sleep(5)

    async def cancel_if_possible(self) -> None:
        """Once, as soon as there is a hub that takes it or says why not."""
        while self.bench.hub is None:
            await asyncio.sleep(1)
        with suppress(HanctlError):
            self.hub.updates.cancel(self.update_id)

    async def until_client(self, *states: OtaState) -> None:
        while self.device.ota_state not in states:
            await asyncio.sleep(0.1)

    def deaf_to(self, method: str, times: int) -> None:
        """The client hears nothing of this kind, so many times."""
        heard = getattr(self.device.client, method)
        left = times

        def hearing(*given: Any, **named: Any) -> list[Output]:
            nonlocal left
            if left:
                left -= 1
                return []
            answer: list[Output] = heard(*given, **named)
            return answer

        setattr(self.device.client, method, hearing)


# --- what happens at a way out


async def discovery_fails(operator: Operator) -> None:
    operator.deaf_to("server_found", 1)


async def the_servers_address_is_not_told(operator: Operator) -> None:
    operator.deaf_to("server_eui", 1)


async def queries_are_not_answered(operator: Operator) -> None:
    await operator.until_client(OtaState.QUERY_NEXT_IMAGE)
    operator.deaf_to("receive", 5)


async def blocks_are_not_answered(operator: Operator) -> None:
    await operator.until_client(OtaState.DOWNLOAD)
    operator.deaf_to("receive", 11)


async def the_verdict_is_not_answered(operator: Operator) -> None:
    await operator.until_client(OtaState.WAITING_FOR_UPGRADE)
    operator.deaf_to("receive", operator.rng.choice([3, 11]))


async def power_goes_while_it_waits(operator: Operator) -> None:
    await operator.until_client(OtaState.WAITING_FOR_UPGRADE, OtaState.COUNTDOWN)
    operator.device.power_cycle(20)


async def it_is_cancelled_in_mid_transfer(operator: Operator) -> None:
    await operator.until_client(OtaState.DOWNLOAD)
    await asyncio.sleep(operator.rng.uniform(0, 3))
    await operator.cancel_if_possible()


async def it_is_cancelled_while_it_waits(operator: Operator) -> None:
    await operator.until_client(OtaState.WAITING_FOR_UPGRADE)
    await asyncio.sleep(operator.rng.uniform(0, 100))
    await operator.cancel_if_possible()


async def somebody_activates_it_there(operator: Operator) -> None:
    while operator.device.ota_state is not OtaState.OUT_OF_BAND:
        await asyncio.sleep(10)
    await asyncio.sleep(operator.rng.uniform(0, 600))
    operator.device.activate_out_of_band()


async def the_image_vanishes_for_a_while(operator: Operator) -> None:
    await operator.until_client(OtaState.DOWNLOAD)
    update = await operator.until(lambda update: True)
    bench = operator.bench
    async with operator.hands:
        await bench.kill()
        for path in (operator.directory / "hub" / "firmware_store").glob(f"{update.file_sha256}.*"):
            path.unlink()
        await operator.patiently(bench.start)
    await asyncio.sleep(operator.rng.uniform(10, 400))

    await operator.patiently(lambda: operator.hub.updates.add_image(operator.image, name="again.ota"))


EXITS: dict[str, Exit] = {
    "as it should be": Exit(),
    "no server found": Exit(act=discovery_fails),
    "server address not told": Exit(act=the_servers_address_is_not_told),
    "queries not answered": Exit(act=queries_are_not_answered),
    "asks by itself alone": Exit(client={"ignore_notify": True}),
    "no room": Exit(client={"max_image_size": 500}, ends=("refused",)),
    "will not go back": Exit(
        client={"allow_downgrade": False}, options={"allow_downgrade": True}, ends=("refused",), version=OLDER
    ),
    "goes back": Exit(options={"allow_downgrade": True}, version=OLDER),
    "blocks not answered": Exit(act=blocks_are_not_answered),
    "power goes in mid transfer": Exit(spec={"power_cut": [{"offset": 400, "off_s": 15}]}),
    "image gone for a while": Exit(act=the_image_vanishes_for_a_while),
    "cannot write": Exit(client={"write_error_at": 500}, ends=("failed",)),
    "pages": Exit(client={"page_mode": True}),
    "cancelled in mid transfer": Exit(act=it_is_cancelled_in_mid_transfer, ends=("cancelled", "confirmed")),
    "image found bad": Exit(client={"reject_image": True}, ends=("refused",)),
    "power goes while it waits": Exit(act=power_goes_while_it_waits),
    "verdict not answered": Exit(act=the_verdict_is_not_answered),
    "verdict not answered, and patient": Exit(client={"timeout_policy": 1}, act=the_verdict_is_not_answered),
    "cancelled while it waits": Exit(act=it_is_cancelled_while_it_waits, ends=("cancelled", "confirmed")),
    "out of band": Exit(client={"activation_policy": 1}, act=somebody_activates_it_there),
    "boot loader returns": Exit(client={"bootload_returns": True}, ends=("failed",)),
    "rolls back": Exit(client={"roll_back": True}, ends=("failed",)),
    "slow to come back": Exit(spec={"boot_time_s": 400.0}),
    "sleepy": Exit(spec={"sleepy": True, "poll_interval_s": 5.0}),
    "hard of hearing": Exit(spec={"link": {"delay_s": 0.02, "loss": 0.2}}),
}


def make_spec(rng: random.Random, way: Exit) -> DeviceSpec:
    common: dict[str, Any] = {
        "name": "display",
        "eui64": DISPLAY,
        "type": "ppmid",
        "install_code": INSTALL_CODE,
        "running_version": OLD,
        "link": {"delay_s": rng.uniform(0.002, 0.03)},
        "timings": {"start_delay_s": (1.0, 20.0)},
    }
    return DeviceSpec.model_validate(common | way.spec | {"ota": {"think_time_s": rng.uniform(0, 0.3), **way.client}})


async def one_update(radio: Radio, way: Exit, activation: Activation, trouble: Trouble, seed: str, at: Path) -> None:
    rng = random.Random(seed)
    version = rng.choice([13, 14, 18]) if radio == "ezsp" else None
    bench = Bench(at, [make_spec(rng, way)], radio=radio, protocol_version=version, seed=rng.randrange(2**32))
    operator = Operator(bench, rng, at)
    async with asyncio.timeout(2 * DAY_S), asyncio.TaskGroup() as besides:
        bench.world.plug()
        hub = await bench.start()
        operator.device.power_on()
        before = len(hub.ledger.events())
        await asyncio.sleep(rng.uniform(0, 30))
        operator.order(activation, way.version, way.options)
        act = None if way.act is None else besides.create_task(way.act(operator))
        mishap = besides.create_task(operator.mishap(trouble))
        releasing = besides.create_task(operator.release_when_holding()) if activation == "hold" else None
        update = await operator.until(lambda update: update.state not in OPEN_STATES)
        await mishap
        for task in (act, releasing):
            if task is not None:
                task.cancel()
        async with operator.hands:
            # Nothing may come twice: a device that waits for an answer asks once an hour.
            await asyncio.sleep(4000 if update.state == "cancelled" else 700)
    assert bench.hub is not None
    told = bench.hub.ledger.events(after=before)
    faults = dict(bench.world.dongle.faults)
    await bench.close()
    assert update.state in way.ends, update.reason
    check_display(operator.device, update, operator.image)
    check_notices([one.event.model_dump() | {"type": one.event.type} for one in told], update)
    check_story([one.event for one in told], update)
    assert operator.silent_states == []
    assert faults == {}


def check_display(device: SimulatedDevice, update: Update, image: bytes) -> None:
    """It runs the right bytes, or what it ran before."""
    if update.state == "confirmed":
        assert device.running_version == update.file_version
        assert device.flash_image() == image
    else:
        assert device.running_version == OLD


def check_notices(events: list[dict[str, Any]], update: Update) -> None:
    """Each stage is told once, as it was."""
    outcomes = {
        stage: [event.get("outcome", "delivered") for event in events if event["type"] == f"{stage}.notice"]
        for stage in ("delivery", "transfer", "activation")
    }
    transferred = update.transferred_at is not None or update.state == "confirmed"
    expected = {"delivery": ["delivered"], "transfer": [], "activation": []}
    if update.state == "confirmed":
        expected |= {"transfer": ["success"], "activation": ["activated"]}
    elif update.state == "failed" and "activation" in update.notices:
        expected |= {"transfer": ["success"], "activation": ["failed"]}
    elif update.state in ("failed", "refused"):
        expected |= {"transfer": ["failure"]}
    elif transferred or "transfer" in update.notices:
        expected |= {"transfer": ["success"]}
    assert outcomes == expected


def check_story(events: list[Any], update: Update) -> None:
    """From event to event, the update went ways of the table, and ended where it is."""
    steps = [event for event in events if isinstance(event, UpdateTransition)]
    states = [*(step.was for step in steps), update.state]
    assert states[0] == "ordered"
    assert all(after in TRANSITIONS[before] for before, after in pairwise(states))
    assert all(step.cause for step in steps)


@pytest.fixture(scope="session")
def memory() -> Iterator[Path]:
    with in_memory() as directory:
        yield directory


@pytest.fixture(scope="session")
def joined(memory: Path) -> Callable[[Radio], Path]:
    """A bench whose display has joined and was interviewed: that takes most of a short run's work."""
    made: dict[Radio, Path] = {}

    def make(radio: Radio) -> Path:
        if radio not in made:
            made[radio] = memory / radio

            async def join() -> None:
                bench = Bench(made[radio], [make_spec(random.Random(0), Exit())], radio=radio)
                bench.world.plug()
                hub = await bench.start()
                await hub.join(DISPLAY, INSTALL_CODE)
                bench.world.device("display").power_on()
                while (found := hub.ledger.devices.get(DISPLAY)) is None or found.state != "interviewed":
                    await asyncio.sleep(1)
                await bench.close()

            virtual.run(join())
        return made[radio]

    return make


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("trouble", ["killed", "unplugged"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("way", EXITS)
@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_update(
    radio: Radio,
    way: str,
    activation: Activation,
    trouble: Trouble,
    seed: int,
    memory: Path,
    joined: Callable[[Radio], Path],
    request: pytest.FixtureRequest,
) -> None:
    directory = memory / "run"
    shutil.copytree(joined(radio), directory)
    name = request.node.name
    try:
        virtual.run(one_update(radio, EXITS[way], activation, trouble, name, directory))
    except BaseException:
        print(f"replay: pytest -m slow 'tests/slow/test_seeded_updates.py::{name}'")
        raise
    finally:
        shutil.rmtree(directory)
