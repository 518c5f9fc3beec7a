"""``hanctl run`` as a process: signals, a kill, and its log."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_fakes import write_config

from hanctl.base.clock import SystemClock
from hanctl.ledger.ledger import Ledger

SCRIPT = """
import sys
import hanctl.hub.daemon
from hub_fakes import FakeRadio
import hanctl.radio.ezsp.application
hanctl.hub.daemon.open_radio = lambda settings, tap: FakeRadio()
from hanctl.cli.main import main
main(["run", "-c", sys.argv[1]])
"""


def start(config: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(config)], stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    )
    assert process.stderr is not None
    for line in process.stderr:
        if json.loads(line)["event"] == "network.resumed":
            return process
    raise AssertionError("the daemon did not start")


def kinds(directory: Path) -> list[str]:
    ledger = Ledger.open(directory / "state" / "ledger.sqlite", SystemClock())
    found = [type(recorded.event).type for recorded in ledger.events()]
    ledger.close()
    return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_ends_it_in_good_order(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = start(write_config(tmp_path))
    process.send_signal(number)
    _, log = process.communicate(timeout=20)
    assert process.returncode == code
    last = json.loads(log.splitlines()[-1])
    assert (last["event"], last["reason"], last["level"]) == ("hub.stopped", f"received {number.name}", "info")
    assert last["time"].endswith("Z") and last["id"] > 0
    assert not (tmp_path / "hub.sock").exists()
    assert kinds(tmp_path)[-1] == "hub.stopped"


def test_a_killed_daemon_starts_again_as_if_nothing_had_been(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    process = start(config)
    process.kill()
    process.communicate(timeout=20)
    assert (tmp_path / "hub.sock").exists()
    again = start(config)
    status = [sys.executable, "-m", "hanctl", "status", "--json", "-c", str(config)]
    answer = json.loads(subprocess.run(status, capture_output=True, text=True, check=True).stdout)
    assert answer["pid"] == again.pid
    again.terminate()
    again.communicate(timeout=20)
    assert again.returncode == 0
    # The second start writes the backup that the first did not live to write, if it comes to it.
    found = [kind for kind in kinds(tmp_path) if kind != "backup.written"]
    assert found == ["hub.started", "dongle.opened", "network.resumed"] * 2 + ["hub.stopped"]


def test_at_rest_it_is_small(tmp_path: Path) -> None:
    process = start(write_config(tmp_path))
    time.sleep(0.5)
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    process.terminate()
    process.communicate(timeout=20)
    assert resident < 150_000, f"{resident} KiB"
