"""Times of household data: the epoch, leap years, daylight saving, "now" and "never", and a clock that steps back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from household_bench import Household, household, le, seconds

from hanctl.data.catalogue import cleared_by, history
from hanctl.data.errors import BadData, BadValue
from hanctl.data.files import read_csv
from hanctl.data.snapshots import take_snapshot
from hanctl.data.values import from_utc_seconds, utc_seconds

PRICE, METERING, MESSAGING = 0x700, 0x702, 0x703
LONDON = ZoneInfo("Europe/London")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path) as made:
        yield made


# Seconds since 2000 of known moments: 10 957 days of 86 400 s lie between 1970 and 2000.
KNOWN = [
    ("2000-01-01T00:00:01Z", 1),
    ("2000-02-29T00:00:00Z", 59 * 86400),
    ("2000-03-01T00:00:00Z", 60 * 86400),
    ("2024-02-29T12:00:00Z", 762523200),
    # The frame of the oracle's description: 0x2F000000 is 26 December 2024, 11:52:32.
    ("2024-12-26T11:52:32Z", 0x2F000000),
    ("2136-02-07T06:28:14Z", 0xFFFFFFFE),
]


@pytest.mark.parametrize(("text", "expected"), KNOWN)
def test_seconds_since_2000_and_back(text: str, expected: int) -> None:
    given = datetime.fromisoformat(text)
    assert utc_seconds(given) == expected
    assert from_utc_seconds(expected) == given


@pytest.mark.parametrize("text", ["2000-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2136-02-07T06:28:15Z"])
def test_what_32_bits_cannot_tell_or_keep_for_now_and_never_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        utc_seconds(datetime.fromisoformat(text))


def test_a_day_more_in_a_leap_year(hub: Household) -> None:
    hub.load("[gas.days]\nstart = 2024-02-28T00:00:00Z\nvalues = [28, 29, 1]")
    samples = hub.ledger.household.samples(2, "days")
    assert [(sample.time.month, sample.time.day, sample.value) for sample in samples] == [
        (2, 28, 28),
        (2, 29, 29),
        (3, 1, 1),
    ]
    with pytest.raises(BadData):
        hub.load("[[gas.special_days]]\nstart_time = 0\nspecial_day_entries = [{ special_day_date = 2023-02-29 }]")
    hub.load("[[gas.special_days]]\nstart_time = 0\nspecial_day_entries = [{ special_day_date = '*-02-29' }]")


# --- daylight saving: in 2026 it begins on 29 March at 01:00 UTC, and ends on 25 October at 01:00 UTC


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), LONDON).astimezone(UTC)


def local_day(day: date, count: int) -> str:
    """A CSV file of so many half-hours from local midnight on, as a meter reader's clock shows them."""
    start = midnight(day)
    clock = [(start + timedelta(minutes=30 * n)).astimezone(LONDON).replace(tzinfo=None) for n in range(count)]
    return "".join(f"{shown.isoformat()},{n}\n" for n, shown in enumerate(clock))


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 46), (date(2026, 10, 25), 50)])
def test_a_day_of_local_time_has_46_or_50_half_hours_that_follow_each_other_in_utc(day: date, count: int) -> None:
    samples = read_csv(local_day(day, count), "c.csv", "half_hours", "Europe/London")
    assert [sample.value for sample in samples] == list(range(count))
    assert {later.time - sooner.time for sooner, later in pairwise(samples)} == {timedelta(minutes=30)}
    assert samples[0].time == midnight(day)
    assert samples[-1].time.astimezone(LONDON).strftime("%H:%M") == "23:30"


def test_an_hour_that_clocks_skip_is_refused_and_one_that_comes_thrice_too() -> None:
    with pytest.raises(BadData, match="line 1: is a time that clocks skip"):
        read_csv("2026-03-29T01:30:00,1\n", "c.csv", "half_hours", "Europe/London")
    thrice = "2026-10-25T01:30:00,1\n" * 3
    with pytest.raises(BadData, match="line 3: is of a time that came before"):
        read_csv(thrice, "c.csv", "half_hours", "Europe/London")


