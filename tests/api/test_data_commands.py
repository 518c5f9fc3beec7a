"""Household data through the API and the command line, against a running daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hub_fakes import configure, running
from test_cli_on_daemon import Done, finish, start

from hanctl.base.errors import ExitCode
from hanctl.hub.daemon import Daemon

SAMPLE = Path(__file__).parents[2] / "configs" / "household.toml"


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with running(configure(tmp_path), serve=True) as daemon:
        yield daemon


async def hanctl(daemon: Daemon, *arguments: str) -> Done:
    return await finish(await start(daemon, *arguments))


async def test_load_set_and_show(daemon: Daemon, tmp_path: Path) -> None:
    done = await hanctl(daemon, "data", "load", str(SAMPLE))
    assert done.code == 0, done.err
    assert "endpoint 1: 13 attributes, 1 tariffs" in done.out
    assert "48 half_hours" in done.out

    consumption = tmp_path / "consumption.csv"
    consumption.write_text("time,Wh\n2026-03-29T00:30:00,5\n2026-03-29T02:00:00,6\n")
    done = await hanctl(daemon, "data", "load", str(consumption), "--endpoint", "gas", "--zone", "Europe/London")
    assert (done.code, done.out) == (0, "endpoint 2: 2 half_hours\n")

    done = await hanctl(daemon, "data", "set", "gas", "metering.current_summation_delivered", "4711999")
    assert (done.code, done.out) == (0, "gas metering.current_summation_delivered is set\n")

    done = await hanctl(daemon, "data", "set", "gas", "prepayment.credit_remaining", "-125")
    assert done.code == 0, done.err

    done = await hanctl(daemon, "data", "show", "--endpoint", "gas")
    assert "half_hours" in done.out
    assert "50" in done.out
    assert "4711999" not in done.out
    done = await hanctl(daemon, "data", "show", "--json", "--values")
    found = {(item["endpoint"], item["name"]): item for item in json.loads(done.out)}
    assert found[2, "current_summation_delivered"]["value"] == 4711999
    assert found[2, "credit_remaining"]["value"] == -125
    assert found[2, "current_summation_delivered"]["data_class"] == "device"
    assert found[1, "supplier_messages"]["value"][0]["message"] == "Welcome to your smart meter."
    assert found[2, "half_hours"]["count"] == 50
    assert found[2, "half_hours"]["value"][-1] == ["2026-03-29T01:00:00.000000Z", 6]


async def test_a_bad_file_is_one_line_with_its_place(daemon: Daemon, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[gas.metering]\nsite_id = 5\n")
    done = await hanctl(daemon, "data", "load", str(bad))
    assert done.code == ExitCode.USAGE
    assert done.err.splitlines()[0] == "error: file.toml, line 2: gas.metering.site_id is not a text"
    bad.write_bytes(b"[gas.metering]\nsite_id = '\xff'\n")
    done = await hanctl(daemon, "data", "load", str(bad))
    assert done.err.splitlines()[0] == "error: the file, line 2: is not UTF-8"
    for arguments, reason in (
        (("load", str(tmp_path / "none.toml")), "there is no such file"),
        (("load", str(SAMPLE), "--endpoint", "gas"), "--endpoint and --zone are for CSV files"),
        (("load", str(tmp_path / "bad.csv")), "there is no such file"),
        (("set", "gas", "metering", "5"), "what was given does not name an attribute"),
        (("set", "gas", "metering.x", "5"), "endpoint 2 has no such attribute"),
        (("set", "meter", "metering.multiplier", "5"), "the hub has no such endpoint"),
        (("show", "--endpoint", "meter"), "the hub has no such endpoint"),
    ):
        done = await hanctl(daemon, "data", *arguments)
        assert done.code != 0
        assert reason in done.err.splitlines()[0]
    assert daemon.data.show() == []


async def test_the_api_gives_no_values_unless_asked_for(daemon: Daemon) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(daemon.config.hub.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://hanctl") as client:
        answer = await client.post("/data?name=h.toml", content=SAMPLE.read_bytes())
        assert answer.status_code == 200
        assert [part["endpoint"] for part in answer.json()] == [1, 2]
        assert "G-0000-4711" not in (await client.get("/data")).text
        assert "G-0000-4711" in (await client.get("/data?values=true&endpoint=gas")).text
        answer = await client.put("/data/gas/metering/site_id", json={"value": "X" * 40})
        assert answer.status_code == 422
        assert answer.json()["error"]["message"] == ("the value of metering.site_id has 40 bytes, and 32 are the most")
        answer = await client.post("/data/gas/half_hours", content=b"2026-03-01T00:00:00Z,1\n")
        assert answer.json() == {"endpoint": 2, "attributes": 0, "records": {"half_hours": 1}}
        assert (await client.post("/data/gas/prices", content=b"")).status_code == 422
        assert (await client.post("/data", content=b"\xff")).status_code == 422
        assert (await client.post("/data", content=b"#" * (9 << 20))).status_code == 422
