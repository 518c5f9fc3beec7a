"""The HTTP API over the real daemon: what it gives, and how it says no."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hub_fakes import PPMID, FakeRadio, configure, running

from hanctl.api.app import make_app
from hanctl.base.eui64 import Eui64
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.model.events import DeviceLeft
from hanctl.model.records import Device

IMAGE = build(b"new firmware" * 100, Fields(manufacturer_code=0x1234, image_type=1, file_version=2))
SHA256 = hashlib.sha256(IMAGE).hexdigest()
OTHER = Eui64("00:0d:6f:00:0a:90:69:e8")
CODE = "83FED3407A939723A5C639B26916D505C3B5"


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[Daemon]:
    async with running(configure(tmp_path)) as daemon:
        yield daemon


@pytest.fixture
async def api(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(daemon), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


def put_device(daemon: Daemon, **facts: Any) -> None:
    device = Device(PPMID, datetime(2026, 1, 1, tzinfo=UTC), device_type="ppmid", state="interviewed", nwk=0x1234)
    daemon.ledger.devices.put(replace(device, **facts))


def refusal(response: httpx.Response, status: int, code: str, exit_code: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert (error["code"], error["exit_code"]) == (code, exit_code)
    assert error["message"] and error["hint"] and "\n" not in error["message"]
    return error


async def test_status_tells_of_dongle_network_and_work(daemon: Daemon, api: httpx.AsyncClient) -> None:
    put_device(daemon)
    status = (await api.get("/status")).json()
    assert status["dongle"] == {
        "state": "open",
        "path": "/dev/none",
        "radio": "ezsp",
        "eui64": "00:12:4b:00:00:00:00:01",
        "firmware": "7.4.1",
    }
    assert status["network"]["channel"] == 15
    assert (status["devices"], status["open_updates"]) == (1, 0)


async def test_devices_are_listed_shown_and_removed(daemon: Daemon, api: httpx.AsyncClient) -> None:
    put_device(daemon)
    (device,) = (await api.get("/devices")).json()
    assert (device["eui64"], device["device_type"], device["added_at"]) == (PPMID, "ppmid", "2026-01-01T00:00:00Z")
    # Any way of writing the address will do.
    assert (await api.get("/devices/000D6F000A9069E7")).json() == device
    assert (await api.delete(f"/devices/{PPMID}")).status_code == 204
    assert (await api.get("/devices")).json() == []
    assert (await api.get("/devices", params={"all": True})).json()[0]["state"] == "removed"
    refusal(await api.delete(f"/devices/{PPMID}"), 404, "not-found", 6)


async def test_what_is_not_there_or_not_valid_is_said_so(api: httpx.AsyncClient) -> None:
    refusal(await api.get("/devices/00:11:22:33:44:55:66:77"), 404, "not-found", 6)
    refusal(await api.get("/devices/xyz"), 422, "invalid-input", 2)
    refusal(await api.get("/images/0123456789"), 404, "not-found", 6)
    refusal(await api.get("/updates/1"), 404, "not-found", 6)
    refusal(await api.get("/updates/one"), 422, "invalid-input", 2)
    refusal(await api.get(f"/updates/{2**63}"), 422, "invalid-input", 2)
    refusal(await api.get("/events", params={"after": 2**63}), 422, "invalid-input", 2)
    refusal(await api.get("/events", params={"update": 2**63}), 422, "invalid-input", 2)
    refusal(await api.get("/devices/ff:ff:ff:ff:ff:ff:ff:ff"), 422, "invalid-input", 2)
    refusal(await api.get("/events", params={"type": "nothing.ever"}), 422, "invalid-input", 2)
    refusal(await api.get("/nowhere"), 404, "not-found", 6)
    refusal(await api.put("/status"), 405, "method-not-allowed", 2)


@pytest.mark.parametrize(
    "body",
    [
        {"eui64": "nonsense", "install_code": CODE},
        {"eui64": PPMID, "install_code": CODE, "seconds": 0},
        {"eui64": PPMID, "install_code": CODE, "device_type": "toaster"},
        {"eui64": PPMID, "install_code": CODE, "surprise": 1},
        {"install_code": CODE},
        {"eui64": PPMID, "install_code": [CODE]},
        {"eui64": PPMID, "install_code": CODE[:-4] + "0000"},
    ],
)
async def test_a_refused_join_never_repeats_the_install_code(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    response = await api.post("/join", json=body)
    assert response.status_code == 422
    assert CODE not in response.text and CODE[:-4] not in response.text


async def test_join_opens_the_network_for_the_device(tmp_path: Path) -> None:
    radio = FakeRadio()
    async with running(configure(tmp_path, "[join]\nwindow_s = 100\n"), radio) as daemon:
        transport = httpx.ASGITransport(make_app(daemon))
        async with httpx.AsyncClient(transport=transport, base_url="http://hub") as api:
            response = await api.post("/join", json={"eui64": PPMID, "install_code": CODE})
        assert response.status_code == 202
        assert response.json() == {"eui64": PPMID, "seconds": 100, "key_within": None}
        assert [(eui64, seconds) for eui64, _, seconds in radio.joins] == [(PPMID, 100)]


async def test_without_a_dongle_a_join_is_refused_as_such(daemon: Daemon, api: httpx.AsyncClient) -> None:
    daemon.han.detach()
    response = await api.post("/join", json={"eui64": PPMID, "install_code": CODE})
    refusal(response, 503, "dongle-gone", 4)


async def test_an_image_is_added_once_shown_and_removed(api: httpx.AsyncClient) -> None:
    response = await api.post("/images", content=IMAGE, params={"name": "display.ota"})
    assert response.status_code == 201
    image = response.json()
    assert (image["file_sha256"], image["form"], image["size"]) == (SHA256, "zigbee", len(IMAGE))
    assert image["form_reason"]
    await api.post("/images", content=IMAGE)
    assert [item["file_sha256"] for item in (await api.get("/images")).json()] == [SHA256]
    assert (await api.get(f"/images/{SHA256[:8]}")).json() == image
    assert (await api.delete(f"/images/{SHA256[:8]}")).json()["file_sha256"] == SHA256
    assert (await api.get("/images")).json() == []
    kinds = [event["type"] for event in (await api.get("/events")).json()]
    assert kinds.count("image.added") == 1 and kinds.count("image.removed") == 1


async def test_a_defective_image_is_refused_with_its_own_name(api: httpx.AsyncClient) -> None:
    response = await api.post("/images", content=IMAGE[:-1])
    assert response.status_code == 422
    assert response.json()["error"]["exit_code"] == 8
    assert (await api.get("/images")).json() == []


async def test_an_update_is_ordered_watched_and_cancelled(daemon: Daemon, api: httpx.AsyncClient) -> None:
    put_device(daemon, manufacturer_code=0x1234)
    await api.post("/images", content=IMAGE)
    order = {"device": PPMID, "image": SHA256[:10], "activation": "hold"}
    response = await api.post("/updates", json=order)
    assert response.status_code == 201, response.text
    update = response.json()
    assert (update["state"], update["size"], update["offset"], update["rate"]) == ("ordered", len(IMAGE), 0, None)
    refusal(await api.post("/updates", json=order), 409, "refused", 7)
    refusal(await api.delete(f"/images/{SHA256}"), 409, "refused", 7)
    refusal(await api.delete(f"/devices/{PPMID}"), 409, "refused", 7)
    refusal(await api.post(f"/updates/{update['id']}/activate"), 409, "refused", 7)
    assert [item["id"] for item in (await api.get("/updates", params={"device": PPMID})).json()] == [update["id"]]
    cancelled = (await api.post(f"/updates/{update['id']}/cancel")).json()
    assert cancelled["state"] == "cancelled"
    assert (await api.get("/updates", params={"open_only": True})).json() == []
    events = (await api.get("/events", params={"update": update["id"]})).json()
    assert events[0]["type"] == "update.ordered" and events[-1]["type"] == "update.cancelled"


async def test_several_devices_are_judged_and_ordered_each_for_itself(daemon: Daemon, api: httpx.AsyncClient) -> None:
    put_device(daemon, manufacturer_code=0x1234, current_version=1)
    other = replace(daemon.ledger.devices.all()[0], eui64=OTHER, nwk=2, current_version=2)
    daemon.ledger.devices.put(other)
    await api.post("/images", content=IMAGE)
    order = {"match": {"device_type": "ppmid"}, "image": SHA256, "activation": "hold", "window": "01:00-05:00"}
    trial = (await api.post("/orders", json=order | {"dry_run": True})).json()
    assert [(one["device"], one["accepted"], one["update"]) for one in trial] == [
        (PPMID, True, None),
        (OTHER, False, None),
    ]
    assert trial[0]["versions"] == [2] and "between 01:00-05:00" in trial[0]["reason"]
    assert "which is this image" in trial[1]["reason"] and "--allow-reinstall" in trial[1]["hint"]
    assert (await api.get("/updates")).json() == []
    done = (await api.post("/orders", json=order)).json()
    assert [(one["accepted"], one["reason"]) for one in done] == [(one["accepted"], one["reason"]) for one in trial]
    number = done[0]["update"]["id"]
    assert (await api.get(f"/updates/{number}")).json()["waits_for"]
    named = order | {"devices": [PPMID, OTHER], "supersede": True}
    refusal(await api.post("/orders", json=named), 422, "invalid-input", 2)
    del named["match"]
    again = (await api.post("/orders", json=named)).json()
    assert (again[0]["supersedes"], again[0]["update"]["id"]) == (number, number + 1)
    assert (await api.get(f"/updates/{number}")).json()["state"] == "superseded"
    for wrong in ({"activation": "at"}, {"activate_at": "2026-01-01T00:00:00"}, {"window": "noon"}, {"requires": [-1]}):
        refusal(await api.post("/updates", json={"device": PPMID, "image": SHA256} | wrong), 422, "invalid-input", 2)


async def test_the_report_of_an_update(daemon: Daemon, api: httpx.AsyncClient) -> None:
    put_device(daemon, manufacturer_code=0x1234)
    await api.post("/images", content=IMAGE, params={"requires": [1, 5]})
    update = (await api.post("/updates", json={"device": PPMID, "image": SHA256})).json()
    await api.post(f"/updates/{update['id']}/cancel")
    report = (await api.get(f"/updates/{update['id']}/report")).json()
    assert report["update"]["state"] == "cancelled" and report["device"]["eui64"] == PPMID
    assert report["image"]["requires"] == [1, 5] and report["chain"] == [update["id"]]
    assert [event["type"] for event in report["events"]][:2] == ["update.ordered", "delivery.notice"]
    assert report["events"][-1]["cause"] == "by command"
    assert [notice["event"]["type"] for notice in report["notices"]] == ["delivery.notice"]
    assert report["notices"][0]["delivered_at"] is None
    refusal(await api.get("/updates/99/report"), 404, "not-found", 6)


async def test_an_unexpected_failure_tells_the_client_nothing_of_its_inside(
    daemon: Daemon, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(daemon.store, "list", broken)
    response = await api.get("/images")
    error = refusal(response, 500, "internal", 1)
    assert "secret" not in response.text and "Traceback" not in response.text
    assert "log" in error["hint"]


async def test_events_are_paged(daemon: Daemon, api: httpx.AsyncClient) -> None:
    for _ in range(5):
        daemon.ledger.record(DeviceLeft(device=PPMID))
    first = (await api.get("/events", params={"device": PPMID, "limit": 3})).json()
    rest = (await api.get("/events", params={"device": PPMID, "after": first[-1]["id"]})).json()
    assert (len(first), len(rest)) == (3, 2)
    assert [event["id"] for event in first + rest] == sorted(event["id"] for event in first + rest)


async def test_the_documentation_is_there_without_pages_from_elsewhere(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()
    assert {"/status", "/join", "/images", "/updates/{number}/activate", "/events/stream"} <= set(document["paths"])
    assert (await api.get("/docs")).status_code == 404


async def test_the_stream_replays_follows_and_ends_with_the_daemon(tmp_path: Path) -> None:
    config = configure(tmp_path)
    async with running(config, serve=True) as daemon:
        transport = httpx.AsyncHTTPTransport(uds=str(config.hub.socket))
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://hub", timeout=5) as api,
            api.stream("GET", "/events/stream", params={"after": 0}) as response,
        ):
            lines = response.aiter_lines()
            assert [json.loads(await anext(lines))["type"] for _ in range(3)] == [
                "hub.started",
                "dongle.opened",
                "network.resumed",
            ]
            daemon.ledger.record(DeviceLeft(device=PPMID))
            assert json.loads(await anext(lines))["type"] == "device.left"
            stopping = asyncio.create_task(daemon.stop("enough"))
            rest = [json.loads(line) async for line in lines]
            assert [(event["type"], event.get("reason")) for event in rest] == [("hub.stopped", "enough")]
            await stopping
