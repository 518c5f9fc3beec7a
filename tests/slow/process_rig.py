"""A hub and a simulated dongle as real processes with a pseudo-terminal between them, for tests that kill the hub."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hanctl.images import demo_image

DISPLAY = "00:0d:6f:00:0b:00:00:01"
INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
DEVICES = f"""
[[device]]
name = "display"
eui64 = "{DISPLAY}"
type = "ppmid"
install_code = "{INSTALL_CODE}"
ota = {{ think_time_s = 0.04 }}
timings = {{ start_delay_s = [1, 1], timeout_backoff_s = 1 }}
"""


class ProcessRig:
    """A simulated dongle and a hub, each a process, with their state in one directory."""

    def __init__(self, directory: Path, radio: str) -> None:
        self.directory = directory
        self.radio = radio
        self.port = directory / "dongle"
        self.config = directory / "hub.toml"
        self.image = directory / "image.ota"
        (directory / "devices.toml").write_text(DEVICES)
        self.config.write_text(
            f'[hub]\nstate_dir = "state"\nsocket = "hub.sock"\n[dongle]\npath = "{self.port}"\nradio = "{radio}"\n'
        )
        self.image.write_bytes(demo_image.build())

    @contextmanager
    def dongle(self) -> Iterator[None]:
        arguments = ("--radio", self.radio, "--pty", str(self.port), "--state", str(self.directory / "simulator"))
        with (self.directory / "simulator.log").open("w") as log:
            process = subprocess.Popen(
                [*HANCTL, "simulate", *arguments, "--devices", str(self.directory / "devices.toml")], stdout=log
            )
        try:
            wait_for(self.port.exists)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        assert "serial faults: none" in (self.directory / "simulator.log").read_text()

    def hub(self) -> subprocess.Popen[bytes]:
        with (self.directory / "hub.log").open("a") as log:
            process = subprocess.Popen([*HANCTL, "run", "-c", str(self.config)], stderr=log)
        wait_for(lambda: self.try_cli("status") == 0)
        return process

    def try_cli(self, *arguments: str) -> int:
        return subprocess.run(
            [*HANCTL, *arguments, "-c", str(self.config)], capture_output=True, check=False
        ).returncode

    def cli(self, *arguments: str) -> Any:
        done = subprocess.run(
            [*HANCTL, *arguments, "-c", str(self.config), "--json"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def join_display(self) -> None:
        """Let the display join, and wait until it is interviewed."""
        code = self.directory / "code"
        code.write_text(INSTALL_CODE)
        self.cli("join", "--eui", DISPLAY, "--install-code-file", str(code))
        wait_for(lambda: self.cli("device", "show", DISPLAY)["state"] == "interviewed")

    def events(self, kind: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*HANCTL, "events", "--type", kind, "-c", str(self.config), "--json"],
            capture_output=True,
            text=True,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]


HANCTL = [sys.executable, "-m", "hanctl"]


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)
