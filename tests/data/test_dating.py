"""Of which time attributes are that carry no date of their own, and those that others date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from household_bench import Household, household, seconds

from hanctl.data import dating
from hanctl.data.catalogue import ATTRIBUTES, cleared_by
from hanctl.model.cuts import Cuts

PRICE, METERING, PREPAYMENT = 0x0700, 0x0702, 0x0705
CUT_OFF = datetime(2026, 1, 7, 13, 30, tzinfo=UTC)
"""A Wednesday."""
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


def shown(hub: Household, cluster: int, attribute: int) -> bool:
    return hub.ledger.household.read(2, cluster)[attribute].value is not None


def write(hub: Household, cluster: int, attribute: int, value: bytes) -> None:
    hub.ledger.household.write(2, (cluster, attribute), ATTRIBUTES[cluster, attribute].data_type, value)


def stamp(time: datetime) -> bytes:
    return seconds(time).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("attribute", "last_day"),
    [
        # The day that straddles stays; the one before it is over, also where it is written the day after.
        (0x0401, "2026-01-06"),
        (0x0403, "2026-01-07"),
        (0x042C, "2026-01-14"),
        (0x0430, "2026-01-04"),
        (0x0432, "2026-01-11"),
        (0x043A, "2026-02-08"),
        (0x0440, "2025-12-31"),
        (0x0442, "2026-01-31"),
        (0x045A, "2027-01-31"),
        (0x0410, "2025-12-31"),
        (0x0461, "2026-01-07"),
        (0x0C41, "2025-12-31"),
    ],
)
def test_periods_are_counted_back_from_when_they_were_written(attribute: int, last_day: str, tmp_path: Path) -> None:
    with household(tmp_path) as hub:
        hub.ledger.household.hide(2, dating.hidden("tenancy", CUT_OFF))
        value = bytes([1]) + bytes(len(ATTRIBUTES[METERING, attribute].neutral) - 1)
        over = datetime.fromisoformat(f"{last_day}T00:00Z") + DAY
        for time, open_ in ((over - SECOND, False), (over, True)):
            hub.clock.time = time
            write(hub, METERING, attribute, value)
            assert shown(hub, METERING, attribute) == open_, time


def test_the_last_billing_period_ended_as_the_current_one_began(tmp_path: Path) -> None:
    with household(tmp_path) as hub:
        hub.ledger.household.hide(2, dating.hidden("tenancy", CUT_OFF))
        hub.clock.time = CUT_OFF + 9 * DAY
        for began, open_ in ((CUT_OFF - DAY, False), (CUT_OFF, False), (CUT_OFF + SECOND, True)):
            write(hub, PRICE, 0x0704, b"\x07\0\0\0")
            write(hub, PRICE, 0x0700, stamp(began))
            assert shown(hub, PRICE, 0x0704) == open_, began
            assert shown(hub, PRICE, 0x0700)


def test_a_half_hour_that_is_not_over_stays_where_it_ends_after_the_cut_off(tmp_path: Path) -> None:
    with household(tmp_path) as hub:
        hub.ledger.household.hide(2, dating.hidden("tenancy", CUT_OFF))
        for minutes, open_ in ((-31, False), (-30, False), (-29, True)):
            write(hub, METERING, 0x0405, stamp(CUT_OFF + timedelta(minutes=minutes)))
            write(hub, METERING, 0x0407, b"\x07\0\0")
            assert shown(hub, METERING, 0x0405) == shown(hub, METERING, 0x0407) == open_, minutes


@pytest.mark.parametrize("unknown", [b"\0\0\0\0", b"\xff\xff\xff\xff"])
def test_where_the_date_beside_it_is_none_an_attribute_is_of_when_it_was_written(
    unknown: bytes, tmp_path: Path
) -> None:
    with household(tmp_path) as hub:
        hub.ledger.household.hide(2, dating.hidden("tenancy", CUT_OFF))
        for time, open_ in ((CUT_OFF - SECOND, False), (CUT_OFF, True)):
            hub.clock.time = time
            write(hub, PREPAYMENT, 0x0100, unknown)
            write(hub, PREPAYMENT, 0x0101, b"\x07\0\0\0")
            assert shown(hub, PREPAYMENT, 0x0101) == open_


def test_what_was_cleared_holds_nothing_that_could_be_hidden(tmp_path: Path) -> None:
    with household(tmp_path) as hub:
        hub.clock.time = CUT_OFF - DAY
        write(hub, METERING, 0x0403, b"\x07\0\0")
        with hub.ledger.transaction():
            hub.ledger.household.clear(2, cleared_by(0x100))
        hub.ledger.household.hide(2, dating.hidden("tenancy", CUT_OFF))
        assert not hub.ledger.household.hidden(2)


def test_an_earlier_cut_off_opens_nothing_that_a_later_one_hid(tmp_path: Path) -> None:
    with household(tmp_path) as hub:
        hub.clock.time = CUT_OFF - DAY
        write(hub, METERING, 0x0401, b"\x07\0\0")
        hub.ledger.household.add(2, "top_ups", CUT_OFF - DAY, {})
        for cut_off in (CUT_OFF, CUT_OFF - 30 * DAY):
            hub.ledger.household.hide(2, dating.hidden("tenancy", cut_off))
            assert not shown(hub, METERING, 0x0401)
            assert hub.ledger.household.records(2, "top_ups") == []


def test_a_supplier_takes_along_what_it_told_and_nothing_of_the_household() -> None:
    cuts = dating.hidden("supplier", CUT_OFF)
    assert cuts == Cuts({}, {"supplier_messages": CUT_OFF})
