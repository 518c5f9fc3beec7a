"""A changed configuration in a running hub: what applies at once, what waits, what is refused, and what is told."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from activation_notices import activation_notice
from commands import Command
from hub_fakes import PPMID, FakeRadio, write_config

from hanctl.api.app import make_app
from hanctl.base.clock import SystemClock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import parse_eui64
from hanctl.base.service_manager import ServiceManager
from hanctl.config.reading import load_config
from hanctl.config.sections import Config, Section
from hanctl.hub.daemon import Daemon
from hanctl.hub.reload import FILES
from hanctl.images.build import Fields, build, build_signed
from hanctl.model.records import Device
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.certificate import DIGITAL_SIGNATURE
from hanctl.updates.life.orders import Order

SIGNER = parse_eui64("00:0d:6f:00:0a:00:00:99")
CODE = "83FED3407A939723A5C639B26916D505C3B5"
FIELDS = Fields(manufacturer_code=0x1234, image_type=1, file_version=2)
PLAIN = build(b"new firmware" * 100, FIELDS)
LOW = "waits for mains power: the device is on battery, 40 %, and 50 % is wanted"
NOTICE = activation_notice(PPMID)


class Hub:
    """A running daemon and the file of its configuration."""

    def __init__(self, directory: Path, manager: ServiceManager | None = None, *, serve: bool = False) -> None:
        self.directory = directory
        self.file = write_config(directory)
        self.radio = FakeRadio()
        self.daemon = Daemon(
            load_config(self.file),
            SystemClock(),
            lambda _: self.radio,
            serve=serve,
            manager=manager,
            reread=lambda: load_config(self.file),
        )

    def write(self, more: str) -> None:
        write_config(self.directory, more)

    def reload(self, more: str) -> tuple[list[str], list[str]]:
        """With this for the rest of the file: what was applied, and what waits."""
        self.write(more)
        outcome = self.daemon.reloads.reload()
        told = self.told("config.reloaded")[-1]
        assert (told["applied"], told["restart"]) == (outcome.applied, outcome.restart)
        return outcome.applied, outcome.restart

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [recorded.as_dict() for recorded in self.daemon.ledger.events(type=kind)]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def started(hub: Hub) -> AsyncIterator[Hub]:
    await hub.daemon.start()
    try:
        yield hub
        assert not [task for task in hub.daemon._tasks if task.done()]
    finally:
        await hub.daemon.stop("the test is over")


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with started(Hub(tmp_path)) as hub:
        yield hub


def sections() -> dict[str, tuple[type[Section], bool]]:
    """Each section's model, and whether it may be left out."""
    found = {}
    for name, field in Config.model_fields.items():
        models = [each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type)]
        model = next(each for each in models if issubclass(each, Section))
        found[name] = (model, type(None) in models)
    return found


def test_every_section_says_what_a_reload_applies() -> None:
    for name, (model, optional) in sections().items():
        live = vars(model).get("live")
        assert isinstance(live, bool | frozenset), f"[{name}]: say which keys are live, and apply them in hub/reload.py"
        assert isinstance(live, bool) or live < set(model.model_fields), name
        assert isinstance(live, bool) or not optional, f"[{name}] may be left out: all of it is live, or nothing"


def test_every_key_that_names_a_file_is_read_again_with_what_is_in_it() -> None:
    places = {"hub.state_dir", "hub.firmware_store", "hub.socket", "tenancy.places"}
    # The hub does not read them.
    places |= {f"hil.{key}" for key in ("install_code_file", "base_image", "image", "next_image")}
    paths = {
        f"{name}.{key}"
        for name, (model, _) in sections().items()
        for key, field in model.model_fields.items()
        if Path in parts(field.annotation)
    }
    assert paths == FILES | places


def parts(annotation: Any) -> set[Any]:
    """A type and all types within it."""
    return {annotation}.union(*(parts(each) for each in get_args(annotation) if not isinstance(each, str)))


async def test_whatever_is_live_can_be_applied(hub: Hub) -> None:
    for name, (model, _) in sections().items():
        if model.live:
            hub.daemon.reloads._step(name, hub.daemon.config)


# --- what applies at once, key by key


async def window(hub: Hub) -> object:
    return await hub.daemon.join(PPMID, CODE)


