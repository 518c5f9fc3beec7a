"""Windows of the day, over midnight and over changes of the clocks. Times of the changes: Europe/London, 2026."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hanctl.base.errors import InvalidInput
from hanctl.updates.life.windows import parse_window

LONDON = ZoneInfo("Europe/London")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        ("01:00-05:00", "2026-01-10 00:30", "2026-01-10 01:00"),
        ("01:00-05:00", "2026-01-10 01:00", "2026-01-10 01:00"),
        ("01:00-05:00", "2026-01-10 04:59", "2026-01-10 04:59"),
        ("01:00-05:00", "2026-01-10 05:00", "2026-01-11 01:00"),
        # In July the clock on the wall is an hour ahead of UTC.
        ("01:00-05:00", "2026-07-10 05:00", "2026-07-11 00:00"),
        ("22:00-05:00", "2026-01-10 06:00", "2026-01-10 22:00"),
        ("22:00-05:00", "2026-01-10 23:00", "2026-01-10 23:00"),
        ("22:00-05:00", "2026-01-10 03:00", "2026-01-10 03:00"),
        # 29 March: after 00:59 comes 02:00.
        ("01:30-05:00", "2026-03-29 00:10", "2026-03-29 01:00"),
        ("01:00-01:59", "2026-03-29 00:10", "2026-03-30 00:00"),
        # 25 October: the hour from 01:00 to 01:59 comes twice.
        ("01:15-01:45", "2026-10-24 23:00", "2026-10-25 00:15"),
        ("01:15-01:45", "2026-10-25 00:50", "2026-10-25 01:15"),
        ("01:15-01:45", "2026-10-25 01:50", "2026-10-26 01:15"),
        ("00:00-01:01", "2026-10-25 00:01", "2026-10-25 01:00"),
    ],
)
def test_when_it_opens(window: str, now: str, opens: str) -> None:
    assert parse_window(window).opens(utc(now), LONDON) == utc(opens)


@example(start=0, length=61, around="2026-10-25 00:00", minutes=1)
@given(
    start=st.integers(0, 1439),
    length=st.integers(1, 1439),
    around=st.sampled_from(["2026-03-29 00:00", "2026-10-25 00:00"]),
    minutes=st.integers(-2880, 2880),
)
def test_it_opens_at_the_first_minute_in_which_it_is_open(start: int, length: int, around: str, minutes: int) -> None:
    end = (start + length) % 1440
    window = parse_window(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
    now = utc(around) + timedelta(minutes=minutes)
    opens = window.opens(now, LONDON)
    minute = now
    while not window.contains(minute, LONDON):
        minute += timedelta(minutes=1)
    assert opens == minute


@pytest.mark.parametrize(
    "text", ["", "1:00-5:00", "01:00-24:00", "01:60-02:00", "01:00", "01:00-01:00", "01:00-02:00 " * 2]
)
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_window(text)