def test_a_profile_over_the_end_of_daylight_saving_has_no_hole(hub: Household) -> None:
    hub.data.load_csv(local_day(date(2026, 10, 25), 50), "c.csv", "gas", "half_hours", "Europe/London")
    hub.clock.time = datetime(2026, 10, 26, tzinfo=UTC)
    (answer,) = hub.ask(METERING, 0x00, "00 00000000 32")
    assert answer[10:12] == "00"
    values = [answer[16 + 6 * n : 22 + 6 * n] for n in range(50)]
    assert values == [le(n, 3) for n in reversed(range(50))]


# --- 0x00000000 and 0xFFFFFFFF


def test_zero_is_now_in_a_file_and_in_a_request(hub: Household) -> None:
    hub.load("[[gas.messages]]\nstart_time = 0\nmessage = 'now'\nduration_in_minutes = 10")
    (record,) = hub.ledger.household.records(2, "messages")
    assert record.time == hub.clock.time
    assert hub.ask(MESSAGING, 0x00)[0].startswith("00" + le(0) + "00" + le(seconds(hub.clock.time)))
    hub.clock.time += timedelta(minutes=10)
    assert hub.ask(MESSAGING, 0x00) == ["status 8b"]


def test_all_ones_is_until_the_end_in_a_request(hub: Household) -> None:
    hub.load("[[gas.snapshots]]\nsnapshot_time = 2136-02-07T06:28:14Z\nsnapshot_cause = 1")
    assert len(hub.ask(METERING, 0x06, "ffffffff ffffffff 00 ffffffff")) == 1
    assert hub.ask(METERING, 0x06, "ffffffff ffffffff 00 ffffffff") == ["status 8b"]
    assert hub.ask(METERING, 0x06, "00000000 ffffffff 00 ffffffff") != ["status 8b"]
    assert hub.ask(METERING, 0x00, "00 ffffffff 01")[0][10:12] == "05"


def test_a_price_until_changed_does_not_end(hub: Household) -> None:
    hub.load("[[esi.prices]]\nstart_time = 2026-01-01T00:00:00Z\nduration_in_minutes = 0xFFFF\nprice = 5")
    for year in (2026, 2050, 2100):
        hub.clock.time = datetime(year, 6, 1, tzinfo=UTC)
        assert len(hub.ask(PRICE, 0x00, "00", endpoint=1)) == 1
        assert hub.ask(PRICE, 0x00, "00", endpoint=1) != ["status 8b"]


# --- a clock that steps back


def test_what_a_fast_clock_had_stamped_is_hidden_by_a_change_after_it_was_set_right(hub: Household) -> None:
    hub.load("[gas.metering]\ncurrent_summation_delivered = 5\nprevious_day_consumption_delivered = 7")
    right = hub.clock.time
    hub.clock.time = right + timedelta(days=300)
    take_snapshot(hub.ledger.household, 2, 0x1000, hub.clock.time)
    hub.clock.time = right
    with hub.ledger.transaction():
        hub.ledger.household.gate(2, history(), right)
    hub.data.changed()
    assert hub.ask(METERING, 0x06, "00000000 ffffffff 00 ffffffff") == ["status 8b"]
    assert hub.send(METERING, "00 TT 00 0304") == ["1801" + "030400" + "22" + "ffffff"]


def test_what_comes_after_a_change_is_shown_though_the_clock_was_set_back(hub: Household) -> None:
    hub.load("[gas.metering]\nprevious_day_consumption_delivered = 7")
    with hub.ledger.transaction():
        hub.ledger.household.gate(2, history(), hub.clock.time)
    hub.clock.time -= timedelta(days=2)
    hub.data.set("gas", "metering", "previous_day_consumption_delivered", "9")
    assert hub.send(METERING, "00 TT 00 0304") == ["1801" + "030400" + "22" + le(9, 3)]


def test_a_clearing_asks_no_clock(hub: Household) -> None:
    hub.load("[[gas.messages]]\nstart_time = 2100-01-01T00:00:00Z\nmessage = 'of a fast clock'")
    with hub.ledger.transaction():
        assert hub.ledger.household.clear(2, cleared_by(0x0200)).tables == {"messages": 1}
    assert hub.ledger.household.records(2, "messages") == []
