"""An address is no identity: what others say in a device's name changes nothing, and a device that moved is found."""

from __future__ import annotations

import asyncio
import os
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from dongle_lab import Kind, Lab, address, in_a_lab
from strangers import Noise, Stranger, address_response, announcement, command, speak, standing, zdo

from hanctl.base import virtual
from hanctl.han.errors import TimedOut
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.radio.errors import DeliveryFailed
from hanctl.simulator.quirks import Quirks
from hanctl.tenancy.service import Provider

SEED = int(os.environ.get("HANCTL_SEED", random.randrange(1 << 32)))
FRAMES = int(os.environ.get("HANCTL_FRAMES", "100000"))
QUICK = {"timings": {"start_delay_s": [1.0, 2.0], "query_period_s": 30.0}}
QUIRKS = [
    Quirks(),
    Quirks(honours_nonce=False),
    Quirks(compares_nonce=True),
    Quirks(counters="unsupported"),
    Quirks(counters="zero"),
    Quirks(announcements_move=False, answers_move=False),
    Quirks(map_survives_reset=False),
    Quirks(well_known_for_strangers=False, forged_acks=False),
]


def image(size: int = 6000, version: int = 2) -> bytes:
    content = random.Random(1).randbytes(size)
    return build(content, Fields(manufacturer_code=0x1234, image_type=1, file_version=version))


async def ready(lab: Lab, hub: Daemon, *numbers: int) -> None:
    await lab.join(hub, *numbers)
    async with asyncio.timeout(600):
        while not all(lab.events(hub, "device.interviewed", number) for number in numbers):
            await asyncio.sleep(1)
    await asyncio.sleep(5)


def nwk(hub: Daemon, number: int) -> int | None:
    device = hub.ledger.devices.get(address(number))
    assert device is not None
    return device.nwk


def order(hub: Daemon, number: int, **options: Any) -> int:
    record = hub.updates.add_image(image(), name="image")
    return hub.updates.start(address(number), record.file_sha256, **options).id


def state(hub: Daemon, update: int) -> str:
    found = hub.ledger.updates.get(update)
    assert found is not None
    return found.state


# --- moves


