"""Installing the hub as a service, into a directory in place of the system: twice, over what a person did, and back."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import typer
from typer.testing import CliRunner

from hanctl.base.errors import ExitCode, HanctlError, Refused
from hanctl.cli.main import app
from hanctl.install import files, plan
from hanctl.install.places import of_system
from hanctl.state.lock import StateLock

ROOT = Path(__file__).parents[2]
CONFIG = '[dongle]\npath = "/dev/ttyUSB0"\nradio = "ezsp"\n'
PROGRAM = "/srv/hub/bin/hanctl"
TOOLS = ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "udevadm")
UNIT = "etc/systemd/system/hanctl.service"
SHARED = {"etc/sysusers.d/hanctl.conf", "etc/tmpfiles.d/hanctl.conf", "etc/udev/rules.d/60-hanctl.rules"}


class System:
    """A system in a directory, and what its tools were told."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "system"
        self.tools = directory / "tools"
        self.log = directory / "log"
        self.config = directory / "mine.toml"
        self.config.write_text(CONFIG)
        self.tools.mkdir()
        self.root.mkdir()

    def provide(self, code: int = 0) -> None:
        for name in TOOLS:
            (self.tools / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\necho no >&2\nexit {code}\n')
            (self.tools / name).chmod(0o755)

    def command(self, *arguments: str) -> tuple[HanctlError | int | None, str]:
        """How the command ended, and what it printed."""
        done = CliRunner().invoke(app, arguments)
        failed = done.exception
        if isinstance(failed, HanctlError):
            return failed, done.output
        assert failed is None or isinstance(failed, SystemExit), done.exc_info
        return done.exit_code, done.output

    def install(self, *more: str) -> str:
        code, out = self.command("install-service", "--root", str(self.root), "--program", PROGRAM, *more)
        assert code == 0, code
        return out

    def uninstall(self, *more: str) -> str:
        code, out = self.command("uninstall-service", "--root", str(self.root), *more)
        assert code == 0, code
        return out

    def files(self) -> dict[str, str]:
        found = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_text() for path in found}

    def told(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return [line.replace(f" --root={self.root}", "") for line in lines]


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    system = System(tmp_path)
    # The tools of this machine stay out of it.
    monkeypatch.setenv("PATH", f"{system.tools}")
    return system


def test_it_is_all_there_and_a_second_time_changes_nothing(system: System) -> None:
    system.provide()
    system.install("--config", str(system.config))
    found = system.files()
    assert set(found) == {UNIT, "etc/hanctl/hanctl.toml", *SHARED}
    assert f"ExecStart={PROGRAM} run -c /etc/hanctl/hanctl.toml" in found[UNIT]
    assert (system.root / "etc/hanctl/hanctl.toml").stat().st_mode & 0o777 == 0o640
    assert (system.root / UNIT).stat().st_mode & 0o777 == 0o644
    told = system.told()
    assert told == [
        "systemd-sysusers hanctl.conf",
        "systemd-tmpfiles --create hanctl.conf",
        "systemctl enable hanctl.service",
    ]
    times = {path: path.stat().st_mtime_ns for path in system.root.rglob("*")}
    out = system.install("--config", str(system.config))
    assert {path: path.stat().st_mtime_ns for path in system.root.rglob("*")} == times
    assert "written" not in out and "replaced" not in out
    assert system.told() == told


def test_uninstalling_leaves_nothing_of_ours(system: System) -> None:
    system.provide()
    system.install()
    system.told()
    system.uninstall()
    assert system.files() == {}
    assert not (system.root / "etc/hanctl").exists()
    assert system.told() == ["systemctl disable hanctl.service"]
    # Nothing is disabled that is not there.
    system.uninstall()
    assert system.told() == []


def test_a_dry_run_changes_nothing_and_says_what_to_type(system: System) -> None:
    out = system.install("--dry-run", "--config", str(system.config))
    assert system.files() == {} and system.told() == []
    source, target = ROOT / "systemd" / "hanctl.service", system.root / UNIT
    assert f"sed 's|/opt/hanctl/bin/hanctl|{PROGRAM}|' {shlex.quote(str(source))} > {shlex.quote(str(target))}\n" in out
    assert f"install -D -m 0640 {system.config} {system.root}/etc/hanctl/hanctl.toml\n" in out
    system.install()
    assert f"# {target} is there\n" in system.install("--dry-run")
    before = system.files()
    assert f"rm {target}\n" in system.uninstall("--dry-run")
    assert system.files() == before


def test_what_a_person_changed_stays_and_is_said(system: System) -> None:
    system.install("--config", str(system.config))
    unit, rules = system.root / UNIT, system.root / "etc/udev/rules.d/60-hanctl.rules"
    changed = unit.read_text().replace("WatchdogSec=30", "WatchdogSec=60")
    unit.write_text(changed)
    # A file that was there before, and of which we know nothing.
    rules.write_text("# mine\n")
    (system.root / "etc/hanctl/hanctl.toml").write_text(CONFIG + "# mine\n")
    out = system.install("--config", str(system.config))
    assert f"kept       {unit}: it is not as hanctl wrote it" in out
    assert f"kept       {rules}:" in out
    assert "hanctl.toml: there is a configuration already" in out
    out = system.uninstall()
    assert f"kept       {unit}:" in out
    assert system.files() == {
        UNIT: changed,
        "etc/udev/rules.d/60-hanctl.rules": "# mine\n",
        "etc/hanctl/hanctl.toml": CONFIG + "# mine\n",
    }


def test_a_newer_hanctl_replaces_what_an_older_one_wrote(system: System) -> None:
    system.install()
    unit = system.root / UNIT
    unit.write_text(files.marked("[Service]\nExecStart=/opt/old/bin/hanctl run\n"))
    out = system.install()
    assert f"replaced   {unit}" in out and "goes on with its old unit" in out
    assert PROGRAM in unit.read_text()


def test_several_hubs_share_what_they_share_until_the_last_goes(system: System) -> None:
    system.install("--instance", "rig1", "--config", str(system.config))
    system.install("--instance", "rig2")
    system.install()
    template = "etc/systemd/system/hanctl@.service"
    assert set(system.files()) == {UNIT, template, "etc/hanctl/rig1.toml", *SHARED}
    wants = system.root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir()
    for name in ("rig1", "rig2"):
        (wants / f"hanctl@{name}.service").symlink_to("/etc/systemd/system/hanctl@.service")
    out = system.uninstall()
    assert "what other hubs need stays: hanctl@rig1.service, hanctl@rig2.service" in out
    assert set(system.files()) == {template, "etc/hanctl/rig1.toml", *SHARED}
    system.uninstall("--instance", "rig2")
    assert template in system.files()
    (wants / "hanctl@rig2.service").unlink()
    system.uninstall("--instance", "rig1")
    assert set(system.files()) == {"etc/hanctl/rig1.toml"}


def test_purging_takes_configuration_and_state_but_asks_first(system: System) -> None:
    system.install("--instance", "rig1", "--config", str(system.config))
    state = system.root / "var/lib/hanctl-rig1"
    beside = system.root / "var/lib/hanctl"
    for directory in (state, beside):
        directory.mkdir(parents=True)
        (directory / "ledger.sqlite").write_text("")
    for answer in ("n\n", ""):
        asked = CliRunner().invoke(
            app, ["uninstall-service", "--root", str(system.root), "--instance", "rig1", "--purge"], input=answer
        )
        assert isinstance(asked.exception, Refused) and str(state) in asked.output
    assert state.exists() and "etc/systemd/system/hanctl@.service" in system.files()
    system.uninstall("--instance", "rig1", "--purge", "--yes")
    assert system.files() == {"var/lib/hanctl/ledger.sqlite": ""}


def test_the_state_of_a_hub_that_runs_is_not_purged(system: System) -> None:
    system.install()
    state = system.root / "var/lib/hanctl"
    state.mkdir(parents=True)
    lock = StateLock(state)
    lock.acquire()
    failed, _ = system.command("uninstall-service", "--root", str(system.root), "--purge", "--yes")
    assert isinstance(failed, HanctlError) and f"process {os.getpid()}" in str(failed)
    assert state.exists()
    lock.release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can purge what is another user's")
def test_purging_does_not_follow_a_link_that_the_hubs_user_has_put_in_the_place_of_its_lock(system: System) -> None:
    # Where that user may go, unlike pytest's own directory.
    with TemporaryDirectory(prefix="hanctl-test-") as root:
        Path(root).chmod(0o755)
        state, shadow = Path(root) / "var/lib/hanctl", Path(root) / "shadow"
        state.mkdir(parents=True)
        shadow.write_text("root:x:0:0\n")
        (state / "lock").symlink_to(shadow)
        for path in (state, state / "lock"):
            os.chown(path, 64001, 64002, follow_symlinks=False)
        system.command("uninstall-service", "--root", root, "--purge", "--yes")
        assert shadow.read_text() == "root:x:0:0\n"


def test_without_systemd_what_is_left_is_named(system: System) -> None:
    out = system.install()
    assert "left       systemctl" in out and "there is no systemctl here" in out
    assert UNIT in system.files()


def test_a_tool_that_fails_ends_it_with_what_it_said(system: System) -> None:
    system.provide(code=1)
    failed, _ = system.command("install-service", "--root", str(system.root), "--program", PROGRAM)
    assert isinstance(failed, HanctlError)
    assert "systemd-sysusers" in str(failed) and "failed: no" in str(failed)
    assert failed.exit_code is ExitCode.STATE
    # A second time goes on from there.
    system.provide()
    system.install()
    assert UNIT in system.files()


def test_a_configuration_that_the_hub_would_refuse_is_refused_before_anything_is_written(system: System) -> None:
    system.config.write_text(CONFIG.replace("ezsp", "deconz"))
    arguments = ("--root", str(system.root), "--program", PROGRAM, "--config", str(system.config))
    failed, _ = system.command("install-service", *arguments)
    assert isinstance(failed, HanctlError) and failed.exit_code is ExitCode.CONFIG
    assert system.files() == {}


@pytest.mark.parametrize("name", ["hanctl", "", "a/b", "-x", "a b", "x" * 33])
def test_a_name_that_cannot_be_a_hubs_is_refused(system: System, name: str) -> None:
    failed, _ = system.command("install-service", "--root", str(system.root), "--instance", name)
    assert isinstance(failed, HanctlError) and failed.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("/home/pi/venv/bin/hanctl", "/home is hidden"),
        ("/root/venv/bin/hanctl", "/root is hidden"),
        ("/tmp/venv/bin/hanctl", "/tmp is hidden"),
        ("/opt/a b/hanctl", "plain letters"),
        ("/opt/%i/hanctl", "plain letters"),
    ],
)
def test_a_program_that_the_service_could_not_run_is_refused(system: System, program: str, reason: str) -> None:
    failed, _ = system.command("install-service", "--root", str(system.root), "--program", program)
    assert isinstance(failed, HanctlError)
    assert reason in str(failed) + failed.hint
    assert system.files() == {}


