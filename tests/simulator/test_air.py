"""Real air: what takes how long, who waits for whom, and what becomes of collisions and losses."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from simulator_hub import CODE, FakeHub, image, in_virtual_time, spec
from test_medium import TWO, Listener, frame
from test_sniffer import frames
from yardstick import Yardstick, yardstick

from hanctl.simulator.air import constants, lengths
from hanctl.simulator.air.agenda import Agenda
from hanctl.simulator.air.medium import RealMedium
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.network.medium import ApsFrame, ExtendedHeader
from hanctl.simulator.network.trust_centre import Network
from hanctl.simulator.sniffer.sniffer import Sniffer
from hanctl.simulator.world import World

PERFORMANCE = Path(__file__).parents[2] / "docs" / "performance.md"
KEY = bytes(16)


class Threes(random.Random):
    """Every backoff is three periods."""

    def randrange(self, *_: Any) -> int:
        return 3


class Script(random.Random):
    """Backoffs as a test wants them; then as they come."""

    def __init__(self, *backoffs: int) -> None:
        super().__init__(1)
        self.backoffs = list(backoffs)

    def randrange(self, stop: int, *_: Any) -> int:  # type: ignore[override]
        return self.backoffs.pop(0) if self.backoffs else super().randrange(stop)


def air(*nodes: Listener, seed: int = 1) -> tuple[RealMedium, Listener]:
    medium, coordinator = RealMedium(random.Random(seed)), Listener(nwk=0)
    medium.coordinator = coordinator
    for node in nodes:
        medium.attach(node)
    return medium, coordinator


async def sent(medium: RealMedium, out: ApsFrame) -> tuple[bool, float]:
    """Send from the coordinator: the outcome, and seconds until it was known."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()
    began = loop.time()
    medium.from_coordinator(out, done.set_result)
    return await done, loop.time() - began


def up(node: Listener, payload: bytes = b"x", *, ack: bool = True) -> ApsFrame:
    return ApsFrame(node.nwk or 0, 0, 0x0109, 0x0019, 1, 1, 1, payload, ack_request=ack)


# --- lengths


@pytest.mark.parametrize("payload", [0, 1, 17, 73])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"encrypted": True, "link_key": KEY},
        {"ack_request": False},
        {"block": ExtendedHeader(0, 3)},
        {"block": ExtendedHeader(2), "encrypted": True, "link_key": KEY},
    ],
)
@in_virtual_time
async def test_frames_are_as_long_as_the_sniffer_makes_them(how: dict[str, Any], payload: int) -> None:
    hub = FakeHub(spec())
    hub.stack.power_on()
    hub.stack.form(Network(15, 0x1234, bytes(8), KEY))
    sniffer = Sniffer(hub.stack, lambda *_: None, lambda *_: None)
    hub.device.nwk, hub.device.powered = 0x1111, True
    for source, destination in ((0, 0x1111), (0x1111, 0)):
        one = ApsFrame(source, destination, 0x0109, 0x0019, 1, 1, 7, bytes(payload), **how)
        assert lengths.data(one) == len(sniffer.unicast_frame(hub.device, one) or b"")
        assert lengths.acknowledgement(one) == len(sniffer.acknowledgement_frame(hub.device, one) or b"")
    for group in (None, 0x0001):
        one = ApsFrame(0, 0xFFFD, 0x0109, 0x0019, 1, 0xFF, 7, bytes(payload), group=group)
        assert lengths.data(one) == len(sniffer.broadcast_frame(None, one) or b"")
    assert len(sniffer.poll_frame(hub.device) or b"") == lengths.DATA_REQUEST