@in_a_lab(devices=2)
async def test_a_device_that_moved_and_says_so_is_found(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    device = lab.device(1)
    before = device.nwk
    device.move()
    await asyncio.sleep(10)
    assert device.nwk != before and nwk(hub, 1) == device.nwk
    assert await lab.is_served(hub, 1) and await lab.is_served(hub, 2)
    assert lab.events(hub, "device.claimed") == []


@in_a_lab(devices=1)
async def test_a_device_that_moved_unheard_is_sought_once_it_takes_nothing(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1)
    device = lab.device(1)
    device.announces = False
    device.move()
    with pytest.raises((DeliveryFailed, TimedOut)):
        await lab.is_served(hub, 1)
    await asyncio.sleep(30)
    assert nwk(hub, 1) == device.nwk
    assert await lab.is_served(hub, 1)


@in_a_lab(devices=1)
async def test_a_device_that_rejoins_at_another_address_goes_on(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1)
    device = lab.device(1)
    before = device.nwk
    device.leave(rejoin=True, new_address=True)
    await asyncio.sleep(60)
    assert device.nwk not in (None, before) and nwk(hub, 1) == device.nwk
    assert await lab.is_served(hub, 1)


@in_a_lab(devices=1, different={1: QUICK})
async def test_a_device_that_moves_in_mid_transfer_gets_its_image(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1)
    update = order(hub, 1)
    async with asyncio.timeout(300):
        while hub.updates.progress(update).offset < 1000:
            await asyncio.sleep(0.05)
    lab.device(1).move()
    async with asyncio.timeout(900):
        while lab.device(1).running_version != 2 or not lab.events(hub, "update.confirmed"):
            await asyncio.sleep(1)
    assert nwk(hub, 1) == lab.device(1).nwk


@in_a_lab(devices=1, different={1: {"sleepy": True, "poll_interval_s": 20.0}})
async def test_a_sleeper_that_moved_is_found_at_a_sign_of_life(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1)
    device = lab.device(1)
    device.move()
    await asyncio.sleep(180)
    assert nwk(hub, 1) == device.nwk


# --- claims


@in_a_lab(devices=2)
async def test_whoever_says_to_be_another_is_not_believed_and_the_dongle_is_put_right(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    stranger, victim, true = Stranger(lab), lab.device(2), lab.device(2).nwk
    assert true is not None
    before = standing(hub, 2)
    stranger.answer = lambda frame: (
        stranger.say(0x8001, address_response(frame.payload[0], victim.eui64, 0x6666), **zdo(0x8001))
        if (frame.profile, frame.cluster) == (0, 0x0001)
        else None
    )
    stranger.say(0x0019, command(1, struct.pack("<BHHI", 0, 0x1234, 1, 1)))
    await asyncio.sleep(3)
    stranger.say(0x0013, announcement(victim.eui64, 0x6666), **zdo(0x0013))
    await asyncio.sleep(20)
    stranger.say(0x8000, address_response(7, victim.eui64, 0x6666), **zdo(0x8000))
    await asyncio.sleep(40)
    assert standing(hub, 2) == before
    assert lab.world.stack.nwk_of(victim.eui64) == true
    assert not [frame for frame in stranger.heard if frame.profile == 0x0109 and not frame.encrypted]
    assert await lab.is_served(hub, 2)
    assert len(lab.events(hub, "device.claimed", 2)) == 1, "once an hour"


@in_a_lab(devices=2)
async def test_an_address_of_another_is_given_to_nobody(lab: Lab) -> None:
    """A keyed device announces itself at the address of another: neither moves, whoever asks there."""
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    first, second = lab.device(1), lab.device(2)
    places = first.nwk, second.nwk
    assert second.nwk is not None
    for _ in range(5):
        speak(first, 0x0013, announcement(first.eui64, second.nwk), counter=1, source=second.nwk, **zdo(0x0013))
        await asyncio.sleep(3)
    await asyncio.sleep(40)
    assert (nwk(hub, 1), nwk(hub, 2)) == places
    assert await lab.is_served(hub, 1) and await lab.is_served(hub, 2)


@pytest.mark.parametrize("claimed", [0x0000, 0xFFF8, 0xFFFB, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF])
def test_addresses_that_no_device_can_have_are_no_devices(claimed: int, tmp_path: Path) -> None:
    async def scenario(lab: Lab) -> None:
        hub = await lab.start()
        await ready(lab, hub, 1)
        stranger, device = Stranger(lab), lab.device(1)
        true = device.nwk
        stranger.say(0x0013, announcement(device.eui64, claimed), source=claimed, **zdo(0x0013))
        stranger.say(0x0013, announcement(device.eui64, claimed), **zdo(0x0013))
        stranger.say(0x8000, address_response(1, device.eui64, claimed), **zdo(0x8000))
        hub.tenancy.orders.order("tenancy")
        await asyncio.sleep(30)
        assert nwk(hub, 1) == true
        assert not [frame for frame in stranger.heard if frame.profile == 0x0109]

    for kind in ("ezsp", "znp"):
        run(tmp_path / kind, kind, 1, scenario)


@in_a_lab(devices=2)
async def test_an_announcement_from_another_address_than_it_names_is_refused(lab: Lab) -> None:
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    stranger, device = Stranger(lab), lab.device(1)
    before = hub.ledger.last_event_id()
    assert device.nwk is not None
    stranger.say(0x0013, announcement(device.eui64, device.nwk), **zdo(0x0013))
    await asyncio.sleep(5)
    assert hub.ledger.last_event_id() == before


# --- words


@in_a_lab(oldest=True, devices=2, different={1: QUICK, 2: QUICK})
async def test_a_key_of_ones_own_says_nothing_about_another(lab: Lab) -> None:
    """A device that is keyed speaks from the address of one that is switched off: its update and its verdict stay."""
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    keyed, victim = lab.device(1), lab.device(2)
    source = victim.nwk
    victim.power_off()
    update = order(hub, 2)
    change = hub.tenancy.orders.order("tenancy")
    await asyncio.sleep(20)
    before = standing(hub, 2)
    image_id = struct.pack("<HHI", 0x1234, 1, 2)
    says: list[tuple[int, bytes]] = [
        (0x0709, command(0, struct.pack("<BHIBB", 0, 0x06C1, 0, 0, 0), tsn=5, from_server=True)),
        (0x0019, command(1, struct.pack("<BHHI", 0, 0x1234, 1, 1), tsn=6)),
        (0x0019, command(3, b"\x00" + image_id + struct.pack("<IB", 0, 50), tsn=7)),
        (0x0019, command(6, b"\x00" + image_id, tsn=8)),
        (0x0019, command(6, b"\x96" + image_id, tsn=9)),
        (0x0019, command(1, struct.pack("<BHHI", 0, 0x1234, 1, 2), tsn=10)),
        (0x0019, command(0x0B, bytes([0x02, 0x89]), tsn=11, specific=False)),
        (0x0708, command(0x0B, bytes([0x00, 0x00]), tsn=12, specific=False)),
        (0x0708, command(0, tsn=13)),
    ]
    for round_ in range(3):
        for cluster, payload in says:
            speak(keyed, cluster, payload, counter=round_, source=source, key=keyed.link_key)
            await asyncio.sleep(0.5)
    await asyncio.sleep(400)
    assert standing(hub, 2) == before
    assert state(hub, update) == "ordered"
    report = {device.eui64: device.verdict for device in hub.tenancy.report(change.id).devices}
    assert report[victim.eui64] == "silent"
    assert len(lab.events(hub, "device.claimed", 2)) == 1
    # The device itself is heard all the same when it is back.
    victim.power_on()
    async with asyncio.timeout(900):
        while not lab.events(hub, "update.confirmed", 2):
            await asyncio.sleep(1)
    assert "secret" in lab.events(hub, "activation.notice", 2)[0].rests_on
    report = {device.eui64: device.verdict for device in hub.tenancy.report(change.id).devices}
    assert report[victim.eui64] in {"reported cleared", "acknowledged only"}


@in_a_lab(devices=2, different={1: QUICK, 2: QUICK})
async def test_a_transfer_goes_on_whatever_another_asks_in_its_name(lab: Lab) -> None:
    """Block requests, ends and queries in a device's name, ten a second, while it fetches its image."""
    hub = await lab.start()
    await ready(lab, hub, 1, 2)
    keyed, victim = lab.device(1), lab.device(2)
    update = order(hub, 2)
    rng, image_id = random.Random(3), struct.pack("<HHI", 0x1234, 1, 2)
    for number in range(300):
        body = rng.choice(
            [
                (3, b"\x00" + image_id + struct.pack("<IB", rng.randrange(6000), 50)),
                (6, bytes([rng.choice([0, 0x95, 0x96, 0x99])]) + image_id),
                (1, struct.pack("<BHHI", 0, 0x1234, 1, rng.choice([1, 2, 3]))),
            ]
        )
        payload = command(*body, tsn=number & 0xFF)
        speak(keyed, 0x0019, payload, counter=number & 0xFF, source=victim.nwk, key=keyed.link_key)
        await asyncio.sleep(0.1)
    async with asyncio.timeout(900):
        while not lab.events(hub, "update.confirmed", 2):
            await asyncio.sleep(1)
    assert victim.running_version == 2
    assert state(hub, update) == "confirmed"
    assert lab.events(hub, "update.failed") == lab.events(hub, "update.refused") == []
    assert len(lab.events(hub, "update.transferred", 2)) == 1


# --- anything


def run(directory: Path, kind: Kind, devices: int, scenario: Any, quirks: Quirks = QUIRKS[0]) -> None:
    async def main() -> None:
        directory.mkdir(parents=True, exist_ok=True)
        version = 13 if kind == "ezsp" else None
        quick = dict.fromkeys(range(1, devices + 1), QUICK)
        lab = Lab(directory, kind, version, devices=devices, different=quick, trust={}, quirks=quirks)
        lab.world.plug()
        try:
            await scenario(lab)
        finally:
            await lab.close()
        assert not lab.world.dongle.faults

    virtual.run(main())


def noise(frames: int, seed: int) -> Any:
    """Three devices: one speaks in the names of the others, one of which is off and one idle."""

    async def scenario(lab: Lab) -> None:
        print(f"replay with HANCTL_SEED={seed}")
        hub = await lab.start()
        await ready(lab, hub, 1, 2, 3)
        off, idle, speaker = lab.device(1), lab.device(2), lab.device(3)
        hub.tenancy.orders.order("tenancy")
        await asyncio.sleep(120)
        off.power_off()
        order(hub, 1, activation="hold")
        hub.tenancy.orders.order("supplier", ["gas"], providers={"gas": new_supplier()})
        await asyncio.sleep(120)
        # From here on nothing is due that either of the two would be heard of.
        idle.client.stop()
        before = {number: standing(hub, number) for number in (1, 2)}
        keys = dict(lab.installed)
        noisy = Noise(lab, seed, [off, idle], speaker)
        for _ in range(frames):
            noisy.one()
            await asyncio.sleep(0.05)
        await asyncio.sleep(60)
        assert {number: standing(hub, number) for number in (1, 2)} == before
        assert lab.installed == keys
        said = {frame.payload[2] for frame in noisy.stranger.heard if frame.cluster in range(0x0700, 0x070C)}
        assert said <= {0x0B}, "nothing of the household in clear but that it was refused"
        assert await lab.is_served(hub, 2)

    return scenario


def new_supplier() -> Any:
    return Provider(7, "Next Gas")


@pytest.mark.slow
@pytest.mark.parametrize("quirks", range(len(QUIRKS)))
@pytest.mark.parametrize("kind", ["ezsp", "znp"])
def test_a_hundred_thousand_frames_of_others_change_nothing_on_any_dongle(
    kind: Kind, quirks: int, tmp_path: Path
) -> None:
    run(tmp_path, kind, 3, noise(FRAMES // len(QUIRKS), SEED + quirks), QUIRKS[quirks])


@pytest.mark.parametrize("kind", ["ezsp", "znp"])
def test_whatever_others_send_changes_nothing_of_a_device(kind: Kind, tmp_path: Path) -> None:
    run(tmp_path, kind, 3, noise(1000, SEED))


@pytest.mark.parametrize("kind", ["ezsp", "znp"])
def test_a_dongle_that_forgot_who_is_where_is_told(kind: Kind, tmp_path: Path) -> None:
    async def scenario(lab: Lab) -> None:
        hub = await lab.start()
        await ready(lab, hub, 1)
        await lab.kill()
        await asyncio.sleep(5)
        lab.world.unplug()
        await asyncio.sleep(2)
        lab.world.plug()
        hub = await lab.start()
        await asyncio.sleep(30)
        assert await lab.is_served(hub, 1)
        assert lab.world.stack.nwk_of(address(1)) == lab.device(1).nwk

    run(tmp_path, kind, 1, scenario, Quirks(map_survives_reset=False))
