"""Whatever befalls the files of a ledger, a start heals it, refuses it, or reads all of it: nothing else happens."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from damaging import Kept, damage, keep
from hand_clock import START, HandClock

from hanctl.base import virtual
from hanctl.ledger.errors import LedgerDamaged, LedgerError
from hanctl.ledger.files.copies import copies_of, list_copies, write_copy
from hanctl.ledger.files.copying import APART_S, LedgerCopies
from hanctl.ledger.files.last_dongle import known_network
from hanctl.ledger.files.restoring import open_ledger, untold
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.soundness import OBJECTS, statement_crc
from hanctl.model.events import HubStarted

SEED = int(os.environ.get("HANCTL_DAMAGE_SEED", "1"))
RUNS = int(os.environ.get("HANCTL_DAMAGE_RUNS", "5000"))
"""How many ledgers the long run damages."""
FEW = 40
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files cost no sync of a disk."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return keep(tmp_path_factory.mktemp("small"), 10)


def read_all(ledger: Ledger) -> None:
    """Read every row in every way there is, and write as a hub does; in one transaction, as each syncs the disk."""
    untold(ledger)
    known_network(ledger)
    for recorded in ledger.events():
        recorded.as_dict()
    ledger.last_event_time()
    ledger.last_presence()
    for device in ledger.devices.all():
        ledger.updates.open_for(device.eui64)
        ledger.reporting.all(device.eui64)
        ledger.devices.put(replace(device, last_seen=START))
        ledger.touch(device.eui64, START + timedelta(hours=1))
    for image in ledger.images.all():
        ledger.images.put(image)
    for update in ledger.updates.all():
        ledger.updates.chain(update)
        ledger.updates.put(update)
    ledger.updates.with_message()
    ledger.updates.counts()
    ledger.updates.next_id()
    for change in ledger.changes.all():
        ledger.changes.parts(change.id)
        ledger.changes.evidence(change.id)
        ledger.changes.put(change)
    ledger.changes.last_issuer_event_id()
    for notice in ledger.outbox.pending():
        ledger.outbox.put(notice)
    for endpoint in (1, 2):
        ledger.household.held(endpoint)
        ledger.household.hidden(endpoint)
        ledger.household.read(endpoint, 0x0702)
        for name in ("prices", "half_hours"):
            ledger.household.records(endpoint, name)
            ledger.household.samples(endpoint, name)
    ledger.pruning.remove(0, ledger.pruning.first_of_last(3, limited=False), 0, START, 5)
    ledger.record(HubStarted(version="3"))


def outcome(kept: Kept, place: Path, seed: str) -> str:
    """What a start makes of a ledger damaged by this seed. Raises whatever is no answer."""
    rng = random.Random(seed)
    path = kept.put(place, backup=rng.random() < 0.7)
    damage(path, rng)
    try:
        with closing(open_ledger(path, HandClock())) as ledger:
            with ledger.transaction():
                read_all(ledger)
            ledger.note_presence(START)
            write_copy(ledger.path, START + timedelta(days=1))
    except LedgerError:
        return "refused"
    return "healed" if list(path.parent.glob("ledger-aside*")) else "read"


def outcomes(kept: Kept, place: Path, runs: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for run in range(runs):
        seed = f"{SEED}/{run}"
        try:
            found[outcome(kept, place, seed)] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    print(f"seed {SEED}: {dict(found)}")
    return found


def test_a_damaged_ledger_is_healed_refused_or_read(small: Kept, tmp_path: Path) -> None:
    found = outcomes(small, tmp_path / "hub", FEW)
    assert set(found) == {"healed", "refused", "read"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thousands_of_damaged_ledgers_are_healed_refused_or_read(small: Kept, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as memory:
        outcomes(small, Path(memory) / "hub", RUNS * 19 // 20)
        outcomes(keep(tmp_path / "large", 3000), Path(memory) / "hub", RUNS // 20)


def changed_behind_it(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE updates SET state = 'begun'",
        "UPDATE updates SET ordered_at = 'soon'",
        "UPDATE updates SET steps = '[1]'",
        "UPDATE updates SET file_version = -1",
        "UPDATE updates SET \"window\" = CAST(x'ff' AS TEXT)",
        "ALTER TABLE updates RENAME COLUMN priority TO priorite",
    ],
)
def test_damage_that_comes_while_the_ledger_is_open_is_told_to_the_hub_and_is_healed_by_the_next_start(
    statement: str, small: Kept, tmp_path: Path
) -> None:
    path = small.put(tmp_path / "hub", backup=True)
    told: list[LedgerDamaged] = []
    ledger = Ledger.open(path, HandClock())
    ledger.on_damage = told.append
    changed_behind_it(path, statement)
    with pytest.raises(LedgerDamaged, match="cannot be used") as raised:
        ledger.updates.all()
    assert told == [raised.value]
    ledger.abandon()
    with closing(open_ledger(path, HandClock())) as healed:
        assert len(healed.updates.all()) == 3
        assert len(healed.events(type="ledger.restored")) == 1


def test_a_ledger_of_this_version_has_the_schema_that_is_checked(small: Kept, tmp_path: Path) -> None:
    with closing(sqlite3.connect(small.put(tmp_path / "hub", backup=True))) as connection:
        made = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_*'"
        ).fetchall()
    assert {name: statement_crc(sql) for name, sql in made if name != "alembic_version"} == OBJECTS


def test_an_index_that_a_person_added_is_no_damage(small: Kept, tmp_path: Path) -> None:
    path = small.put(tmp_path / "hub", backup=True)
    changed_behind_it(path, "CREATE INDEX mine ON events (time)", "ANALYZE")
    open_ledger(path, HandClock()).close()
    assert list(path.parent.glob("ledger-aside*")) == []


def test_a_backup_that_is_damaged_in_the_same_way_is_passed_by(small: Kept, tmp_path: Path) -> None:
    path = small.put(tmp_path / "hub", backup=True)
    newest = write_copy(path, START + timedelta(days=1)).path
    for each in (path, newest):
        changed_behind_it(each, "UPDATE devices SET eui64 = 'nobody' WHERE nwk = 4099")
    assert [copy.damage is None for copy in list_copies(copies_of(path))] == [True, False]
    with closing(open_ledger(path, HandClock())) as healed:
        (event,) = healed.events(type="ledger.restored")
        assert event.as_dict()["backup"] != str(newest)


def test_a_hub_that_ends_before_its_first_minute_again_and_again_is_backed_up_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    clock = HandClock()

    async def start(seconds: float) -> None:
        """A hub that is up for so long."""
        loop, began = asyncio.get_running_loop(), clock.time
        first = loop.time()

        class LoopClock(HandClock):
            def now(self) -> datetime:
                return began + timedelta(seconds=loop.time() - first)

            def monotonic(self) -> float:
                return loop.time()

        with closing(Ledger.open(path, clock)) as ledger:
            copies = LedgerCopies(ledger, LoopClock())
            ledger.record(HubStarted(version="1"))
            running = asyncio.create_task(copies.run())
            await asyncio.sleep(seconds)
            while copies._writing.locked():
                await asyncio.sleep(0.01)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            clock.time = began + timedelta(seconds=loop.time() - first + 5)

    written = []
    while clock.time < START + timedelta(seconds=3 * APART_S):
        virtual.run(start(20.0))
        written.append(len(list_copies(copies_of(path))))
        clock.time += timedelta(seconds=APART_S / 6)
    assert written[:2] == [0, 1], "the first start may write none, and the second does"
    assert written[-1] == 3, "one an hour"