def test_it_runs_the_very_hanctl_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(HanctlError, match="cannot run what is not installed"):
        plan.own_program()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "hanctl"
    program.write_text("")
    assert plan.own_program(hidden=False) == program
    # As seen from a service from which the place of this test is hidden.
    monkeypatch.setattr(plan, "HIDDEN", (str(tmp_path.resolve()),))
    with pytest.raises(HanctlError, match="is hidden from it"):
        plan.own_program()


def test_the_units_hide_the_places_that_are_refused() -> None:
    unit = (ROOT / "systemd" / "hanctl.service").read_text()
    # systemd.exec(5): ProtectHome= hides /home, /root and /run/user, PrivateTmp= replaces /tmp and /var/tmp.
    assert "\nProtectHome=yes\n" in unit and "\nPrivateTmp=yes\n" in unit
    assert set(plan.HIDDEN) == {"/home", "/root", "/run/user", "/tmp", "/var/tmp"}


def test_without_root_nothing_is_touched_and_the_way_without_it_is_named(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for command in (("install-service", "--program", PROGRAM), ("uninstall-service",)):
        failed, _ = system.command(*command)
        assert isinstance(failed, HanctlError) and failed.exit_code is ExitCode.REFUSED
        assert "--user" in failed.hint and "sudo" in failed.hint


def test_on_a_running_system_the_service_is_started_last_and_only_with_a_configuration() -> None:
    typed = [step.by_hand() for step in plan.install(of_system("none-such"), Path(PROGRAM), Path("rig.toml"))]
    assert typed[-5:] == [
        "udevadm control --reload",
        "udevadm trigger --subsystem-match=tty",
        "systemctl daemon-reload",
        "systemctl enable hanctl@none-such.service",
        "systemctl start hanctl@none-such.service",
    ]
    assert "systemctl start hanctl@none-such.service" not in [
        step.by_hand() for step in plan.install(of_system("none-such"), Path(PROGRAM))
    ]


# --- for one person


@pytest.fixture
def person(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(system.root))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / "run" / "systemd").mkdir(parents=True)
    system.provide()
    return system


