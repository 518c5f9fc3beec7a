from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fake_device import KEY, NETWORK, PPMID, Display, FakeRadio

from hanctl.base.clock import LoopClock
from hanctl.base.errors import NotFound
from hanctl.base.eui64 import Eui64
from hanctl.base.virtual import run
from hanctl.han.cluster import Proof
from hanctl.han.errors import TimedOut
from hanctl.han.han import Han
from hanctl.han.life import Life
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device
from hanctl.radio.errors import DeliveryFailed, DongleGone


class Bench:
    def __init__(self, ledger: Ledger, clock: LoopClock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.radio = FakeRadio()
        self.han = Han(ledger, clock)
        self.lives: list[tuple[Eui64, Life]] = []
        self.han.on_life.append(lambda eui64, life: self.lives.append((eui64, life)))

    def types(self) -> list[str]:
        return [recorded.event.type for recorded in self.ledger.events()]

    def device(self) -> Device:
        device = self.ledger.devices.get(PPMID)
        assert device is not None
        return device

    async def join(self, display: Display, seconds: int = 120) -> None:
        await self.han.expect(display.eui64, KEY, seconds)
        self.radio.devices[display.nwk] = display
        self.han.device_joined(display.eui64, display.nwk)
        self.radio.announce(display)
        await asyncio.sleep(10)


def virtual(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test of the bench in virtual time."""

    async def on_a_bench(directory: Path) -> None:
        clock = LoopClock(asyncio.get_running_loop(), datetime(2026, 7, 1, tzinfo=UTC))
        ledger = Ledger.open(directory / "ledger.sqlite", clock)
        bench = Bench(ledger, clock)
        bench.han.attach(bench.radio, await bench.radio.start(bench.han))
        try:
            await test(bench)
        finally:
            await bench.han.stop()
            ledger.close()

    def run_test(tmp_path: Path) -> None:
        run(on_a_bench(tmp_path))

    return run_test


@virtual
async def test_a_join_from_key_to_interview(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    device = bench.device()
    assert device.state == "interviewed"
    assert device.device_type == "ppmid"
    assert (device.manufacturer_name, device.model) == ("Acme", "D1")
    assert device.power_source == "mains, with backup battery"
    assert (device.manufacturer_code, device.image_type, device.current_version) == (0x115F, 0x0101, 0x102)
    assert device.nwk == display.nwk
    assert not device.sleepy
    assert bench.types() == [
        "join.opened",
        "device.joined",
        "join.closed",
        "device.interviewed",
        "device.version_changed",
    ]
    assert [life for _, life in bench.lives if life not in (Life.FRAME, Life.SECURED)] == [
        Life.JOINED,
        Life.ANNOUNCED,
        Life.INTERVIEWED,
    ]
    assert bench.radio.opened == [(PPMID, KEY, 120)]
    assert bench.radio.closed == 1
    assert KEY.hex() not in str([recorded.as_dict() for recorded in bench.ledger.events()])


@virtual
async def test_the_type_given_at_join_wins(bench: Bench) -> None:
    await bench.han.expect(PPMID, KEY, 60, "ihd")
    await bench.join(Display())
    assert bench.device().device_type == "ihd"


@virtual
async def test_a_window_is_rearmed_and_then_closes(bench: Bench) -> None:
    await bench.han.expect(PPMID, KEY, 600)
    await asyncio.sleep(601)
    assert [seconds for _, _, seconds in bench.radio.opened] == [240, 240, 120]
    closed = bench.ledger.events(type="join.closed")
    assert [recorded.as_dict()["reason"] for recorded in closed] == ["timed out"]
    assert bench.radio.closed == 1


@virtual
async def test_a_short_window_does_not_cut_a_long_one_off(bench: Bench) -> None:
    other = Eui64("00:0d:6f:00:0a:90:69:e8")
    await bench.han.expect(PPMID, KEY, 600)
    await asyncio.sleep(100)
    await bench.han.expect(other, KEY, 50)
    await asyncio.sleep(400)
    # The dongle has one window: it is never told to close before the longest of those still open, or 240 s.
    assert [(eui64, seconds) for eui64, _, seconds in bench.radio.opened] == [
        (PPMID, 240),
        (other, 240),
        (PPMID, 240),
        (PPMID, 120),
    ]
    assert bench.radio.closed == 0


@virtual
async def test_a_window_opened_anew_counts_from_then(bench: Bench) -> None:
    await bench.han.expect(PPMID, KEY, 100)
    await asyncio.sleep(60)
    await bench.han.expect(PPMID, KEY, 100)
    await asyncio.sleep(90)
    assert bench.types() == ["join.opened", "join.opened"]
    await asyncio.sleep(20)
    assert bench.types() == ["join.opened", "join.opened", "join.closed"]


@virtual
async def test_a_window_opened_while_another_closes_is_open_in_the_end(bench: Bench) -> None:
    other = Eui64("00:0d:6f:00:0a:90:69:e8")
    await bench.han.expect(PPMID, KEY, 600)
    bench.han._joins.close(PPMID, "cancelled")
    await asyncio.sleep(0)
    await bench.han.expect(other, KEY, 600)
    await asyncio.sleep(1)
    assert bench.radio.commands == ["open", "open", "close", "close", "open", "open"]
    bench.han._joins.close(other, "cancelled")
    await bench.han.expect(PPMID, KEY, 600)
    await asyncio.sleep(1)
    assert bench.radio.commands[-1] == "open"


@virtual
async def test_a_join_that_cannot_be_opened_changes_nothing(bench: Bench) -> None:
    await bench.join(Display())
    before, events = bench.device(), bench.types()
    stranger = Eui64("00:0d:6f:00:0a:90:69:e8")
    bench.radio.refuses_joins = True
    for eui64 in (PPMID, stranger):
        with pytest.raises(DeliveryFailed):
            await bench.han.expect(eui64, KEY, 60)
    assert bench.device() == before
    bench.han.device_joined(stranger, 0x4321)
    bench.han.detach()
    with pytest.raises(DongleGone):
        await bench.han.expect(PPMID, KEY, 60)
    assert bench.device() == before
    assert bench.types()[len(events) :] == ["join.refused"]


@virtual
async def test_nothing_runs_on_after_the_stop(bench: Bench) -> None:
    await bench.join(Display())
    before = asyncio.all_tasks()
    other = Eui64("00:0d:6f:00:0a:90:69:e8")
    await bench.han.expect(other, KEY, 60)
    # It joins while the window's tasks are being ended, which wants an interview in five seconds.
    asyncio.get_running_loop().call_soon(bench.han.device_joined, other, 0x4321)
    await bench.han.stop()
    assert bench.types()[-1] == "device.joined"
    assert asyncio.all_tasks() == before


@virtual
async def test_the_network_closes_with_the_last_window(bench: Bench) -> None:
    other = Eui64("00:0d:6f:00:0a:90:69:e8")
    await bench.han.expect(PPMID, KEY, 600)
    await bench.han.expect(other, KEY, 100)
    await asyncio.sleep(101)
    assert bench.radio.closed == 0
    bench.han._joins.close(PPMID, "cancelled")
    await asyncio.sleep(1)
    assert bench.radio.closed == 1


@virtual
async def test_stopping_closes_the_network(bench: Bench) -> None:
    await bench.han.expect(PPMID, KEY, 600)
    await bench.han.stop()
    assert bench.radio.closed >= 1
    assert bench.types() == ["join.opened", "join.closed"]
    await bench.han.stop()


@virtual
async def test_a_sleepy_device_is_known_from_its_announcement(bench: Bench) -> None:
    display = Display(capability=0x80)
    await bench.join(display)
    assert bench.device().sleepy
    assert display.heard
    assert all(frame.sleepy for frame in display.heard)


@virtual
async def test_a_stranger_is_told_to_leave_once(bench: Bench) -> None:
    stranger = Display(eui64=Eui64("00:11:22:33:44:55:66:77"), nwk=0x4321)
    bench.radio.devices[stranger.nwk] = stranger
    bench.han.device_joined(stranger.eui64, stranger.nwk)
    bench.radio.announce(stranger)
    await asyncio.sleep(1)
    assert bench.types() == ["join.refused"]
    assert bench.radio.removed == [stranger.eui64]
    assert bench.radio.sent == []
    assert bench.lives == []


@virtual
async def test_many_strangers_are_not_all_remembered(bench: Bench) -> None:
    for number in range(300):
        bench.han.device_joined(Eui64(f"00:11:22:33:44:55:{number >> 8:02x}:{number & 255:02x}"), 0x4000 + number)
        bench.radio.receive(Display(nwk=0x6000 + number), 0x0000, bytes.fromhex("00 05 00 0500"), 1)
    arrivals = bench.han._arrivals
    assert len(arrivals._held) <= 64
    await asyncio.sleep(60)
    assert len(arrivals._refused) <= 64
    assert len(arrivals._unidentified) <= 64


@virtual
async def test_a_stranger_that_only_talks_is_asked_who_it_is_and_refused(bench: Bench) -> None:
    stranger = Display(eui64=Eui64("00:11:22:33:44:55:66:77"), nwk=0x4321)
    bench.radio.devices[stranger.nwk] = stranger
    for tsn in range(5):
        bench.radio.receive(stranger, 0x0000, bytes((0x00, tsn, 0x00, 0x00, 0x00)), 1)
    await asyncio.sleep(1)
    assert [frame.cluster for frame in stranger.heard] == [0x0001]
    assert bench.types() == ["join.refused"]


@virtual
async def test_a_known_device_at_a_new_address_is_found_and_answered(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    display.nwk = 0x5678
    bench.radio.devices = {0x5678: display}
    display.heard.clear()
    bench.radio.receive(display, 0x0000, bytes.fromhex("00 05 00 0500"), 1)
    await asyncio.sleep(1)
    assert bench.device().nwk == 0x5678
    assert display.heard[-1].payload.startswith(bytes.fromhex("18 05 01 0500 00 42"))
    joined = bench.ledger.events(type="device.joined")[-1].as_dict()
    assert (joined["nwk"], joined["rejoin"]) == (0x5678, True)


@virtual
async def test_a_silent_node_is_not_asked_again_at_once(bench: Bench) -> None:
    silent = Display(nwk=0x4321, mute=True)
    bench.radio.devices[silent.nwk] = silent
    for _ in range(4):
        bench.radio.receive(silent, 0x0000, bytes.fromhex("00 05 00 0500"), 1)
        await asyncio.sleep(11)
    assert len(silent.heard) == 1
    await asyncio.sleep(60)
    bench.radio.receive(silent, 0x0000, bytes.fromhex("00 05 00 0500"), 1)
    await asyncio.sleep(1)
    assert len(silent.heard) == 2


@virtual
async def test_a_lossy_interview_gets_there(bench: Bench) -> None:
    await bench.join(Display(deaf=3))
    await asyncio.sleep(10)
    assert bench.device().state == "interviewed"


@virtual
async def test_a_failed_interview_goes_on_at_the_next_sign_of_life(bench: Bench) -> None:
    display = Display(mute=True, capability=0x80)
    await bench.join(display)
    await asyncio.sleep(120)
    assert bench.types().count("device.interview_failed") == 1
    assert bench.device().state == "joined"
    display.mute = False
    bench.radio.receive(display, 0x000A, bytes.fromhex("00 05 00 0000"), 1)
    await asyncio.sleep(10)
    assert bench.device().state == "interviewed"
    assert bench.device().sleepy


@virtual
async def test_a_mute_device_that_talks_a_lot_is_not_asked_all_the_time(bench: Bench) -> None:
    display = Display(mute=True)
    await bench.join(display)
    for tsn in range(200):
        bench.radio.receive(display, 0x000A, bytes((0x00, tsn, 0x00, 0x00, 0x00)), 1)
        await asyncio.sleep(1)
    questions = [frame for frame in display.heard if frame.destination_endpoint == 0]
    assert len(questions) <= 16
    assert bench.types().count("device.interview_failed") == 1


@virtual
async def test_an_announcement_of_a_device_in_place_is_life_and_no_join(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    bench.lives.clear()
    bench.radio.announce(display)
    await asyncio.sleep(1)
    assert bench.lives == [(PPMID, Life.ANNOUNCED)]
    assert bench.types().count("device.joined") == 1


@virtual
async def test_leaving_and_coming_back(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    display.deaf = 1
    bench.han.device_left(PPMID, display.nwk)
    await asyncio.sleep(30)
    assert (bench.device().state, bench.device().nwk) == ("left", None)
    with pytest.raises(DeliveryFailed):
        await bench.han.read_attributes(PPMID, cluster=0, attributes=[4])
    bench.han.device_joined(PPMID, display.nwk)
    assert bench.device().nwk is None, "that is a claim, and not looked into yet"
    await asyncio.sleep(1)
    assert (bench.device().state, bench.device().nwk) == ("interviewed", display.nwk)


@virtual
async def test_who_is_said_to_have_left_and_answers_has_not_and_is_asked_at_most_every_two_seconds(
    bench: Bench,
) -> None:
    display = Display()
    await bench.join(display)
    before, asked = bench.device(), len(bench.radio.sent)
    for _ in range(100):
        bench.han.device_left(PPMID, display.nwk)
        await asyncio.sleep(0.1)
    assert len(bench.radio.sent) - asked <= 6
    assert (bench.device().state, bench.device().nwk) == (before.state, before.nwk)
    assert "device.left" not in bench.types()


@virtual
async def test_a_removed_device_is_a_stranger(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    await bench.han.remove(PPMID)
    assert bench.radio.removed == [PPMID]
    assert bench.device().state == "removed"
    bench.han.device_joined(PPMID, display.nwk)
    await asyncio.sleep(1)
    assert bench.types()[-2:] == ["device.left", "join.refused"]
    with pytest.raises(NotFound):
        await bench.han.remove(PPMID)


@virtual
async def test_reading_attributes(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    values = await bench.han.read_attributes(PPMID, cluster=0x0000, attributes=[4, 5, 0x4000])
    assert values == {4: "Acme", 5: "D1", 0x4000: None}
    assert await bench.han.read_attributes(PPMID, cluster=0x0019, attributes=[2], client_side=True) == {2: 0x102}
    request = display.heard[-1]
    assert request.payload[0] == 0x18
    assert (request.source_endpoint, request.destination_endpoint, request.profile) == (1, 1, 0x0109)


@virtual
async def test_a_read_that_is_not_answered_times_out(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    display.mute = True
    with pytest.raises(TimedOut):
        await bench.han.read_attributes(PPMID, cluster=0x0000, attributes=[4])


@virtual
async def test_a_read_of_a_cluster_that_is_not_there(bench: Bench) -> None:
    await bench.join(Display())
    with pytest.raises(NotFound):
        await bench.han.read_attributes(PPMID, cluster=0x0702, attributes=[0])
    with pytest.raises(NotFound):
        await bench.han.read_attributes(Eui64("00:11:22:33:44:55:66:77"), cluster=0, attributes=[0])


@virtual
async def test_a_command_to_a_client(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    await bench.han.send_command(PPMID, cluster=0x0019, command=0x00, payload=b"\x00\x64", tsn=0x55)
    frame = display.heard[-1]
    assert frame.payload == bytes.fromhex("19 55 00 00 64")
    assert (frame.source_endpoint, frame.destination_endpoint, frame.cluster, frame.profile) == (1, 1, 0x19, 0x0109)


@virtual
async def test_a_default_response_to_a_command_is_told(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    told: list[tuple[Eui64, int, int, int, Proof]] = []
    bench.han.on_default_response.append(lambda *response: told.append(response))
    bench.radio.receive(display, 0x0019, bytes.fromhex("08 55 0b 07 7e"), 1)
    await asyncio.sleep(1)
    assert told == [(PPMID, 0x0019, 0x07, 0x7E, "address")], "this dongle tells no counters"


@virtual
async def test_losing_the_dongle_ends_what_waits(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    display.mute = True
    lost: list[str] = []
    bench.han.on_dongle_lost.append(lost.append)
    await bench.han.expect(Eui64("00:0d:6f:00:0a:90:69:e8"), KEY, 100)
    reading = asyncio.create_task(bench.han.read_attributes(PPMID, cluster=0x0000, attributes=[4]))
    await asyncio.sleep(1)
    bench.han.dongle_lost("unplugged")
    with pytest.raises(DongleGone):
        await reading
    with pytest.raises(DongleGone):
        await bench.han.send_command(PPMID, cluster=0x0019, command=0, payload=b"")
    assert lost == ["unplugged"]
    assert bench.ledger.events(type="join.closed")[-1].as_dict()["reason"] == "dongle lost"
    radio = FakeRadio()
    display.mute = False
    radio.devices[display.nwk] = display
    await radio.start(bench.han)
    bench.han.attach(radio, NETWORK)
    assert (await bench.han.read_attributes(PPMID, cluster=0x0000, attributes=[4]))[4] == "Acme"


@virtual
async def test_match_desc_is_answered(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    bench.radio.receive(display, 0x0006, bytes.fromhex("21 fdff 0901 01 1900 00"), 0, broadcast=True)
    await asyncio.sleep(1)
    frame = bench.radio.sent[-1]
    assert (frame.cluster, frame.payload) == (0x8006, bytes.fromhex("21 00 0000 01 01"))
    assert (frame.destination_nwk, frame.source_endpoint, frame.destination_endpoint) == (display.nwk, 0, 0)


@virtual
async def test_garbage_hurts_nobody(bench: Bench) -> None:
    display = Display()
    await bench.join(display)
    before = len(bench.radio.sent)
    for cluster in (0x0013, 0x0006, 0x8002, 0x7777):
        bench.radio.receive(display, cluster, b"", 0)
        bench.radio.receive(display, cluster, b"\x01\x02", 0)
    bench.radio.receive(display, 0x0019, b"", 1)
    bench.radio.receive(display, 0x0019, b"\x08\x01\x0b", 1)
    await asyncio.sleep(1)
    assert len(bench.radio.sent) == before
