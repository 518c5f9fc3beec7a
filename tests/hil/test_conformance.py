"""The suite against displays with one fault each, the radios in turn: what failed is named, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from faulty_displays import DISPLAYS, FAILS

from hanctl.base.errors import ExitCode

RADIOS = ["ezsp", "znp"]
ALL = {"J1", "J2", "J3", *(f"F{n}" for n in range(1, 9)), *(f"T{n}" for n in range(1, 5))}


def conformance(*arguments: object, code: ExitCode = ExitCode.OK) -> tuple[dict[str, Any], str]:
    """The report, and what was said beside it."""
    command = [sys.executable, "-m", "hanctl", "conformance", "--json", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout), done.stderr


def failed(report: dict[str, Any]) -> set[str]:
    return {row["row"] for row in report["rows"] if row["status"] == "fail"}


def display(directory: Path, name: str) -> Path:
    path = directory / "display.toml"
    path.write_text(DISPLAYS[name])
    return path


@pytest.mark.slow
@pytest.mark.parametrize("radio", RADIOS)
def test_a_display_that_does_all_it_should_passes_all(radio: str) -> None:
    report, _ = conformance("--sim", radio)
    assert {row["row"] for row in report["rows"]} == ALL
    assert {row["row"]: row["status"] for row in report["rows"] if row["status"] != "pass"} == {
        # What a display cannot be made to do is not tried, and is said.
        "F1": "partly",
        "T1": "partly",
        "T3": "partly",
    }
    assert all(row["remarks"] for row in report["rows"] if row["status"] == "partly")
    assert all(scenario["evidence"] for scenario in report["scenarios"])


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "radio"), list(zip(DISPLAYS, cycle(RADIOS), strict=False)))
def test_a_fault_fails_its_requirements_and_no_other(tmp_path: Path, name: str, radio: str) -> None:
    report, said = conformance("--sim", radio, "--sim-device", display(tmp_path, name), code=ExitCode.UPDATE_FAILED)
    assert failed(report) == FAILS[name]
    for row in FAILS[name]:
        assert row in said.splitlines()[-2], "the last word names it"


def test_what_was_asked_for_is_run_and_reported_in_every_form(tmp_path: Path) -> None:
    html, junit, kept = tmp_path / "page.html", tmp_path / "junit.xml", tmp_path / "kept"
    faulty = display(tmp_path, "activates although told to hold")
    wanted = ("--only", "f2,J1", "--html", html, "--junit", junit, "--artifacts", kept)
    report, said = conformance("--sim", "znp", "--sim-device", faulty, *wanted, code=ExitCode.UPDATE_FAILED)
    assert {row["row"]: row["status"] for row in report["rows"]} == {"J1": "pass", "F2": "fail"}
    assert "requirement F2 failed" in said
    assert not report["complete"]
    held = next(each for each in report["scenarios"] if each["name"] == "it is held until it is released")
    assert held["reason"] == "told to wait, it did not: the update is confirmed"

    page = html.read_text()
    assert "<b>Failed: F2</b>" in page and "only J1, F2" in page and "<script" not in page
    suite = ET.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    told = [(each.get("name"), each.get("value") or "") for each in suite.iter("property")]
    assert ("device", "00:0d:6f:00:0b:00:00:01 (ppmid)") in told
    assert any(name == "requirement" and value.startswith("F2: ") for name, value in told)
    assert any(name == "evidence" and "update.holding" in value for name, value in told)

    files = {file.name for file in Path(held["files"]).iterdir()}
    assert files == {"events.jsonl", "console.txt", "air.pcap", "air.pcap.keys"}
    assert len(list(kept.iterdir())) == 2, "of what passed, nothing is kept"
    assert (Path(held["files"]) / "air.pcap.keys").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_run_that_is_interrupted_reports_what_it_came_to() -> None:
    command = [sys.executable, "-m", "hanctl", "conformance", "--sim", "ezsp", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    first = process.stderr.readline()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert "Traceback" not in err
    report = json.loads(out)
    assert "joins with its install code" in first
    assert (report["interrupted"], report["complete"]) == (True, False)
    statuses = {row["row"]: row["status"] for row in report["rows"]}
    assert (statuses["J1"], statuses["T4"]) == ("pass", "not run")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), ExitCode.USAGE, "it is not said what is to be tested"),
        (("--sim", "ezsp", "--only", "F9"), ExitCode.USAGE, "there is no such requirement"),
        (("-c", "none.toml"), ExitCode.CONFIG, "cannot read what was given: No such file"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(arguments: tuple[str, ...], code: ExitCode, said: str) -> None:
    command = [sys.executable, "-m", "hanctl", "conformance", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.splitlines()) == 2
