"""Whatever its date, a change of tenancy hides from displays what is dated before its cut-off, and nothing else."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cut_off_bench import BALANCES, ELECTRICITY, GAS, House, Planted, expected, order, readable, unchanged
from household_bench import NOW, Household

from hanctl.data import catalogue
from hanctl.model.change_records import Fuel

SLOW_SEEDS, FAST_SEEDS = 1000, 24


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in which nothing is, to be copied: making one takes as long as a change."""
    directory = tmp_path_factory.mktemp("empty")
    made = Household(directory, stand_in=True)
    made.ledger.close()
    return made.ledger.path


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that costs no disk: what is written is synced, and much is written."""
    shared = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="hanctl-", dir=shared if shared.is_dir() else None))
    yield directory
    shutil.rmtree(directory)


def some_date(rng: random.Random) -> datetime:
    """Past, present or to come; on a day's or half-hour's boundary as often as not."""
    how_far = rng.choice([0, 1, 3600, 40 * 86400, 400 * 86400])
    when = NOW + rng.choice([-1, 1]) * timedelta(seconds=rng.randrange(how_far + 1))
    return rng.choice([when, when, when.replace(hour=0, minute=0, second=0), when.replace(minute=30, second=0)])


def check(house: House, endpoint: int, planted: Planted, cut_off: datetime, control: int) -> None:
    assert house.tables(endpoint) == expected(planted, cut_off)
    kept = unchanged(control)
    for key, value in planted.values.items():
        if key in BALANCES:
            if key in kept:
                assert house.attribute(endpoint, key) == value, key
            continue
        seen = value if readable(planted, key, cut_off) else catalogue.ATTRIBUTES[key].neutral
        assert house.attribute(endpoint, key) == seen, key


def run(seed: int, directory: Path, empty: Path) -> None:
    rng = random.Random(seed)
    directory.mkdir()
    house = House(directory, empty)
    cut_off = some_date(rng)
    fuel: Fuel = rng.choice(["gas", "electricity"])
    mine, others = (GAS, ELECTRICITY) if fuel == "gas" else (ELECTRICITY, GAS)
    planted = {endpoint: house.plant(rng, name, cut_off) for endpoint, name in (*mine, *others)}
    untouched = {endpoint: house.tables(endpoint) for endpoint, _ in others}
    change, control = order(house, rng, fuel, cut_off)
    assert (change.state, change.cut_off) == ("done", cut_off)
    pre_or_post = control & 3
    if rng.random() < 0.2:
        house.kill()
    for endpoint, _ in mine:
        if not pre_or_post:
            check(house, endpoint, planted[endpoint], cut_off, control)
    for endpoint, _ in others:
        assert house.tables(endpoint) == untouched[endpoint]
    # What is loaded later, and dated before, is hidden as well.
    house.hub.clock.time += timedelta(seconds=rng.randrange(50 * 86400))
    for endpoint, name in mine:
        check(house, endpoint, house.plant(rng, name, cut_off, planted[endpoint]), cut_off, 0)
    house.hub.ledger.close()


@pytest.mark.parametrize("seed", range(FAST_SEEDS))
def test_what_is_dated_before_is_hidden_and_what_is_after_stays(seed: int, place: Path, empty: Path) -> None:
    run(seed, place / "hub", empty)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(10))
def test_a_thousand_changes(part: int, place: Path, empty: Path) -> None:
    for seed in range(10_000 + part, 10_000 + SLOW_SEEDS, 10):
        print(f"seed {seed}")
        run(seed, place / str(seed), empty)
        shutil.rmtree(place / str(seed))
