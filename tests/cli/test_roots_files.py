"""Root's commands on a hub's directories: what they leave is the hub's, and a planted link leads them nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from hanctl.base.clock import SystemClock
from hanctl.base.errors import ExitCode
from hanctl.base.eui64 import Eui64
from hanctl.cli.main import main
from hanctl.images import demo_image
from hanctl.ledger.files.copies import write_copy
from hanctl.ledger.ledger import Ledger
from hanctl.model.events import HubStarted
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.text_form import text_form

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can leave files of root's")

HUB, GROUP = 64001, 64002
DONGLE = Eui64("00:12:4b:00:1c:a1:b8:46")
SECRET = "root:$6$salt$hash:20000:0:99999:7:::\n"


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Machine:
    """A hub's directories, which are a service user's, and root's files beside them."""

    def __init__(self, directory: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.capture = capture
        self.state = directory / "state"
        self.store = directory / "store"
        self.config = directory / "hub.toml"
        self.config.write_text(
            '[hub]\nstate_dir = "state"\nfirmware_store = "store"\nsocket = "hub.sock"\n'
            '[dongle]\npath = "tcp://127.0.0.1:1"\nradio = "ezsp"\n[trust]\ncertificate = "state/hub.json"\n'
        )
        self.shadow = directory / "shadow"
        self.shadow.touch(0o600)
        self.shadow.write_text(SECRET)
        self.image = directory / "image.ota"
        self.image.write_bytes(demo_image.build())
        issued = BenchAuthority.create().issue(DONGLE, valid_from=0)
        self.certificate = directory / "certificate.txt"
        self.certificate.write_text(text_form(issued))
        self.state.mkdir(0o700)
        self.store.mkdir(0o700)
        with closing(Ledger.open(self.state / "ledger.sqlite", SystemClock())) as ledger:
            ledger.record(HubStarted(version="1"))
            self.backup = write_copy(ledger.path, SystemClock().now()).path
        self.give(self.state, self.store)

    def give(self, *directories: Path) -> None:
        for directory in directories:
            for path in (directory, *directory.rglob("*")):
                os.chown(path, HUB, GROUP, follow_symlinks=False)

    def hanctl(self, *arguments: object) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        # Of files, as a child process writes to them too.
        out, err = self.capture.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    def strangers(self) -> list[Path]:
        """Files in the hub's directories that are not the hub's user's."""
        found = [path for directory in (self.state, self.store) for path in directory.rglob("*")]
        return [path for path in found if path.lstat().st_uid != HUB]

    def commands(self) -> dict[str, tuple[object, ...]]:
        return {
            "restore": ("backup", "restore", self.backup.name, "-c", self.config, "--yes"),
            "authority": ("ca", "init"),
            "certificate": ("certificate", "import", self.certificate, "--eui", DONGLE, "-c", self.config),
            "image": ("firmware", "add", self.image, "--store", self.store),
            "export": ("events", "export", "-c", self.config, "-o", self.directory / "events.jsonl"),
        }


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Machine]:
    with TemporaryDirectory(prefix="hanctl-test-") as directory:
        Path(directory).chmod(0o755)
        monkeypatch.setenv("STATE_DIRECTORY", f"{directory}/state")
        yield Machine(Path(directory), capfd)


def test_what_root_leaves_is_the_hubs(machine: Machine) -> None:
    for name, command in machine.commands().items():
        done = machine.hanctl(*command)
        assert done.returncode == ExitCode.OK, (name, done.stderr)
        assert machine.strangers() == [], name
    assert len(list(machine.store.glob("*.ota"))) == 1
    assert (machine.state / "hub.json").stat().st_mode & 0o777 == 0o600
    assert (machine.directory / "events.jsonl").stat().st_uid == 0
    assert len((machine.directory / "events.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("restore", "state/lock"),
        ("restore", "state/ledger.sqlite"),
        ("restore", "state/ledger.sqlite-wal"),
        ("authority", "state/ca.json"),
        ("certificate", "state/hub.json"),
        ("export", "state/ledger.sqlite"),
        ("export", "state/ledger.sqlite-wal"),
        ("export", "state/ledger.sqlite-shm"),
    ],
)
def test_a_link_to_what_only_root_may_touch_leads_nowhere(command: str, name: str, machine: Machine) -> None:
    planted = machine.directory / name
    planted.unlink(missing_ok=True)
    planted.symlink_to(machine.shadow)
    machine.give(machine.state)
    before = machine.shadow.stat()
    done = machine.hanctl(*machine.commands()[command])
    assert "unexpected" not in done.stderr
    after = machine.shadow.stat()
    assert machine.shadow.read_text() == SECRET and "hash" not in done.stdout + done.stderr
    assert (after.st_uid, after.st_gid, after.st_mode, after.st_ino) == (0, 0, before.st_mode, before.st_ino)
    assert machine.strangers() == []


@pytest.mark.parametrize(("command", "name"), [("image", "store"), ("restore", "state/backups"), ("restore", "state")])
def test_a_link_in_a_directorys_place_does_not_lead_to_a_directory_of_roots(
    command: str, name: str, machine: Machine
) -> None:
    roots, planted = machine.directory / "roots", machine.directory / name
    planted.rename(roots)
    planted.symlink_to(roots)
    for path in (roots, *roots.rglob("*")):
        os.chown(path, 0, 0)
    roots.chmod(0o700)
    os.chown(planted, HUB, GROUP, follow_symlinks=False)
    before = sorted(roots.rglob("*"))
    done = machine.hanctl(*machine.commands()[command])
    assert (done.returncode != ExitCode.OK, "unexpected" in done.stderr) == (True, False), done.stderr
    assert sorted(roots.rglob("*")) == before


def test_root_runs_no_hub_on_anothers_directory_and_is_told_who_does(machine: Machine) -> None:
    done = machine.hanctl("run", "-c", machine.config)
    assert done.returncode == ExitCode.REFUSED
    assert str(machine.state) in done.stderr and f"sudo -u '#{HUB}' hanctl run" in done.stderr
    assert machine.strangers() == []
