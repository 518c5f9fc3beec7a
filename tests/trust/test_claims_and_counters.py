"""What others do to a device that is busy: its key, its window, its transfer and its evidence stay its own."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from dongle_lab import Lab, address, in_a_lab
from strangers import Stranger, address_response, announcement, command, speak, zdo
from test_who_speaks import QUICK, image, nwk, ready

from hanctl.hub.daemon import Daemon

PAIR = {1: QUICK, 2: QUICK}


@asynccontextmanager
async def again_and_again(say: Callable[[int], None], every_s: float) -> Any:
    """Say something over and over in the meantime."""

    async def work() -> None:
        number = 0
        while True:
            say(number)
            number += 1
            await asyncio.sleep(every_s)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()


async def until(true: Callable[[], bool], within_s: float) -> float:
    """Wait; how long it took."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.1)
    return loop.time() - begin


def verdict(hub: Daemon, change: int, number: int) -> str:
    return {each.eui64: each.verdict for each in hub.tenancy.report(change).devices}[address(number)]


@in_a_lab(devices=1)
async def test_claims_neither_stop_nor_slow_a_device_that_joins(lab: Lab) -> None:
    """Before, while and after its key is established somebody announces it at other addresses."""
    hub = await lab.start()
    stranger, device = Stranger(lab), lab.device(1)

    def claim(number: int) -> None:
        there = 0x6666 + number % 3
        stranger.say(0x0013, announcement(device.eui64, there), source=there, **zdo(0x0013))

    await hub.join(device.eui64, "83FED3407A939723A5C639B26916D505C3B5")
    async with again_and_again(claim, 1.0):
        await asyncio.sleep(10)
        assert lab.events(hub, "join.closed") == [], "nobody but the dongle says that it joined"
        device.power_on()
        await until(lambda: bool(lab.events(hub, "key.established", 1)), 15)
        await until(lambda: bool(lab.events(hub, "device.interviewed", 1)), 15)
    await asyncio.sleep(40)
    assert nwk(hub, 1) == device.nwk
    assert await lab.is_served(hub, 1)


@in_a_lab(devices=2, different=PAIR)
async def test_a_transfer_goes_on_while_somebody_says_that_its_device_is_elsewhere(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    stranger, device = Stranger(lab), lab.device(2)
    took = []
    for version in (2, 3):
        record = hub.updates.add_image(image(20000, version), name=f"version {version}")
        update = hub.updates.start(device.eui64, record.file_sha256).id

        def claim(number: int) -> None:
            there = 0x6000 + number % 7
            stranger.say(0x0013, announcement(device.eui64, there), source=there, **zdo(0x0013))

        def confirmed(update: int = update) -> bool:
            found = hub.ledger.updates.get(update)
            return found is not None and found.state == "confirmed"

        async with again_and_again(claim if version == 3 else lambda _: None, 1.0):
            took.append(await until(confirmed, 120))
        await asyncio.sleep(30)
    assert took[1] < 3 * took[0]


@in_a_lab(devices=2)
async def test_an_answer_that_was_asked_for_moves_nobody_else(lab: Lab) -> None:
    """A stranger is asked who it is, and answers that another is somewhere: the dongle takes it for true."""
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    stranger, device = Stranger(lab), lab.device(2)
    true = device.nwk
    stranger.answer = lambda frame: (
        stranger.say(0x8001, address_response(frame.payload[0], device.eui64, 0x7777), **zdo(0x8001))
        if (frame.profile, frame.cluster) == (0, 0x0001)
        else None
    )
    stranger.say(0x0019, command(1, struct.pack("<BHHI", 0, 0x1234, 1, 1)))
    await asyncio.sleep(50)
    assert lab.world.stack.nwk_of(device.eui64) == true
    assert await lab.is_served(hub, 2)


def _uses_of_a_key(lab: Lab, kind: str) -> Callable[[int], None]:
    """What a keyed device does with its key, in whose name ever."""
    keyed, victim, third = (lab.device(number) for number in (1, 2, 3))

    def say(number: int) -> None:
        tsn, key = number & 0xFF, keyed.link_key
        read = command(0, b"\x00\x00", tsn=tsn, specific=False)
        event = command(0, struct.pack("<BHIBB", 0, 0x06C1, 0, 0, 0), tsn=tsn, from_server=True)
        answer = command(1, b"\x00\x00\x00\x20\x01", tsn=tsn, specific=False)
        kinds: dict[str, tuple[int, bytes, int | None, dict[str, Any]]] = {
            "reads as the victim": (0x0702, read, victim.nwk, {}),
            "answers as the victim": (0x0702, answer, victim.nwk, {}),
            "reads as a third": (0x0702, read, third.nwk, {}),
            "speaks as nobody": (0x0709, event, 0x7777, {}),
            "is malformed": (0x0702, b"\x01", keyed.nwk, {}),
            "has another profile": (0x0006, command(0, tsn=tsn), keyed.nwk, {"profile": 0x0104}),
        }
        cluster, payload, source, more = kinds[random.Random(number).choice(sorted(kinds)) if kind == "all" else kind]
        speak(keyed, cluster, payload, counter=tsn, source=source, key=key, **more)

    return say


async def _words_count_beside(lab: Lab, *uses: str) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1, 2, 3)
    for kind in uses:
        async with again_and_again(_uses_of_a_key(lab, kind), 0.1):
            await asyncio.sleep(1)
            change = hub.tenancy.orders.order("tenancy").id
            await asyncio.sleep(120)
        assert [verdict(hub, change, number) for number in (2, 3)] == ["reported cleared"] * 2, kind


@in_a_lab(devices=3, different={1: QUICK, 2: QUICK, 3: QUICK})
async def test_whatever_a_key_is_used_for_the_words_of_other_devices_count(lab: Lab) -> None:
    await _words_count_beside(lab, "all")


@pytest.mark.slow
@in_a_lab(devices=3, different={1: QUICK, 2: QUICK, 3: QUICK})
async def test_each_use_of_a_key_leaves_the_words_of_other_devices_as_they_are(lab: Lab) -> None:
    await _words_count_beside(lab, "reads as the victim", "answers as the victim", "reads as a third", "is malformed")


@in_a_lab(devices=2)
async def test_a_read_of_the_time_under_anothers_key_sets_no_clock(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    keyed, victim = lab.device(1), lab.device(2)
    victim.power_off()
    nwk_of_victim = nwk(hub, 2)
    hub.han._hearing.came(victim.eui64)
    read = command(0, b"\x00\x00", specific=False)
    speak(keyed, 0x000A, read, counter=2, source=nwk_of_victim, key=keyed.link_key)
    await asyncio.sleep(2)
    assert not hub.han.has_time(victim.eui64)
    own = lab.device(1)
    hub.han._hearing.came(own.eui64)
    speak(own, 0x000A, read, counter=3, key=own.link_key)
    await asyncio.sleep(2)
    assert hub.han.has_time(own.eui64)