async def takes_unsigned_images(hub: Hub) -> object:
    try:
        hub.daemon.store.add(PLAIN, name="x.ota")
    except HanctlError as error:
        return error.code
    return "taken"


async def log_format(hub: Hub) -> object:
    return type(logging.getLogger().handlers[0].formatter.processors[-1]).__name__  # type: ignore[union-attr]


async def waits_for(hub: Hub) -> object:
    """What an update of a device with 40 % of its battery left would wait for."""
    device = Device(
        eui64=PPMID,
        state="interviewed",
        device_type="ppmid",
        added_at=datetime.now(UTC),
        manufacturer_code=0x1234,
        image_type=1,
        current_version=1,
        power_source="battery",
        battery_percent=40.0,
    )
    hub.daemon.ledger.devices.put(device)
    image = hub.daemon.updates.add_image(PLAIN, name="x.ota")
    (outcome,) = hub.daemon.updates.order([PPMID], Order(image.file_sha256), dry_run=True)
    assert outcome.verdict.accepted
    return [remark for remark in outcome.verdict.remarks if remark.startswith("waits for")]


async def period(hub: Hub) -> object:
    return hub.daemon.updates.delivery.pacing.period_ms


async def period_when_busy(hub: Hub) -> object:
    pacing = hub.daemon.updates.delivery.pacing
    pacing.wait(PPMID, 0, None, 0.9, hub.daemon.clock.monotonic())
    return pacing.period_ms


@pytest.mark.parametrize(
    ("key", "text", "look", "before", "after"),
    [
        ("join.window_s", "[join]\nwindow_s = 30\n", window, 600, 30),
        ("updates.battery_percent", "[updates]\nbattery_percent = 30\n", waits_for, [LOW], []),
        ("ota.block_period_ms", "[ota]\nblock_period_ms = 700\n", period, 0, 700),
        ("ota.busy_ms", "[ota]\nbusy_ms = 500\n", period_when_busy, 0, 250),
    ],
)
async def test_it_is_in_force_at_once(
    hub: Hub, key: str, text: str, look: Callable[[Hub], Awaitable[object]], before: object, after: object
) -> None:
    assert await look(hub) == before
    assert hub.reload(text) == ([key], [])
    assert await look(hub) == after
    assert hub.reload(text) == ([], [])


async def test_the_form_of_the_log_can_change(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    async with started(hub):
        for form, last in (("json", "JSONRenderer"), ("pretty", "ConsoleRenderer")):
            text = write_config(tmp_path).read_text()
            hub.file.write_text(text.replace("[hub]\n", f'[hub]\nlog = "{form}"\n'))
            assert hub.daemon.reloads.reload().applied == ["hub.log"]
            assert await log_format(hub) == last


async def test_whose_images_are_taken_can_change(hub: Hub) -> None:
    authority, other = BenchAuthority.create(), BenchAuthority.create()
    root = hub.directory / "root.json"

    def certify(by: BenchAuthority) -> None:
        root.write_text(json.dumps({name.replace(" ", "_"): value for name, value in by.show().items()}))

    certify(other)
    certificate = authority.issue(SIGNER, valid_from=0, usage=DIGITAL_SIGNATURE)
    image = hub.daemon.store.add(build_signed(b"signed" * 100, FIELDS, certificate), name="y.ota").file_sha256
    assert await takes_unsigned_images(hub) == "taken"
    policy = '[firmware]\nsignatures = "require"\nsignature_roots = "root.json"\n'
    assert hub.reload(policy) == (["firmware.signature_roots", "firmware.signatures"], [])
    assert await takes_unsigned_images(hub) == "signature-required"
    assert hub.daemon.store.verdict(image).status != "verified"
    # Another authority in the same file is another value.
    certify(authority)
    assert hub.reload(policy) == (["firmware.signature_roots"], [])
    assert hub.daemon.store.verdict(image).status == "verified"
    assert hub.reload(policy + 'signers = ["00:0d:6f:00:0a:00:00:01"]\n') == (["firmware.signers"], [])
    assert hub.daemon.store.verdict(image).status != "verified"


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[str, list[str]]]:
    """Somebody who accepts notices: its address, and the signatures it was given."""
    signatures: list[str] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        await reader.readexactly(int(fields["content-length"]))
        signatures.append(fields["webhook-signature"])
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", signatures


