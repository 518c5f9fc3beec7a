"""Which change a device's event is about, by the time that it bears and by when it came."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanctl.model.change_records import Change
from hanctl.tenancy.evidence.dating import dated_by, may_be_about
from hanctl.tenancy.utc2000 import to_utc2000

DONE = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANGE = Change(id=1, kind="tenancy", state="done", at=DONE, ordered_at=DONE, control=0, done_at=DONE)
NOW = DONE + timedelta(hours=1)


@pytest.mark.parametrize(
    ("time", "about"),
    [
        (to_utc2000(DONE), True),
        (to_utc2000(DONE) + 60, True),
        # Clocks differ by some seconds, and no more.
        (to_utc2000(DONE) - 5, True),
        (to_utc2000(DONE) - 6, False),
        (to_utc2000(DONE) - 86400, False),
        # Nothing is said by a clock that was never set, or is ahead.
        (0, True),
        (0xFFFFFFFF, True),
        (3600, True),
        (to_utc2000(NOW) + 3600, True),
    ],
)
def test_an_event_of_before_the_change_is_not_about_it(time: int, about: bool) -> None:
    assert may_be_about(CHANGE, time, NOW) == about


def test_the_basis_says_by_which_clock_it_counts() -> None:
    time = to_utc2000(DONE) + 60
    assert "own time" in dated_by(CHANGE, time, NOW, trusted=True)
    assert "arrival" in dated_by(CHANGE, time, NOW, trusted=False)
    assert "arrival" in dated_by(CHANGE, 0, NOW, trusted=True)
    assert "arrival" in dated_by(CHANGE, to_utc2000(NOW) + 60, NOW, trusted=True)


@given(time=st.integers(0, 0xFFFFFFFF), gap=st.integers(10, 10**6))
def test_no_event_is_about_a_change_that_came_after_it(time: int, gap: int) -> None:
    """Of two changes, an event that bears a real time between them is about the first alone."""
    later = replace(CHANGE, id=2, done_at=DONE + timedelta(seconds=gap))
    now = DONE + timedelta(seconds=gap + 600)
    if to_utc2000(DONE) <= time < to_utc2000(DONE) + gap - 5:
        assert may_be_about(CHANGE, time, now) and not may_be_about(later, time, now)