def test_a_person_needs_no_root(person: System) -> None:
    code, _ = person.command("install-service", "--user", "--program", "/home/pi/bin/hanctl", "-c", str(person.config))
    assert code == 0
    assert person.told() == [
        "systemctl --user daemon-reload",
        "systemctl --user enable hanctl.service",
        "systemctl --user start hanctl.service",
    ]
    unit = ".config/systemd/user/hanctl.service"
    assert set(person.files()) == {unit, ".config/hanctl/hanctl.toml"}
    assert "ExecStart=/home/pi/bin/hanctl run -c %E/hanctl/hanctl.toml\n" in person.files()[unit]
    code, _ = person.command("uninstall-service", "--user", "--purge", "--yes")
    assert (code, person.files()) == (0, {})
    assert person.told() == [
        "systemctl --user stop hanctl.service",
        "systemctl --user disable hanctl.service",
        "systemctl --user daemon-reload",
    ]


def test_a_persons_systemd_that_does_not_run_leaves_these_steps(
    person: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(person.root / "nowhere"))
    code, out = person.command("install-service", "--user", "--program", PROGRAM)
    assert code == 0
    assert "left       systemctl --user enable hanctl.service: your own systemd does not run here" in out
    assert person.told() == []


def test_both_commands_explain_themselves() -> None:
    group = typer.main.get_command(app)
    for name in ("install-service", "uninstall-service"):
        done = CliRunner().invoke(app, [name, "--help"])
        assert done.exit_code == 0 and "Examples" in done.output
        assert name in group.commands  # type: ignore[attr-defined]
