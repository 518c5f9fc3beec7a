"""A ledger with a row in every table, and seeded damage of its files: of bytes, of pages and of content."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from hand_clock import START, HandClock

from hanctl.base.eui64 import Eui64
from hanctl.ledger.files.copies import write_copy
from hanctl.ledger.household import Sample, Selection
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.reporting import ReportRow
from hanctl.model.events import DeviceInterviewed, DongleOpened, HubStarted, NetworkFormed
from hanctl.model.records import Device, EndpointRecord, Image

TAILS = ("", "-wal")
PAGE = 4096
ODD_TEXT = (
    *("", "0", "null", "[]", "{}", '[{"a":1}]', '["x",2]', "soon", "\0"),
    *("2026-13-01T00:00:00Z", "9999-12-31T23:59:59Z"),
)
ODD_NUMBERS = (-1, 0, 256, 0x1_0000, 2**32, 2**53 + 1, 2**63 - 1, -(2**63))


@dataclass(frozen=True)
class Kept:
    """Files of a ledger as a kill leaves them, part of it in its log; its backup is of before the last rows."""

    directory: Path

    def put(self, place: Path, *, backup: bool) -> Path:
        """Put a fresh set of the files into the directory ``place``; returns the path of the ledger."""
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.directory, place)
        if not backup:
            shutil.rmtree(place / "backups")
        return place / "ledger.sqlite"


def full_ledger(ledger: Ledger, events: int, backed_up: Callable[[], object]) -> None:
    """Write rows to every table, ``events`` of them events; a backup is made when half is written."""
    devices = [Eui64(f"00:0d:6f:00:0b:00:00:{n:02x}") for n in range(1, 5)]
    endpoint = EndpointRecord(1, 0x0109, 0x0502, (0x0000, 0x0003), (0x0019, 0x0700))
    with ledger.transaction():
        ledger.record(HubStarted(version="1"))
        for n, eui64 in enumerate(devices):
            ledger.devices.put(
                Device(
                    eui64=eui64, added_at=START, state="interviewed", nwk=0x1000 + n, endpoints=(endpoint,), model="é"
                )
            )
            ledger.record(DeviceInterviewed.model_construct(device=eui64))
        ledger.record(DongleOpened.model_construct(dongle_eui64="00:0d:6f:00:0b:00:00:99"))
        ledger.record(NetworkFormed.model_construct(extended_pan_id="00:0d:6f:00:0b:00:00:98"))
        for n in range(events // 2):
            ledger.record(HubStarted(version=f"1.{n}"))
    ledger.images.put(Image("a" * 64, "b" * 64, "gb", "new", 0x1234, 1, 2, 0, "header", 5000, 0, START, tags=(0, 1)))
    order = {
        "file_sha256": "a" * 64,
        "manufacturer_image_sha256": None,
        "manufacturer_code": 0x1234,
        "image_type": 1,
        "file_version": 2,
        "size": 5000,
        "ordered_at": START,
    }
    done = ledger.updates.create(device=devices[0], activation="now", **order)
    ledger.updates.create(device=devices[1], activation="at", activate_at=START, window="01:00-05:00", **order)
    ledger.updates.create(device=devices[2], activation="hold", follows=done.id, steps=("c" * 64,), **order)
    ledger.note_presence(START)
    backed_up()
    part = {"fuel": "gas", "provider_id": 7, "withdrawn": (("prices", ((1, 2),)),), "issuer_event_id": 5}
    change = ledger.changes.create([part], kind="tenancy", state="scheduled", at=START, ordered_at=START, control=3)
    ledger.changes.put(replace(change, state="done", done_at=START, cleared=(("prices", 2),), notes=("n",)))
    ledger.changes.add_evidence(change=change.id, device=devices[0], at=START, kind="told", fuel="gas")
    ledger.reporting.put(ReportRow(devices[0], 1, 2, 0x0702, 0, 10, 300, None))
    ledger.household.write(2, (0x0702, 0), 0x25, b"\1\2\3\4\5\6")
    ledger.household.add(2, "prices", START, {"price": 7})
    ledger.household.add_samples(2, "half_hours", [Sample(START - timedelta(hours=n), n) for n in range(events // 2)])
    ledger.household.gate(2, Selection({}, frozenset({"prices"})), START - timedelta(days=9))
    ledger.outbox.types = frozenset({HubStarted.type})
    for n in range(5):
        ledger.record(HubStarted(version=f"2.{n}"))


def keep(directory: Path, events: int) -> Kept:
    """Make a full ledger in ``directory``, with a backup, and leave its files as a kill would."""
    work = directory / "work"
    work.mkdir(parents=True)
    path = work / "ledger.sqlite"
    ledger = Ledger.open(path, HandClock())
    full_ledger(ledger, events, lambda: write_copy(path, START))
    shutil.copytree(work, directory / "kept")
    ledger.abandon()
    (directory / "kept" / "ledger.sqlite-shm").unlink()
    return Kept(directory / "kept")


# --- what befalls them


def bytes_change(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        content[rng.randrange(len(content))] ^= rng.choice((0xFF, 1 << rng.randrange(8), 0x80))
    path.write_bytes(content)


def pages_change(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    size = rng.choice((16, 512, PAGE))
    here, there = (rng.randrange(max(1, len(content) // size)) * size for _ in range(2))
    kind = rng.randrange(3)
    if kind == 0:
        content[here : here + size] = bytes(size)
    elif kind == 1:
        content[here : here + size] = rng.randbytes(size)
    else:
        content[here : here + size] = content[there : there + size]
    path.write_bytes(content)


def end_is_lost(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content))])


def cells_change(path: Path, rng: random.Random) -> None:
    """A value becomes another that its column takes and hanctl would not write, or a row goes, or text loses UTF-8."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for _ in range(rng.choice((1, 1, 3))):
            table = rng.choice(tables)
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            _, column, kind, *_ = rng.choice(columns)
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            keys = [each[1] for each in columns if each[5]] or [column]
            key = ", ".join(f'"{name}"' for name in keys)
            row = rng.randrange(max(rows, 1))
            where = f"({key}) IN (SELECT {key} FROM {table} LIMIT 1 OFFSET {row})"
            try:
                if rng.random() < 0.2:
                    connection.execute(f"DELETE FROM {table} WHERE {where}")
                elif kind == "INTEGER" or not kind:
                    connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE {where}', (rng.choice(ODD_NUMBERS),))
                elif rng.random() < 0.4:
                    odd = rng.choice(("ff", "c3", "2276ff22", "b1"))
                    connection.execute(f"UPDATE {table} SET \"{column}\" = CAST(x'{odd}' AS TEXT) WHERE {where}")
                else:
                    connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE {where}', (rng.choice(ODD_TEXT),))
            except sqlite3.IntegrityError:
                continue
        for _, sql in triggers:
            connection.execute(sql)


def damage(path: Path, rng: random.Random) -> None:
    """Damage the ledger at ``path``, or its log."""
    befalls = rng.choice((bytes_change, bytes_change, pages_change, end_is_lost, cells_change, cells_change))
    target = path if befalls is cells_change else path.with_name(path.name + rng.choice(TAILS))
    befalls(target, rng)
