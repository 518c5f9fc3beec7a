"""Everything together, and the command."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from commands import Command

from hanctl.base.clock import SystemClock
from hanctl.base.errors import ExitCode
from hanctl.base.eui64 import Eui64
from hanctl.cli.main import main
from hanctl.config.reading import load_config
from hanctl.doctor.examination import Examination, RunningHub
from hanctl.doctor.finding import Finding
from hanctl.doctor.machine import Machine
from hanctl.hub.daemon import Daemon
from hanctl.radio.finding.looking import HeldNetwork, Look
from hanctl.radio.settings import DongleSettings
from hanctl.simulator.ports import TcpPort
from hanctl.simulator.world import World

LOOK = Look(Eui64("00:0d:6f:00:0a:00:00:01"), "EmberZNet 9.0.0.0 build 0, EZSP 18", HeldNetwork(15, 1, "aa" * 8))


def write_config(directory: Path, path: str) -> Path:
    file = directory / "hanctl.toml"
    file.write_text(f'[hub]\nstate_dir = "state"\nsocket = "hub.sock"\n[dongle]\npath = "{path}"\nradio = "ezsp"\n')
    return file


async def never(settings: DongleSettings, timeout_s: float) -> Look:
    raise AssertionError("the port was opened")


async def by_check(examination: Examination) -> dict[str, Finding]:
    return {finding.check: finding async for finding in examination.findings()}


async def test_a_port_that_is_absent_or_in_use_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "proc" / "812" / "fd").mkdir(parents=True)
    (tmp_path / "proc" / "812" / "comm").write_text("node\n")
    (tmp_path / "proc" / "812" / "fd" / "5").symlink_to("/dev/null")
    for path, check in ((str(tmp_path / "none"), "port"), ("/dev/null", "in use")):
        dongle = DongleSettings("ezsp", path)
        found = await by_check(Examination(SystemClock(), (dongle,), machine=Machine(tmp_path), look=never))
        assert found[check].status == "fail"
        assert found["dongle"].status == "warn" and "not asked" in found["dongle"].message


async def test_a_running_hub_is_asked_and_its_port_not_opened(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, "/dev/null"))
    (tmp_path / "link").symlink_to("/dev/null")
    # By whatever name: it is the same port.
    hub = RunningHub(os.getppid(), str(tmp_path / "link"), "ezsp", LOOK)
    found = await by_check(
        Examination(SystemClock(), (DongleSettings("ezsp", "/dev/null"),), config, hub=hub, look=never)
    )
    assert found["dongle"].status == "ok" and f"process {hub.pid}" in found["dongle"].message
    assert found["firmware"].status == "ok"
    assert found["socket"].status == "ok"
    lost = RunningHub(hub.pid, hub.dongle_path, "ezsp", None)
    found = await by_check(
        Examination(SystemClock(), (DongleSettings("ezsp", "/dev/null"),), config, hub=lost, look=never)
    )
    assert found["dongle"].status == "fail" and "has lost it" in found["dongle"].message
    assert "firmware" not in found


async def test_a_hub_that_holds_the_state_directory_and_does_not_answer_keeps_its_dongle(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path, "tcp://127.0.0.1:1"))
    state = tmp_path / "state"
    state.mkdir(0o700)
    (state / "lock").write_text("708\n")
    (tmp_path / "proc").mkdir()
    inode = (state / "lock").stat().st_ino
    (tmp_path / "proc" / "locks").write_text(f"1: FLOCK  ADVISORY  WRITE 708 00:2c:{inode} 0 EOF\n")
    dongle = DongleSettings("ezsp", config.dongle.path)
    found = await by_check(Examination(SystemClock(), (dongle,), config, machine=Machine(tmp_path), look=never))
    assert found["state"].status == "warn" and "708" in found["state"].message
    assert found["dongle"].status == "warn"


async def test_a_hub_that_may_not_be_asked_keeps_its_dongle() -> None:
    dongle = DongleSettings("ezsp", "tcp://10.0.0.2:1")
    found = await by_check(Examination(SystemClock(), (dongle,), out_of_reach=True, look=never))
    assert found["dongle"].status == "warn"


def test_a_socket_that_may_not_be_used_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write_config(tmp_path, "tcp://127.0.0.1:1")
    (tmp_path / "hub.sock").touch(0o600)
    monkeypatch.setattr("hanctl.cli.doctor.os.access", lambda path, mode: False)
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "-c", str(config), "--json"])
    assert caught.value.code == ExitCode.UNHEALTHY
    lines = {each["check"]: each for each in json.loads(capsys.readouterr().out)["findings"]}
    assert lines["socket"]["status"] == "fail" and lines["dongle"]["message"] == "it was not asked"


async def test_with_a_port_alone_nothing_is_said_of_a_hub(tmp_path: Path) -> None:
    async def look(settings: DongleSettings, timeout_s: float) -> Look:
        return LOOK

    found = await by_check(Examination(SystemClock(), (DongleSettings("ezsp", "tcp://10.0.0.2:1"),), look=look))
    assert set(found) == {"python", "libraries", "clock", "dongle", "firmware"}


# --- the command


@asynccontextmanager
async def simulated() -> AsyncIterator[str]:
    world = World.build((), kind="ezsp")
    world.plug()
    port = TcpPort(world.dongle)
    await port.open()
    try:
        yield port.url
    finally:
        await port.close()
        world.stop()


async def hanctl(*arguments: str) -> tuple[int, str, str]:
    process = await Command.start(*arguments)
    out, err = await process.communicate()
    assert process.returncode is not None
    assert "Traceback" not in err.decode()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_before_a_hub_beside_it_and_after_it(tmp_path: Path) -> None:
    async with simulated() as url:
        config = write_config(tmp_path, url)
        code, out, err = await hanctl("doctor", "-c", str(config), "--json")
        before = json.loads(out)
        assert (code, err, before["healthy"]) == (0, "", True)
        lines = {each["check"]: each for each in before["findings"]}
        assert "will form one on channel 15" in lines["network"]["message"]
        assert set(lines["network"]) == {"check", "status", "message", "hint"}
        assert not (tmp_path / "state").exists()

        hub = Daemon(load_config(config), SystemClock())
        await hub.start()
        code, out, _ = await hanctl("doctor", "-c", str(config))
        assert code == 0
        assert f"answers the hub (process {os.getpid()})" in out
        assert "as in the ledger" in out
        await hub.stop("the test is over")

        code, out, _ = await hanctl("doctor", "-c", str(config))
        assert code == 0 and "answers as EZSP" in out and "as in the ledger" in out


async def test_what_has_to_be_mended_is_told_with_its_exit_code(tmp_path: Path) -> None:
    config = write_config(tmp_path, str(tmp_path / "none"))
    code, out, err = await hanctl("doctor", "-c", str(config))
    assert (code, err) == (ExitCode.UNHEALTHY, "")
    lines = out.splitlines()
    (number,) = [n for n, line in enumerate(lines) if line.startswith("fail  port")]
    # The hint is beneath what it is for.
    assert lines[number + 1].index("→") == lines[number].index(str(tmp_path))
    assert "1 to mend" in lines[-1]


def test_a_configuration_that_cannot_be_used_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "hanctl.toml"
    file.write_text("[dongle]\nradio = 5\n")
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "-c", str(file), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert caught.value.code == ExitCode.UNHEALTHY and told["healthy"] is False
    assert told["findings"][0]["check"] == "config" and told["findings"][0]["status"] == "fail"


@pytest.mark.parametrize(
    "arguments",
    [("--port", "/dev/null"), ("--radio", "ezsp"), ("-c", "x.toml", "--port", "/dev/null", "--radio", "ezsp")],
)
def test_what_is_meant_has_to_be_clear(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", *arguments])
    assert caught.value.code == ExitCode.USAGE and capsys.readouterr().err.startswith("error: ")
