"""Whole updates, over a real ledger and store, with a HAN that records what is sent; in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from firmware_fakes import (
    DISPLAY,
    IMAGE_TYPE,
    MANUFACTURER,
    NEW,
    OLD,
    OTHER,
    Bench,
    FakeHan,
    make_device,
    make_image,
    make_request,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from ota_responses import decode_response

from hanctl.base import virtual
from hanctl.base.errors import InvalidInput, NotFound, Refused
from hanctl.han.cluster import DefaultReply, Reply, Status
from hanctl.model.event import Event
from hanctl.model.records import Update
from hanctl.radio.errors import DongleGone
from hanctl.updates.serving import ota

PAYLOAD = bytes(i % 251 for i in range(2000))
FILE = make_image(payload=PAYLOAD)
ID = {"manufacturer_code": MANUFACTURER, "image_type": IMAGE_TYPE}
ABORT_BLOCK = Reply(ota.Command.IMAGE_BLOCK_RESPONSE, b"\x95")

Scenario = Callable[[Path], Coroutine[Any, Any, None]]


def query(bench: Bench, running: int = OLD) -> ota.QueryNextImageResponse:
    frame = ota.QueryNextImageRequest(field_control=0, current_file_version=running, **ID)
    reply = bench.ask(0x01, frame.serialize())
    assert isinstance(reply, Reply)
    response = decode_response(reply.command, reply.payload)
    assert isinstance(response, ota.QueryNextImageResponse)
    return response


def ask_block(bench: Bench, offset: int, size: int = 50) -> Reply | DefaultReply:
    frame = ota.ImageBlockRequest(field_control=0, file_version=NEW, file_offset=offset, max_data_size=size, **ID)
    return bench.ask(0x03, frame.serialize())


def block(bench: Bench, offset: int) -> bytes:
    reply = ask_block(bench, offset)
    assert isinstance(reply, Reply)
    response = decode_response(reply.command, reply.payload)
    assert isinstance(response, ota.ImageBlockResponse)
    return bytes(response.data)


async def download(bench: Bench, start: int = 0, stop: int = len(FILE), pace: float = 0.1) -> bytes:
    """Blocks from ``start`` until ``stop`` is reached, as a device asks for them."""
    flash = b""
    while start + len(flash) < stop:
        flash += block(bench, start + len(flash))
        bench.service.heard(DISPLAY)
        await asyncio.sleep(pace)
    return flash


def end(bench: Bench, status: int = 0) -> Reply | DefaultReply:
    return bench.ask(0x06, ota.UpgradeEndRequest(status=status, file_version=NEW, **ID).serialize())


def upgrade_time(reply: Reply | DefaultReply) -> int:
    assert isinstance(reply, Reply)
    response = decode_response(reply.command, reply.payload)
    assert isinstance(response, ota.UpgradeEndResponse)
    assert response.current_time == 0
    return int(response.upgrade_time)


def state(bench: Bench, update: Update) -> str:
    found = bench.ledger.updates.get(update.id)
    assert found is not None
    return found.state


async def order(bench: Bench, activation: str = "now") -> Update:
    update = bench.service.start(DISPLAY, bench.add(FILE), activation=activation)  # type: ignore[arg-type]
    await asyncio.sleep(1)
    return update


async def transferred(bench: Bench, activation: str = "now") -> Update:
    update = await order(bench, activation)
    query(bench)
    await download(bench, pace=0)
    end(bench)
    return update


def come_back(bench: Bench, version: int) -> None:
    bench.han.version = version
    bench.service.returned(DISPLAY)


def test_a_whole_update(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        assert state(bench, update) == "notified"
        assert bench.han.sent[0][1:] == (0x00, bytes.fromhex("03 64 3412 0100 02000000"))
        offer = query(bench)
        assert (offer.status, offer.file_version, offer.image_size) == (0, NEW, len(FILE))
        assert await download(bench) == FILE
        assert upgrade_time(end(bench)) == 0
        assert state(bench, update) == "activating"
        await asyncio.sleep(10)
        come_back(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"
        assert bench.types() == [
            "image.added",
            "update.ordered",
            "delivery.notice",
            "update.notified",
            "update.transferring",
            "update.verifying",
            "update.transferred",
            "transfer.notice",
            "update.activating",
            "device.version_changed",
            "update.confirmed",
            "activation.notice",
        ], bench.types()
        notice = bench.ledger.events(type="activation.notice")[0].event.model_dump()
        image = bench.store.list()[0]
        assert notice["device"] == DISPLAY
        assert (notice["old_version"], notice["new_version"]) == (OLD, NEW)
        assert notice["file_sha256"] == image.file_sha256
        assert notice["manufacturer_image_sha256"] == image.manufacturer_image_sha256
        assert notice["ordered_at"] < notice["transferred_at"] <= notice["activated_at"] < notice["confirmed_at"]
        assert notice["confirmed_by"] == "version read back"
        device = bench.ledger.devices.get(DISPLAY)
        assert device is not None
        assert device.current_version == NEW
        assert query(bench, NEW).status == 0x98

    virtual.run(scenario())


def test_a_held_update_waits_for_the_command(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        for _ in range(24):
            await asyncio.sleep(3600)
            assert upgrade_time(end(bench)) == ota.HOLD
        assert bench.han.reads == []
        released = await bench.service.activate(update.id)
        assert (released.state, released.activated_at) == ("activating", bench.clock.now())
        assert bench.han.sent[-1][1:] == (0x07, bytes.fromhex("3412 0100 02000000 00000000 00000000"))
        assert upgrade_time(end(bench)) == 0
        come_back(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"
        assert [bench.count(f"update.{name}") for name in ("holding", "released", "activating")] == [1, 1, 1]

    virtual.run(scenario())


def test_a_release_that_does_not_arrive_is_given_at_the_next_poll_even_after_a_kill(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        bench.han.asleep = True
        assert (await bench.service.activate(update.id)).state == "holding"
        assert (await bench.service.activate(update.id)).state == "holding"
        assert bench.count("update.released") == 1
        await bench.kill()
        bench = Bench(tmp_path, bench.han)
        await asyncio.sleep(1)
        assert state(bench, update) == "holding"
        assert upgrade_time(end(bench)) == 0
        assert state(bench, update) == "activating"
        assert bench.count("update.activating") == 1

    virtual.run(scenario())


def test_a_release_that_does_not_arrive_is_tried_again_at_a_sign_of_life(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        bench.han.asleep = True
        await bench.service.activate(update.id)
        await asyncio.sleep(20)
        bench.han.asleep = False
        bench.service.heard(DISPLAY)
        await asyncio.sleep(1)
        assert state(bench, update) == "activating"

    virtual.run(scenario())


def test_an_unreachable_device_stays_ordered_and_is_notified_at_its_next_sign_of_life(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(asleep=True))
        update = await order(bench)
        await asyncio.sleep(7 * 24 * 3600)
        assert state(bench, update) == "ordered"
        assert bench.types()[-1] == "delivery.notice"
        bench.han.asleep = False
        bench.service.heard(DISPLAY)
        await asyncio.sleep(1)
        assert state(bench, update) == "notified"

    virtual.run(scenario())


def test_a_device_that_does_not_query_is_notified_again_with_growing_pauses(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        await order(bench)
        await asyncio.sleep(3600)
        times = [moment for moment, _, _ in bench.han.sent]
        pauses = [round(later - earlier) for earlier, later in itertools.pairwise(times)]
        assert pauses[:5] == [60, 120, 240, 480, 600]
        assert set(pauses[4:]) == {600}
        assert bench.count("update.notified") == 1

    virtual.run(scenario())


def test_a_notified_device_that_talks_of_other_things_is_not_notified_each_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        await order(bench)
        for _ in range(9):
            await asyncio.sleep(6)
            bench.service.heard(DISPLAY)
        assert bench.han.commands() == [0x00]

    virtual.run(scenario())


def test_a_device_that_downloads_is_not_notified(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        await order(bench)
        query(bench)
        await download(bench, pace=60)
        assert bench.han.commands() == [0x00]

    virtual.run(scenario())


def test_a_device_may_pause_for_as_long_as_it_likes(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench)
        flash = await download(bench, stop=1000)
        await asyncio.sleep(30 * 24 * 3600)
        assert state(bench, update) == "transferring"
        assert flash + await download(bench, len(flash)) == FILE

    virtual.run(scenario())


def test_a_kill_in_mid_transfer_resumes_where_the_device_is_and_gives_one_notice(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench)
        flash = await download(bench, stop=1000, pace=0.5)
        await bench.kill()
        bench = Bench(tmp_path, bench.han)
        saved = bench.ledger.updates.get(update.id)
        assert saved is not None
        # Written every 5 s: 10 blocks at 0.5 s.
        assert len(flash) - 10 * 50 <= saved.offset <= len(flash)
        flash += await download(bench, len(flash))
        assert flash == FILE
        assert [one.event.model_dump()["offset"] for one in bench.ledger.events(type="update.resumed")] == [1000]
        end(bench)
        await bench.kill()
        bench = Bench(tmp_path, bench.han)
        come_back(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"
        await bench.kill()
        bench = Bench(tmp_path, bench.han)
        come_back(bench, NEW)
        await asyncio.sleep(3600)
        assert bench.count("activation.notice") == bench.count("update.confirmed") == 1

    virtual.run(scenario())


@pytest.mark.parametrize("step", range(12))
def test_a_kill_between_any_two_steps_changes_nothing(tmp_path: Path, step: int) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench, "hold")
        steps: list[Callable[[], object]] = [
            lambda: query(bench),
            lambda: block(bench, 0),
            lambda: block(bench, 50),
            lambda: block(bench, 2050),
            lambda: end(bench),
            lambda: end(bench),
            lambda: bench.service.activate(update.id),
            lambda: end(bench),
            lambda: end(bench),
            lambda: bench.service.returned(DISPLAY),
            lambda: come_back(bench, NEW),
            lambda: come_back(bench, NEW),
        ]
        for number, act in enumerate(steps):
            if number == step:
                await bench.kill()
                bench = Bench(tmp_path, bench.han)
            done = act()
            if asyncio.iscoroutine(done):
                await done
            await asyncio.sleep(31)
        assert state(bench, update) == "confirmed"
        for name in ("transferred", "holding", "released", "activating", "confirmed"):
            assert bench.count(f"update.{name}") == 1, name
        assert bench.count("activation.notice") == 1

    virtual.run(scenario())


def test_a_commit_that_fails_leaves_the_update_unconfirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench)
        record = bench.ledger.record

        def failing(event: Any) -> Any:
            if event.type == "activation.notice":
                raise RuntimeError("power cut")
            return record(event)

        with monkeypatch.context() as patch:
            patch.setattr(bench.ledger, "record", failing)
            come_back(bench, NEW)
            await asyncio.sleep(1)
        assert (state(bench, update), bench.count("update.confirmed")) == ("activating", 0)
        await bench.kill()
        bench = Bench(tmp_path, bench.han)
        await asyncio.sleep(1)
        assert (bench.count("update.confirmed"), bench.count("activation.notice")) == (1, 1)

    virtual.run(scenario())


def test_the_dongle_away_and_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(error=DongleGone("unplugged")))
        update = await order(bench)
        assert state(bench, update) == "ordered"
        bench.han.error = None
        bench.service.resume()
        await asyncio.sleep(1)
        assert state(bench, update) == "notified"

    virtual.run(scenario())


def test_a_device_that_still_runs_the_old_version_is_asked_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench)
        come_back(bench, OLD)
        await asyncio.sleep(1)
        assert len(bench.han.reads) == 1
        assert state(bench, update) == "activating"
        await asyncio.sleep(400)
        assert 3 <= len(bench.han.reads) <= 5
        bench.han.version = NEW
        await asyncio.sleep(600)
        assert state(bench, update) == "confirmed"

    virtual.run(scenario())


def test_a_device_that_falls_back_downloads_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench)
        block(bench, 0)
        assert state(bench, update) == "activating", "a stray block is no new download"
        assert query(bench).status == 0
        assert state(bench, update) == "activating"
        block(bench, 0)
        assert bench.service.progress(update.id).offset == 50
        assert await download(bench) == FILE
        assert state(bench, update) == "verifying"
        assert upgrade_time(end(bench)) == 0
        come_back(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"
        assert bench.count("update.transferring") == bench.count("update.activating") == 2
        assert bench.count("activation.notice") == 1

    virtual.run(scenario())


@pytest.mark.parametrize("activation", ["now", "hold"])
def test_a_device_that_activates_of_its_own_accord_is_noticed(tmp_path: Path, activation: str) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench, activation)
        query(bench)
        await download(bench)
        if activation == "hold":
            end(bench)
        come_back(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"

    virtual.run(scenario())


def test_a_query_with_the_new_version_has_the_version_read_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench)
        bench.han.version = NEW
        assert query(bench, NEW).status == 0x98
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"
        notice = bench.ledger.events(type="activation.notice")[0].event.model_dump()
        assert notice["confirmed_by"] == "version read back"

    virtual.run(scenario())


def test_a_device_without_the_attribute_is_confirmed_by_its_query(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path, FakeHan(version=None))
        update = await transferred(bench)
        bench.service.returned(DISPLAY)
        await asyncio.sleep(1)
        assert state(bench, update) == "activating"
        query(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "confirmed"
        notice = bench.ledger.events(type="activation.notice")[0].event.model_dump()
        assert notice["confirmed_by"] == "query next image"

    virtual.run(scenario())


def test_a_device_that_runs_the_version_before_anything_was_sent_is_no_success(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench, NEW)
        await asyncio.sleep(1)
        assert state(bench, update) == "failed"
        assert bench.count("activation.notice") == 0

    virtual.run(scenario())


def test_cancelling_in_mid_transfer_aborts_the_next_block(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench)
        await download(bench, stop=500)
        assert bench.service.cancel(update.id).state == "cancelled"
        assert ask_block(bench, 500) == ABORT_BLOCK
        assert end(bench) == DefaultReply(Status.ABORT)
        assert query(bench).status == 0x98
        with pytest.raises(Refused, match="cancelled already"):
            bench.service.cancel(update.id)
        again = await order(bench)
        assert again.id != update.id
        assert query(bench).status == 0

    virtual.run(scenario())


def test_cancelling_while_holding_aborts_the_next_poll(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        bench.service.cancel(update.id)
        assert end(bench) == DefaultReply(Status.ABORT)
        assert bench.count("ota.request_refused") == 0

    virtual.run(scenario())


def test_what_was_told_to_activate_is_not_cancelled(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench)
        with pytest.raises(Refused, match="told to activate"):
            bench.service.cancel(update.id)
        assert state(bench, update) == "activating"
        await asyncio.sleep(3600)
        assert bench.service.cancel(update.id).state == "cancelled", "or a dead device could never be updated again"

    virtual.run(scenario())


def test_a_device_that_gives_up_is_asked_again_and_the_update_stays_open(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench)
        await download(bench, stop=500)
        assert end(bench, 0x95) == DefaultReply(Status.SUCCESS)
        assert state(bench, update) == "notified"
        assert bench.ledger.events(type="update.interrupted")[0].event.model_dump()["offset"] == 500
        await asyncio.sleep(620)
        assert bench.han.commands() == [0x00, 0x00]
        query(bench)
        assert await download(bench) == FILE

    virtual.run(scenario())


def test_an_image_that_the_device_finds_invalid_fails_the_update(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench)
        await download(bench)
        assert end(bench, 0x96) == DefaultReply(Status.SUCCESS)
        failed = bench.ledger.updates.get(update.id)
        assert failed is not None
        assert (failed.state, failed.ended_at) == ("refused", bench.clock.now())
        assert failed.reason is not None
        assert "INVALID_IMAGE" in failed.reason
        assert query(bench).status == 0x98
        assert ask_block(bench, 0) == DefaultReply(Status.NO_IMAGE_AVAILABLE), "ABORT is for what was cancelled"
        assert bench.service._open._contents == {}, "nobody needs the image's bytes any more"

    virtual.run(scenario())


def test_repeated_requests_are_answered_again_and_told_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        await order(bench)
        frame = ota.QueryNextImageRequest(field_control=0, current_file_version=OLD, **ID).serialize()
        first = bench.service.server.handle(make_request(0x01, frame, tsn=9))
        block(bench, 0)
        assert bench.service.server.handle(make_request(0x01, frame, tsn=9)) == first
        assert block(bench, 0) == block(bench, 0) == FILE[:50]
        assert bench.count("update.transferring") == 1
        assert end(bench) == end(bench)
        assert bench.count("update.transferred") == bench.count("update.activating") == 1

    virtual.run(scenario())


def test_the_first_refusals_are_told_each_and_the_others_counted(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        for _ in range(30):
            assert ask_block(bench, 0) == DefaultReply(Status.NO_IMAGE_AVAILABLE)
            await asyncio.sleep(1)
        update = await order(bench)
        for offset in range(9):
            ask_block(bench, len(FILE) + offset)
        told = [recorded.event.model_dump()["update"] for recorded in bench.ledger.events(type="ota.request_refused")]
        assert told == [None] * 5 + [update.id] * 5
        await asyncio.sleep(600)
        bench.ledger.limiting.tell()
        counted = [recorded.event.model_dump() for recorded in bench.ledger.events(type="events.counted")]
        assert [(each["of"], each["count"], each["update"]) for each in counted] == [
            ("ota.request_refused", 25, None),
            ("ota.request_refused", 4, update.id),
        ]

    virtual.run(scenario())


def test_requests_that_are_not_served(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        await order(bench)
        assert bench.ask(0x04, bytes(18)) == DefaultReply(Status.NOT_FOUND)
        assert bench.ask(0x08, bytes(18)) == DefaultReply(Status.UNSUP_COMMAND)
        assert bench.ask(0x03, bytes(12)) == DefaultReply(Status.INVALID_FIELD)
        assert bench.ask(0x55, b"") == DefaultReply(Status.INVALID_FIELD)

    virtual.run(scenario())


def test_an_update_serves_its_own_device_only(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        await order(bench)
        frame = ota.QueryNextImageRequest(field_control=0, current_file_version=OLD, **ID)
        assert bench.ask(0x01, frame.serialize(), device=OTHER) == Reply(0x02, b"\x98")

    virtual.run(scenario())


def test_a_late_request_for_an_earlier_block_does_not_move_the_progress_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench)
        for offset in (0, 50, 100, 50):
            block(bench, offset)
        assert bench.service.progress(update.id).offset == 150

    virtual.run(scenario())


def test_blocks_are_not_written_to_the_ledger_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        query(bench)
        writes: list[Update] = []
        put = bench.ledger.updates.put

        def counted(changed: Update, *happened: Event) -> None:
            writes.append(changed)
            put(changed, *happened)

        monkeypatch.setattr(bench.ledger.updates, "put", counted)
        await download(bench, pace=0.5)
        seconds = len(FILE) / 50 * 0.5
        assert len(writes) <= 1 + seconds / 5 + 1
        progress = bench.service.progress(update.id)
        assert (progress.offset, progress.size) == (len(FILE), len(FILE))
        assert progress.rate == pytest.approx(100, rel=0.05)

    virtual.run(scenario())


def test_orders_that_are_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        sha256 = bench.add(FILE)
        devices = bench.ledger.devices
        with pytest.raises(NotFound, match="not known"):
            bench.service.start(OTHER, sha256)
        with pytest.raises(NotFound, match="no image"):
            bench.service.start(DISPLAY, "0" * 64)
        with pytest.raises(InvalidInput):
            bench.service.start(DISPLAY, sha256, activation="later")  # type: ignore[arg-type]
        for fields, reason in (
            ({"state": "left"}, "is left"),
            ({"state": "expected"}, "is expected"),
            ({"manufacturer_code": 0x4321}, "manufacturer"),
            ({"image_type": 9}, "type 0x0001"),
            ({"current_version": NEW}, "which is this image"),
            ({"current_version": NEW + 1}, "newer than this image"),
        ):
            devices.put(make_device(**fields))
            with pytest.raises(Refused, match=reason):
                bench.service.start(DISPLAY, sha256)
        devices.put(make_device(hardware_version=5))
        with pytest.raises(Refused, match="hardware"):
            bench.service.start(DISPLAY, bench.add(make_image(hardware_min=1, hardware_max=4)))
        with pytest.raises(Refused, match="alone"):
            bench.service.start(DISPLAY, bench.add(make_image(destination=OTHER)))
        assert bench.ledger.updates.all() == []
        first = bench.service.start(DISPLAY, sha256[:8])
        with pytest.raises(Refused, match=f"already has update {first.id}"):
            bench.service.start(DISPLAY, sha256)
        assert bench.ledger.updates.all() == [first]

    virtual.run(scenario())


def test_only_a_holding_update_is_activated(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        with pytest.raises(NotFound):
            await bench.service.activate(1)
        update = await order(bench)
        with pytest.raises(Refused, match="notified, not holding"):
            await bench.service.activate(update.id)
        with pytest.raises(NotFound):
            bench.service.cancel(99)

    virtual.run(scenario())


def test_an_image_in_use_is_not_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        with pytest.raises(Refused, match=f"update {update.id}"):
            bench.service.remove_image(update.file_sha256)
        bench.service.cancel(update.id)
        bench.service.remove_image(update.file_sha256)
        assert bench.store.list() == bench.ledger.images.all() == []

    virtual.run(scenario())


def test_an_image_that_vanished_is_refused_and_served_again_once_it_is_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await order(bench)
        await bench.kill()
        bench = Bench(tmp_path, bench.han)
        bench.store.remove(update.file_sha256)
        assert query(bench).status == 0x98
        assert bench.types()[-1] == "ota.request_refused"
        bench.add(FILE)
        assert query(bench).status == 0

    virtual.run(scenario())


def test_a_stray_block_after_a_restart_takes_no_hold_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        update = await transferred(bench, "hold")
        await bench.kill()
        bench = Bench(tmp_path, bench.han)
        assert block(bench, 0) == FILE[:50]
        assert state(bench, update) == "holding"

    virtual.run(scenario())


def test_a_query_for_another_of_its_images_says_nothing_of_this_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        known = make_device(image_type=IMAGE_TYPE)
        bench.ledger.devices.put(known)
        other = ota.QueryNextImageRequest(
            field_control=0, manufacturer_code=MANUFACTURER, image_type=IMAGE_TYPE + 1, current_file_version=99
        )
        bench.ask(0x01, other.serialize())
        assert bench.ledger.devices.get(DISPLAY) == known

    virtual.run(scenario())


def test_a_query_tells_what_the_interview_could_not(tmp_path: Path) -> None:
    async def scenario() -> None:
        bench = Bench(tmp_path)
        bench.ledger.devices.put(make_device(manufacturer_code=None, current_version=None))
        update = bench.service.start(DISPLAY, bench.add(FILE))
        frame = ota.QueryNextImageRequest(field_control=1, current_file_version=OLD, hardware_version=3, **ID)
        bench.ask(0x01, frame.serialize())
        device, asked = bench.ledger.devices.get(DISPLAY), bench.ledger.updates.get(update.id)
        assert device == replace(
            make_device(), manufacturer_code=MANUFACTURER, image_type=IMAGE_TYPE, hardware_version=3
        )
        assert asked is not None
        assert asked.old_version == OLD

    virtual.run(scenario())


@settings(max_examples=30, deadline=None)
@given(requests=st.lists(st.tuples(st.integers(0, 10), st.binary(max_size=24)), max_size=20))
def test_no_request_raises(requests: list[tuple[int, bytes]]) -> None:
    async def scenario(path: Path) -> None:
        bench = Bench(path)
        await order(bench)
        for command, payload in requests:
            bench.ask(command, payload)
            bench.ask(command, payload[:1] + bytes.fromhex("34120100") + payload[1:])
        await bench.kill()

    with TemporaryDirectory() as path:
        virtual.run(scenario(Path(path)))
