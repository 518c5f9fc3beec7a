"""No command shows what the radio libraries log, however loud, and the hub's log shows no key of it: on processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import process_rig
import pytest
from process_rig import INSTALL_CODE, ProcessRig
from secret_search import told

from hanctl.crypto.install_code import parse_install_code

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LOUD = """
import logging
from hanctl.cli.main import main

said = open({said!r}, "a", buffering=1)
libraries = ("bellows", "serialx", "zigpy", "zigpy_znp")

def louder(quiet):
    def log(logger, *arguments, **named):
        if logger.name.split(".")[0] in libraries:
            logger.error(*arguments, **named)
        else:
            quiet(logger, *arguments, **named)
    return log

def record(*arguments, made=logging.getLogRecordFactory(), **named):
    entry = made(*arguments, **named)
    if str(entry.name).split(".")[0] in libraries:
        said.write(ascii(entry.getMessage()) + chr(10))
    return entry

logging.Logger.debug, logging.Logger.info = louder(logging.Logger.debug), louder(logging.Logger.info)
logging.setLogRecordFactory(record)
main()
"""
"""The command line, with libraries that log all that they ever log, at ERROR; it is noted in a file, too."""


class Loud:
    """Runs commands, and looks through what they print for what the libraries said."""

    def __init__(self, directory: Path) -> None:
        self.said = directory / "said"
        self.command = [sys.executable, "-c", LOUD.format(said=str(self.said))]

    def run(self, *arguments: str) -> str:
        """What a command printed, of which nothing is what a library said, there or in the processes beside it."""
        done = subprocess.run(
            [*self.command, *arguments], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        printed = done.stdout + done.stderr
        assert done.returncode == 0, printed
        lines = {line[1:-1] for line in self.said.read_text().splitlines()}
        assert [line for line in lines if len(line) > 12 and line in ascii(printed)] == []
        return printed


def keys_of(backup: Path) -> dict[str, bytes]:
    content = json.loads(backup.read_text())
    install = parse_install_code(INSTALL_CODE)
    found = {
        "network key": bytes.fromhex(content["network_key"]["key"]),
        "install code": bytes.fromhex(INSTALL_CODE),
        "install code's key": install.link_key,
    }
    if seed := content["stack_specific"].get("zstack", {}).get("tclk_seed"):
        found["seed"] = bytes.fromhex(seed)
    for number, device in enumerate(content["devices"]):
        if device.get("link_key"):
            found[f"link key {number}"] = bytes.fromhex(device["link_key"]["key"])
    return found


@pytest.mark.parametrize("radio", ["ezsp", "znp"])
def test_no_command_shows_what_the_libraries_log(
    radio: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    loud = Loud(tmp_path)
    monkeypatch.setattr(process_rig, "HANCTL", loud.command)
    rig = ProcessRig(tmp_path, radio)
    kept, config = tmp_path / "kept.json", ("-c", str(rig.config))
    with rig.dongle():
        hub = rig.hub()
        rig.join_display()
        printed = loud.run("backup", "create", "-o", str(kept), *config)
        printed += loud.run("capture", "-o", str(tmp_path / "x.pcapng"), "--duration", "1s", *config)
        # A hub that runs is asked, and its dongle left alone; its pseudo-terminal cannot say what a USB port can.
        printed += loud.run("doctor", "-c", str(rig.config), "--json")
        hub.terminate()
        assert hub.wait(20) == 0
        printed += loud.run("doctor", "--port", str(rig.port), "--radio", radio)
        printed += loud.run("backup", "restore", str(kept), "--yes", *config)
        content = json.loads(kept.read_text())
        content["network_key"]["key"] = "5a" * 16
        if seed := content["stack_specific"].get("zstack", {}):
            seed["tclk_seed"] = "a5" * 16
        other = tmp_path / "other.json"
        other.write_text(json.dumps(content))
        other.chmod(0o600)
        printed += loud.run("backup", "restore", str(other), "--yes", *config)
    printed += loud.run("conformance", "--sim", radio, "--only", "T4", "--junit", str(tmp_path / "junit.xml"))
    printed += (tmp_path / "junit.xml").read_text()
    printed += loud.run("demo", "--radio", radio)
    simulator = "".join(capfd.readouterr())
    log = (tmp_path / "hub.log").read_text()
    for keys in (keys_of(kept), keys_of(other)):
        assert told(keys, loud.said.read_text()) != []
        assert told(keys, printed + simulator + log) == []
    # What they log is for the hub's own log, and there without bytes.
    assert "(bytes)" in log
    assert "(bytes)" not in printed + simulator