# --- a worked exchange


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a line that begins so."""
    after = PERFORMANCE.read_text().split(heading, 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|\n").split("|")] for row in rows[0].splitlines()[2:]]


def display(**fields: Any) -> DeviceSpec:
    return spec(timings={"start_delay_s": [1, 1]}, **fields)


async def served(world: World, pcap: Path | None = None) -> float:
    """Have the yardstick update every device; seconds from the first block request to the last image."""
    assert isinstance(world.dongle, Yardstick)
    loop = asyncio.get_running_loop()
    began: list[float] = []
    ended: list[float] = []
    world.listen(lambda e: began.append(loop.time()) if (e.kind, e.text) == ("ota", "download") else None)
    world.listen(lambda e: ended.append(loop.time()) if (e.kind, e.text) == ("ota", "verify image") else None)
    world.start()
    await asyncio.sleep(30)
    capture = None if pcap is None else world.capture(pcap, now=loop.time)
    world.dongle.serve()
    async with asyncio.timeout(1000):
        while len(ended) < len(world.devices):
            await asyncio.sleep(0.1)
    if capture is not None:
        capture.close()
    world.stop()
    return ended[-1] - began[0]


def yard(*specs: DeviceSpec, size: int = 3000, seed: int = 0) -> World:
    return World.build(specs, air="real", make_dongle=yardstick(image(size)), seed=seed)


@in_virtual_time
async def test_an_exchange_takes_exactly_as_long_as_worked_out_by_hand(tmp_path: Path) -> None:
    world = yard(display())
    assert isinstance(world.medium, RealMedium)
    world.medium.channel.rng = Threes()
    await served(world, tmp_path / "air.pcap")
    captured = frames(tmp_path / "air.pcap")
    requests = [n for n, (_, each) in enumerate(captured) if len(each) == 71]
    first, following = requests[5:7]
    exchange = captured[first : following + 1]
    began = exchange[0][0]
    expected = [(row[0], int(row[1]), int(row[2])) for row in table("From the moment at")]
    assert [len(each) for _, each in exchange] == [length for _, length, _ in expected]
    assert [round((at - began) * 1e6) for at, _ in exchange] == [begins for _, _, begins in expected]
    kinds = ["MAC" if each[0] & 7 == 2 else "frame" for _, each in exchange]
    assert kinds == ["MAC" if name.startswith("MAC") else "frame" for name, _, _ in expected]
    ends = [int(row[3]) for row in table("From the moment at")]
    assert ends == [begins + (6 + length) * 32 for _, length, begins in expected]


@in_virtual_time
async def test_the_mean_of_many_exchanges_is_that_of_the_backoffs() -> None:
    size = 56 * 400
    took = await served(yard(display(), size=size - 62))
    # Four backoffs of 3.5 periods: 400 x 4 of them are off by no more than a percent or two together.
    assert took / 400 == pytest.approx(0.019776, rel=0.01)


def test_the_constants_are_those_that_are_published() -> None:
    published = {row[0]: row[1] for row in table("same seed gives the same capture")}
    c = constants
    assert published == {
        "bit rate": f"{c.BYTE_US} µs a byte",
        "PHY header": f"{c.PHY_HEADER} bytes",
        "backoff period": f"{c.BACKOFF_US} µs",
        "macMinBE, macMaxBE": f"{c.MIN_BE}, {c.MAX_BE}",
        "macMaxCSMABackoffs": f"{c.MAX_CSMA_BACKOFFS}",
        "CCA": f"{c.CCA_US} µs",
        "aTurnaroundTime": f"{c.TURNAROUND_US} µs",
        "MAC acknowledgement": f"{c.ACK_US} µs",
        "macAckWaitDuration": f"{c.ACK_WAIT_US} µs",
        "macMaxFrameRetries": f"{c.MAX_FRAME_RETRIES}",
        "interframe spacing": f"{c.LONG_IFS_US} µs",
        "network retries": f"{c.NETWORK_RETRIES}",
        "APS acknowledgement wait, retries": "1.6 s, 3",
        "serial line": f"{c.BAUD} baud",
    }


# --- contention


@in_virtual_time
async def test_one_of_eight_first_contentions_of_two_collides() -> None:
    collided = 0
    nodes = Listener(), Listener(eui64=TWO, nwk=0x2222)
    medium, _ = air(*nodes)
    for _ in range(2000):
        before = medium.channel.counts.collisions
        for node in nodes:
            medium.to_coordinator(node, up(node, bytes(82), ack=False), lambda _: None)
        # The longest frame takes 4256 us: until now nobody began but after a first backoff.
        await asyncio.sleep(0.0045)
        collided += medium.channel.counts.collisions > before
        await asyncio.sleep(0.2)
    # Two of eight backoffs each: the same one, and they collide; otherwise the later hears the earlier.
    assert collided / 2000 == pytest.approx(1 / 8, abs=0.025)


@in_virtual_time
async def test_who_comes_later_waits_until_the_channel_is_free() -> None:
    one, two = Listener(), Listener(eui64=TWO, nwk=0x2222)
    medium, coordinator = air(one, two)
    loop = asyncio.get_running_loop()
    began, over = loop.time(), []
    # The second listens while the first sends 4 ms, again in the acknowledgement's time, and then is free to go.
    medium.channel.rng = Script(0, 1, 9, 3)
    medium.to_coordinator(one, up(one, bytes(73), ack=False), lambda _: over.append(round((loop.time() - began) * 1e6)))
    medium.to_coordinator(two, up(two, ack=False), lambda _: over.append(round((loop.time() - began) * 1e6)))
    await asyncio.sleep(1)
    first = 128 + 192 + (6 + 118) * 32 + 192 + 352
    # Its CCAs end at 448, at 448 + 9 x 320 + 128 = 3456, and at 3456 + 3 x 320 + 128 = 4544, when the MAC
    # acknowledgement (4480 to 4832) is on air; the next backoff is drawn at random.
    assert over[0] == first == 4832
    assert over[1] >= first + 128 + 192 + (6 + 46) * 32 + 544
    assert medium.channel.counts.collisions == 0
    assert len(coordinator.got) == 2


@in_virtual_time
async def test_frames_that_collided_come_again_and_arrive_once() -> None:
    one, two = Listener(), Listener(eui64=TWO, nwk=0x2222)
    medium, coordinator = air(one, two)
    medium.channel.rng = Script(2, 2, 5, 0)
    done: list[bool] = []
    for node in (one, two):
        medium.to_coordinator(node, up(node, ack=False), done.append)
    await asyncio.sleep(1)
    assert medium.channel.counts.collisions == 1
    assert medium.channel.counts.retries == 2
    assert done == [True, True]
    assert [each.source for each in coordinator.got] == [0x2222, 0x1111]


@in_virtual_time
async def test_a_radio_never_speaks_while_another_does_unless_both_began_at_once(tmp_path: Path) -> None:
    specs = [
        display(name=f"d{n}", eui64=f"00:0d:6f:00:0b:00:00:{n:02x}", start_delay_s=0.1 * n, install_code=CODE)
        for n in range(1, 9)
    ]
    world = yard(*specs, size=2000)
    await served(world, tmp_path / "air.pcap")
    captured = [(round(at * 1e6), each) for at, each in frames(tmp_path / "air.pcap")]
    assert len(captured) > 1000
    overlaps = 0
    for (begins, earlier), (at, later) in itertools.pairwise(captured):
        if at < begins + (6 + len(earlier)) * 32:
            # A MAC acknowledgement listens to nobody; anyone else had to turn around meanwhile.
            overlaps += 1
            assert at - begins < 192 + 352 or later[0] & 7 == 2
    assert isinstance(world.medium, RealMedium)
    assert 0 < overlaps <= world.medium.channel.counts.collisions


# --- nobody there, loss, sleep


@in_virtual_time
async def test_a_frame_that_nobody_takes_is_repeated_by_mac_network_and_aps() -> None:
    node = Listener(powered=False)
    medium, _ = air(node)
    delivered, took = await sent(medium, frame())
    assert not delivered
    assert medium.channel.counts.frames == 4 * 3 * 4
    assert took == pytest.approx(4 * 1.6, rel=0.1)


@in_virtual_time
async def test_what_is_lost_is_repaired_by_the_mac_and_comes_once() -> None:
    node = Listener()
    node.link.loss = 0.2
    medium, coordinator = air(node)
    outcomes = [await sent(medium, frame()) for _ in range(300)]
    assert all(delivered for delivered, _ in outcomes)
    assert len(node.got) == 300
    assert medium.counts.lost > 100
    # Both frames and their acknowledgements are lost in 20 of 100; still hardly any waits for APS.
    assert sum(took < 0.2 for _, took in outcomes) > 290
    for _ in range(50):
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        medium.to_coordinator(node, up(node), done.set_result)
        assert await done
    assert len(coordinator.got) == 50


@in_virtual_time
async def test_a_sleepy_child_gets_one_frame_for_each_poll() -> None:
    node = Listener(sleepy=True)
    medium, _ = air(node)
    outcomes: list[bool] = []
    for _ in range(3):
        medium.from_coordinator(frame(), outcomes.append)
    await asyncio.sleep(1)
    assert node.got == [] and medium.channel.counts.frames == 0
    medium.poll(node)
    await asyncio.sleep(0.5)
    # The frames that wait are asked for at once: three polls, frames and APS acknowledgements.
    assert len(node.got) == 3 and outcomes == [True] * 3
    assert medium.channel.counts.frames == 9

    done: list[bool] = []
    medium.to_coordinator(node, up(node), done.append)
    await asyncio.sleep(1)
    assert done == []  # its acknowledgement waits for the next poll
    medium.poll(node)
    await asyncio.sleep(0.1)
    assert done == [True]

    medium.from_coordinator(frame(), outcomes.append)
    await asyncio.sleep(medium.indirect_timeout_s + 0.1)
    assert outcomes[-1] is False and medium.counts.expired == 1


@in_virtual_time
async def test_a_dongle_without_power_forgets_what_it_had_to_send() -> None:
    near, far = Listener(), Listener(eui64=TWO, nwk=0x2222, sleepy=True)
    medium, coordinator = air(near, far)
    for _ in range(20):
        medium.from_coordinator(frame(), lambda _: None)
    medium.from_coordinator(frame(0x2222), lambda _: None)
    coordinator.up = False
    medium.forget_held()
    await asyncio.sleep(0.1)
    coordinator.up = True
    medium.poll(far)
    await asyncio.sleep(0.1)
    assert near.got == far.got == []


@in_virtual_time
async def test_a_broadcast_that_collided_is_repeated() -> None:
    one, two = Listener(), Listener(eui64=TWO, nwk=0x2222)
    medium, coordinator = air(one, two)
    medium.channel.rng = Script(2, 2, 6)
    medium.to_coordinator(one, frame(0xFFFD, source=0x1111), lambda _: None)
    medium.to_coordinator(two, up(two), lambda _: None)
    await asyncio.sleep(0.4)
    assert [each.source for each in coordinator.got] == [0x2222]
    await asyncio.sleep(0.4)
    assert [each.source for each in coordinator.got] == [0x2222, 0x1111]


# --- the same again


@pytest.mark.parametrize(("seed", "same"), [(5, True), (6, False)])
def test_the_same_seed_is_the_same_air(tmp_path: Path, seed: int, same: bool) -> None:
    def recorded(name: str, seed: int) -> bytes:
        @in_virtual_time
        async def run() -> None:
            specs = [display(name=f"d{n}", eui64=f"00:0d:6f:00:0b:00:00:0{n}") for n in range(1, 4)]
            await served(yard(*specs, size=500, seed=seed), tmp_path / name)

        run()
        return (tmp_path / name).read_bytes()

    assert (recorded("first", 5) == recorded("second", seed)) is same


# --- the agenda


@in_virtual_time
async def test_what_follows_from_a_late_event_is_not_late() -> None:
    agenda, loop = Agenda(), asyncio.get_running_loop()
    began, seen = agenda.now, []

    def again() -> None:
        seen.append((agenda.now - began, round(loop.time() * 1e6) - began))
        if len(seen) < 5:
            agenda.at(agenda.now + 1000, again)

    agenda.at(began + 1000, again)
    loop.call_soon(loop.advance, 0.0035)  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    # The loop was busy for 3.5 ms, as a machine under load is: three events are late, and those after them in time.
    assert [due for due, _ in seen] == [1000, 2000, 3000, 4000, 5000]
    assert [late for _, late in seen][-2:] == [4000, 5000]


@in_virtual_time
async def test_events_of_an_agenda_happen_in_the_order_of_their_times() -> None:
    agenda = Agenda()
    order: list[str] = []
    now = agenda.now

    def note(name: str) -> Callable[[], None]:
        return lambda: order.append(name)

    for name, after in (("late", 30), ("early", 10), ("same", 10), ("between", 20)):
        agenda.at(now + after, note(name))
    await asyncio.sleep(0.001)
    assert order == ["early", "same", "between", "late"]
