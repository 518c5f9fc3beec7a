"""Files that a person has to deal with: found by what they are and when they were written; never deleted."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hanctl.tenancy.evidence import leftovers
from hanctl.tenancy.evidence.leftovers import find_leftovers

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OLD = (NOW - timedelta(days=400)).timestamp()


def make(path: Path, *, at: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"data")
    if at is not None:
        os.utime(path, (at, at))
    return path


def test_captures_logs_and_tables_of_the_period_are_found_below_their_places(tmp_path: Path) -> None:
    since = NOW - timedelta(days=30)
    now = NOW.timestamp()
    wanted = {
        make(tmp_path / "a" / "b" / "air.PCAPNG", at=now): "packet capture",
        make(tmp_path / "air.pcap.gz", at=now): "packet capture",
        make(tmp_path / "a" / "hub.log.2", at=now): "console log",
        make(tmp_path / "minicom.txt", at=now): "console log",
        make(tmp_path / "a" / "half hours.csv", at=now): "table of data",
        make(tmp_path / "hub" / "ledger-aside-20260301T000000.000000Z.sqlite", at=now): "ledger put aside",
        make(tmp_path / "hub" / "ledger-aside-20260301T000000.000000Z.sqlite-wal", at=now): "ledger put aside",
    }
    make(tmp_path / "old.pcap", at=OLD)
    make(tmp_path / "readme.md", at=now)
    make(tmp_path / "backups" / "network.json", at=now)
    single = make(tmp_path.parent / f"{tmp_path.name}.cap", at=now)
    found = find_leftovers([tmp_path, single, tmp_path / "nowhere"], since, {})
    assert {Path(each.path): each.kind for each in found} == wanted | {single: "packet capture"}
    assert all(each.size == 4 and each.changed_at == NOW for each in found)
    assert all(path.exists() for path in wanted)


def test_the_journal_of_a_service_is_named(tmp_path: Path) -> None:
    (found,) = find_leftovers([tmp_path], NOW, {"JOURNAL_STREAM": "8:12345"})
    assert found.kind == "console log" and "journalctl" in found.path and found.size is None


def test_a_directory_that_is_too_large_is_not_searched_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "MOST_FILES", 3)
    for number in range(6):
        make(tmp_path / f"{number}.log")
    found = find_leftovers([tmp_path], NOW - timedelta(days=9999), {})
    assert [each.kind for each in found] == ["console log"] * 3 + ["not searched"]
