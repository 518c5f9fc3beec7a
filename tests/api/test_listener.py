"""The listener: the same API over TCP, for who has a token, and not a word for anybody else."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest
import structlog
from commands import Command
from hub_fakes import configure, running

from hanctl.base.errors import ConfigError, ExitCode
from hanctl.config.sections import Config

TOKEN = "0123456789abcdef0123456789abcdef"
METRICS_TOKEN = "fedcba9876543210fedcba9876543210"


def free_port(family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> int:
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def secret(directory: Path, name: str, text: str, mode: int = 0o600) -> Path:
    file = directory / name
    file.write_text(text + "\n")
    file.chmod(mode)
    return file


def listening(directory: Path, address: str | None = None, more: str = "") -> Config:
    secret(directory, "token", TOKEN)
    where = address or f"127.0.0.1:{free_port()}"
    return configure(directory, f'[listener]\naddress = "{where}"\ntoken_file = "token"\n{more}')


def url(config: Config) -> str:
    assert config.listener is not None
    return f"http://{config.listener.address}"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    secret(tmp_path, "metrics-token", METRICS_TOKEN)
    return listening(tmp_path, more='metrics_token_file = "metrics-token"\n')


async def test_with_the_token_it_is_the_same_api_as_on_the_socket(config: Config) -> None:
    async with (
        running(config, serve=True),
        httpx.AsyncClient(base_url=url(config), headers=bearer(TOKEN)) as over_tcp,
        httpx.AsyncClient(
            base_url="http://hanctl", transport=httpx.AsyncHTTPTransport(uds=str(config.hub.socket))
        ) as on_socket,
    ):
        for path in ("/status", "/devices", "/events", "/openapi.json"):
            assert (await over_tcp.get(path)).json() == (await on_socket.get(path)).json()
        assert (await on_socket.get("/metrics")).status_code == 200
        given: dict[str, str | int] = {"type": "hub.started", "after": 0}
        async with over_tcp.stream("GET", "/events/stream", params=given) as stream:
            assert json.loads(await anext(stream.aiter_lines()))["type"] == "hub.started"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("f" * 32),
        bearer(TOKEN[:-1]),
        bearer(TOKEN + "0"),
        {"authorization": "Bearer"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"cookie": f"token={TOKEN}"},
    ],
    ids=["none", "another", "short", "long", "empty", "basic", "bare", "cookie"],
)
async def test_without_the_token_nothing_is_told(config: Config, headers: dict[str, str]) -> None:
    async with running(config, serve=True), httpx.AsyncClient(base_url=url(config), headers=headers) as client:
        paths = ("/", "/status", "/openapi.json", "/metrics", "/devices/x", "/events/stream")
        for method, path in product(("GET", "POST", "DELETE"), paths):
            refused = await client.request(method, path)
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert refused.json()["error"]["message"] == "this needs the hub's token"
            told = {"date", "content-length", "content-type", "www-authenticate", "connection"}
            assert set(refused.headers) == told


async def test_the_token_of_the_metrics_opens_them_alone(config: Config) -> None:
    async with (
        running(config, serve=True),
        httpx.AsyncClient(base_url=url(config), headers=bearer(METRICS_TOKEN)) as client,
    ):
        assert "hanctl_dongle_open 1.0" in (await client.get("/metrics")).text
        for method, path in (("GET", "/status"), ("POST", "/metrics"), ("GET", "/metrics/"), ("GET", "//metrics")):
            refused = await client.request(method, path)
            assert refused.status_code == 403
            assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


async def test_it_is_closed_with_the_hub_which_waits_for_no_open_stream(config: Config) -> None:
    async with httpx.AsyncClient(base_url=url(config), headers=bearer(TOKEN)) as client:
        async with running(config, serve=True) as daemon:
            ended = asyncio.create_task(client.get("/events/stream?after=0"))
            while daemon.ledger.last_event_id() < 3 or not daemon.ledger._subscribers[2:]:
                await asyncio.sleep(0)
        assert "hub.stopped" in (await ended).text
        with pytest.raises(httpx.ConnectError):
            await client.get("/status")


async def test_without_the_section_there_is_none(tmp_path: Path) -> None:
    config = configure(tmp_path)
    assert config.listener is None
    async with running(config, serve=True), httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:9455/status")


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
async def test_it_speaks_ipv6_too(tmp_path: Path) -> None:
    config = listening(tmp_path, f"[::1]:{free_port(socket.AF_INET6, '::1')}")
    async with running(config, serve=True), httpx.AsyncClient(headers=bearer(TOKEN)) as client:
        assert (await client.get(f"{url(config)}/status")).status_code == 200
        assert (await client.get(f"{url(config)}/status", headers={"authorization": ""})).status_code == 401


# --- what keeps a hub from starting


@pytest.mark.parametrize(
    "address",
    ["9455", "localhost:9455", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "300.0.0.1:1", "::1:9455", "[1]:1"],
)
def test_an_address_that_is_none_is_named(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"address in \[listener\] is not allowed") as caught:
        listening(tmp_path, address)
    assert "127.0.0.1:9455" in caught.value.hint


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


async def refuses(config: Config, match: str) -> None:
    before = set(config.hub.state_dir.parent.rglob("*"))
    with pytest.raises(ConfigError, match=match) as caught:
        async with running(config, serve=True):
            pass
    assert caught.value.hint
    assert TOKEN not in str(caught.value) + caught.value.hint
    assert set(config.hub.state_dir.parent.rglob("*")) == before


async def test_a_port_that_is_taken_is_named(tmp_path: Path, taken: int) -> None:
    await refuses(listening(tmp_path, f"127.0.0.1:{taken}"), f"127.0.0.1:{taken}: Address already in use")


async def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    await refuses(listening(tmp_path, "192.0.2.1:9455"), "192.0.2.1:9455: Cannot assign")


@pytest.mark.parametrize(
    ("text", "mode", "match"),
    [
        (TOKEN, 0o644, "others may read"),
        (TOKEN[:31], 0o600, "fewer than 32"),
        ("", 0o600, "not one token"),
        (f"{TOKEN} {TOKEN}", 0o600, "not one token"),
        (TOKEN + "\u00e9", 0o600, "not one token"),
    ],
)
async def test_a_token_that_is_none_is_not_taken(tmp_path: Path, text: str, mode: int, match: str) -> None:
    config = listening(tmp_path)
    secret(tmp_path, "token", text, mode)
    await refuses(config, match)


async def test_the_token_of_the_metrics_is_another(tmp_path: Path) -> None:
    await refuses(listening(tmp_path, more='metrics_token_file = "token"\n'), "may do everything")


async def test_who_listens_beyond_this_machine_is_warned(tmp_path: Path) -> None:
    for address, warned in ((None, False), (f"0.0.0.0:{free_port()}", True)):
        config = listening(tmp_path) if address is None else listening(tmp_path, address)
        with structlog.testing.capture_logs() as logs:
            async with running(config, serve=True):
                pass
        assert any("not encrypted" in line["event"] for line in logs) is warned


# --- the command line


async def hanctl(directory: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HANCTL_")}
    process = await Command.start(*arguments, cwd=directory, env=clean | environment)
    out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode() and TOKEN not in err.decode()
    return process.returncode, out.decode(), err.decode()


async def test_commands_reach_a_remote_hub(config: Config, tmp_path: Path) -> None:
    there = {"HANCTL_URL": url(config), "HANCTL_TOKEN_FILE": "token", "HTTP_PROXY": "http://127.0.0.1:9"}
    async with running(config, serve=True):
        code, out, _ = await hanctl(tmp_path, "status", "--json", **there)
        assert (code, json.loads(out)["dongle"]["state"]) == (0, "open")
        secret(tmp_path, "other", "f" * 40)
        code, _, err = await hanctl(tmp_path, "status", **there | {"HANCTL_TOKEN_FILE": "other"})
        assert (code, err.splitlines()[0]) == (ExitCode.DAEMON_UNREACHABLE, "error: this needs the hub's token")
        assert "HANCTL_TOKEN_FILE" in err.splitlines()[1]
    code, _, err = await hanctl(tmp_path, "status", **there)
    assert (code, url(config) in err) == (ExitCode.DAEMON_UNREACHABLE, True)


async def test_what_is_missing_for_a_remote_hub_is_named(tmp_path: Path) -> None:
    secret(tmp_path, "open", TOKEN, 0o644)
    secret(tmp_path, "token", TOKEN)
    for environment, code, words in (
        ({}, ExitCode.USAGE, "no token for the hub of HANCTL_URL"),
        ({"HANCTL_TOKEN_FILE": "open"}, ExitCode.CONFIG, "others may read"),
        ({"HANCTL_TOKEN_FILE": "none"}, ExitCode.CONFIG, "cannot be read"),
        ({"HANCTL_TOKEN_FILE": "token", "HANCTL_URL": "hub:1"}, ExitCode.USAGE, "is not the address of a hub"),
    ):
        found, _, err = await hanctl(tmp_path, "status", **{"HANCTL_URL": "http://hub:1"} | environment)
        assert (found, words in err, "hint: " in err) == (code, True, True)
