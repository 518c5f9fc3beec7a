"""Files, disks and clock: each line, in each of its outcomes."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hanctl.base.clock import SystemClock
from hanctl.base.eui64 import Eui64
from hanctl.config.sections import Config
from hanctl.doctor.configuration import judge_certificate, judge_socket, judge_webhook
from hanctl.doctor.state import (
    DirectoryFacts,
    directory_facts,
    judge_clock,
    judge_disk,
    judge_ledger,
    judge_state_directory,
)
from hanctl.ledger.files.inspection import LedgerFacts, inspect_ledger
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DongleOpened, NetworkFormed
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.credentials import save_credentials

MIB = 1024 * 1024
WELL = DirectoryFacts(
    "/var/lib/hanctl",
    exists=True,
    owner="hanctl",
    mine=True,
    mode=0o700,
    writable=True,
    read_only=False,
    free=9000 * MIB,
)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DONGLE = Eui64("00:0d:6f:00:0a:00:00:01")


# --- the state directory


def test_the_state_directory() -> None:
    assert judge_state_directory(WELL, None, None).status == "ok"
    assert judge_state_directory(replace(WELL, exists=False), None, None).status == "ok"
    assert "process 7" in judge_state_directory(WELL, 7, 7).message
    other = judge_state_directory(WELL, 7, None)
    assert other.status == "warn" and "process 7" in other.message
    open_to_all = judge_state_directory(replace(WELL, mode=0o755), None, None)
    assert open_to_all.status == "warn" and open_to_all.hint == "chmod 700 /var/lib/hanctl"
    assert judge_state_directory(replace(WELL, mine=False), None, None).status == "warn"
    closed = judge_state_directory(replace(WELL, writable=False, mine=False), None, None)
    assert closed.status == "fail" and "sudo -u hanctl" in closed.hint
    # Whose it is, is no matter to a person who only looks at a hub that runs.
    assert judge_state_directory(replace(WELL, writable=False, mine=False), None, 7).status == "ok"


def test_a_directory_is_looked_at_or_the_one_above_it(tmp_path: Path) -> None:
    there = directory_facts(tmp_path)
    assert there.exists and there.mine and there.writable and there.free > 0
    to_be = directory_facts(tmp_path / "a" / "b")
    assert not to_be.exists and to_be.writable and to_be.path == str(tmp_path / "a" / "b")


@pytest.mark.parametrize(("free", "status"), [(9000 * MIB, "ok"), (100 * MIB, "warn"), (MIB, "fail"), (0, "fail")])
def test_room_on_the_disk(free: int, status: str) -> None:
    assert judge_disk("disk", replace(WELL, free=free)).status == status


def test_a_disk_that_was_mounted_read_only() -> None:
    found = judge_disk("disk", replace(WELL, read_only=True, writable=False))
    assert found.status == "fail" and "read-only" in found.message
    # It is said once: not as a lack of permission too.
    assert judge_state_directory(replace(WELL, read_only=True, writable=False), None, None).status == "ok"


# --- the ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    opened = Ledger.open(path, SystemClock())
    opened.record(DongleOpened(path="/dev/x", radio="ezsp", dongle_eui64=DONGLE, firmware="x"))
    opened.record(NetworkFormed(channel=15, pan_id=1, extended_pan_id="aa:" * 7 + "aa"))
    opened.close()
    return path


async def test_a_sound_ledger_tells_of_its_dongle_and_nothing_is_written(ledger: Path) -> None:
    before = {path: path.stat() for path in ledger.parent.iterdir()}
    facts = inspect_ledger(ledger, 10)
    assert judge_ledger(facts).status == "ok"
    assert (facts.dongle, facts.extended_pan_id) == (DONGLE, "aa:" * 7 + "aa")
    assert facts.last_event_at is not None
    assert abs(facts.last_event_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert {path: path.stat() for path in ledger.parent.iterdir()} == before


async def test_a_ledger_in_use_is_read_beside_its_hub(ledger: Path) -> None:
    hub = Ledger.open(ledger, SystemClock())
    hub.record(DongleOpened(path="/dev/x", radio="znp", dongle_eui64="00:12:4b:00:00:00:00:01", firmware="x"))
    assert inspect_ledger(ledger, 10).dongle == "00:12:4b:00:00:00:00:01"
    hub.close()


def change(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_ledgers_that_cannot_be_used(ledger: Path) -> None:
    content = ledger.read_bytes()
    for wreck in (content[:4096] + os.urandom(4096) + content[8192:], b"not a database" * 1000):
        ledger.write_bytes(wreck)
        damaged = judge_ledger(inspect_ledger(ledger, 10))
        assert damaged.status == "fail" and "cannot be used" in damaged.message and "backup" in damaged.hint
    ledger.write_bytes(content)
    change(ledger, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer hanctl" in judge_ledger(inspect_ledger(ledger, 10)).message
    change(ledger, "PRAGMA application_id = 1")
    assert "another program" in judge_ledger(inspect_ledger(ledger, 10)).message


async def test_a_ledger_of_another_user(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    found = judge_ledger(inspect_ledger(ledger, 10))
    assert found.status == "warn" and "owner" in found.hint


def test_a_directory_in_one_that_may_not_be_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists

    def refused(path: Path) -> bool:
        if path.is_relative_to(tmp_path / "closed" / "store"):
            raise PermissionError
        return exists(path)

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(Path, "exists", refused)
    facts = directory_facts(tmp_path / "closed" / "store")
    assert not facts.exists and facts.free > 0


async def test_ledgers_that_are_not_there_old_or_too_large(ledger: Path) -> None:
    change(ledger, "UPDATE alembic_version SET version_num = '0001'")
    old = judge_ledger(inspect_ledger(ledger, 10))
    assert old.status == "ok" and "schema" in old.message
    assert judge_ledger(LedgerFacts(checked=False)).status == "warn"
    assert judge_ledger(None).status == "ok"
    with pytest.raises(FileNotFoundError):
        inspect_ledger(ledger.with_name("none"), 10)


async def test_a_check_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    hub = Ledger.open(path, SystemClock())
    with hub.transaction():
        for _ in range(20_000):
            hub.record(NetworkFormed(channel=15, pan_id=1, extended_pan_id="aa" * 8))
    hub.close()
    facts = inspect_ledger(path, -1)
    assert not facts.checked and facts.damage is None and facts.last_event_at is not None


# --- clock


def test_the_clock() -> None:
    assert judge_clock(NOW, True, None).status == "ok"
    assert judge_clock(NOW, False, None).status == "warn"
    assert judge_clock(NOW, None, None).status == "warn"
    behind = judge_clock(NOW, True, LedgerFacts(last_event_at=NOW + timedelta(hours=1)))
    assert behind.status == "fail" and "before the ledger's last event" in behind.message
    assert judge_clock(NOW, True, LedgerFacts(last_event_at=NOW - timedelta(hours=1))).status == "ok"
    # A running hub writes while one looks.
    assert judge_clock(NOW, True, LedgerFacts(last_event_at=NOW + timedelta(seconds=1))).status == "ok"


# --- what the configuration names


def config(**sections: object) -> Config:
    return Config.model_validate({"dongle": {"path": "/dev/none", "radio": "ezsp"}} | sections)


def test_the_webhooks_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    given = config(webhook={"url": "https://example.net/x", "secret_file": str(secret)})
    assert judge_webhook(config()) == []
    assert [each.status for each in judge_webhook(given)] == ["fail"]
    secret.write_text("0123456789abcdef" * 2)
    secret.chmod(0o644)
    (readable,) = judge_webhook(given)
    assert readable.status == "fail" and "chmod 600" in readable.hint
    secret.chmod(0o600)
    (well,) = judge_webhook(given)
    assert well.status == "ok" and "0123" not in well.message


def certificate(tmp_path: Path, subject: Eui64 = DONGLE) -> Path:
    path = tmp_path / "hub.json"
    authority = BenchAuthority.create()
    save_credentials(path, authority.issue(subject, valid_from=0))
    return path


def test_the_certificate(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    given = config(trust={"certificate": str(path)})
    assert judge_certificate(config(), DONGLE).status == "ok"
    assert judge_certificate(given, DONGLE).status == "ok"
    assert judge_certificate(given, None).status == "warn"
    other = judge_certificate(given, Eui64("00:0d:6f:00:0a:00:00:02"))
    assert other.status == "fail" and str(DONGLE) in other.message
    path.chmod(0o644)
    assert "chmod 600" in judge_certificate(given, DONGLE).hint
    path.unlink()
    assert judge_certificate(given, DONGLE).status == "fail"


def test_the_socket(tmp_path: Path) -> None:
    socket = tmp_path / "hub.sock"
    assert judge_socket(socket, True).status == "ok"
    assert judge_socket(socket, False).status == "ok"
    socket.touch()
    assert judge_socket(socket, False).status == "warn"
