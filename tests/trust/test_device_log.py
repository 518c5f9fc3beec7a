"""Who may join: added, added twice, removed, re-added, one too many, never seen."""

from __future__ import annotations

import asyncio

import pytest
from hub_bench import CODE, Display, HubBench, on_a_hub
from trust_bench import DISPLAY

from hanctl.base.eui64 import Eui64
from hanctl.radio.frames import IncomingFrame
from hanctl.trust.device_log import DeviceRefused


@on_a_hub()
async def test_the_window_counts_down(bench: HubBench) -> None:
    await bench.hub.join(DISPLAY, CODE, seconds=3600)
    await asyncio.sleep(1000)
    (entry,) = bench.hub.trust.log.entries(bench.hub.han.join_windows())
    assert (entry.eui64, entry.state) == (DISPLAY, "expected")
    assert entry.join_seconds == pytest.approx(2600, abs=1)
    # Neither the dongle's 254 s nor its 300 s end it.
    assert len(bench.radio.opened) == 5
    await asyncio.sleep(2601)
    (entry,) = bench.hub.trust.log.entries(bench.hub.han.join_windows())
    assert entry.join_seconds is None


@on_a_hub()
async def test_adding_twice_opens_anew(bench: HubBench) -> None:
    await bench.hub.join(DISPLAY, CODE, seconds=100)
    await asyncio.sleep(90)
    await bench.hub.join(DISPLAY, CODE, seconds=100)
    await asyncio.sleep(90)
    assert set(bench.hub.han.join_windows()) == {DISPLAY}


@on_a_hub()
async def test_a_device_on_the_han_is_not_added_again_but_may_be_removed_and_added(bench: HubBench) -> None:
    display = await bench.display()
    display.ask_for_a_key()
    await asyncio.sleep(10)
    with pytest.raises(DeviceRefused, match="already"):
        await bench.hub.join(display.eui64, CODE)
    assert bench.device(display.eui64).keyed_at is not None
    await bench.hub.remove(display.eui64)
    assert bench.radio.keys == {}
    (removed,) = bench.hub.trust.log.history()
    assert (removed.eui64, removed.removed_reason) == (display.eui64, "asked for")
    first, display.key = display.key, None
    await bench.hub.join(display.eui64, CODE)
    display.join()
    assert bench.hub.trust.log.history() == []
    assert bench.device(display.eui64).keyed_at is None
    display.engine = type(display.engine)([display.credentials])
    display.ask_for_a_key()
    await asyncio.sleep(10)
    assert bench.radio.keys == {display.eui64: display.key}
    assert display.key != first


@on_a_hub()
async def test_a_removed_device_that_comes_back_is_refused(bench: HubBench) -> None:
    display = await bench.display()
    await bench.hub.remove(display.eui64)
    display.join()
    await asyncio.sleep(1)
    assert [event.reason for event in bench.events("join.refused")] == ["it was removed"]
    assert bench.radio.left == [display.eui64] * 2


@on_a_hub()
async def test_the_log_remembers_the_last_fifteen(bench: HubBench) -> None:
    for number in range(1, 19):
        display = await bench.display(number)
        await asyncio.sleep(1)
        await bench.hub.remove(display.eui64)
    removed = [entry.eui64[-2:] for entry in bench.hub.trust.log.history()]
    assert removed == [f"{number:02x}" for number in range(18, 3, -1)]


@on_a_hub(capacity=3)
async def test_one_device_more_than_the_dongle_has_room_for_is_refused(bench: HubBench) -> None:
    displays = [await bench.display(number) for number in (1, 2, 3)]
    for display in displays:
        display.ask_for_a_key()
    await asyncio.sleep(10)
    assert len(bench.radio.keys) == 3
    with pytest.raises(DeviceRefused, match="3 devices of 3"):
        await bench.hub.join(DISPLAY, CODE)
    assert "key table is full" in bench.events("join.refused")[0].reason
    assert DISPLAY not in bench.radio.opened
    await bench.hub.remove(displays[0].eui64)
    await bench.hub.join(DISPLAY, CODE)


@on_a_hub(capacity=1)
async def test_a_full_table_is_told_to_a_device_that_asks_for_a_key(bench: HubBench) -> None:
    first = await bench.display(1)
    first.ask_for_a_key()
    await asyncio.sleep(5)
    # It got in before the table was known to be full.
    bench.radio.capacity = 2
    second = await _join_beside(bench, 2)
    # It waits for another answer before it believes this one.
    await asyncio.sleep(15)
    second.carry_out(second.engine.tick(second.now))
    assert second.failures[0].status == 0x04
    assert "full (1 of 1)" in bench.events("key.failed")[0].reason


async def _join_beside(bench: HubBench, number: int) -> Display:
    bench.hub.trust.log.check = lambda *_: None  # type: ignore[method-assign]
    display = await bench.display(number)
    display.ask_for_a_key()
    await asyncio.sleep(5)
    return display


@on_a_hub()
async def test_a_stranger_is_told_to_leave_and_those_denied_are_told_of(bench: HubBench) -> None:
    bench.radio.listening.join_denied(DISPLAY, "join")
    bench.radio.listening.join_denied(DISPLAY, "join")
    rejoining = Eui64("00:db:12:34:56:78:00:a2")
    bench.radio.listening.join_denied(rejoining, "rejoin")
    present = Eui64("00:db:12:34:56:78:00:a3")
    bench.radio.listening.device_joined(present, 0x1234)
    await asyncio.sleep(1)
    reasons = {event.device: event.reason for event in bench.events("join.refused")}
    assert "never seen" in reasons[DISPLAY]
    assert "rejoin without the network key" in reasons[rejoining]
    assert "never seen" in reasons[present]
    assert len(bench.events("join.refused")) == 3
    assert bench.radio.left == [present]
    assert bench.hub.ledger.devices.all() == []
    frame = IncomingFrame(0x1234, 1, 1, 0x0109, 0x0000, bytes.fromhex("00 01 00 0000"), 1, False, False)
    bench.radio.listening.frame_received(frame)
    await asyncio.sleep(15)
    assert all(sent.profile == 0x0000 for sent in bench.radio.sent)


@on_a_hub()
async def test_a_key_that_could_not_be_forgotten_is_forgotten_when_the_dongle_is_back(bench: HubBench) -> None:
    display = await bench.display()
    display.ask_for_a_key()
    await asyncio.sleep(5)
    bench.radio.lose()
    await bench.hub.remove(display.eui64)
    assert display.eui64 in bench.radio.keys
    await asyncio.sleep(30)
    assert bench.radio.keys == {}
    assert bench.device(display.eui64).keyed_at is None
