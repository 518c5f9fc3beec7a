"""However a hub starts, its log, the journal, metrics, webhook and stream are told the same events, once each."""

from __future__ import annotations

import asyncio
import importlib
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from activation_notices import activation_notice
from logging_journald import JournaldTransport

from hanctl.api.app import make_app
from hanctl.base import virtual
from hanctl.base.errors import DongleError
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.ledger.database import APPLICATION_ID
from hanctl.ledger.files.copies import copies_of, list_copies
from hanctl.ledger.ledger import Ledger
from hanctl.logs import setup as logs
from hanctl.state.state import LEDGER, restore_ledger
from hanctl.webhook.webhook import NOTICE_TYPES

EVENT = re.compile(rb"^HANCTL_ID=(\d+)$", re.MULTILINE)
COUNTED = re.compile(r'^hanctl_events_total\{type="([\w.]+)"\} ([\d.]+)$', re.MULTILINE)


class Readers:
    """What each reader was told, by all the starts of one hub; ``run`` is one of them."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, reader: str) -> None:
        self.directory = directory
        self.posted: list[dict[str, Any]] = []
        self.streamed: list[int] = []
        self._entries: list[bytes] = []
        self._stream = io.StringIO()
        secret = directory / "secret"
        secret.write_text("a secret of the webhook")
        secret.chmod(0o600)
        monkeypatch.setattr(httpx._client, "AsyncHTTPTransport", lambda **_: httpx.MockTransport(self._take))
        monkeypatch.setattr(JournaldTransport, "_send", lambda _, entry: self._entries.append(entry))
        monkeypatch.setattr(logs, "leads_to_journal", lambda _: reader == "journal")
        logs.set_up_logging("auto", self._stream)
        self.bench = Bench(directory, [], sections={"webhook": {"url": "http://receiver/", "secret_file": str(secret)}})
        self.bench.world.plug()

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.posted.append(json.loads(request.content))
        return httpx.Response(204)

    def logged(self) -> list[int]:
        """The ids of the events in the log, or in the journal."""
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line["id"] for line in lines if "id" in line] + [
            int(found) for entry in self._entries for found in EVENT.findall(entry)
        ]

    async def run(self, work: Callable[[Daemon], None] = lambda _: None, *, kill: bool = False) -> None:
        """Start the hub, let it work, and stop or kill it; its metrics are compared with what this start logged."""
        before = len(self.logged())
        hub = await self.bench.start()
        work(hub)
        await asyncio.sleep(30)
        last = max([0, *self.streamed])
        async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(hub)), base_url="http://hub") as client:
            counted = COUNTED.findall((await client.get("/metrics")).text)
            types = {recorded.id: recorded.event.type for recorded in hub.ledger.events()}
            logged = Counter(types[number] for number in self.logged()[before:] if number in types)
            assert {kind: int(float(number)) for kind, number in counted if float(number)} == dict(logged)
            told = (await client.get(f"/events?after={last}&limit=1000")).json()
            self.streamed += [event["id"] for event in told]
        if kill:
            await self.bench.kill()
        else:
            await self.stop()

    async def stop(self) -> None:
        hub, self.bench.hub = self.bench.hub, None
        assert hub is not None
        await hub.stop("asked to stop")

    def check(self) -> None:
        """Of all that the ledger holds in the end, every reader was told, and of nothing twice."""
        ledger = Ledger.open_to_read(self.directory / "hub" / LEDGER)
        events = ledger.events()
        ids = [recorded.id for recorded in events]
        logged = Counter(self.logged())
        assert {number: logged[number] for number in ids if logged[number] != 1} == {}
        # A kill ends the stream; the last stop is told after it.
        assert [number for number in ids if self.streamed.count(number) != 1] in ([], ids[-1:])
        notices = [recorded.id for recorded in events if recorded.event.type in NOTICE_TYPES]
        assert [number for number in notices if ledger.outbox.get(number) is None] == []
        assert Counter(event["id"] for event in self.posted) == Counter(notices)
        ledger.close()


Scenario = Callable[[Readers], Coroutine[Any, Any, None]]


async def fresh(readers: Readers) -> None:
    await readers.run()


async def after_a_stop_and_a_kill(readers: Readers) -> None:
    await readers.run()
    await readers.run(kill=True)
    await readers.run()


def order_a_change(hub: Daemon) -> None:
    hub.tenancy.orders.order("tenancy", at=hub.clock.now() + timedelta(minutes=10))


def give_notice(hub: Daemon) -> None:
    hub.ledger.record(NOTICE)


async def a_change_fell_due(readers: Readers) -> None:
    await readers.run(order_a_change)
    await asyncio.sleep(1200)
    await readers.run(give_notice)


async def a_change_fell_due_and_the_dongle_is_not_there(readers: Readers) -> None:
    await readers.run(order_a_change)
    await asyncio.sleep(1200)
    readers.bench.world.unplug()
    with pytest.raises(DongleError):
        await readers.run()
    readers.bench.world.plug()
    await readers.run()


async def back_up(readers: Readers) -> Path:
    hub = await readers.bench.start()
    copy = await hub.copies.create()
    await readers.stop()
    return copy.path


def damage(directory: Path) -> None:
    path = directory / "hub" / LEDGER
    path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096))


async def a_damaged_ledger(readers: Readers) -> None:
    await readers.run(order_a_change)
    await back_up(readers)
    damage(readers.directory)
    await asyncio.sleep(1200)
    await readers.run()
    await readers.run()


async def a_damaged_ledger_and_the_dongle_is_not_there(readers: Readers) -> None:
    await readers.run(order_a_change)
    await back_up(readers)
    damage(readers.directory)
    await asyncio.sleep(1200)
    readers.bench.world.unplug()
    for _ in range(2):
        with pytest.raises(DongleError):
            await readers.run()
    readers.bench.world.plug()
    await readers.run(kill=True)
    await readers.run()


async def a_restored_ledger(readers: Readers) -> None:
    await readers.run(give_notice)
    copy = await back_up(readers)
    for _ in range(2):
        await asyncio.sleep(1)
        restore_ledger(readers.directory / "hub", copy.name, readers.bench.clock)
    assert list_copies(copies_of(readers.directory / "hub" / LEDGER))
    await readers.run()
    await readers.run()


async def an_older_ledger(readers: Readers) -> None:
    directory = readers.directory / "hub"
    directory.mkdir()
    with closing(sqlite3.connect(directory / LEDGER)) as connection, connection:
        first = importlib.import_module("hanctl.ledger.migrations.versions.0001_first")
        for statement in first.STATEMENTS:
            connection.execute(statement)
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    await readers.run(order_a_change)
    await readers.run()


async def a_clock_that_went_back(readers: Readers) -> None:
    await readers.run()
    readers.bench.clock._start -= timedelta(days=1)
    await readers.run()


NOTICE = activation_notice("00:0d:6f:00:0b:00:00:01")
WAYS = [
    fresh,
    after_a_stop_and_a_kill,
    a_change_fell_due,
    a_change_fell_due_and_the_dongle_is_not_there,
    a_damaged_ledger,
    a_damaged_ledger_and_the_dongle_is_not_there,
    a_restored_ledger,
    an_older_ledger,
    a_clock_that_went_back,
]


@pytest.mark.parametrize("reader", ["log", "journal"])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_reader_is_told_of_every_event_once(
    way: Scenario, reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def whole() -> None:
        readers = Readers(tmp_path, monkeypatch, reader)
        await way(readers)
        await readers.bench.close()
        readers.check()

    virtual.run(whole())
