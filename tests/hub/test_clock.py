"""A machine without a clock of its own: the hub starts in the past, and later the clock is put right.

Nothing dated is done early, and what is due is done once, soon after the clock shows it.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from update_rig import DISPLAY, INSTALL_CODE, SLEEPER, Play, Rig

from hanctl.base.clock import Clock
from hanctl.base.eui64 import parse_eui64

pytestmark = [
    pytest.mark.usefixtures("seldom_asked"),
    # Of dates and orders the radio knows nothing; test_whole_update.py has both.
    pytest.mark.parametrize(
        "joined", ["ezsp", pytest.param("znp", marks=pytest.mark.slow)], indirect=True, scope="session"
    ),
]

TRUTH = datetime(2026, 6, 1, 12, tzinfo=UTC)
PAST = datetime(2025, 11, 3, 2, tzinfo=UTC)
"""In the night, where it is noon in truth."""
NIGHT = "01:00-05:00"
SOON_S = 60.0


class SetClock:
    """The loop's time, on a wall that somebody sets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self._offset

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def set(self, now: datetime) -> None:
        self._offset += now - self.now()


async def with_clock(rig: Rig, now: datetime = TRUTH) -> SetClock:
    """The hub started anew, with a clock that shows this."""
    await rig.bench.kill()
    clock = SetClock(rig.bench.clock)
    clock.set(now)
    rig.bench.clock = clock  # type: ignore[assignment]
    await rig.restart()
    return clock


async def started_in_the_past(rig: Rig, clock: SetClock) -> datetime:
    """Power is lost, and the clock with it; the time it was."""
    then = clock.now()
    await rig.bench.kill()
    clock.set(PAST)
    await rig.restart()
    return then


def states(rig: Rig, number: int) -> list[str]:
    return [event["type"] for event in rig.told_of(number)]


def test_a_start_in_the_past_is_told_with_both_times_and_the_setting_with_its_length(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        await asyncio.sleep(120)
        before = len(rig.told("clock.behind"))
        assert rig.told("clock.set") == []
        then = await started_in_the_past(rig, clock)
        (behind,) = rig.told("clock.behind")[before:]
        assert datetime.fromisoformat(behind["now"]) - PAST < timedelta(seconds=2)
        assert then - datetime.fromisoformat(behind["last_event"]) < timedelta(minutes=2)
        await asyncio.sleep(600)
        clock.set(then + timedelta(hours=1))
        await asyncio.sleep(SOON_S)
        (told,) = rig.told("clock.set")
        assert abs(told["seconds"] - (then + timedelta(hours=1) - PAST).total_seconds()) < 700
        await rig.bench.kill()
        await rig.restart()
        assert len(rig.told("clock.behind")) == before + 1

    play(scenario)


def test_a_clock_that_is_kept_right_by_small_steps_is_nothing_to_tell(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        for _ in range(100):
            clock.set(clock.now() + timedelta(seconds=0.4))
            await asyncio.sleep(7)
        assert rig.told("clock.set") == []

    play(scenario)


def test_an_activation_with_a_date_waits_for_the_date_and_then_comes_once(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        number = rig.order(activation="at", activate_at=TRUTH + timedelta(days=1))
        await rig.until_state(number, "holding")
        then = await started_in_the_past(rig, clock)
        await asyncio.sleep(4 * 3600)
        assert "update.released" not in states(rig, number)
        clock.set(then + timedelta(days=2))
        await rig.until_state(number, "activating", SOON_S)
        await rig.check_confirmed(number)
        assert states(rig, number).count("update.released") == 1

    play(scenario)


def test_a_window_of_the_night_is_not_taken_from_a_clock_that_is_behind(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        number = rig.order(activation="now", window=NIGHT)
        await rig.until_state(number, "holding")
        then = await started_in_the_past(rig, clock)
        await asyncio.sleep(600)
        assert "update.released" not in states(rig, number)
        clock.set(then + timedelta(minutes=11))
        await asyncio.sleep(3600)
        assert "update.released" not in states(rig, number)
        clock.set(TRUTH.replace(hour=2) + timedelta(days=1))
        await rig.until_state(number, "activating", SOON_S)
        await rig.check_confirmed(number)

    play(scenario)


def test_a_clock_that_nobody_puts_right_is_believed_after_a_while(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        number = rig.order(activation="now", window=NIGHT)
        await rig.until_state(number, "holding")
        await started_in_the_past(rig, clock)
        await asyncio.sleep(800)
        assert "update.released" not in states(rig, number)
        await rig.until_state(number, "activating", 1000)

    play(scenario)


def test_a_transfer_window_is_noticed_when_the_clock_is_set_into_it(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        number = rig.order(transfer_window=NIGHT)
        await asyncio.sleep(3600)
        assert rig.update(number).state in {"ordered", "notified"}
        clock.set(TRUTH.replace(hour=2) + timedelta(days=1))
        await rig.until_state(number, "transferring", 2 * SOON_S)

    play(scenario)


def test_a_change_of_tenancy_with_a_date_is_done_once_within_seconds_of_the_setting(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        change = rig.hub.tenancy.orders.order("tenancy", at=TRUTH + timedelta(days=1))
        then = await started_in_the_past(rig, clock)
        await asyncio.sleep(3600)
        assert rig.told("change.done") == []
        clock.set(then + timedelta(days=40))
        await asyncio.sleep(15)
        (done,) = rig.told("change.done")
        assert done["change"] == change.id
        clock.set(then)
        await asyncio.sleep(3600)
        await rig.bench.kill()
        await rig.restart()
        assert len(rig.told("change.done")) == 1

    play(scenario)


def test_a_device_that_is_outstanding_is_flagged_soon_after_the_setting_and_once(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        rig.device().power_off()
        rig.hub.tenancy.orders.order("tenancy")
        then = await started_in_the_past(rig, clock)
        await asyncio.sleep(3600)
        assert rig.told("change.overdue") == []
        clock.set(then + timedelta(days=9))
        await asyncio.sleep(SOON_S)
        flagged = [event["device"] for event in rig.told("change.overdue")]
        assert sorted(flagged) == [DISPLAY, SLEEPER]
        await asyncio.sleep(3600)
        assert len(rig.told("change.overdue")) == 2

    play(scenario)


def test_a_device_that_held_while_nobody_knows_how_long_is_asked_what_it_runs(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        number = rig.order(activation="hold")
        await rig.until_state(number, "holding")
        await asyncio.sleep(60)
        await started_in_the_past(rig, clock)
        (doubt,) = [event for event in rig.told_of(number) if event["type"] == "update.in_doubt"]
        assert "an unknown time" in doubt["cause"]
        await rig.until_state(number, "holding", 600)

    play(scenario)


def test_events_keep_their_order_and_join_windows_their_length(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        clock = await with_clock(rig)
        before = len(rig.told("join.closed"))
        await rig.hub.join(parse_eui64("00:0d:6f:00:0b:00:00:77"), INSTALL_CODE, seconds=200)
        clock.set(TRUTH + timedelta(days=300))
        await asyncio.sleep(150)
        clock.set(TRUTH - timedelta(days=300))
        assert len(rig.told("join.closed")) == before
        await asyncio.sleep(60)
        (closed,) = rig.told("join.closed")[before:]
        assert closed["reason"] == "timed out"
        shown = [event["seconds"] > 0 for event in rig.told("clock.set")]
        assert shown == [True, False], "events stand in the order in which they came, whatever their times"

    play(scenario)