async def test_the_webhook_can_come_change_and_go(hub: Hub) -> None:
    secret = hub.directory / "secret"
    secret.write_text("a secret of the bench")
    secret.chmod(0o600)
    ledger = hub.daemon.ledger
    async with receiver() as (first, told_first), receiver() as (second, told_second):
        ledger.record(NOTICE)
        assert hub.reload(f'[webhook]\nurl = "{first}"\nsecret_file = "secret"\n')[0] == [
            "webhook.secret_file",
            "webhook.url",
        ]
        ledger.record(NOTICE)
        await hub.until(lambda: len(hub.told("notice.delivered")) == 1)
        assert hub.reload(f'[webhook]\nurl = "{second}"\nsecret_file = "secret"\n')[0] == ["webhook.url"]
        ledger.record(NOTICE)
        await hub.until(lambda: len(hub.told("notice.delivered")) == 2)
        secret.write_text("another secret of it")
        assert hub.reload(f'[webhook]\nurl = "{second}"\nsecret_file = "secret"\n')[0] == ["webhook.secret_file"]
        ledger.record(NOTICE)
        await hub.until(lambda: len(hub.told("notice.delivered")) == 3)
        assert hub.reload("")[0] == ["webhook.secret_file", "webhook.url"]
        ledger.record(NOTICE)
        assert (len(told_first), len(told_second)) == (1, 2)
        assert ledger.outbox.pending() == []
    assert "secret of" not in json.dumps([recorded.as_dict() for recorded in ledger.events()])


async def test_where_leftovers_are_looked_for_can_change(hub: Hub) -> None:
    (hub.directory / "captures").mkdir()
    change = hub.daemon.tenancy.orders.order("tenancy")
    (hub.directory / "captures" / "air.pcap").write_bytes(b"")
    names = [Path(each.path).name for each in hub.daemon.tenancy.report(change.id).leftovers]
    assert hub.reload('[tenancy]\nplaces = "captures"\n') == (["tenancy.places"], [])
    after = [Path(each.path).name for each in hub.daemon.tenancy.report(change.id).leftovers]
    assert ("air.pcap" in names, "air.pcap" in after) == (False, True)


# --- what waits


async def test_what_a_running_hub_cannot_change_is_named_until_it_is_started_anew(hub: Hub) -> None:
    text = "[network]\nchannel = 20\n[data]\nmeter_stand_in = true\n"
    opened = hub.radio.listener
    assert hub.reload(text) == ([], ["data.meter_stand_in", "network.channel"])
    assert hub.reload(text + "[join]\nwindow_s = 9\n") == (
        ["join.window_s"],
        ["data.meter_stand_in", "network.channel"],
    )
    config = hub.daemon.config
    assert (config.network.channel, config.data.meter_stand_in, config.join.window_s) == (15, False, 9)
    assert hub.reload("") == (["join.window_s"], [])
    assert (hub.radio.listener, hub.radio.stopped) == (opened, 0)


async def test_another_dongle_or_state_directory_waits(hub: Hub) -> None:
    hub.file.write_text('[hub]\nstate_dir = "elsewhere"\n[dongle]\npath = "/dev/other"\nradio = "znp"\n')
    outcome = hub.daemon.reloads.reload()
    assert outcome.applied == []
    assert set(outcome.restart) >= {"hub.state_dir", "hub.firmware_store", "hub.socket", "dongle.path", "dongle.radio"}
    assert (hub.daemon.config.dongle.path, hub.daemon.config.hub.state_dir.name) == ("/dev/none", "state")


# --- what is refused


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("[jion]\nwindow_s = 9\n", "unknown section: did you mean [join]?"),
        ("[network\n", "at line"),
        ('[firmware]\nsignatures = "require"\n', "there is nothing to verify them with"),
        ('[firmware]\nsignature_roots = "none.json"\n', "[firmware]"),
        ('[webhook]\nurl = "http://x/"\nsecret_file = "none"\n', "secret file"),
        ('[webhook]\nurl = "ftp://me:hidden@x"\nsecret_file = "none"\n', "url in [webhook] is not allowed"),
    ],
)
async def test_a_configuration_that_cannot_be_used_changes_nothing_and_is_said(
    hub: Hub, broken: str, reason: str
) -> None:
    good = "[join]\nwindow_s = 9\n" if "join" not in broken else ""
    before = hub.daemon.config
    hub.write(good + broken)
    with pytest.raises(HanctlError):
        hub.daemon.reloads.reload()
    assert hub.daemon.config is before
    assert await window(hub) == 600
    (told,) = hub.told("config.refused")
    assert reason in told["reason"] and told["level"] == "warning"
    assert "hidden" not in told["reason"] and "\n" not in told["reason"]
    assert hub.told("config.reloaded") == []
    assert hub.reload("[join]\nwindow_s = 9\n") == (["join.window_s"], [])


