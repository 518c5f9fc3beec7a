"""The policy for signatures as a user of a running hub meets it: configuration, API, command line and events."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import Command
from hub_fakes import PPMID, configure, running

from hanctl.api.app import make_app
from hanctl.base.errors import ConfigError, ExitCode
from hanctl.base.eui64 import parse_eui64
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build, build_signed
from hanctl.model.records import Device
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.certificate import DIGITAL_SIGNATURE

SIGNER = parse_eui64("00:0d:6f:00:0a:00:00:99")
AUTHORITY = BenchAuthority.create()
FIELDS = Fields(manufacturer_code=0x1234, image_type=1, file_version=2)
PLAIN = build(b"new firmware" * 100, FIELDS)
SIGNED = build_signed(b"new firmware" * 100, FIELDS, AUTHORITY.issue(SIGNER, valid_from=0, usage=DIGITAL_SIGNATURE))
ALTERED = SIGNED[:100] + b"N" + SIGNED[101:]


def section(directory: Path, policy: str) -> str:
    """``[firmware]`` with the bench's authority as its root."""
    shown = {name.replace(" ", "_"): value for name, value in AUTHORITY.show().items()}
    (directory / "root.json").write_text(json.dumps(shown))
    return f'[firmware]\nsignatures = "{policy}"\nsignature_roots = "root.json"\n'


@asynccontextmanager
async def client(daemon: Daemon) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(daemon), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as opened:
        yield opened


async def add(api: httpx.AsyncClient, data: bytes) -> httpx.Response:
    return await api.post("/images", content=data, params={"name": "x.ota"})


async def events(api: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/events", params={"type": kind})).json()
    return found


async def test_require_takes_verified_images_alone(tmp_path: Path) -> None:
    async with running(configure(tmp_path, section(tmp_path, "require"))) as daemon, client(daemon) as api:
        for data, what in ((PLAIN, "unsigned"), (ALTERED, "invalid")):
            response = await add(api, data)
            error = response.json()["error"]
            assert (response.status_code, error["code"], error["exit_code"]) == (409, "signature-required", 7)
            assert what in error["message"] and error["hint"]
        assert (await api.get("/images")).json() == []
        assert await events(api, "image.added") == []
        response = await add(api, SIGNED)
        assert response.status_code == 201
        assert response.json()["signature"] == {
            "status": "verified",
            "scheme": "suite 2",
            "signer": SIGNER,
            "issuer": AUTHORITY.issuer,
            "reason": "",
        }
        (image,) = (await api.get("/images")).json()
        assert image == response.json() == (await api.get(f"/images/{image['file_sha256']}")).json()
        (added,) = await events(api, "image.added")
        assert (added["signature"], added["signer"]) == ("verified", SIGNER)
        assert daemon.store.read(image["file_sha256"]) == SIGNED


async def test_warn_takes_them_all_and_says_so(tmp_path: Path) -> None:
    async with running(configure(tmp_path, section(tmp_path, "warn"))) as daemon, client(daemon) as api:
        for data in (SIGNED, PLAIN, ALTERED):
            assert (await add(api, data)).status_code == 201
        assert [each["signature"] for each in await events(api, "image.added")] == ["verified", "unsigned", "invalid"]
        warnings = await events(api, "image.unverified")
        assert [(each["level"], each["signature"]) for each in warnings] == [
            ("warning", "unsigned"),
            ("warning", "invalid"),
        ]
        assert "do not belong together" in warnings[1]["reason"]


async def test_without_configuration_nothing_is_expected_of_an_image(tmp_path: Path) -> None:
    async with running(configure(tmp_path)) as daemon, client(daemon) as api:
        statuses = [(await add(api, data)).json()["signature"]["status"] for data in (SIGNED, PLAIN)]
        assert statuses == ["unchecked", "unsigned"]
        assert await events(api, "image.unverified") == []


async def test_a_policy_holds_from_the_next_start_for_what_is_stored_already(tmp_path: Path) -> None:
    async with running(configure(tmp_path, section(tmp_path, "off"))) as daemon, client(daemon) as api:
        images = [(await add(api, data)).json() for data in (SIGNED, ALTERED)]
        assert [image["signature"]["status"] for image in images] == ["unchecked", "unchecked"]
        daemon.ledger.devices.put(
            Device(PPMID, datetime(2026, 1, 1, tzinfo=UTC), device_type="ppmid", state="interviewed", nwk=1)
        )
    async with running(configure(tmp_path, section(tmp_path, "require"))) as daemon, client(daemon) as api:
        listed = {image["file_sha256"]: image["signature"]["status"] for image in (await api.get("/images")).json()}
        assert [listed[image["file_sha256"]] for image in images] == ["verified", "invalid"]
        order = {"device": PPMID, "image": images[1]["file_sha256"]}
        response = await api.post("/updates", json=order)
        assert (response.status_code, response.json()["error"]["code"]) == (409, "signature-required")
        assert (await api.post("/updates", json=order | {"image": images[0]["file_sha256"]})).status_code == 201


@pytest.mark.parametrize(
    "text",
    [
        '[firmware]\nsignatures = "require"\n',
        '[firmware]\nsignature_roots = "none.json"\n',
        '[firmware]\nsupplier_certificates = "none.pem"\n',
    ],
)
async def test_a_hub_that_could_not_verify_as_configured_does_not_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        async with running(configure(tmp_path, text)):
            pass
    assert not (tmp_path / "state").exists()


async def test_the_command_line_shows_what_the_hub_found(tmp_path: Path) -> None:
    async with running(configure(tmp_path, section(tmp_path, "require")), serve=True) as daemon:

        async def hanctl(*arguments: str) -> tuple[int | None, str]:
            socket = str(daemon.config.hub.socket)
            process = await Command.start(*arguments, env=os.environ | {"HANCTL_SOCKET": socket})
            out, err = await process.communicate()
            return process.returncode, (out + err).decode()

        for name, data in (("plain.ota", PLAIN), ("signed.ota", SIGNED)):
            (tmp_path / name).write_bytes(data)
        code, said = await hanctl("firmware", "add", str(tmp_path / "plain.ota"))
        assert code == ExitCode.REFUSED and "error: the image is not verified: unsigned" in said
        code, said = await hanctl("firmware", "add", str(tmp_path / "signed.ota"))
        assert code == 0 and f"verified, signed by {SIGNER} (suite 2), certified by {AUTHORITY.issuer}" in said
        code, said = await hanctl("firmware", "list")
        assert code == 0 and "verified" in said
