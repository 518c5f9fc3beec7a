"""The doors under a crowd: connections that are only held, headers and bodies without end, bodies too large."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from hub_fakes import configure, running
from hypothesis import given
from hypothesis import strategies as st
from test_listener import TOKEN, bearer, listening, url

from hanctl.api.doors import bodies, http
from hanctl.api.doors.bodies import Bodies
from hanctl.api.doors.connections import KEPT_BACK, Connections, DoorLimits, origin_of
from hanctl.config.sections import Config


class Guest:
    """A connection that is nothing but its rank."""

    def __init__(self, rank: tuple[int, float] | None) -> None:
        self.given = rank
        self.dropped = False

    def rank(self) -> tuple[int, float] | None:
        return self.given

    def drop(self) -> None:
        self.dropped = True


ranks = st.none() | st.tuples(st.integers(0, 2), st.floats(0, 100))


@given(
    comers=st.lists(st.tuples(ranks, st.integers(0, 3)), max_size=40),
    most=st.integers(1, 8),
    of_one=st.integers(1, 8),
)
def test_never_more_than_the_limits_and_only_the_lowest_rank_has_to_go(
    comers: list[tuple[tuple[int, float] | None, int]], most: int, of_one: int
) -> None:
    async def come() -> None:
        door = Connections("a door", most, of_one)
        inside: list[tuple[Guest, int]] = []
        for rank, origin in comers:
            guest = Guest(rank)
            full = len(inside) >= most
            same = [held for held, other in inside if other == origin]
            candidates = same if len(same) >= of_one else [held for held, _ in inside] if full else []
            may_go = [held.given for held in candidates if held.given is not None]
            admitted = door.admit(origin)
            assert admitted is (not candidates or bool(may_go))
            gone = [held for held, _ in inside if held.dropped]
            assert [held.given for held in gone] == ([min(may_go)] if may_go else [])
            inside = [(held, other) for held, other in inside if not held.dropped]
            if admitted:
                door.add(guest, origin)
                inside.append((guest, origin))
            assert len(door) == len(inside) <= most
            assert all(sum(other == each for _, other in inside) <= of_one for each in range(4))

    asyncio.run(come())


@given(descriptors=st.integers(0, 1 << 20))
def test_descriptors_are_left_for_the_hub_itself(descriptors: int) -> None:
    limits = DoorLimits.within(descriptors)
    assert min(limits.socket, limits.listener) >= 4 and 2 <= limits.address <= limits.listener
    assert limits.socket + limits.listener <= max(8, descriptors - KEPT_BACK)


def test_neighbours_in_one_ipv6_network_count_as_one_address() -> None:
    assert origin_of(("2001:db8::1", 1, 0, 0)) == origin_of(("2001:db8::ffff:2", 2, 0, 0))
    assert origin_of(("2001:db8::1", 1, 0, 0)) != origin_of(("2001:db8:0:1::1", 1, 0, 0))
    assert origin_of(("192.0.2.1", 1)) != origin_of(("192.0.2.2", 1))
    assert origin_of(("fe80::1%eth0", 1, 0, 2)) == origin_of(("fe80::2", 1, 0, 0))


# --- a hub in a crowd


def address(config: Config) -> tuple[str, int]:
    assert config.listener is not None
    return str(config.listener.address.host), config.listener.address.port


@asynccontextmanager
async def crowd(config: Config, count: int, says: bytes = b"") -> AsyncIterator[list[socket.socket]]:
    loop, held = asyncio.get_running_loop(), []
    try:
        for _ in range(count):
            one = socket.socket()
            one.setblocking(False)
            held.append(one)
            await loop.sock_connect(one, address(config))
            if says:
                await loop.sock_sendall(one, says)
        yield held
    finally:
        for one in held:
            one.close()


def over_tcp(config: Config) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url(config), headers=bearer(TOKEN))


def on_socket(config: Config) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url="http://h", transport=httpx.AsyncHTTPTransport(uds=str(config.hub.socket)))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> DoorLimits:
    limits = DoorLimits(socket=8, listener=16, address=8)
    monkeypatch.setattr(DoorLimits, "of_this_process", lambda: limits)
    return limits


@pytest.mark.parametrize(
    "says", [b"", b"GET /status HTTP/1.1\r\nX: ", b"POST /x HTTP/1.1\r\ncontent-length: 9\r\n\r\n"]
)
async def test_a_crowd_without_a_token_keeps_nobody_out(tmp_path: Path, small: DoorLimits, says: bytes) -> None:
    config = listening(tmp_path)
    with structlog.testing.capture_logs() as logs:
        async with running(config, serve=True), crowd(config, 60, says):
            for client in (over_tcp(config), on_socket(config)):
                async with client:
                    for _ in range(3):
                        assert (await client.get("/status")).status_code == 200
    assert sum(line.get("door") == "listener" for line in logs) <= 2


async def test_the_control_socket_has_a_limit_of_its_own(tmp_path: Path, small: DoorLimits) -> None:
    config, held = configure(tmp_path), []
    async with running(config, serve=True):
        for _ in range(3 * small.socket):
            reader, writer = await asyncio.open_unix_connection(config.hub.socket)
            held.append((reader, writer))
        async with on_socket(config) as client:
            assert (await client.get("/status")).status_code == 200
        ended = [await asyncio.wait_for(reader.read(), 5) for reader, _ in held[: 2 * small.socket]]
        assert set(ended) == {b""}
        for _, writer in held:
            writer.close()


async def test_where_all_are_at_work_the_next_is_told_so(tmp_path: Path, small: DoorLimits) -> None:
    config = listening(tmp_path)
    async with running(config, serve=True) as daemon, over_tcp(config) as client:
        waiting = [asyncio.create_task(client.get("/events?after=9&wait_s=60")) for _ in range(small.address)]
        before = len(daemon.ledger._subscribers)
        while len(daemon.ledger._subscribers) < before + small.address:
            await asyncio.sleep(0.001)
        async with over_tcp(config) as another:
            refused = await another.get("/status")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        async with on_socket(config) as own:
            assert (await own.get("/status")).status_code == 200
        for task in waiting:
            task.cancel()


async def test_a_header_has_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEADER_S", 0.05)
    config, loop = listening(tmp_path), asyncio.get_running_loop()
    status = b"GET /status HTTP/1.1\r\nhost: h\r\nauthorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
    async with running(config, serve=True):
        for says in (b"", b"GET / HT", status, status + b"GET /", status + status + b"X"):
            async with crowd(config, 1, says) as (one,):
                async with asyncio.timeout(2):
                    heard = b""
                    while chunk := await loop.sock_recv(one, 1 << 16):
                        heard += chunk
                assert heard.count(b"HTTP/1.1 200") == says.count(status)


async def test_what_is_not_http_is_refused_in_the_form_of_all_errors_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config, loop = listening(tmp_path), asyncio.get_running_loop()
    upgrade = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    async with running(config, serve=True):
        for says in (
            b"SECRET-CODE\r\n\r\n",
            b"\x16\x03\x01" * 9000,
            b"GET / HTTP/1.1\r\nX: " + b"a" * 20000,
            upgrade,
        ) * 5:
            async with crowd(config, 1, says) as (one,):
                heard = await loop.sock_recv(one, 1 << 16)
                assert json.loads(heard.partition(b"\r\n\r\n")[2])["error"]["hint"]
        broken = b"POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n"
        async with crowd(config, 1, broken) as (one,):
            await loop.sock_recv(one, 1 << 16)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")]
    assert len(lines) == len(set(lines)) and not any("SECRET" in line for line in lines)
    assert "Traceback" not in caplog.text


# --- bodies


async def chunks(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield bytes(1 << 16)


async def declared(config: Config, method: str, path: str) -> tuple[int, dict[str, Any]]:
    """The answer to a request that says it has a gigabyte to come."""
    reader, writer = await asyncio.open_unix_connection(config.hub.socket)
    head = f"{method.upper()} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {1 << 30}\r\n\r\n"
    writer.write(head.encode())
    heard, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(heard.split()[1]), json.loads(body)["error"]


async def test_every_route_has_a_limit_for_its_body(tmp_path: Path) -> None:
    config = configure(tmp_path)
    async with running(config, serve=True), on_socket(config) as client:
        routes = (await client.get("/openapi.json")).json()["paths"]
        for path, methods in routes.items():
            for method in methods:
                large = method == "post" and path.startswith(("/data", "/images"))
                where = path.replace("{number}", "1").replace("{table}", "days")
                status, error = await declared(config, method, where)
                assert (status, error["code"]) in (
                    {(422, "bad-data"), (422, "image-too-large")} if large else {(413, "too-large")}
                )
                assert error["hint"]
        for path, count, code in (("/updates", 2, "too-large"), ("/data", 130, "bad-data"), ("/x", 2, "too-large")):
            assert (await client.post(path, content=chunks(count))).json()["error"]["code"] == code


async def asked(app: Bodies, body: list[dict[str, Any]]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not body:
            await asyncio.Event().wait()
        return body.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
    return sent


async def test_a_body_has_a_time_and_all_bodies_a_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        given.append((await receive())["body"])

    door = Bodies(app, lambda method, path: None)
    part = {"type": "http.request", "body": b"a", "more_body": True}
    whole = part | {"more_body": False}
    await asked(door, [part, part, whole])
    assert given == [b"aaa"]
    assert await asked(door, [part, {"type": "http.disconnect"}]) == []
    monkeypatch.setattr(bodies, "BODY_S", 0.01)
    assert (await asked(door, [part]))[0]["status"] == 408
    monkeypatch.setattr(bodies, "MOST_IN_ALL", 2)
    assert (await asked(door, [part, part, part]))[0]["status"] == 503
    # Nothing is held after the answer.
    await asked(door, [part, whole])
    assert given == [b"aaa", b"aa"]