async def test_a_file_that_is_gone_changes_nothing(hub: Hub) -> None:
    hub.file.unlink()
    hub.daemon.reloads.ask()
    await hub.until(lambda: len(hub.told("config.refused")) == 1)
    assert "No such file" in hub.told("config.refused")[0]["reason"]


# --- when, and what is told


async def test_one_that_is_asked_for_during_the_start_comes_after_it(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    hub.write("[join]\nwindow_s = 9\n")
    hub.daemon.reloads.ask()
    with pytest.raises(HanctlError, match="starting or stopping"):
        hub.daemon.reloads.reload()
    async with started(hub):
        await hub.until(lambda: len(hub.told("config.reloaded")) == 1)
        assert await window(hub) == 9
        kinds = [type(recorded.event).type for recorded in hub.daemon.ledger.events()]
        assert kinds.index("hub.started") < kinds.index("config.reloaded")


async def test_one_that_is_asked_for_during_the_stop_does_nothing(tmp_path: Path) -> None:
    hub = Hub(tmp_path)
    await hub.daemon.start()
    stopping = asyncio.create_task(hub.daemon.stop("asked to"))
    for _ in range(20):
        hub.daemon.reloads.ask()
        await asyncio.sleep(0)
    await stopping
    hub.daemon.reloads.ask()
    await asyncio.sleep(0.01)


async def test_the_service_manager_hears_of_it(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        hub = Hub(tmp_path, ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "notify")}))
        async with started(hub):
            assert listening.recv(4096).decode().startswith("READY=1\nSTATUS=ezsp dongle")
            for text in ("[join]\nwindow_s = 9\n", "[jion]\n"):
                hub.write(text)
                earliest = asyncio.get_running_loop().time()
                hub.daemon.reloads.ask()
                await asyncio.sleep(0.05)
                begun, stamp = listening.recv(4096).decode().split("\n")
                assert begun == "RELOADING=1"
                moment = int(stamp.removeprefix("MONOTONIC_USEC=")) / 1e6
                assert earliest <= moment + 1e-6 <= asyncio.get_running_loop().time()
                assert listening.recv(4096).decode() == "READY=1"


async def test_over_the_api(hub: Hub) -> None:
    transport = httpx.ASGITransport(make_app(hub.daemon))
    async with httpx.AsyncClient(transport=transport, base_url="http://hub") as api:
        hub.write("[join]\nwindow_s = 9\n[network]\nchannel = 20\n")
        answer = await api.post("/reload")
        assert answer.json() == {"applied": ["join.window_s"], "restart": ["network.channel"]}
        hub.write("[join]\nwindow_s = 0\n")
        answer = await api.post("/reload")
        assert answer.status_code == 409
        error = answer.json()["error"]
        assert (error["code"], error["exit_code"]) == ("config-invalid", 3)


async def command(hub: Hub) -> tuple[int | None, str, str]:
    process = await Command.start("reload", "--socket", str(hub.daemon.config.hub.socket))
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_by_command(tmp_path: Path) -> None:
    hub = Hub(tmp_path, serve=True)
    async with started(hub):
        hub.write("[join]\nwindow_s = 9\n[network]\nchannel = 20\n")
        assert await command(hub) == (
            0,
            "join.window_s: in force now\nnetwork.channel: changed, but not in force before the hub is started anew\n",
            "",
        )
        hub.write("[jion]\n")
        code, out, err = await command(hub)
        assert (code, out) == (3, "")
        assert err.startswith(f"error: {hub.file}, line 7: unknown section")
        hub.write("[network]\nchannel = 15\n[join]\nwindow_s = 9\n")
        assert await command(hub) == (0, "nothing has changed\n", "")
