"""``hanctl events export``: each event once and as the API gives it, a whole file or none."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from commands import Command
from hub_fakes import PPMID, configure, running, write_config

from hanctl.api.app import make_app
from hanctl.base.clock import SystemClock
from hanctl.base.errors import ExitCode
from hanctl.cli import event_export
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import DeviceLeft, DongleLost

LEFT = DeviceLeft(device=PPMID)


async def start(directory: Path, *arguments: str) -> Command:
    return await Command.start("events", "export", *arguments, cwd=directory, env=os.environ | {"COLUMNS": "200"})


async def export(directory: Path, *arguments: str) -> tuple[int, str, str]:
    process = await start(directory, *arguments)
    out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


def fill(ledger: Ledger, number: int) -> None:
    with ledger.transaction():
        for _ in range(number):
            ledger.record(LEFT)


async def test_lines_are_the_events_of_the_api_letter_by_letter(tmp_path: Path) -> None:
    async with running(configure(tmp_path), serve=True) as daemon:
        fill(daemon.ledger, 4500)
        daemon.ledger.record(DongleLost(reason='quotes ", umlauts äöü, and\nline ends'))
        transport = httpx.ASGITransport(make_app(daemon))
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
            wanted = (await client.get("/events?limit=10000")).json()
        code, out, _ = await export(tmp_path, "--socket", "hub.sock")
        assert code == 0
        assert out == "".join(json.dumps(event) + "\n" for event in wanted)
        code, said, _ = await export(tmp_path, "--socket", "hub.sock", "-o", "events.jsonl")
        assert (code, said) == (0, f"{len(wanted)} events in events.jsonl\n")
        assert (tmp_path / "events.jsonl").read_text() == out
        # Once more, over the file that is there.
        assert (await export(tmp_path, "--socket", "hub.sock", "-o", "events.jsonl"))[0] == 0
        assert (tmp_path / "events.jsonl").read_text() == out
    assert [path.name for path in tmp_path.glob(".events*")] == []


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_the_ledger_of_a_hub_that_does_not_run_says_the_same(tmp_path: Path, end: str) -> None:
    file = write_config(tmp_path)
    async with running(configure(tmp_path), serve=True) as daemon:
        fill(daemon.ledger, 3000)
        if end == "killed":
            await export(tmp_path, "-c", file.name, "-o", "running.jsonl")
            copied = {name: (tmp_path / "state" / name).read_bytes() for name in ("ledger.sqlite", "ledger.sqlite-wal")}
    if end == "killed":
        for name, content in copied.items():
            (tmp_path / "state" / name).write_bytes(content)
    code, out, _ = await export(tmp_path, "-c", file.name)
    assert code == 0
    events = [json.loads(line) for line in out.splitlines()]
    assert sum(event["type"] == "device.left" for event in events) == 3000
    assert events[-1]["type"] == ("hub.stopped" if end == "stopped" else "device.left")
    if end == "killed":
        assert (tmp_path / "running.jsonl").read_text() == out


async def test_only_what_is_asked_for(tmp_path: Path) -> None:
    file = write_config(tmp_path)

    async def ids(*arguments: str) -> list[int]:
        code, out, err = await export(tmp_path, "-c", file.name, *arguments)
        assert code == 0, err
        return [json.loads(line)["id"] for line in out.splitlines()]

    async with running(configure(tmp_path), serve=True) as daemon:
        fill(daemon.ledger, 3)
        first, second, third = daemon.ledger.events(type="device.left")
        while daemon.clock.now() - third.time < timedelta(milliseconds=5):
            await asyncio.sleep(0.001)
        last = daemon.ledger.record(DongleLost(reason="so"))
        since, everything = last.time.isoformat(), await ids()
        for _ in range(2):
            assert await ids("--device", PPMID) == [first.id, second.id, third.id]
            assert await ids("--type", "dongle.lost") == [last.id]
            assert await ids("--since", since, "--type", "dongle.lost") == [last.id]
            assert [number for number in everything if number < last.id] == await ids("--until", since)
            if daemon.started_at is not None:
                await daemon.stop("now without")


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    for arguments, code, words in (
        (("-c", file.name), ExitCode.NOT_FOUND, "there is no ledger"),
        (("--socket", "none.sock"), ExitCode.DAEMON_UNREACHABLE, "no daemon answers"),
        (("-c", file.name, "--since", "soon"), ExitCode.USAGE, "is not a time"),
        (("-c", "none.toml"), ExitCode.CONFIG, "cannot read what was given"),
    ):
        found, _, err = await export(tmp_path, *arguments)
        assert (found, words in err, "hint: " in err) == (code, True, True)
    async with running(configure(tmp_path), serve=True):
        found, _, err = await export(tmp_path, "-c", file.name, "-o", "none/events.jsonl")
    assert (found, "cannot write none/events.jsonl" in err) == (ExitCode.CONFIG, True)
    found, _, err = await export(tmp_path, "-c", file.name, "--type", "device.lift")
    assert (found, "no such event type" in err) == (ExitCode.USAGE, True)
    (tmp_path / "state" / "ledger.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
    assert (await export(tmp_path, "-c", file.name))[0] == ExitCode.STATE


async def test_ctrl_c_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "events.jsonl").write_text("as it was")
    async with running(configure(tmp_path), serve=True) as daemon:
        fill(daemon.ledger, 100)
        asked, read = asyncio.Event(), daemon.ledger.events

        def slow(**query: object) -> object:
            # Always more: the command would go on for ever.
            asked.set()
            return read(limit=100)

        daemon.ledger.events = slow  # type: ignore[method-assign, assignment]
        process = await start(tmp_path, "--socket", "hub.sock", "-o", "events.jsonl")
        await asyncio.wait_for(asked.wait(), 60)
        await asyncio.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        daemon.ledger.events = read  # type: ignore[method-assign]
    assert (process.returncode, err) == (ExitCode.INTERRUPTED, b"")
    assert (tmp_path / "events.jsonl").read_text() == "as it was"
    assert [path.name for path in tmp_path.glob(".events*")] == []


def test_a_hundred_thousand_events_take_no_more_memory_than_a_page(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite"
    path.parent.mkdir()
    ledger = Ledger.open(path, SystemClock())
    ledger.record(LEFT)
    ledger._execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
        "INSERT INTO events (time, type, device, body) SELECT time, type, device, body FROM events, n"
    )
    ledger.close()
    query = dict.fromkeys(("since", "until", "device", "update", "type"))
    newest, pages = event_export._from_ledger(path, query)
    first = next(pages)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    written = len(first) + sum(len(page) for page in pages)
    assert written == newest == 100_001
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8_000  # kB
    assert datetime.fromisoformat(first[0]["time"]).tzinfo == UTC
