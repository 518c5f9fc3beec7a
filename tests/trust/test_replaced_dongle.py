"""A dongle that is not the one that the devices know: left alone, until it has their network from a backup."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dongle_lab import Kind, Lab, in_a_lab

from hanctl.base.eui64 import Eui64
from hanctl.hil import memory
from hanctl.hub.daemon import dongle_settings
from hanctl.radio.errors import BlankDongle, OtherNetwork
from hanctl.radio.finding.network_backup import BadBackup, read, summary
from hanctl.radio.finding.offline import COUNTER_MARGIN, offline
from hanctl.simulator.dongle import Dongle, Flash
from hanctl.simulator.world import dongle_maker

OTHER = {"ezsp": Eui64("00:0d:6f:00:0a:00:00:99"), "znp": Eui64("00:12:4b:00:0a:00:00:99")}


def kind_of(lab: Lab) -> Kind:
    return "ezsp" if "Ezsp" in type(lab.world.dongle).__name__ else "znp"


def change_dongle(lab: Lab, flash: str, eui64: Eui64) -> Dongle:
    """Another stick in the same socket."""
    world = lab.world
    world.unplug()
    world.stack.eui64 = eui64
    version = getattr(getattr(world.dongle, "codec", None), "version", None)
    world.dongle = dongle_maker(kind_of(lab), version)(world.stack, Flash(lab.directory / flash))
    memory.unplug(lab.name)
    memory.plug(lab.name, world.dongle)
    world.plug()
    return world.dongle


def newest_backup(lab: Lab) -> Path:
    return max((lab.directory / "hub" / "backups").glob("network-*.json"))


def reasons(lab: Lab) -> set[str]:
    assert lab.hub is not None
    return {each.as_dict()["reason"] for each in lab.hub.ledger.events(type="dongle.reopening")}


@in_a_lab(required=True)
async def test_a_blank_dongle_is_left_blank_and_the_right_one_taken_again(lab: Lab) -> None:
    hub = await lab.start()
    await lab.join(hub)
    await asyncio.sleep(60)
    own = lab.world.stack.eui64
    change_dongle(lab, "other.json", own)
    await asyncio.sleep(30)
    assert hub.network is None
    assert any("holds no network" in each for each in reasons(lab))
    assert len(lab.events(hub, "network.formed")) == 1
    change_dongle(lab, f"simulator/dongle-{kind_of(lab)}.json", own)
    await asyncio.sleep(10)
    assert hub.network is not None
    assert await lab.is_served(hub, 1)


@in_a_lab(required=True)
async def test_a_start_on_a_blank_dongle_says_what_to_do_and_forms_nothing(lab: Lab) -> None:
    hub = await lab.start()
    await lab.join(hub)
    await asyncio.sleep(60)
    await lab.kill()
    change_dongle(lab, "other.json", lab.world.stack.eui64)
    with pytest.raises(BlankDongle, match=r"belong to the network") as refused:
        await lab.start()
    assert "hanctl backup restore" in refused.value.hint
    assert lab.world.stack.network is None


@in_a_lab(required=True)
async def test_a_dongle_with_another_network_is_left_as_it_is(lab: Lab) -> None:
    hub = await lab.start()
    await lab.join(hub)
    await asyncio.sleep(60)
    own = lab.world.stack.eui64
    dongle = change_dongle(lab, "other.json", own)
    content = read(newest_backup(lab))
    content["extended_pan_id"] = "0102030405060708"
    await lab.kill()
    async with offline(dongle_settings(lab._config)) as other:
        await other.write(content, lab.clock.now())
    held = dongle.flash.load()
    with pytest.raises(OtherNetwork, match="01:02:03:04:05:06:07:08"):
        await lab.start()
    assert dongle.flash.load().keys() == held.keys()
    async with offline(dongle_settings(lab._config)) as other:
        still = await other.content()
    assert still is not None
    assert summary(still).extended_pan_id == "01:02:03:04:05:06:07:08"


@in_a_lab(required=True)
async def test_another_dongle_with_the_network_from_a_backup_is_rejoined_under_the_old_key(lab: Lab) -> None:
    hub = await lab.start()
    await lab.join(hub)
    await asyncio.sleep(60)
    assert await lab.is_served(hub, 1)
    before = summary(read(newest_backup(lab)))
    joined = len(lab.events(hub, "device.joined"))
    await lab.kill()
    change_dongle(lab, "other.json", OTHER[kind_of(lab)])
    content = read(newest_backup(lab))
    counter = content["network_key"]["frame_counter"]
    async with offline(dongle_settings(lab._config)) as dongle:
        assert await dongle.content() is None
        assert await dongle.eui64() == OTHER[kind_of(lab)]
        await dongle.write(content, lab.clock.now(), once=True)
    async with offline(dongle_settings(lab._config)) as dongle:
        written = await dongle.content()
    assert written is not None
    after = summary(written)
    assert (after.eui64, after.channel, after.pan_id, after.extended_pan_id, after.link_keys) == (
        before.eui64,
        before.channel,
        before.pan_id,
        before.extended_pan_id,
        before.link_keys,
    )
    assert written["network_key"]["frame_counter"] >= counter + COUNTER_MARGIN
    hub = await lab.start()
    # What a display does when it misses its parent.
    lab.device(1).power_cycle(1)
    await asyncio.sleep(30)
    assert await lab.is_served(hub, 1)
    assert all(each.rejoin for each in lab.events(hub, "device.joined")[joined:])
    assert len(lab.events(hub, "key.established")) == 1


def test_what_is_no_backup_is_said_to_be_none(tmp_path: Path) -> None:
    for name, text in {"text": "not JSON", "json": "{}", "list": "[]"}.items():
        file = tmp_path / name
        file.write_text(text)
        with pytest.raises(BadBackup, match=name):
            read(file)
    with pytest.raises(BadBackup, match="absent"):
        read(tmp_path / "absent")
