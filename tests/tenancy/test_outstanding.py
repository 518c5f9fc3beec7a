"""What is outstanding is flagged after a time, and then daily; looking at a device never keeps from telling it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tenancy_bench import House

from hanctl.base import virtual
from hanctl.base.errors import InvalidInput, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han.errors import TimedOut
from hanctl.tenancy.controls import Wanted
from hanctl.tenancy.telling.looks import AFTER_S, RETURN_S

HOUR = timedelta(hours=1)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def flagged(house: House) -> list[tuple[int, int]]:
    house.tenancy._overdue.look()
    return [(each["change"], each["days"]) for each in house.events("change.overdue")]


def test_a_silent_device_is_flagged_after_the_time_and_then_daily_also_over_a_restart(house: House) -> None:
    house.add_display(1)
    house.orders.order("tenancy")
    house.hands.pass_(23 * HOUR)
    assert flagged(house) == []
    house.hands.pass_(2 * HOUR)
    assert flagged(house) == [(1, 1)]
    assert flagged(house) == [(1, 1)]
    house.ledger.close()
    house.open()
    house.hands.pass_(23 * HOUR)
    assert flagged(house) == [(1, 1)]
    house.hands.pass_(2 * HOUR)
    assert flagged(house) == [(1, 1), (1, 2)]
    assert house.events("change.overdue")[0]["verdict"] == "silent"


def test_a_device_that_is_settled_or_gone_is_not_flagged(house: House) -> None:
    first, second, third = (house.add_display(number) for number in (1, 2, 3))
    house.orders.order("tenancy")
    house.tenancy.confirm(first, "A. Smith")
    removed = house.ledger.devices.get(second)
    assert removed is not None
    house.add_display(2, state="removed", nwk=None)
    house.hands.pass_(25 * HOUR)
    flagged(house)
    assert [each["device"] for each in house.events("change.overdue")] == [third]


def test_a_later_change_that_asks_for_all_of_an_earlier_one_takes_its_place(house: House) -> None:
    house.add_display(1)
    house.orders.order("tenancy", ["gas"], control=Wanted(0x1A00))
    house.orders.order("tenancy", ["gas"], control=Wanted(0x7B9C))
    house.orders.order("tenancy", ["gas"], control=Wanted(0x1820))
    house.orders.order("tenancy", ["electricity"])
    house.hands.pass_(25 * HOUR)
    assert [change for change, _ in flagged(house)] == [2, 3, 4]


def test_a_confirmation_has_a_name_and_a_device_that_a_change_concerns(house: House) -> None:
    device = house.add_display(1)
    with pytest.raises(NotFound):
        house.tenancy.confirm(device, "A. Smith")
    house.orders.order("tenancy")
    for name in ("", "  ", "x" * 65):
        with pytest.raises(InvalidInput):
            house.tenancy.confirm(device, name)
    with pytest.raises(NotFound):
        house.tenancy.confirm(Eui64("00:db:12:34:56:78:00:99"), "A. Smith")
    assert [change.id for change in house.tenancy.confirm(device, "A.\n Smith ")] == [1]
    assert house.tenancy.report(1).devices[0].basis == "by A. Smith"


def test_a_device_that_cannot_be_read_is_told_all_the_same(house: House) -> None:
    device = house.add_display(1, serves=(0x0702, 0x0705))
    change = house.orders.order("tenancy")
    house.han.fails = TimedOut("it does not answer")
    asyncio.run(house.tenancy.looks.before(change, device))
    assert [each.kind for each in house.tenancy.records.of(change.id, device)] == ["concerned"]


def test_what_was_seen_is_kept_by_name_and_its_value_nowhere(house: House, tmp_path: Path) -> None:
    device = house.add_display(1, serves=(0x0702, 0x0705))
    change = house.orders.order("tenancy")
    house.han.holds = {(0x0705, 0x0211): 1234567890, (0x0705, 0x0005): 0, (0x0702, 0x0421): 0xFFFFFF}
    asyncio.run(house.tenancy.looks.before(change, device))
    seen = [each for each in house.tenancy.records.of(change.id, device) if each.kind == "showed before"]
    # Neither nothing nor the type's non-value is something.
    assert [each.what for each in seen] == ["0x0705:0x0211"]
    house.ledger.close()
    assert b"1234567890" not in house.path.read_bytes()
    assert (1234567890).to_bytes(4, "big") not in house.path.read_bytes()


def test_a_device_that_is_told_anew_while_it_is_read_is_looked_at_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        house = House(tmp_path)
        house.hands.monotonic = loop.time  # type: ignore[method-assign]
        device = house.add_display(1, serves=(0x0702, 0x0705))
        house.han.holds = {(0x0705, 0x0211): 5}
        looks, change = house.tenancy.looks, house.orders.order("tenancy")
        await looks.before(change, device)
        house.tenancy.records.told(change.id, device, "electricity", "PublishChangeOfTenancy")
        read, reads = house.han.read_attributes, 0

        async def reading(*given: Any, **named: Any) -> dict[int, Any]:
            nonlocal reads
            reads += 1
            if reads == 1:
                looks.told(change, device)
            return await read(*given, **named)

        house.han.read_attributes = reading  # type: ignore[method-assign]
        looks.returned(device)
        running = asyncio.create_task(looks.run())
        await asyncio.sleep(RETURN_S + 1)
        assert reads == 1
        await asyncio.sleep(AFTER_S[0])
        assert reads == 2
        running.cancel()
        house.ledger.close()

    virtual.run(scenario())
