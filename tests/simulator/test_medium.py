"""The air: acknowledgement, loss, retries, and frames held for sleepers."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from simulator_hub import in_virtual_time

from hanctl.base.eui64 import Eui64
from hanctl.simulator.network.medium import ApsFrame, Link, Medium, Node

ONE, TWO = Eui64("00:00:00:00:00:00:00:01"), Eui64("00:00:00:00:00:00:00:02")


@dataclass
class Listener:
    """A node, or a coordinator, that keeps what it gets."""

    eui64: Eui64 = ONE
    nwk: int | None = 0x1111
    powered: bool = True
    sleepy: bool = False
    link: Link = field(default_factory=Link)
    got: list[ApsFrame] = field(default_factory=list)
    up: bool = True

    def takes(self, frame: ApsFrame) -> bool:
        return True

    def takes_from(self, node: Node, frame: ApsFrame) -> bool:
        return True

    def believes_anybody(self, frame: ApsFrame) -> bool:
        return False

    def receive(self, frame: ApsFrame) -> None:
        self.got.append(frame)

    def receive_from(self, node: Node, frame: ApsFrame) -> None:
        self.got.append(frame)

    def hearing(self) -> bool:
        return self.up

    def child_left(self, node: Node) -> None:
        self.got.clear()


def frame(destination: int = 0x1111, *, ack: bool = True, source: int = 0) -> ApsFrame:
    return ApsFrame(source, destination, 0x0109, 0x0019, 1, 1, 1, b"x", ack_request=ack)


def air(node: Listener, seed: int = 1) -> tuple[Medium, Listener]:
    medium, coordinator = Medium(random.Random(seed)), Listener(nwk=0)
    medium.coordinator = coordinator
    medium.attach(node)
    return medium, coordinator


async def sent(medium: Medium, out: ApsFrame) -> tuple[bool, float]:
    """Send from the coordinator: the outcome, and seconds until it was known."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()
    began = loop.time()
    medium.from_coordinator(out, done.set_result)
    return await done, loop.time() - began


@in_virtual_time
async def test_a_unicast_takes_the_link_there_and_back() -> None:
    node = Listener(link=Link(delay_s=0.5))
    medium, _ = air(node)
    assert await sent(medium, frame()) == (True, 1.0)
    assert len(node.got) == 1


@in_virtual_time
async def test_nobody_at_the_address_and_nobody_listening_are_told() -> None:
    medium, _ = air(Listener())
    assert not (await sent(medium, frame(0x2222)))[0]
    medium, _ = air(Listener(powered=False))
    delivered, seconds = await sent(medium, frame())
    assert not delivered and seconds > 3


@in_virtual_time
async def test_acknowledged_frames_get_through_bad_links_once() -> None:
    node = Listener(link=Link(loss=0.3))
    medium, _ = air(node)
    outcomes = [(await sent(medium, frame()))[0] for _ in range(200)]
    assert sum(outcomes) > 150
    assert sum(outcomes) <= len(node.got) <= 200
    assert medium.counts.lost > 50


@in_virtual_time
async def test_unacknowledged_frames_are_tried_once() -> None:
    node = Listener(link=Link(loss=0.5))
    medium, _ = air(node)
    outcomes = [(await sent(medium, frame(ack=False)))[0] for _ in range(200)]
    assert sum(outcomes) == len(node.got)
    assert 60 < len(node.got) < 140


@in_virtual_time
async def test_a_sleeper_gets_its_frames_when_it_polls() -> None:
    node = Listener(sleepy=True)
    medium, _ = air(node)
    waiting = [asyncio.ensure_future(sent(medium, frame())) for _ in range(2)]
    await asyncio.sleep(5)
    assert node.got == []
    medium.poll(node)
    assert all(delivered for delivered, _ in await asyncio.gather(*waiting))
    assert len(node.got) == 2


@in_virtual_time
async def test_held_frames_expire() -> None:
    node = Listener(sleepy=True)
    medium, _ = air(node)
    delivered, seconds = await sent(medium, frame())
    assert not delivered and 7 < seconds < 8
    medium.poll(node)
    await asyncio.sleep(1)
    assert node.got == []
    assert medium.counts.expired == 1


@in_virtual_time
async def test_broadcasts_reach_whom_they_name() -> None:
    awake, asleep = Listener(), Listener(TWO, 0x2222, sleepy=True)
    medium, _ = air(awake)
    medium.attach(asleep)
    await sent(medium, frame(0xFFFD))
    await sent(medium, frame(0xFFFF))
    medium.poll(asleep)
    await asyncio.sleep(1)
    assert (len(awake.got), len(asleep.got)) == (2, 1)


@in_virtual_time
async def test_a_coordinator_without_power_hears_nothing() -> None:
    node = Listener()
    medium, coordinator = air(node)
    coordinator.up = False
    done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    medium.to_coordinator(node, frame(0, source=0x1111), done.set_result)
    assert not await done
    assert coordinator.got == []


@in_virtual_time
async def test_the_same_seed_loses_the_same_frames() -> None:
    async def outcomes(seed: int) -> list[bool]:
        medium, _ = air(Listener(link=Link(loss=0.5)), seed)
        return [(await sent(medium, frame(ack=False)))[0] for _ in range(50)]

    assert await outcomes(3) == await outcomes(3)
    assert await outcomes(3) != await outcomes(4)
