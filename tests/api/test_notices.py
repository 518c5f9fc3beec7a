"""The webhook: signed, retried, over restarts, and each notice under one id."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from activation_notices import activation_notice

from hanctl.base import virtual
from hanctl.base.clock import LoopClock, SystemClock
from hanctl.base.errors import ConfigError
from hanctl.ledger.ledger import Ledger
from hanctl.webhook.webhook import Webhook, back_off, read_secret

SECRET = b"0123456789abcdef0123456789abcdef"
NOTICE = activation_notice("00:0d:6f:00:0a:90:69:e7")


def check_signature(request: httpx.Request) -> None:
    """As a receiver would, from the Standard Webhooks specification alone."""
    stamp = request.headers["webhook-timestamp"]
    signed = request.headers["webhook-id"].encode() + b"." + stamp.encode() + b"." + request.content
    version, value = request.headers["webhook-signature"].split(",")
    assert version == "v1"
    assert base64.b64decode(value) == hmac.digest(SECRET, signed, hashlib.sha256)
    assert abs(int(stamp) - datetime.now(UTC).timestamp()) < 60


async def deliver(ledger: Ledger, answer: Callable[[httpx.Request], httpx.Response], until: Callable[[], bool]) -> None:
    webhook = Webhook(ledger, SystemClock(), "http://receiver/hook", SECRET, httpx.MockTransport(answer))
    running = asyncio.create_task(webhook.run())
    async with asyncio.timeout(10):
        while not until():
            await asyncio.sleep(0.005)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


async def test_a_notice_is_tried_until_accepted_even_over_a_restart(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanctl.webhook.webhook.back_off", lambda attempts: 0.01)
    requests: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if len(requests) == 1:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(503 if len(requests) == 2 else 302, headers={"location": "http://elsewhere/"})

    ledger = Ledger.open(path, SystemClock())
    Webhook(ledger, SystemClock(), "http://receiver/hook", SECRET)
    recorded = ledger.record(NOTICE)
    await deliver(ledger, refuse, lambda: len(ledger.events(type="notice.delayed")) >= 3)
    assert ledger.outbox.pending()[0].attempts >= 3
    ledger.close()

    again = Ledger.open(path, SystemClock())
    accepted: list[httpx.Request] = []

    def accept(request: httpx.Request) -> httpx.Response:
        accepted.append(request)
        return httpx.Response(204)

    await deliver(again, accept, lambda: not again.outbox.pending())
    assert len(accepted) == 1
    for request in requests + accepted:
        check_signature(request)
        assert str(request.url) == "http://receiver/hook"
        assert json.loads(request.content) == recorded.as_dict()
    assert len({request.headers["webhook-id"] for request in requests + accepted}) == 1
    (delivered,) = again.events(type="notice.delivered")
    assert delivered.as_dict()["notice"] == recorded.id
    again.close()

    third = Ledger.open(path, SystemClock())
    webhook = asyncio.create_task(
        Webhook(third, SystemClock(), "http://receiver/hook", SECRET, httpx.MockTransport(accept)).run()
    )
    await asyncio.sleep(0.05)
    webhook.cancel()
    await asyncio.gather(webhook, return_exceptions=True)
    assert len(accepted) == 1
    third.close()


async def test_a_rejected_notice_does_not_hold_up_the_next(path: Path) -> None:
    ledger = Ledger.open(path, SystemClock())
    Webhook(ledger, SystemClock(), "http://receiver/hook", SECRET)
    bad = ledger.record(NOTICE)
    good = ledger.record(NOTICE.model_copy(update={"update": 2}))

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400 if json.loads(request.content)["id"] == bad.id else 200)

    await deliver(ledger, answer, lambda: bool(ledger.events(type="notice.delivered")))
    assert [notice.event for notice in ledger.outbox.pending()] == [bad.id]
    assert ledger.events(type="notice.delivered")[0].as_dict()["notice"] == good.id
    ledger.close()


async def test_a_notice_recorded_while_running_goes_out_at_once(path: Path) -> None:
    ledger = Ledger.open(path, SystemClock())
    seen: list[httpx.Request] = []

    def accept(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    asyncio.get_running_loop().call_later(0.02, ledger.record, NOTICE)
    await deliver(ledger, accept, lambda: bool(ledger.events(type="notice.delivered")))
    assert len(seen) == 1
    ledger.close()


# --- a receiver is a stranger too


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    while True:
        writer.write(text)
        await writer.drain()
        await asyncio.sleep(0.001)


async def endless_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")
    await drip(writer, bytes(1 << 20))


async def slow_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 OK\r\ncontent-length: 99999\r\n\r\n")
    await drip(writer, b"a")


async def slow_header(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    await drip(writer, b"SECRET-OF-THE-RECEIVER"[:1])


async def endless_header(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    await drip(writer, b"x: " + b"SECRET-OF-THE-RECEIVER" * 1000 + b"\r\n")


async def only_informed(writer: asyncio.StreamWriter) -> None:
    await drip(writer, b"HTTP/1.1 102 Processing\r\n\r\n")


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SECRET-OF-THE-RECEIVER\r\n\r\n")


async def odd_status(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 302 SECRET-OF-THE-RECEIVER\r\nlocation: http://SECRET-OF-THE-RECEIVER/\r\n\r\n")


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("receiver", "reason"),
    [
        (endless_body, None),
        (slow_body, None),
        (slow_header, "no answer within"),
        (endless_header, "not HTTP"),
        (only_informed, "no answer within"),
        (no_http, "not HTTP"),
        (odd_status, "status 302"),
        (silence, "no answer within"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
async def test_an_answer_is_read_to_its_header_in_one_time(
    path: Path,
    receiver: Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]],
    reason: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hanctl.webhook.webhook.TIMEOUT_S", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            await receiver(writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ledger = Ledger.open(path, SystemClock())
        webhook = Webhook(ledger, SystemClock(), f"http://127.0.0.1:{port}/hook", SECRET)
        ledger.record(NOTICE)
        running = asyncio.create_task(webhook.run())
        kind = "notice.delivered" if reason is None else "notice.delayed"
        async with asyncio.timeout(2):
            while not ledger.events(type=kind):
                await asyncio.sleep(0.002)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    (told,) = [one.as_dict() for one in ledger.events() if one.event.type.startswith("notice.")]
    assert reason is None or reason in told["reason"]
    assert "SECRET" not in str(told)
    ledger.close()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "http://SECRET-x.invalid/", "https://127.0.0.1:1", "http://[SECRET"]
)
async def test_why_nobody_was_reached_is_told_without_the_address(path: Path, url: str) -> None:
    ledger = Ledger.open(path, SystemClock())
    webhook = Webhook(ledger, SystemClock(), url, SECRET)
    ledger.record(NOTICE)
    running = asyncio.create_task(webhook.run())
    async with asyncio.timeout(10):
        while not ledger.events(type="notice.delayed"):
            await asyncio.sleep(0.005)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert "SECRET" not in ledger.events(type="notice.delayed")[0].as_dict()["reason"]
    ledger.close()


def test_notices_that_are_never_answered_hold_up_no_other(tmp_path: Path) -> None:
    accepted: list[tuple[float, int]] = []

    async def minutes() -> None:
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, datetime(2026, 1, 1, tzinfo=UTC))

        async def answer(request: httpx.Request) -> httpx.Response:
            update = json.loads(request.content)["update"]
            if update < 20:
                await asyncio.sleep(3600)
            accepted.append((loop.time(), update))
            return httpx.Response(200)

        ledger = Ledger.open(tmp_path / "ledger.sqlite", clock)
        webhook = Webhook(ledger, clock, "http://receiver/hook", SECRET, httpx.MockTransport(answer))
        for update in range(1, 20):
            ledger.record(NOTICE.model_copy(update={"update": update}))
        running = asyncio.create_task(webhook.run())
        # Each was tried once, and they wait for their turns to be tried again.
        await asyncio.sleep(120)
        for update in range(20, 40):
            began = loop.time()
            ledger.record(NOTICE.model_copy(update={"update": update}))
            await asyncio.sleep(7)
            assert accepted[-1] == (began, update)
        assert len(ledger.outbox.pending()) == 19
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        ledger.close()

    virtual.run(minutes())


def test_back_off_doubles_up_to_ten_minutes() -> None:
    assert [back_off(attempts) for attempts in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert back_off(50) == 600


def test_the_secret_must_be_private_and_long_enough(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with pytest.raises(ConfigError, match="No such file"):
        read_secret(file)
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read"):
        read_secret(file)
    file.chmod(0o600)
    assert read_secret(file) == SECRET
    file.write_bytes(b"whsec_" + base64.b64encode(SECRET))
    assert read_secret(file) == SECRET
    file.write_bytes(b"whsec_!!")
    with pytest.raises(ConfigError, match="not Base64"):
        read_secret(file)
    file.write_bytes(b"short")
    with pytest.raises(ConfigError, match="fewer than 16"):
        read_secret(file)


def test_each_notice_waits_its_own_time_and_then_nothing_happens(tmp_path: Path) -> None:
    """In virtual time, where a loop that spins would never let the hour pass."""
    asked: list[tuple[float, int]] = []

    async def hour() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        def answer(request: httpx.Request) -> httpx.Response:
            update = json.loads(request.content)["update"]
            asked.append((loop.time() - start, update))
            return httpx.Response(503 if update == 1 and len(asked) < 4 else 200)

        ledger = Ledger.open(tmp_path / "ledger.sqlite", LoopClock(loop, datetime(2026, 1, 1, tzinfo=UTC)))
        clock = LoopClock(loop, datetime(2026, 1, 1, tzinfo=UTC))
        webhook = Webhook(ledger, clock, "http://receiver/hook", SECRET, httpx.MockTransport(answer))
        ledger.record(NOTICE)
        running = asyncio.create_task(webhook.run())
        await asyncio.sleep(0.5)
        ledger.record(NOTICE.model_copy(update={"update": 2}))
        await asyncio.sleep(3600)
        assert ledger.outbox.pending() == []
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        ledger.close()

    virtual.run(hour())
    assert asked == [(0, 1), (0.5, 2), (1, 1), (3, 1)]
