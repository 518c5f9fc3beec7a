"""What systemd is given: units, a user, a directory for configurations."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hanctl.api.doors.connections import DoorLimits
from hanctl.base.errors import ExitCode

SYSTEMD = Path(__file__).parents[2] / "systemd"


def settings(name: str) -> list[tuple[str, str]]:
    """A unit's settings in order, some of them more than once."""
    lines = [line.strip() for line in (SYSTEMD / name).read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return [(key, value) for key, _, value in pairs]


def values(name: str) -> dict[str, str]:
    return dict(settings(name))


def test_one_of_several_hubs_runs_as_the_only_one_does_but_in_places_of_its_own() -> None:
    one, several = settings("hanctl.service"), settings("hanctl@.service")
    changed = {key: (value, other) for (key, value), (_, other) in zip(one, several, strict=True) if value != other}
    assert [key for key, _ in one] == [key for key, _ in several]
    assert changed == {
        "Description": ("hanctl, the open Communications Hub", "hanctl, the open Communications Hub %i"),
        "ExecStart": (
            "/opt/hanctl/bin/hanctl run -c /etc/hanctl/hanctl.toml",
            "/opt/hanctl/bin/hanctl run -c /etc/hanctl/%i.toml",
        ),
        "StateDirectory": ("hanctl", "hanctl-%i"),
        "RuntimeDirectory": ("hanctl", "hanctl-%i"),
    }


@pytest.mark.parametrize("name", ["hanctl.service", "hanctl@.service", "hanctl-user.service"])
def test_every_unit_is_told_when_the_hub_is_ready_watches_it_and_reloads_it(name: str) -> None:
    unit = values(name)
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert 10 <= int(unit["WatchdogSec"]) <= 60
    assert unit["ExecReload"] == "kill -HUP $MAINPID"
    assert unit["Restart"] == "on-failure"
    assert {int(code) for code in unit["RestartPreventExitStatus"].split()} == {ExitCode.USAGE, ExitCode.CONFIG}


@pytest.mark.parametrize("name", ["hanctl.service", "hanctl@.service"])
def test_drivers_of_all_serial_ports_that_are_allowed_are_there_before_the_hub(name: str) -> None:
    """What DeviceAllow= names is looked up in /proc/devices when the unit starts (systemd.resource-control(5))."""
    driver = {"ttyUSB": "usbserial", "ttyACM": "cdc_acm"}
    allowed = {value.split()[0].removeprefix("char-") for key, value in settings(name) if key == "DeviceAllow"}
    # Of the board's own ports, drivers are built in.
    modules = {f"modprobe@{driver[port]}.service" for port in allowed - {"ttyAMA"}}
    for relation in ("Wants", "After"):
        units = {unit for key, value in settings(name) if key == relation for unit in value.split()}
        assert modules <= units, relation


@pytest.mark.parametrize("name", ["hanctl.service", "hanctl@.service", "hanctl-user.service"])
def test_a_hub_that_crashes_leaves_no_keys_in_a_dump_and_has_descriptors_for_its_clients(name: str) -> None:
    unit = values(name)
    assert unit["LimitCORE"] == "0"
    assert DoorLimits.within(int(unit["LimitNOFILE"])) == DoorLimits.within(1 << 20)


def test_keys_and_household_data_are_for_the_hub_alone_and_the_socket_is_for_its_group() -> None:
    unit = values("hanctl.service")
    assert (unit["User"], unit["Group"], unit["SupplementaryGroups"]) == ("hanctl", "hanctl", "dialout")
    assert (unit["StateDirectoryMode"], unit["RuntimeDirectoryMode"], unit["UMask"]) == ("0700", "0755", "0077")


def runnable(name: str, directory: Path) -> Path:
    """The unit with a program that exists, as verify demands."""
    unit = directory / name
    unit.write_text((SYSTEMD / name).read_text().replace("/opt/hanctl/bin/hanctl", sys.executable))
    return unit


def run(*command: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} on this machine")
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.thirdparty
@pytest.mark.parametrize("name", ["hanctl.service", "hanctl@.service"])
def test_systemd_takes_the_units_and_finds_little_exposed(name: str, tmp_path: Path) -> None:
    unit = str(runnable(name, tmp_path))
    verified = run("systemd-analyze", "verify", unit)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    # In tenths.
    assert run("systemd-analyze", "security", "--offline=true", "--threshold=15", unit).returncode == 0


@pytest.mark.thirdparty
def test_a_persons_own_systemd_takes_its_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    verified = run("systemd-analyze", "--user", "verify", str(runnable("hanctl-user.service", tmp_path)))
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


@pytest.mark.thirdparty
def test_the_user_can_open_serial_ports_and_read_its_configuration_and_nobody_else_can(tmp_path: Path) -> None:
    for kind in ("sysusers", "tmpfiles"):
        (tmp_path / "etc" / f"{kind}.d").mkdir(parents=True)
        shutil.copy(SYSTEMD / f"hanctl.{kind}", tmp_path / "etc" / f"{kind}.d" / "hanctl.conf")
    (tmp_path / "etc" / "hanctl").mkdir()
    config = tmp_path / "etc" / "hanctl" / "rig.toml"
    config.write_text("")
    assert run("systemd-sysusers", f"--root={tmp_path}", "hanctl.conf").returncode == 0
    users = [line.split(":") for line in (tmp_path / "etc" / "passwd").read_text().splitlines()]
    groups = {
        name: (int(number), members)
        for name, _, number, members in (
            line.split(":") for line in (tmp_path / "etc" / "group").read_text().splitlines()
        )
    }
    assert [(user[0], user[6]) for user in users] == [("hanctl", "/usr/sbin/nologin")]
    assert groups["dialout"][1] == "hanctl"
    assert run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "hanctl.conf").returncode == 0
    found = [(path.stat().st_mode & 0o777, path.stat().st_uid, path.stat().st_gid) for path in (config.parent, config)]
    assert found == [(0o750, 0, groups["hanctl"][0]), (0o640, 0, groups["hanctl"][0])]
