"""docs/bench-guide.md as a newcomer follows it: every command that needs no radio, in order, in a clean checkout."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "bench-guide.md"
BLOCK = re.compile(r"(?:<!-- (?P<mark>.*?) -->\n)?```sh\n(?P<commands>.*?)```", re.DOTALL)
BESIDE = "run beside, until: "
ELSEWHERE = {"on the Pi", "needs the radio"}
CHECKOUT = (
    "hanctl",
    "configs",
    "firmware_store",
    "systemd",
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "LICENSE",
)
PORT = "6638"


@dataclass(frozen=True)
class Block:
    mark: str
    commands: str


BLOCKS = [Block(found["mark"] or "", found["commands"]) for found in BLOCK.finditer(GUIDE.read_text())]


class Newcomer:
    """A person with a checkout, on a machine of which a directory in /opt and one on the path are theirs.

    A service could not see what is below /tmp.
    """

    def __init__(self, directory: Path, opt: Path) -> None:
        self.checkout = directory / "checkout"
        self.bin = directory / "bin"
        self.opt = opt
        self.beside: list[subprocess.Popen[bytes]] = []
        self.bin.mkdir()
        self.checkout.mkdir()
        for name in CHECKOUT:
            given = ROOT / name
            if given.is_dir():
                shutil.copytree(given, self.checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(given, self.checkout)
        sudo = self.bin / "sudo"
        sudo.write_text('#!/bin/sh\nexec "$@"\n')
        sudo.chmod(0o755)
        python = self.bin / "python3"
        python.write_text('#!/bin/sh\nexec /usr/bin/python3 "$@"\n')
        python.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = str(free.getsockname()[1])
        for config in (self.checkout / "configs").glob("sim-*.toml"):
            config.write_text(config.read_text().replace(PORT, self.port))
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        self.environment = kept | {"PATH": f"{self.bin}:{os.environ['PATH']}"}

    def do(self, commands: str) -> str:
        """Type the commands; what they print. What they export is there for the next."""
        environment = self.checkout / "environment"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{self._here(commands)}\nenv -0 > {environment}"],
            cwd=self.checkout,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        exported = dict(item.split("=", 1) for item in environment.read_text().split("\0") if item)
        self.environment = {name: value for name, value in exported.items() if name not in {"SHLVL", "_", "PWD"}}
        return done.stdout

    def do_beside(self, commands: str, until: str) -> None:
        """Type them in another terminal."""
        self.beside.append(
            subprocess.Popen(
                ["bash", "-c", f"exec {self._here(commands.strip())}"],
                cwd=self.checkout,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        deadline = time.monotonic() + 60
        while subprocess.run(
            ["bash", "-c", self._here(until)], cwd=self.checkout, env=self.environment, capture_output=True, check=False
        ).returncode:
            assert time.monotonic() < deadline, f"not up: {commands}"
            time.sleep(0.2)

    def leave(self) -> None:
        for process in reversed(self.beside):
            process.send_signal(signal.SIGINT)
            process.wait(20)

    def _here(self, commands: str) -> str:
        places = {"/opt/hanctl": str(self.opt), "/usr/local/bin": str(self.bin), PORT: self.port}
        for theirs, ours in places.items():
            commands = commands.replace(theirs, ours)
        return commands


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    if not os.access("/opt", os.W_OK):
        pytest.skip("needs to write to /opt, as a newcomer does with sudo")
    with TemporaryDirectory(prefix="hanctl-guide-", dir="/opt") as opt:
        newcomer = Newcomer(tmp_path, Path(opt))
        yield newcomer
        newcomer.leave()


def test_every_command_says_where_it_is_for() -> None:
    marks = {block.mark for block in BLOCKS}
    assert {mark for mark in marks if mark != "run" and not mark.startswith(BESIDE)} == ELSEWHERE


def test_what_needs_no_radio_does_what_the_guide_says(newcomer: Newcomer) -> None:
    told = ""
    for block in BLOCKS:
        if block.mark == "run":
            told += newcomer.do(block.commands)
        elif block.mark.startswith(BESIDE):
            newcomer.do_beside(block.commands, block.mark.removeprefix(BESIDE))
    assert "version read back" in told
    assert "No requirement failed" in (newcomer.checkout / "conformance.html").read_text()
