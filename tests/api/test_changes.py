"""Changes of tenancy and supplier by the command line and the API of a running daemon."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import structlog
from hub_fakes import PPMID, FakeRadio, configure, running

from hanctl.base.errors import ExitCode
from hanctl.cli.main import main
from hanctl.hub.daemon import Daemon
from hanctl.model.records import Device, EndpointRecord

GCS09 = "010901010708001409000000000000804A371C00206EC61F00020000"
ECS12 = "D9200003E8000102000100005E2C03020201090C07DE031BFF0F2D20008000FF"
DISPLAY = EndpointRecord(1, 0x0109, 0x0502, (0x0000,), (0x0703, 0x0708))


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def silent() -> None:
    """The hub is in this process, and its log would be mixed into what the commands print."""

    def drop(*_: Any) -> Any:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    (tmp_path / "captures").mkdir()
    config = configure(tmp_path, '[tenancy]\nplaces = "captures"\noverdue_h = 1\n')
    async with running(config, FakeRadio(), serve=True) as daemon:
        daemon.ledger.devices.put(
            Device(
                PPMID,
                datetime(2026, 1, 1, tzinfo=UTC),
                device_type="ppmid",
                state="interviewed",
                nwk=1,
                endpoints=(DISPLAY,),
            )
        )
        daemon.data.set("gas", "metering", "daily_consumption_target", "4711")
        daemon.data.set("gas", "metering", "current_summation_delivered", "12345678")
        yield daemon


async def hanctl(daemon: Daemon, *arguments: str) -> Done:
    out, err = io.StringIO(), io.StringIO()

    def run() -> int:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main([*arguments, "--socket", str(daemon.config.hub.socket)])
            except SystemExit as end:
                return int(end.code or 0)

    return Done(await asyncio.to_thread(run), out.getvalue(), err.getvalue())


async def test_a_change_from_its_preview_to_its_report(daemon: Daemon, tmp_path: Path) -> None:
    preview = await hanctl(daemon, "tenancy", "change", "--dry-run", "--control", "0x200")
    assert preview.code == 0
    assert "nothing was done" in preview.out and "supply OFF" in preview.out
    assert "gas: attributes of Metering: 1" in preview.out
    assert "gas: attributes of Metering: 1 (a register of the meter that runs on" in preview.out
    assert daemon.ledger.changes.all() == []

    done = await hanctl(daemon, "tenancy", "change", "--control", "0x200")
    assert (done.code, "is done" in done.out, "note: bits 11-12 were 00" in done.out) == (0, True, True)
    (tmp_path / "captures" / "last week.pcapng").write_bytes(b"x")
    (tmp_path / "captures" / "console.log.1").write_text("x")
    (tmp_path / "captures" / "notes.md").write_text("x")
    report = json.loads((await hanctl(daemon, "tenancy", "report", "1", "--json")).out)
    assert report["control_names"] == ["clear-ihd-data-consumer", "supply-unchanged"]
    assert report["change"]["cleared"] == [["gas: attributes of Metering", 1]]
    assert [device["eui64"] for device in report["devices"]] == [PPMID]
    kinds = {Path(each["path"]).name: each["kind"] for each in report["leftovers"]}
    assert kinds["last week.pcapng"] == "packet capture" and kinds["console.log.1"] == "console log"
    assert "notes.md" not in kinds
    text = (await hanctl(daemon, "tenancy", "report", "1")).out
    assert "last week.pcapng" in text and "silent" in text
    assert "silent" in (await hanctl(daemon, "tenancy", "show", "1")).out
    page = tmp_path / "report.html"
    assert (await hanctl(daemon, "tenancy", "report", "1", "--html", str(page))).code == 0
    assert "<h1>Change of tenancy 1</h1>" in page.read_text() and "<script" not in page.read_text()
    # The value that was cleared is in none of them.
    assert "4711" not in json.dumps(report) + text + page.read_text() + preview.out

    confirmed = await hanctl(daemon, "tenancy", "confirm", PPMID, "--by", "A. <Smith>")
    assert (confirmed.code, "is confirmed (change 1)" in confirmed.out) == (0, True)
    await hanctl(daemon, "tenancy", "report", "1", "--html", str(page))
    assert "by A. &lt;Smith&gt;" in page.read_text()
    assert (
        await hanctl(daemon, "tenancy", "confirm", "00:00:00:00:00:00:00:09", "--by", "x")
    ).code == ExitCode.NOT_FOUND


async def test_payloads_dates_and_mistakes(daemon: Daemon) -> None:
    gas = json.loads((await hanctl(daemon, "tenancy", "change", "--gbcs-payload", GCS09, "--json")).out)
    assert (gas["change"]["control"], gas["change"]["contactor_corrected"]) == (0x1A00, True)
    assert [part["fuel"] for part in gas["parts"]] == ["gas"]
    power = json.loads((await hanctl(daemon, "tenancy", "change", "--gbcs-payload", ECS12, "--json")).out)
    assert (power["change"]["control"], power["change"]["state"]) == (0x1800, "done")
    assert power["change"]["cut_off"] == "2014-03-27T15:45:32Z" and power["change"]["cleared"] == []
    alone = await hanctl(daemon, "tenancy", "change", "--gbcs-payload", GCS09, "--fuel", "gas")
    assert alone.code == ExitCode.USAGE
    later = f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}"
    dated = json.loads((await hanctl(daemon, "tenancy", "change", "--at", later, "--json")).out)
    assert dated["change"]["state"] == "scheduled"
    number = str(dated["change"]["id"])
    assert (await hanctl(daemon, "tenancy", "change", "--at", later)).code == ExitCode.REFUSED
    assert (await hanctl(daemon, "tenancy", "redate", number, "--at", "2100-06-01T12:00")).code == 0
    shown = json.loads((await hanctl(daemon, "tenancy", "show", number, "--json")).out)
    assert shown["change"]["at"] == "2100-06-01T11:00:00Z"
    assert "is cancelled" in (await hanctl(daemon, "tenancy", "cancel", number)).out
    assert (await hanctl(daemon, "tenancy", "cancel", number)).code == ExitCode.REFUSED
    assert (await hanctl(daemon, "tenancy", "cancel", "99")).code == ExitCode.NOT_FOUND
    for wrong in (
        ("--at", "2020-01-01T00:00Z"),
        ("--since", "1999-12-31T00:00Z"),
        ("--since", "soon"),
        ("--since", "2026-03-01", "--gbcs-payload", GCS09),
        ("--at", "2100-03-28T01:30"),
        ("--control", "0x8000"),
        ("--gbcs-payload", "00"),
        ("--provider", "gas=1", "--provider", "2"),
    ):
        assert (await hanctl(daemon, "tenancy", "change", *wrong)).code == ExitCode.USAGE, wrong
    assert len(json.loads((await hanctl(daemon, "tenancy", "list", "--json")).out)) == 3


async def test_a_change_by_hand_with_a_cut_off_hides_what_is_dated_before_it_and_clears_nothing(
    daemon: Daemon, tmp_path: Path
) -> None:
    half_hours = tmp_path / "half_hours.csv"
    half_hours.write_text(
        "time,value\n2026-02-28T23:00:00Z,4712\n2026-02-28T23:30:00Z,4713\n2026-03-01T00:00:00Z,4714\n"
    )
    assert (await hanctl(daemon, "data", "load", str(half_hours), "--endpoint", "gas")).code == 0
    since = ("tenancy", "change", "--fuel", "gas", "--since", "2026-03-01")
    preview = (await hanctl(daemon, *since, "--dry-run")).out
    for line in (
        "cut-off: 2026-03-01",
        "would be hidden by the cut-off:\n  gas: half_hours: 2",
        "would be cleared, added by control bits:\n  nothing",
    ):
        assert line in preview
    assert "gas: half_hours: 1 (dated after the cut-off)" in preview
    assert json.loads((await hanctl(daemon, "data", "show", "--endpoint", "gas", "--json")).out)[-1]["hidden"] == 0
    before = datetime.now(UTC)
    done = (await hanctl(daemon, *since)).out
    assert "is done" in done and "cut-off: 2026-03-01" in done
    report = json.loads((await hanctl(daemon, "tenancy", "report", "1", "--json")).out)["change"]
    assert (report["cut_off"], report["control"]) == ("2026-03-01T00:00:00Z", 0x1800)
    assert datetime.fromisoformat(report["done_at"]) >= before
    assert (report["hidden"], report["cleared"], report["blocked"]) == ([["gas: half_hours", 2]], [], [])
    text = (await hanctl(daemon, "tenancy", "report", "1")).out
    assert "hidden by the cut-off:\n  gas: half_hours: 2" in text and "executed" in text
    assert "4712" not in text + json.dumps(report)
    shown = json.loads((await hanctl(daemon, "data", "show", "--values", "--endpoint", "gas", "--json")).out)
    assert {each["name"]: each["value"] for each in shown if each["name"] == "half_hours"} == {
        "half_hours": [["2026-03-01T00:00:00.000000Z", 4714]]
    }
    html = tmp_path / "report.html"
    await hanctl(daemon, "tenancy", "report", "1", "--html", str(html))
    assert "<td>Cut-off</td><td>2026-03-01 00:00:00 UTC</td>" in html.read_text()
    assert "2026-03-01" in (await hanctl(daemon, "tenancy", "list")).out


async def test_the_preview_of_a_message_is_of_its_cut_off(daemon: Daemon) -> None:
    preview = json.loads(
        (await hanctl(daemon, "tenancy", "change", "--gbcs-payload", ECS12, "--dry-run", "--json")).out
    )
    assert (preview["cut_off"], preview["control"]) == ("2014-03-27T15:45:32Z", 0x1800)
    assert (preview["would_clear"], preview["would_block"]) == ([], [])


async def test_two_suppliers_and_one_with_two_ids(daemon: Daemon) -> None:
    one = await hanctl(
        daemon,
        "supplier",
        "change",
        "--provider",
        "electricity=17",
        "--provider",
        "gas=0x12",
        "--name",
        "Acme",
        "--json",
    )
    parts = json.loads(one.out)["parts"]
    assert [(part["fuel"], part["provider_id"], part["provider_name"]) for part in parts] == [
        ("electricity", 17, "Acme"),
        ("gas", 18, "Acme"),
    ]
    two = await hanctl(
        daemon,
        "supplier",
        "change",
        "--provider",
        "19",
        "--name",
        "gas=Gas & Co",
        "--name",
        "electricity=Volt",
        "--json",
    )
    parts = json.loads(two.out)["parts"]
    assert [(part["former_provider_id"], part["provider_id"], part["provider_name"]) for part in parts] == [
        (17, 19, "Volt"),
        (18, 19, "Gas & Co"),
    ]
    assert (await hanctl(daemon, "supplier", "change", "--provider", "19")).code == ExitCode.USAGE
    listed = (await hanctl(daemon, "tenancy", "list", "--kind", "supplier")).out
    assert listed.count("supplier") == 2


async def test_the_api_takes_no_more_than_there_is(daemon: Daemon) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(daemon.config.hub.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://hanctl") as http:

        async def post(path: str, body: dict[str, Any]) -> int:
            return (await http.post(path, json=body)).status_code

        assert await post("/changes", {"kind": "tenancy", "everything": True}) == 422
        assert await post("/changes", {"kind": "nothing"}) == 422
        assert await post("/changes", {"kind": "tenancy", "fuels": []}) == 422
        assert await post("/changes", {"kind": "supplier", "gbcs_payload": GCS09}) == 422
        assert await post("/changes", {"kind": "tenancy", "gbcs_payload": GCS09, "at": "2100-01-01"}) == 422
        assert await post("/changes", {"kind": "supplier", "providers": {"gas": {"id": 1 << 32}}}) == 422
        assert daemon.ledger.changes.all() == []
        assert await post("/changes", {"kind": "tenancy", "fuels": ["gas"]}) == 201
        assert (await http.get("/changes/1/report.html")).headers["content-type"].startswith("text/html")
        assert (await http.get("/changes/2/report")).status_code == 404
