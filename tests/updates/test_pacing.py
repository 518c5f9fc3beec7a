"""When devices are told to ask later, and how large their blocks are: pure."""

from __future__ import annotations

import pytest

from hanctl.base.eui64 import Eui64
from hanctl.updates.serving.block_size import DELIVERIES, FAILURES, SIZES, BlockSizes
from hanctl.updates.serving.pacing import LOWER_S, MISSES, PROBE, RAISE_S, Pacing, Wait

DEVICE, OTHER = Eui64("00:0d:6f:00:0a:90:69:e7"), Eui64("00:0d:6f:00:0a:90:69:e8")


def settled(pacing: Pacing, revision: int | None) -> None:
    """The device's revision was asked for and told."""
    assert pacing.wait(DEVICE, 0, 0, 0.0, 0.0) is None
    assert pacing.wants_revision(DEVICE)
    assert not pacing.wants_revision(DEVICE)
    pacing.revision(DEVICE, revision)


def test_nobody_waits_where_all_is_well() -> None:
    pacing = Pacing()
    for second in range(1000):
        assert pacing.wait(DEVICE, second, 0, 0.9, float(second)) is None
        assert pacing.wait(OTHER, second, None, 0.9, float(second)) is None
        assert not pacing.wants_revision(DEVICE)


@pytest.mark.parametrize(("revision", "period"), [(1, 1500), (2, 2), (3, 1500)])
def test_the_revision_says_in_which_unit_a_period_is_told(revision: int, period: int) -> None:
    pacing = Pacing(period_ms=1500)
    settled(pacing, revision)
    assert pacing.wait(DEVICE, 0, 0, 0.0, 1.0) == Wait(0, period)
    assert pacing.wait(DEVICE, 0, period, 0.0, 2.0) is None


@pytest.mark.parametrize(("came_back_after", "period"), [(0.06, 2000), (53.9, 2000), (54.0, 2), (60.0, 2)])
def test_otherwise_the_unit_is_found_out(came_back_after: float, period: int) -> None:
    pacing = Pacing(period_ms=2000)
    settled(pacing, 4)
    assert pacing.wait(DEVICE, 0, 0, 0.0, 100.0) == Wait(0, PROBE)
    assert pacing.wait(DEVICE, 0, PROBE, 0.0, 100.0 + came_back_after) == Wait(0, period)
    assert pacing.wait(DEVICE, 0, period, 0.0, 200.0) is None


def test_a_lost_answer_is_given_again_but_not_for_ever() -> None:
    pacing = Pacing(period_ms=2000)
    settled(pacing, 2)
    told = [pacing.wait(DEVICE, offset, 0, 0.0, float(offset)) for offset in range(1, 10)]
    assert told[:MISSES] == [Wait(0, 2)] * MISSES
    # It does not do as it is told: it is told as those are that negotiate nothing.
    assert told[MISSES] is None
    assert told[MISSES + 1 :] == [Wait(2)] * (8 - MISSES)


def test_who_negotiates_nothing_waits_once_before_each_block() -> None:
    pacing = Pacing(period_ms=1200)
    assert pacing.wait(DEVICE, 0, None, 0.0, 0.0) == Wait(1)
    assert pacing.wait(DEVICE, 0, None, 0.0, 1.0) is None
    assert pacing.wait(DEVICE, 56, None, 0.0, 1.0) == Wait(1)
    assert not pacing.wants_revision(DEVICE)


def test_a_busy_air_is_relieved_step_by_step_and_freed_again() -> None:
    pacing = Pacing(busy_s=1.0)
    periods = []
    for second in range(60):
        pacing.wait(DEVICE, second, None, 1.5 if second < 20 else 0.1, float(second))
        periods.append(pacing.period_ms)
    assert periods[0] == 250
    assert periods[int(RAISE_S)] == 500
    assert periods[19] == 2000
    assert periods[19 + int(2 * LOWER_S)] == 500
    assert periods[-1] == 0


def test_a_period_that_is_not_needed_any_more_is_taken_back_in_any_unit() -> None:
    assert Pacing().wait(DEVICE, 0, 60, 0.0, 0.0) == Wait(0, 0)


def test_a_new_firmware_may_count_otherwise() -> None:
    pacing = Pacing(period_ms=2000)
    settled(pacing, 2)
    pacing.forget(DEVICE)
    settled(pacing, 3)
    assert pacing.wait(DEVICE, 0, 0, 0.0, 0.0) == Wait(0, 2000)


def test_blocks_that_fail_in_a_row_get_smaller() -> None:
    sizes = BlockSizes()
    for step, size in enumerate(SIZES[1:], 1):
        for _ in range(FAILURES):
            assert sizes.largest(DEVICE) == SIZES[step - 1]
            sizes.failed(DEVICE, SIZES[step - 1])
        assert sizes.largest(DEVICE) == size
    for _ in range(100):
        sizes.failed(DEVICE, SIZES[-1])
    assert sizes.largest(DEVICE) == SIZES[-1]
    assert sizes.largest(OTHER) == SIZES[0]


def test_now_and_then_a_lost_block_changes_nothing() -> None:
    sizes = BlockSizes()
    for _ in range(100):
        for _ in range(FAILURES - 1):
            sizes.failed(DEVICE, SIZES[0])
        sizes.delivered(DEVICE)
    assert sizes.largest(DEVICE) == SIZES[0]


def test_what_fails_though_it_is_smaller_anyway_says_nothing() -> None:
    sizes = BlockSizes()
    for _ in range(100):
        sizes.failed(DEVICE, 20)
    assert sizes.largest(DEVICE) == SIZES[0]


def test_many_that_arrive_make_blocks_larger_again() -> None:
    sizes = BlockSizes()
    for _ in range(2 * FAILURES):
        sizes.failed(DEVICE, sizes.largest(DEVICE))
    assert sizes.largest(DEVICE) == SIZES[2]
    for _ in range(2 * DELIVERIES):
        sizes.delivered(DEVICE)
    assert sizes.largest(DEVICE) == SIZES[0]
