"""The command line against a running daemon, each command a process of its own as for a user."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import Command
from hub_fakes import PPMID, FakeRadio, configure, running, write_config

from hanctl.base.errors import ExitCode
from hanctl.hub.daemon import Daemon
from hanctl.images.build import Fields, build
from hanctl.model.events import DeviceLeft
from hanctl.model.records import Device, Update
from hanctl.model.update_events import UpdateVerifying
from hanctl.model.update_states import UpdateState

CODE = "83FED3407A939723A5C639B26916D505C3B5"


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def radio() -> FakeRadio:
    return FakeRadio()


@pytest.fixture
async def daemon(tmp_path: Path, radio: FakeRadio) -> AsyncIterator[Daemon]:
    async with running(configure(tmp_path), radio, serve=True) as daemon:
        yield daemon


async def start(daemon: Daemon, *arguments: str) -> Command:
    return await Command.start(*arguments, env=os.environ | {"HANCTL_SOCKET": str(daemon.config.hub.socket)})


def asked(daemon: Daemon) -> asyncio.Event:
    """Set once a command has asked the daemon for an update, and so is at work."""
    event, get = asyncio.Event(), daemon.ledger.updates.get

    def noted(number: int) -> Update | None:
        event.set()
        return get(number)

    daemon.ledger.updates.get = noted  # type: ignore[method-assign, assignment]
    return event


async def finish(process: Command, given: str = "") -> Done:
    out, err = await process.communicate(given.encode())
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return Done(process.returncode, out.decode(), err.decode())


async def hanctl(daemon: Daemon, *arguments: str, given: str = "") -> Done:
    return await finish(await start(daemon, *arguments), given)


def put_device(daemon: Daemon) -> None:
    daemon.ledger.devices.put(
        Device(PPMID, datetime(2026, 1, 1, tzinfo=UTC), device_type="ppmid", state="interviewed", nwk=1)
    )


def order(daemon: Daemon) -> Update:
    put_device(daemon)
    data = build(b"new firmware" * 100, Fields(manufacturer_code=0x1234, image_type=1, file_version=2))
    image = daemon.updates.add_image(data, name="x.ota")
    return daemon.updates.start(PPMID, image.file_sha256)


def end(daemon: Daemon, update: Update, state: str, reason: str | None = None) -> None:
    current = daemon.ledger.updates.get(update.id)
    assert current is not None
    way: list[UpdateState] = ["ordered", "verifying"] if state == "confirmed" else ["ordered"]
    told = [UpdateVerifying(device=PPMID, update=update.id, was=was, cause="so") for was in way]
    ended = replace(current, state=state, reason=reason, ended_at=daemon.clock.now())  # type: ignore[arg-type]
    daemon.ledger.updates.put(ended, *told)


async def test_status_and_devices_for_people_and_machines(daemon: Daemon) -> None:
    put_device(daemon)
    status = await hanctl(daemon, "status")
    assert status.code == 0 and "channel 15" in status.out
    assert json.loads((await hanctl(daemon, "status", "--json")).out)["dongle"]["state"] == "open"
    listed = await hanctl(daemon, "device", "list")
    assert PPMID in listed.out and "interviewed" in listed.out
    assert json.loads((await hanctl(daemon, "device", "show", PPMID, "--json")).out)["eui64"] == PPMID
    missing = await hanctl(daemon, "device", "show", "00:11:22:33:44:55:66:77")
    assert missing.code == ExitCode.NOT_FOUND
    assert missing.err.splitlines()[0].startswith("error: ") and missing.err.splitlines()[1].startswith("hint: ")
    assert (await hanctl(daemon, "device", "remove", PPMID)).code == 0
    assert "no devices" in (await hanctl(daemon, "device", "list")).out


async def test_join_takes_the_code_from_a_file_or_standard_input(
    daemon: Daemon, radio: FakeRadio, tmp_path: Path
) -> None:
    file = tmp_path / "code.txt"
    file.write_text(CODE + "\n")
    joined = await hanctl(daemon, "join", "--eui", PPMID, "--install-code-file", str(file), "--window", "2m")
    assert joined.code == 0 and "120 s" in joined.out
    piped = await hanctl(daemon, "join", "--eui", PPMID, "--install-code-file", "-", given=CODE)
    assert piped.code == 0
    assert [eui64 for eui64, _, _ in radio.joins] == [PPMID, PPMID]
    none = await hanctl(daemon, "join", "--eui", PPMID)
    assert none.code == ExitCode.USAGE and "--install-code-file" in none.err
    wrong = await hanctl(daemon, "join", "--eui", PPMID, "--install-code-file", "-", given=CODE[:-1] + "6")
    assert wrong.code == ExitCode.USAGE
    assert CODE[:-1] not in joined.out + piped.out + wrong.err + wrong.out


async def test_the_device_log_and_who_may_join_now(daemon: Daemon) -> None:
    assert "is empty" in (await hanctl(daemon, "device", "log")).out
    given = ("--eui", PPMID, "--install-code-file", "-", "--window", "2m")
    assert (await hanctl(daemon, "join", *given, given=CODE)).code == 0
    status = await hanctl(daemon, "status")
    assert f"open to   {PPMID}, for 1" in status.out and "no certificate" in status.out
    log = json.loads((await hanctl(daemon, "device", "log", "--json")).out)
    assert [(entry["eui64"], entry["state"]) for entry in log["devices"]] == [(PPMID, "expected")]
    put_device(daemon)
    again = await hanctl(daemon, "join", *given, given=CODE)
    assert again.code == ExitCode.REFUSED and "already" in again.err and "device remove" in again.err
    assert (await hanctl(daemon, "device", "remove", PPMID)).code == 0
    told = await hanctl(daemon, "device", "log")
    assert "removed" in told.out and "asked for" in told.out


async def test_a_join_whose_device_does_not_come_is_over_with_its_window(daemon: Daemon) -> None:
    given = ("--eui", PPMID, "--install-code-file", "-", "--window", "1s", "--wait")
    done = await hanctl(daemon, "join", *given, given=CODE)
    assert done.code == ExitCode.TIMED_OUT and f"error: {PPMID} did not join within 1 s" in done.err
    assert "1 s left" in done.err


async def test_join_waits_for_the_interview(daemon: Daemon) -> None:
    process = await start(daemon, "join", "--eui", PPMID, "--install-code-file", "-", "--wait")
    process.stdin.write(CODE.encode() + b"\n")
    await process.stderr.readline()
    put_device(daemon)
    done = await finish(process)
    assert done.code == 0 and f"{PPMID} joined: ppmid" in done.out


async def test_an_update_from_file_to_cancellation(daemon: Daemon, tmp_path: Path) -> None:
    put_device(daemon)
    file = tmp_path / "x.ota"
    file.write_bytes(build(b"new firmware" * 100, Fields(manufacturer_code=0x1234, image_type=1, file_version=2)))
    added = json.loads((await hanctl(daemon, "firmware", "add", str(file), "--json")).out)
    sha256 = added["file_sha256"]
    assert (await hanctl(daemon, "firmware", "list")).out.count(sha256[:12]) == 1
    ordered = await hanctl(daemon, "update", "start", "--device", PPMID, "--image", sha256[:8], "--json")
    number = str(json.loads(ordered.out)["id"])
    assert (await hanctl(daemon, "update", "start", "--device", PPMID, "--image", sha256)).code == ExitCode.REFUSED
    assert json.loads((await hanctl(daemon, "update", "show", number, "--json")).out)["size"] == added["size"]
    slow = await hanctl(daemon, "update", "wait", number, "--until", "transferred", "--timeout", "1s")
    assert slow.code == ExitCode.TIMED_OUT and "not yet transferred" in slow.err
    assert (await hanctl(daemon, "update", "activate", number)).code == ExitCode.REFUSED
    assert (await hanctl(daemon, "update", "cancel", number)).code == 0
    waited = await hanctl(daemon, "update", "wait", number)
    assert waited.code == ExitCode.UPDATE_FAILED and "was cancelled" in waited.err
    assert (await hanctl(daemon, "firmware", "remove", sha256)).code == 0
    broken = tmp_path / "broken.ota"
    broken.write_bytes(file.read_bytes()[:-1])
    assert (await hanctl(daemon, "firmware", "add", str(broken))).code == ExitCode.BAD_IMAGE


@pytest.mark.parametrize(
    ("state", "code", "text"), [("confirmed", ExitCode.OK, "confirmed"), ("failed", ExitCode.UPDATE_FAILED, "no power")]
)
async def test_wait_ends_as_the_update_ends(daemon: Daemon, state: str, code: ExitCode, text: str) -> None:
    update = order(daemon)
    at_work = asked(daemon)
    process = await start(daemon, "update", "wait", str(update.id), "--timeout", "5m")
    await at_work.wait()
    assert process.returncode is None
    end(daemon, update, state, "no power" if state == "failed" else None)
    done = await finish(process)
    assert done.code == code
    assert text in done.out + done.err


async def test_orders_for_many_a_watch_and_a_report(daemon: Daemon) -> None:
    update = order(daemon)
    sha256 = update.file_sha256
    trial = await hanctl(daemon, "update", "start", "--type", "ppmid", "--image", sha256, "--dry-run")
    assert trial.code == 0 and "would be refused" in trial.out and f"already has update {update.id}" in trial.out
    refused = await hanctl(daemon, "update", "start", "--type", "ppmid", "--image", sha256)
    assert refused.code == ExitCode.REFUSED
    supersede = ("--supersede", "--at", "2099-01-01T02:00", "--priority", "high")
    ordered = await hanctl(daemon, "update", "start", "--manufacturer", "0x1234", "--image", sha256, *supersede)
    assert ordered.code == 0 and "no device matches" in ordered.out, "its manufacturer is not known yet"
    ordered = await hanctl(daemon, "update", "start", "--running", "0-", "--image", sha256, *supersede)
    assert "no device matches" in ordered.out, "nor its version"
    ordered = await hanctl(daemon, "update", "start", "--type", "ppmid", "--image", sha256, *supersede)
    assert ordered.code == 0 and f"takes the place of update {update.id}" in ordered.out
    number = update.id + 1
    for wrong in ((), ("--type", "ppmid", "--device", PPMID), ("--type", "ppmid", "--watch")):
        assert (await hanctl(daemon, "update", "start", "--image", sha256, *wrong)).code == ExitCode.USAGE
    watching = await start(daemon, "update", "watch")
    await asyncio.sleep(2)
    assert (await hanctl(daemon, "update", "cancel", str(number))).code == 0
    watched = await finish(watching)
    assert watched.code == 0
    assert [line.split(" is ")[1].split(":")[0] for line in watched.out.splitlines()] == ["ordered", "cancelled"]
    report = await hanctl(daemon, "update", "report", str(number))
    assert report.code == 0
    for text in ("update.ordered", "by command", "delivery.notice", "not seen to run", "priority"):
        assert text in report.out
    assert json.loads((await hanctl(daemon, "update", "report", str(number), "--json")).out)["chain"] == [number]


async def test_activating_several_says_which_were_refused(daemon: Daemon) -> None:
    update = order(daemon)
    none = await hanctl(daemon, "update", "activate", "--all-holding")
    assert none.code == 0 and "no update is holding" in none.out
    some = await hanctl(daemon, "update", "activate", str(update.id), "99")
    assert some.code == ExitCode.REFUSED
    assert f"update {update.id} is ordered, not holding" in some.out and "there is no update 99" in some.out
    for wrong in ((), ("1", "--all-holding"), ("--device", "00:11:22:33:44:55:66:77")):
        assert (await hanctl(daemon, "update", "activate", *wrong)).code == ExitCode.USAGE


async def test_wait_outlasts_a_restart_of_the_daemon(tmp_path: Path) -> None:
    config = configure(tmp_path)
    async with running(config, serve=True) as daemon:
        update = order(daemon)
        at_work = asked(daemon)
        process = await start(daemon, "update", "wait", str(update.id), "--timeout", "5m")
        await at_work.wait()
    async with running(config, serve=True) as daemon:
        end(daemon, update, "confirmed")
        assert (await finish(process)).code == 0


async def test_ctrl_c_ends_a_wait_with_130(daemon: Daemon) -> None:
    update = order(daemon)
    at_work = asked(daemon)
    process = await start(daemon, "update", "wait", str(update.id))
    await at_work.wait()
    process.send_signal(signal.SIGINT)
    assert (await finish(process)).code == ExitCode.INTERRUPTED


async def test_events_are_followed_as_json_lines(daemon: Daemon) -> None:
    everything = await hanctl(daemon, "events", "--json")
    assert json.loads(everything.out.splitlines()[0])["type"] == "hub.started"
    process = await start(daemon, "events", "--follow", "--json", "--after", "0", "--type", "device.left")
    daemon.ledger.record(DeviceLeft(device=PPMID))
    async with asyncio.timeout(60):
        assert json.loads(await process.stdout.readline())["device"] == PPMID
    process.send_signal(signal.SIGINT)
    assert (await finish(process)).code == ExitCode.INTERRUPTED


async def test_a_second_daemon_is_refused_in_one_line(daemon: Daemon, tmp_path: Path) -> None:
    done = await hanctl(daemon, "run", "-c", str(write_config(tmp_path)))
    assert done.code == ExitCode.REFUSED
    assert f"process {os.getpid()}" in done.err
    assert len(done.err.splitlines()) == 2
