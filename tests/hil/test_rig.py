"""A rig as far as one can be had without hardware: hub, dongle and display in processes of their own, in real time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from hanctl.base.errors import ExitCode
from hanctl.hil.sim import make_image
from hanctl.simulator.device.devices_file import parse_devices

HANCTL = [sys.executable, "-m", "hanctl"]
DISPLAY = """
[[device]]
name = "display"
eui64 = "00:0d:6f:00:0b:00:00:01"
type = "ppmid"
install_code = "83FED3407A939723A5C639B26916D505C3B5"
running_version = 0x00010000
timings = { start_delay_s = [1, 1] }
"""
RIG = """
[hub]
state_dir = "state"
socket = "hub.sock"
[dongle]
path = "dongle"
radio = "ezsp"
[hil]
eui64 = "00:0d:6f:00:0b:00:00:01"
install_code_file = "display.code"
device_type = "ppmid"
base_image = "base.ota"
image = "image.ota"
answer_s = 60
longest_s = 10
"""


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Path]:
    """The configuration of a rig whose dongle and display are there, and whose hub is not running."""
    (spec,) = parse_devices(DISPLAY)
    (tmp_path / "devices.toml").write_text(DISPLAY)
    (tmp_path / "display.code").write_text(spec.install_code)
    for name, step in (("base.ota", 0), ("image.ota", 1)):
        (tmp_path / name).write_bytes(make_image(spec, spec.running_version + step).data)
    (tmp_path / "rig.toml").write_text(RIG)
    simulate = [*HANCTL, "simulate", "--pty", str(tmp_path / "dongle"), "--devices", str(tmp_path / "devices.toml")]
    dongle = subprocess.Popen(simulate, stdout=subprocess.PIPE, text=True)
    assert dongle.stdout is not None
    assert "ezsp dongle" in dongle.stdout.readline()
    yield tmp_path / "rig.toml"
    dongle.send_signal(signal.SIGINT)
    said, _ = dongle.communicate(timeout=30)
    assert "serial faults: none" in said


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_suite_starts_the_hub_of_a_rig_and_leaves_out_what_it_cannot_do(rig: Path) -> None:
    command = [*HANCTL, "conformance", "-c", str(rig), "--only", "J1,J3,F2,F3,F8", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.OK, done.stderr
    report = json.loads(done.stdout)
    rows = {row["row"]: row for row in report["rows"]}
    assert {name: row["status"] for name, row in rows.items()} == {
        "J1": "partly",
        "J3": "not applicable",
        "F2": "not applicable",
        "F3": "pass",
        "F8": "partly",
    }
    assert rows["J1"]["remarks"] == ["not tried: key establishment: this hub has no certificate"]
    assert rows["J3"]["remarks"] == ["it lets 10m pass; [hil] longest_s allows 10 s"]
    assert rows["F2"]["remarks"][1] == "it lets 12m pass; [hil] longest_s allows 10 s"
    assert any("no next_image" in remark for remark in rows["F8"]["remarks"])
    assert report["facts"]["bench"].startswith("rig rig.toml: EZSP dongle at ")
    # The hub that was started is stopped again.
    assert not (rig.parent / "hub.sock").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_failure_keeps_on_a_rig(rig: Path, tmp_path: Path) -> None:
    display, console = os.openpty()
    tty.setraw(console)
    rig.write_text(RIG + f'[console]\nport = "{os.ttyname(console)}"\n')
    (tmp_path / "test_product.py").write_text(
        "def test_it(device):\n    assert device.version\n    assert False, 'on purpose'\n"
    )
    talking = threading.Event()

    def talk() -> None:
        while not talking.wait(0.2):
            os.write(display, b"display: all is well\r\n")

    speaker = threading.Thread(target=talk)
    speaker.start()
    try:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            str(tmp_path / "test_product.py"),
            "--rootdir",
            str(tmp_path),
        ]
        options = ["--hanctl-config", str(rig), "--hanctl-artifacts", str(tmp_path / "kept")]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    finally:
        talking.set()
        speaker.join()
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "on purpose" in done.stdout and "display: all is well" in done.stdout
    (kept,) = (tmp_path / "kept").iterdir()
    assert {each.name for each in kept.iterdir()} == {
        "air.pcapng",
        "air.pcapng.keys",
        "console.txt",
        "events.jsonl",
    }
    assert (kept / "air.pcapng").read_bytes()[:4] == bytes.fromhex("0a0d0d0a")
    assert "display: all is well" in (kept / "console.txt").read_text()


def test_what_keeps_the_hub_of_a_rig_from_starting_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "display.code").write_text("83FED3407A939723A5C639B26916D505C3B5")
    config = tmp_path / "rig.toml"
    config.write_text(RIG.replace("base_image", "# base_image").replace('image = "image.ota"', ""))
    command = [*HANCTL, "conformance", "-c", str(config), "--only", "J1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.DONGLE, done.stderr
    assert done.stderr.startswith("error: ") and "dongle" in done.stderr
    config.write_text(RIG.replace("device_type", "devise_type"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == ExitCode.CONFIG and "did you mean 'device_type'?" in done.stderr
