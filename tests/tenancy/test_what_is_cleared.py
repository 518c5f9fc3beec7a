"""Each control bit alone and many together, against a table typed here from comms_hub.md §3.8 (and §3.1–3.7 for which
ids a word in it means), not from the hub's."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tenancy_bench import ENDPOINTS, START, House

from hanctl.data import catalogue
from hanctl.model.cuts import AttributeKey
from hanctl.tenancy.controls import Wanted
from hanctl.tenancy.execution import ChangeEffect

PRICE, METERING, PREPAYMENT, DEVICE_MANAGEMENT = 0x0700, 0x0702, 0x0705, 0x0708


def ids(cluster: int, *spans: tuple[int, int] | int) -> set[AttributeKey]:
    found: set[AttributeKey] = set()
    for span in spans:
        first, last = span if isinstance(span, tuple) else (span, span)
        found |= {(cluster, number) for number in range(first, last + 1)}
    return found


TARIFF_SETS = ids(
    PRICE, (0x0000, 0x002F), (0x0100, 0x01FF), (0x0200, 0x0204), (0x0400, 0x04FF), (0x050F, 0x052F), 0x05FE, 0x05FF
) | ids(PRICE, 0x0610, (0x0611, 0x0613), (0x0615, 0x0617), 0x0619, (0x0620, 0x0622), (0x8000, 0x8627))
CREDIT_PAYMENTS = ids(PRICE, (0x0800, 0x0852))
TARIFF_TABLES = {
    "prices",
    "tariffs",
    "price_matrices",
    "block_thresholds",
    "tier_labels",
    "block_periods",
    "co2_values",
    "cpp_events",
    "calendars",
    "day_profiles",
    "week_profiles",
    "seasons",
    "special_days",
}

BITS: dict[int, tuple[set[AttributeKey], set[str]]] = {
    2: (ids(PREPAYMENT, 0x0001, 0x0002, 0x0003, 0x0004, 0x0020, (0x0100, 0x0143)), set()),
    3: (ids(PREPAYMENT, 0x0005, (0x0210, 0x0239)), set()),
    4: (
        ids(METERING, (0x0A00, 0x0A14)) | ids(PRICE, (0x0700, 0x0704), (0x8700, 0x8704)) | CREDIT_PAYMENTS,
        {"billing_periods", "consolidated_bills", "credit_payments"},
    ),
    5: (TARIFF_SETS, TARIFF_TABLES),
    6: (ids(PRICE, 0x0301), {"standing_charges"}),
    7: (set(), set()),
    8: (
        ids(METERING, (0x0401, 0x0464), (0x0C01, 0x0C63)) | ids(PREPAYMENT, (0x051C, 0x055B)),
        {"half_hours", "days", "snapshots", "prepay_snapshots"},
    ),
    9: (
        ids(METERING, 0x0311, 0x000D) | CREDIT_PAYMENTS,
        {"messages", "supplier_messages", "consumer_passwords", "customer_numbers", "credit_payments"},
    ),
    10: (
        ids(DEVICE_MANAGEMENT, 0x0101, 0x0102, 0x0111, 0x0114, 0x0121, 0x0122, 0x0131, 0x0134)
        | TARIFF_SETS
        | ids(PRICE, 0x0301),
        TARIFF_TABLES | {"standing_charges", "supplier_messages"},
    ),
    13: (set(), {"event_log"}),
    # The prepayment log: its top-ups are the five of the attributes, and those of the log.
    14: (ids(PREPAYMENT, (0x0100, 0x0143)), {"top_ups", "debt_payments"}),
}
Full = tuple[Path, dict[int, tuple[dict[AttributeKey, bytes], dict[str, int]]]]

BY_DATE = {
    *("half_hours", "days", "snapshots", "prepay_snapshots", "top_ups", "debt_payments", "event_log"),
    *("messages", "supplier_messages", "billing_periods", "consolidated_bills", "credit_payments"),
    *("consumer_passwords", "customer_numbers"),
}
"""Tables whose rows a change of tenancy hides where they are dated before it."""
STAMPED = ids(PREPAYMENT, (0x0100, 0x0143)) | ids(PRICE, (0x0702, 0x0704), (0x8702, 0x8704), (0x0810, 0x0852))
"""Attributes that other attributes date: those of before the change are hidden."""
SETTLED_BY_A_TENANCY = ids(DEVICE_MANAGEMENT, 0x0200, 0x0201)
"""The change writes its own date and control."""
NO_CONTACTOR = 0x1800


def expected(bits: Iterable[int]) -> tuple[set[AttributeKey], set[str]]:
    attributes: set[AttributeKey] = set()
    tables: set[str] = set()
    for bit in bits:
        attributes |= BITS[bit][0]
        tables |= BITS[bit][1]
    return attributes & set(catalogue.ATTRIBUTES), tables


def planted(directory: Path, every: int) -> Full:
    """A house with a value in every place, or in every so manyth, to be copied, and what it holds."""
    house = House(directory)
    house.plant(every=every)
    before = {endpoint: house.held(endpoint) for endpoint in (1, 2, 3)}
    house.ledger.close()
    return house.path, before


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Full:
    return planted(tmp_path_factory.mktemp("full"), 1)


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Full:
    return planted(tmp_path_factory.mktemp("sparse"), 7)


def check(directory: Path, full: Full, bits: Iterable[int], fuel: str = "gas") -> None:
    shutil.copy(full[0], directory)
    house, before = House(directory), full[1]
    control = sum(1 << bit for bit in bits) | NO_CONTACTOR
    change = house.orders.order("tenancy", [fuel], control=Wanted(control))
    attributes, tables = expected(bits)
    attributes &= set(before[1][0])
    for endpoint in (1, 2, 3):
        old, new = before[endpoint], house.held(endpoint)
        changed = {key for key in new[0] if old[0].get(key) != new[0][key]}
        gone = {table for table in old[1] if table not in new[1]}
        if endpoint in ENDPOINTS[fuel]:
            written = SETTLED_BY_A_TENANCY if endpoint == ENDPOINTS[fuel][0] else set()
            assert changed - written == attributes
            assert all(new[0][key] == catalogue.ATTRIBUTES[key].neutral for key in attributes)
            assert gone == tables
        else:
            assert (changed, gone) == (set(), set())
    assert house.orders.get(change.id).state == "done"
    assert sum(count for _, count in change.cleared) == len(ENDPOINTS[fuel]) * (len(attributes) + len(tables))
    house.ledger.close()


@pytest.mark.parametrize("bit", sorted(BITS))
def test_a_bit_alone_clears_what_the_matrix_says_and_nothing_else(bit: int, full: Full, tmp_path: Path) -> None:
    check(tmp_path, full, [bit])


@pytest.mark.parametrize("part", range(10))
def test_twenty_random_combinations_clear_what_their_bits_do(part: int, sparse: Full, tmp_path: Path) -> None:
    rng = random.Random(3800 + part)
    for number in range(20):
        bits = [bit for bit in BITS if rng.random() < 0.4]
        place = tmp_path / str(number)
        place.mkdir()
        check(place, sparse, bits, rng.choice(["gas", "electricity"]))


def test_what_no_bit_names_is_never_cleared(tmp_path: Path) -> None:
    """Registers that run on through tenancies among it."""
    attributes, tables = expected(BITS)
    stays = set(catalogue.ATTRIBUTES) - attributes
    assert ids(METERING, 0x0000, 0x0001, 0x0100, 0x0102, 0x0307, 0x0308) <= stays
    assert {"site_ids", "conversion_factors", "calorific_values", "service_passwords"} <= set(catalogue.TABLES) - tables


def test_blocked_history_is_held_and_given_to_nobody_and_what_comes_after_is_shown(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.plant()
    before = house.held(2)
    house.orders.order("tenancy", ["gas"], control=Wanted(0x0080 | NO_CONTACTOR))
    held, shown = house.held(2), house.shown(2)
    attributes, tables = expected([8])
    assert {key for key in before[0] if held[0][key] != before[0][key]} == SETTLED_BY_A_TENANCY
    assert held[1] == before[1]
    assert shown[0] == set(held[0]) - attributes - STAMPED
    assert set(shown[1]) == set(held[1]) - tables - BY_DATE
    change = house.tenancy.report(1).change
    hidden, blocked = dict(change.hidden), dict(change.blocked)
    # Periods that are over are hidden by their dates, those under way by the bit.
    for name, cluster in (("Metering", METERING), ("Prepayment", PREPAYMENT)):
        counted = hidden[f"gas: attributes of {name}"] + blocked[f"gas: attributes of {name}"]
        dated = STAMPED & set(held[0])
        assert counted == len([key for key in attributes | dated if key[0] == cluster])
    assert {name for name in hidden if "attributes" not in name} == {f"gas: {table}" for table in BY_DATE}
    assert {name for name in blocked if "attributes" not in name} == set()
    assert sum(dict(change.held).values()) == sum([*hidden.values(), *blocked.values()])
    assert change.cleared == ()
    house.ledger.household.add(2, "snapshots", house.hands.now(), {"cause": 1})
    assert house.shown(2)[1]["snapshots"] == 1


def test_the_snapshot_before_is_held_and_hidden_and_the_one_after_is_shown(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.plant()
    house.orders.order("tenancy", ["gas"], control=Wanted(0x0103 | NO_CONTACTOR))
    assert house.held(2)[1]["snapshots"] == 2
    assert house.shown(2)[1]["snapshots"] == 1
    change = house.tenancy.report(1).change
    assert dict(change.blocked) == {"gas: snapshots": 1} and dict(change.held)["gas: snapshots"] == 1
    causes = [record.body["cause"] for record in house.ledger.household.records(2, "snapshots")]
    assert causes == [0x1000]


@pytest.mark.parametrize("cut_off", [None, START - timedelta(hours=36), START + timedelta(days=9)])
def test_a_preview_says_the_same_and_does_nothing(cut_off: datetime | None, tmp_path: Path) -> None:
    house = House(tmp_path)
    house.plant()
    before = [house.held(endpoint) for endpoint in (1, 2, 3)]
    wanted, preview = house.orders.preview("tenancy", ["electricity", "gas"], None, cut_off)
    assert [house.held(endpoint) for endpoint in (1, 2, 3)] == before
    assert house.ledger.events() == [] and house.ledger.changes.all() == []
    change = house.orders.order("tenancy", cut_off=cut_off)
    told = preview.effect
    assert wanted.control == change.control
    assert told == ChangeEffect(change.hidden, change.cleared, change.blocked, change.held)
    # The change itself adds its own date, and what is cancelled.
    mine = ("DeviceManagement", "cancellations")
    left = [
        [each for each in all_ if not each.what.endswith(mine)] for all_ in (preview.kept, house.tenancy.report(1).kept)
    ]
    assert left[0] == left[1] != []


def test_what_was_withdrawn_is_remembered_by_number(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.plant([2])
    change = house.orders.order("tenancy", ["gas"], control=Wanted(0x0220 | NO_CONTACTOR))
    (part,) = house.orders.parts(change.id)
    assert dict(part.withdrawn) == {"messages": ((101,), (202,)), "tariffs": ((303, 0),), "calendars": ((404, 3),)}
