"""Who may activate what, and when: hashes, dates given later, signs that the hub was away, and the order of errands."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from firmware_fakes import (
    DISPLAY,
    IMAGE_TYPE,
    MANUFACTURER,
    NEW,
    OLD,
    START,
    Bench,
    FakeHan,
    StillClock,
    make_device,
    make_image,
)

from hanctl.base import virtual
from hanctl.base.errors import InvalidInput, Refused
from hanctl.han.cluster import DefaultReply, Reply, Status
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import EndpointRecord, Update
from hanctl.updates.life.attendance import Attendance
from hanctl.updates.serving import ends, ota

FILE = make_image()
ID = {"manufacturer_code": MANUFACTURER, "image_type": IMAGE_TYPE}


async def held(bench: Bench, **device: Any) -> Update:
    bench.ledger.devices.put(make_device(**device))
    update = bench.service.start(DISPLAY, bench.add(FILE), activation="hold")
    await asyncio.sleep(1)
    bench.ask(0x06, ota.UpgradeEndRequest(status=0, file_version=NEW, **ID).serialize())
    return now(bench, update)


def now(bench: Bench, update: Update) -> Update:
    found = bench.ledger.updates.get(update.id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("device_type", "given", "taken"),
    [
        ("hcalcs", None, False),
        ("hcalcs", "wrong", False),
        ("hcalcs", "right", True),
        ("hcalcs", "RIGHT", True),
        ("ppmid", None, True),
        ("ppmid", "wrong", False),
        ("ppmid", "right", True),
    ],
)
def test_the_manufacturer_image_hash(tmp_path: Path, device_type: str, given: str | None, taken: bool) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await held(bench, device_type=device_type)
        right = update.manufacturer_image_sha256
        assert right is not None
        given_hash = {None: None, "wrong": "0" * 64, "right": right, "RIGHT": right.upper()}[given]
        if taken:
            released = await bench.service.activate(update.id, manufacturer_image_sha256=given_hash)
            assert released.state == "activating"
            assert bench.count("update.activation_refused") == 0
            return
        with pytest.raises(Refused, match="is not activated"):
            await bench.service.activate(update.id, manufacturer_image_sha256=given_hash)
        assert now(bench, update) == update
        (refused,) = bench.ledger.events(type="update.activation_refused")
        assert refused.event.model_dump()["given"] == given_hash
        assert len(bench.han.sent) == 1, "the notification alone"

    virtual.run(scenario())


def test_a_date_given_to_a_holding_update(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await held(bench)
        date = bench.clock.now() + timedelta(hours=5)
        with pytest.raises(InvalidInput):
            await bench.service.activate(update.id, at=START)
        dated = await bench.service.activate(update.id, at=date)
        assert (dated.state, dated.activation, dated.activate_at) == ("holding", "at", date)
        sent = len(bench.han.sent)
        await asyncio.sleep(5 * 3600 - 2)
        assert len(bench.han.sent) == sent
        await asyncio.sleep(4)
        assert now(bench, update).state == "activating"

    virtual.run(scenario())


def test_a_release_outside_the_window_is_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        # The bench's day begins at midnight.
        update = bench.service.start(DISPLAY, bench.add(FILE), activation="hold", window="03:00-04:00")
        await asyncio.sleep(1)
        bench.ask(0x06, ota.UpgradeEndRequest(status=0, file_version=NEW, **ID).serialize())
        assert (await bench.service.activate(update.id)).state == "holding"
        assert "activation window" in (bench.service.progress(update.id).waits_for or "")
        assert bench.service.cancel(update.id).state == "cancelled", "it was not sent yet"
        again = bench.service.start(DISPLAY, bench.add(FILE), activation="hold", window="03:00-04:00")
        await asyncio.sleep(1)
        bench.ask(0x06, ota.UpgradeEndRequest(status=0, file_version=NEW, **ID).serialize())
        await bench.service.activate(again.id)
        await asyncio.sleep(3 * 3600 - 60)
        assert now(bench, again).state == "holding"
        await asyncio.sleep(120)
        assert now(bench, again).state == "activating"

    virtual.run(scenario())


def test_a_battery_that_ran_down_meanwhile_delays_the_release(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(power=3, battery=180))
        display = EndpointRecord(1, 0x0109, 0x0502, (0x0000, 0x0001), (0x0019, 0x0703))
        update = await held(bench, power_source="battery", battery_percent=90.0, endpoints=(display,))
        bench.han.battery = 40
        assert (await bench.service.activate(update.id)).state == "holding"
        assert "on battery, 20 %" in (bench.service.progress(update.id).waits_for or "")
        assert [command for command, _ in bench.han.messages] == [0x00]
        bench.han.power = 0x81
        await asyncio.sleep(700)
        assert now(bench, update).state == "activating"
        assert [command for command, _ in bench.han.messages] == [0x00, 0x01]

    virtual.run(scenario())


def test_an_order_learns_that_the_device_decides_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(policies=(1, 1)))
        update = bench.service.start(DISPLAY, bench.add(FILE))
        await asyncio.sleep(1)
        device = bench.ledger.devices.get(DISPLAY)
        assert device is not None and (device.activation_policy, device.timeout_policy) == (1, 1)
        assert now(bench, update).activation == "by-device"
        assert bench.count("update.activation_changed") == 1

    virtual.run(scenario())


def test_a_refused_release_is_not_repeated_at_once_but_given_at_the_poll(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await held(bench)
        await bench.service.activate(update.id)
        bench.service.answered(DISPLAY, 0x0019, 0x07, 0x81, "key counters")
        assert now(bench, update).state == "holding"
        reply = bench.ask(0x06, ota.UpgradeEndRequest(status=0, file_version=NEW, **ID).serialize())
        assert isinstance(reply, Reply) and reply.payload.endswith(bytes(8))
        assert now(bench, update).state == "activating"

    virtual.run(scenario())


def test_a_device_that_is_gone_for_good_fails_its_update(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await held(bench)
        bench.service.end(DISPLAY, "it was removed")
        assert now(bench, update).state == "failed"
        assert [one.event.model_dump()["outcome"] for one in bench.ledger.events(type="activation.notice")] == [
            "failed"
        ]
        bench.service.end(DISPLAY, "it was removed")

    virtual.run(scenario())


# --- whether the hub was there

HOLDING = Update(
    7, DISPLAY, "", None, 1, 1, NEW, 10, "hold", START, state="holding", old_version=OLD, transferred_at=START
)


@pytest.mark.parametrize(
    ("update", "device", "away", "doubted"),
    [
        (HOLDING, {}, 29, False),
        (HOLDING, {}, 31, True),
        (HOLDING, {"timeout_policy": 0}, 31, True),
        (HOLDING, {"timeout_policy": 1}, 3600, False),
        (HOLDING, {"activation_policy": 1}, 3600, False),
        (replace(HOLDING, activation="by-device"), {}, 3600, False),
        (replace(HOLDING, state="activating"), {}, 3600, False),
    ],
)
def test_after_which_absences_a_waiting_device_is_doubted(
    tmp_path: Path, update: Update, device: dict[str, Any], away: int, doubted: bool
) -> None:
    clock = StillClock()
    ledger = Ledger.open(tmp_path / "ledger", clock)
    clock.moment = START + timedelta(hours=1)
    Attendance(ledger, clock).note()
    clock.moment += timedelta(seconds=away)
    # As after a restart: what it knows is in the ledger.
    step = Attendance(ledger, clock).doubt(update, make_device(**device))
    assert (step is not None) == doubted
    if step is not None:
        assert step.update.state == "in_doubt"
        assert f"{away} s" in step.events[0].model_dump()["cause"]
    ledger.close()


def test_an_absence_before_the_device_waited_is_none(tmp_path: Path) -> None:
    clock = StillClock()
    ledger = Ledger.open(tmp_path / "ledger", clock)
    Attendance(ledger, clock).note()
    clock.moment = START + timedelta(days=7)
    waiting = replace(HOLDING, transferred_at=clock.moment - timedelta(seconds=5))
    assert Attendance(ledger, clock).doubt(waiting, make_device()) is None
    ledger.close()


# --- a ledger without room


@pytest.mark.parametrize(
    ("command", "frame", "reply"),
    [
        (0x01, ota.QueryNextImageRequest(field_control=0, current_file_version=OLD, **ID), Reply(0x02, b"\x98")),
        (
            0x03,
            ota.ImageBlockRequest(field_control=0, file_version=NEW, file_offset=0, max_data_size=50, **ID),
            Reply(0x05, b"\x97" + bytes(4) + (60).to_bytes(4, "little")),
        ),
        (
            0x06,
            ota.UpgradeEndRequest(status=0, file_version=NEW, **ID),
            Reply(0x07, bytes.fromhex("3412 0100 02000000 00000000 ffffffff")),
        ),
        (0x06, ota.UpgradeEndRequest(status=0x95, file_version=NEW, **ID), DefaultReply(Status.SUCCESS)),
    ],
)
def test_what_a_device_gets_while_nothing_can_be_written(command: int, frame: Any, reply: Reply | DefaultReply) -> None:
    assert ends.without_ledger(command, frame.serialize()) == reply
    assert ends.without_ledger(command, b"") == DefaultReply(Status.INVALID_FIELD)
