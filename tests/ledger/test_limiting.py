"""What somebody else can cause: the first is recorded in full, the rest is counted, and nothing is pushed out by it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hand_clock import START, HandClock
from hypothesis import given
from hypothesis import strategies as st

import hanctl
from hanctl.base.eui64 import Eui64
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.limiting import IN_FULL, IN_FULL_TOGETHER, LONGEST_S, SHORTEST_S, Limiting
from hanctl.ledger.retention import Limits, Retention
from hanctl.model.event import EVENT_TYPES, Event
from hanctl.model.events import DeviceLeft, JoinRefused, KeyFailed, OtaRequestRefused, PartnerKeyRefused
from hanctl.model.limit_events import EventsCounted
from hanctl.model.records import Device

KEYED = [Eui64(f"00:db:12:34:56:78:00:{number:02x}") for number in range(1, 4)]
STRANGERS = [Eui64(f"66:66:66:66:66:66:{number >> 8:02x}:{number & 0xFF:02x}") for number in range(1000)]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: HandClock) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "ledger.sqlite", clock)
    for eui64 in KEYED:
        opened.devices.put(Device(eui64, START, state="interviewed", nwk=1 + KEYED.index(eui64), keyed_at=START))
    yield opened
    opened.close()


def refused(device: Eui64) -> JoinRefused:
    return JoinRefused(device=device, reason="never seen before")


def counted(ledger: Ledger) -> list[tuple[str, int, int | None]]:
    events = [recorded.event for recorded in ledger.events(type="events.counted")]
    return [(event.of, event.count, event.update) for event in events if isinstance(event, EventsCounted)]


def test_of_a_thousand_strangers_the_first_are_told_and_the_others_counted(ledger: Ledger, clock: HandClock) -> None:
    for stranger in STRANGERS:
        ledger.note(refused(stranger))
    assert len(ledger.events()) == IN_FULL
    clock.time += timedelta(seconds=SHORTEST_S)
    ledger.limiting.tell()
    assert counted(ledger) == [("join.refused", 1000 - IN_FULL, None)]
    (told,) = ledger.events(type="events.counted")
    assert isinstance(told.event, EventsCounted) and told.event.device == STRANGERS[-1]


def test_strangers_hide_nothing_of_a_device_with_a_key(ledger: Ledger) -> None:
    for stranger in STRANGERS:
        ledger.note(refused(stranger))
    for device in KEYED:
        ledger.note(refused(device))
    assert [recorded.event for recorded in ledger.events()][IN_FULL:] == [refused(device) for device in KEYED]


def test_what_touches_an_open_update_is_told_whatever_else_there_was(ledger: Ledger, clock: HandClock) -> None:
    for number in range(10 * IN_FULL_TOGETHER):
        ledger.note(OtaRequestRefused(device=KEYED[number % 2], request="image block", reason="no"))
    touching = OtaRequestRefused(device=KEYED[2], update=7, request="image block", reason="no")
    for _ in range(IN_FULL + 3):
        ledger.note(touching)
    assert len(ledger.events(update=7)) == IN_FULL
    clock.time += timedelta(seconds=SHORTEST_S)
    ledger.limiting.tell()
    assert ("ota.request_refused", 3, 7) in counted(ledger)


def test_while_it_goes_on_the_intervals_grow_and_a_quiet_one_ends_it(ledger: Ledger, clock: HandClock) -> None:
    told_at = []
    for second in range(0, 6 * 3600, 10):
        clock.time = START + timedelta(seconds=second)
        ledger.note(refused(STRANGERS[second % 1000]))
        before = len(counted(ledger))
        ledger.limiting.tell()
        if len(counted(ledger)) > before:
            told_at.append(second)
    gaps = [after - before for before, after in pairwise(told_at)]
    assert gaps[:2] == [2 * SHORTEST_S, 4 * SHORTEST_S] and max(gaps) == LONGEST_S
    for _ in range(2):
        clock.time += timedelta(seconds=LONGEST_S)
        ledger.limiting.tell()
    in_full = len(ledger.events(type="join.refused"))
    ledger.note(refused(STRANGERS[0]))
    assert len(ledger.events(type="join.refused")) == in_full + 1


KINDS: list[Callable[[Eui64], Event]] = [
    refused,
    lambda device: PartnerKeyRefused(device=device, reason="no"),
    lambda device: KeyFailed(device=device, stage="initiate", reason="no", status=None),
]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([*KEYED, *STRANGERS[:20]]), st.floats(0, 400)), max_size=200)
)
def test_each_event_is_told_in_full_or_counted_once(noted: list[tuple[int, Eui64, float]]) -> None:
    clock, told = HandClock(), list[Event]()
    limiting = Limiting(clock, lambda device: device in KEYED, told.append)
    for kind, device, pause in noted:
        clock.time += timedelta(seconds=pause)
        limiting.note(KINDS[kind](device))
        limiting.tell()
    limiting.tell(everything=True)
    in_full = [event for event in told if not isinstance(event, EventsCounted)]
    assert len(in_full) + sum(event.count for event in told if isinstance(event, EventsCounted)) == len(noted)
    limiting.tell(everything=True)
    assert len(told) == len(in_full) + sum(isinstance(event, EventsCounted) for event in told)


def test_what_anybody_can_cause_pushes_nothing_else_out(ledger: Ledger, clock: HandClock) -> None:
    for _ in range(100):
        ledger.record(DeviceLeft(device=KEYED[0]))
    for stranger in STRANGERS:
        ledger.record(refused(stranger))
    asyncio.run(Retention(ledger, clock, Limits(365, 100)).prune())
    assert len(ledger.events(type="device.left")) == 100
    assert len(ledger.events(type="join.refused")) == 10


def test_no_event_that_is_limited_is_recorded_past_the_limit() -> None:
    limited = {kind.__name__ for kind in EVENT_TYPES.values() if kind.limited}
    recorded = set()
    for path in Path(hanctl.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "record":
                names = {each.id for argument in call.args for each in ast.walk(argument) if isinstance(each, ast.Name)}
                recorded |= {(path.name, name) for name in names & limited}
    # What a user orders, and what the hub itself asks for.
    assert recorded == {("device_log.py", "JoinRefused"), ("interviews.py", "DeviceVersionRead")}
