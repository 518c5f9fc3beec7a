"""When the hub speaks first, and how often: notifications, releases, and reading the version back."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from firmware_fakes import DISPLAY, IMAGE_TYPE, MANUFACTURER, NEW, OLD, Bench, FakeHan, make_image

from hanctl.base import virtual
from hanctl.model.records import Activation, Update
from hanctl.radio.errors import DongleGone
from hanctl.updates.serving import ota

FILE = make_image()
ID = {"manufacturer_code": MANUFACTURER, "image_type": IMAGE_TYPE}
NOTIFY = int(ota.Command.IMAGE_NOTIFY)


def order(bench: Bench, activation: Activation = "now") -> Update:
    return bench.service.start(DISPLAY, bench.add(FILE), activation=activation)


def query(bench: Bench, running: int = OLD) -> None:
    bench.ask(0x01, ota.QueryNextImageRequest(field_control=0, current_file_version=running, **ID).serialize())


def ask_block(bench: Bench, offset: int) -> None:
    frame = ota.ImageBlockRequest(field_control=0, file_version=NEW, file_offset=offset, max_data_size=50, **ID)
    bench.ask(0x03, frame.serialize())


def end(bench: Bench) -> None:
    bench.ask(0x06, ota.UpgradeEndRequest(status=0, file_version=NEW, **ID).serialize())


async def transferring(bench: Bench) -> Update:
    update = order(bench)
    await asyncio.sleep(1)
    query(bench)
    ask_block(bench, 0)
    return update


async def transferred(bench: Bench, activation: Activation = "now") -> Update:
    update = order(bench, activation)
    await asyncio.sleep(1)
    query(bench)
    ask_block(bench, 0)
    end(bench)
    return update


def state(bench: Bench, update: Update) -> str:
    found = bench.ledger.updates.get(update.id)
    assert found is not None
    return found.state


def test_a_device_that_talks_but_cannot_be_reached_is_tried_every_five_seconds_at_most(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(asleep=True))
        order(bench)
        for _ in range(23):
            await asyncio.sleep(1)
            bench.service.heard(DISPLAY)
        times = bench.han.powers
        assert len(times) == 5
        assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(times))

    virtual.run(scenario())


def test_a_device_that_talks_while_it_activates_is_read_every_half_minute_at_most(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        await transferred(bench)
        for _ in range(100):
            await asyncio.sleep(1)
            bench.service.heard(DISPLAY)
        assert 2 <= len(bench.han.reads) <= 4

    virtual.run(scenario())


def test_what_comes_back_is_notified_anew_unless_that_was_just_done(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        order(bench)
        await asyncio.sleep(1)
        for _ in range(3):
            bench.service.returned(DISPLAY)
            await asyncio.sleep(0.5)
        assert bench.han.commands() == [NOTIFY]
        await asyncio.sleep(5)
        bench.service.returned(DISPLAY)
        await asyncio.sleep(1)
        assert bench.han.commands() == [NOTIFY, NOTIFY]

    virtual.run(scenario())


def test_a_device_that_has_just_asked_need_not_be_told_to_ask(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        order(bench)
        await asyncio.sleep(50)
        query(bench)
        await asyncio.sleep(40)
        assert bench.han.commands() == [NOTIFY]
        await asyncio.sleep(600)
        assert len(bench.han.commands()) > 1
        # At first it is not known at which endpoint the device has its client; then it has shown it.
        assert bench.han.endpoints[:2] == [None, 1]

    virtual.run(scenario())


def test_a_block_asked_for_before_the_notification_is_acknowledged_counts(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = order(bench)
        await asyncio.sleep(0.12)
        assert bench.han.commands() == [NOTIFY]
        query(bench)
        ask_block(bench, 0)
        await asyncio.sleep(1)
        assert state(bench, update) == "transferring"
        assert bench.service.progress(update.id).offset == 50
        known = bench.ledger.updates.get(update.id)
        assert known is not None and known.notified_at is not None

    virtual.run(scenario())


def test_a_device_back_in_mid_transfer_is_read_until_it_answers_and_then_left_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferring(bench)
        bench.han.asleep = True
        bench.service.returned(DISPLAY)
        await asyncio.sleep(1)
        assert len(bench.han.reads) == 1
        bench.han.asleep = False
        await asyncio.sleep(24 * 3600)
        assert len(bench.han.reads) == 2
        assert state(bench, update) == "transferring"

    virtual.run(scenario())


def test_an_endpoint_that_does_not_answer_is_not_insisted_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(asleep=True))
        await transferred(bench)
        bench.service.returned(DISPLAY)
        await asyncio.sleep(200)
        assert bench.han.endpoints[-3:] == [1, None, None]

    virtual.run(scenario())


def test_a_dongle_that_is_away_uses_no_check_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferring(bench)
        bench.han.error = DongleGone("unplugged")
        bench.service.returned(DISPLAY)
        await asyncio.sleep(2 * 3600)
        assert len(bench.han.reads) > 5
        bench.han.error, bench.han.version = None, NEW
        await asyncio.sleep(700)
        assert state(bench, update) == "confirmed"

    virtual.run(scenario())


@pytest.mark.parametrize("how", ["killed", "dongle away"])
def test_a_holding_device_that_activated_meanwhile_is_found_without_a_word_of_its_own(tmp_path: Path, how: str) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        await asyncio.sleep(100)
        assert bench.han.reads == []
        bench.han.version = NEW
        if how == "killed":
            await bench.kill()
            bench = Bench(tmp_path, bench.han)
        else:
            bench.service.resume()
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"

    virtual.run(scenario())


@pytest.mark.parametrize(("downloaded", "after"), [(None, "notified"), (NEW, "activating")])
def test_a_device_that_has_just_started_may_have_the_image_and_not_say_so(
    tmp_path: Path, downloaded: int | None, after: str
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(status=0, downloaded=downloaded))
        update = await transferred(bench)
        bench.service.returned(DISPLAY)
        await asyncio.sleep(100)
        assert state(bench, update) == after
        bench.han.version = NEW
        bench.service.returned(DISPLAY)
        query(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"

    virtual.run(scenario())


def test_a_query_is_believed_once_the_device_could_not_be_read_so_often(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench)
        bench.han.asleep = True
        query(bench, NEW)
        await asyncio.sleep(100)
        assert state(bench, update) == "activating"
        await asyncio.sleep(3600)
        assert state(bench, update) == "confirmed"
        notice = bench.ledger.events(type="activation.notice")[0].event.model_dump()
        assert notice["confirmed_by"] == "query next image"

    virtual.run(scenario())


def test_a_poll_that_crosses_the_release_activates_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        releasing = asyncio.create_task(bench.service.activate(update.id))
        await asyncio.sleep(0.02)
        end(bench)
        assert (await releasing).state == "activating"
        assert bench.count("update.activating") == 1

    virtual.run(scenario())


@pytest.mark.parametrize(
    ("found", "end_state", "notices"),
    [
        ({"version": NEW, "status": 0}, "confirmed", 1),
        ({"version": OLD, "status": 4}, "activating", 0),
        ({"version": OLD, "status": 3}, "cancelled", 0),
        ({"version": OLD, "status": None}, "cancelled", 0),
    ],
)
@pytest.mark.parametrize("killed", [False, True])
def test_a_cancellation_that_races_the_release_ends_as_the_device_has_it(
    tmp_path: Path, found: dict[str, int | None], end_state: str, notices: int, killed: bool
) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        releasing = asyncio.create_task(bench.service.activate(update.id))
        await asyncio.sleep(0.02)
        assert bench.service.cancel(update.id).state == "in_doubt"
        bench.han.asleep = True
        assert (await releasing).state == "in_doubt"
        if killed:
            await bench.kill()
            bench = Bench(tmp_path, bench.han)
        await asyncio.sleep(30)
        bench.han.asleep = False
        for name, value in found.items():
            setattr(bench.han, name, value)
        sent = len(bench.han.sent)
        await asyncio.sleep(300)
        assert state(bench, update) == end_state
        assert bench.count("activation.notice") == notices
        assert len(bench.han.sent) == sent, "it is told nothing more"

    virtual.run(scenario())
