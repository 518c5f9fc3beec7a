"""Root's doctor judges as the user who runs the hub, whose files root may have spoiled."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hanctl.base.clock import SystemClock
from hanctl.base.errors import ExitCode
from hanctl.cli.main import main
from hanctl.config.paths import system_hub
from hanctl.config.reading import load_config
from hanctl.doctor import access
from hanctl.doctor.access import hub_user
from hanctl.ledger.ledger import Ledger

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root looks for another user")

HUB, GROUP = 64001, 64002
CONFIG = """
[hub]
state_dir = "state"
firmware_store = "store"
socket = "run/hub.sock"
[dongle]
path = "/dev/none-such"
radio = "ezsp"
[webhook]
url = "https://example.net/x"
secret_file = "secret"
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """The directories of a hub that a user of no name runs, as they should be."""
    with TemporaryDirectory(prefix="hanctl-test-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        for name in ("state", "state/backups", "store", "run"):
            (place / name).mkdir(0o700)
        with closing(Ledger.open(place / "state" / "ledger.sqlite", SystemClock())):
            pass
        for name in ("state/backups/ledger-1.sqlite", "store/a.ota"):
            (place / name).touch(0o600)
        for name in ("state", "store", "run"):
            for path in (place / name, *(place / name).rglob("*")):
                os.chown(path, HUB, GROUP)
        for name, content in (("secret", "0123456789abcdef"), ("hub.toml", CONFIG)):
            (place / name).write_text(content)
            os.chown(place / name, 0, GROUP)
            (place / name).chmod(0o640)
        yield place


def doctor(place: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "-c", str(place / "hub.toml"), "--json"])
    # There is no dongle.
    assert ended.value.code == ExitCode.UNHEALTHY
    findings: list[dict[str, str]] = json.loads(capsys.readouterr().out)["findings"]
    assert next(each for each in findings if each["check"] == "state")["status"] == "ok"
    return [each for each in findings if each["check"] == "access"]


def test_what_the_hubs_user_can_use_is_well(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = doctor(place, capsys)
    assert told["status"] == "ok" and str(HUB) in told["message"]


@pytest.mark.parametrize(
    "spoiled",
    [
        *("state/ledger.sqlite", "state/backups", "state/backups/ledger-1.sqlite", "store", "store/a.ota", "run"),
        *("secret", "hub.toml"),
    ],
)
def test_what_root_has_spoiled_is_found_and_the_hint_mends_it(
    spoiled: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / spoiled
    os.chown(path, 0, 0)
    path.chmod(path.stat().st_mode & 0o700)
    told = doctor(place, capsys)
    assert [each["status"] for each in told] == ["fail"]
    assert str(path) in told[0]["message"]
    command = re.search(r"sudo .*", told[0]["hint"])
    if command is None:
        os.chown(path, HUB, GROUP)
    else:
        subprocess.run(command[0].replace("sudo ", ""), shell=True, check=True)
    assert [each["status"] for each in doctor(place, capsys)] == ["ok"]


def test_the_user_is_the_units_or_the_owner_of_the_state(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(place / "hub.toml")
    assert hub_user(place / "hub.toml", config, None).uid == HUB
    monkeypatch.setattr(access, "hub_of", lambda file: system_hub("rig1"))
    assert hub_user(place / "hub.toml", config, "nobody").name == "nobody"
    monkeypatch.setattr(access, "SERVICE_USER", "no-such-user")
    assert hub_user(place / "hub.toml", config, None).uid == HUB
