"""The plugin: the documents' example on both radios, what a failure shows, and what it costs who does not use it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = re.findall(r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs" / "hil.md").read_text(), re.DOTALL)
FAILING = """
def test_that_fails(hub, device, update):
    update.start(activate="hold")
    update.wait_served(0.5)
    hub.wait_for("device.left", within="2m")
"""


def run(directory: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_display.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "hanctl.hil.plugin",
        "-c",
        "/dev/null",
        "--rootdir",
        str(directory),
    ]
    command += ["-p", "no:cacheprovider", "-p", "no:randomly", "--strict-markers", str(directory), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("radio", ["ezsp", pytest.param("znp", marks=pytest.mark.slow)])
def test_the_example_runs_as_it_stands_in_the_documents(tmp_path: Path, radio: str) -> None:
    done = run(tmp_path, EXAMPLES[0], "--hanctl-sim", radio)
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d passed", done.stdout) and "skipped" not in done.stdout


def test_without_a_bench_tests_are_skipped_and_say_what_they_need(tmp_path: Path) -> None:
    done = run(tmp_path, EXAMPLES[0], "-rs")
    assert done.returncode == 0
    assert "it needs a bench: give --hanctl-sim ezsp" in done.stdout


def test_a_failing_wait_shows_what_came_instead_and_keeps_the_air(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = run(tmp_path, FAILING, "--hanctl-sim", "ezsp", "--hanctl-artifacts", str(kept))
    assert done.returncode == 1
    assert re.search(
        r"device.left did not come within 2 min; the (last \d+ of \d+ )?events that came instead:", done.stdout
    )
    told = done.stdout.split("the hub's events since the test began")[1]
    assert "update.transferring" in told and "the device's console" in told and "download" in told
    (directory,) = kept.iterdir()
    assert str(directory) in told
    assert (directory / "air.pcap").stat().st_size > 10_000
    assert "INSTALL" not in done.stdout and "83FED3407A939723" not in done.stdout


def test_two_benches_at_once_are_refused(tmp_path: Path) -> None:
    done = run(tmp_path, FAILING, "--hanctl-sim", "ezsp", "--hanctl-config", "rig.toml")
    assert done.returncode == 4 and "not both" in done.stderr


def test_who_does_not_use_it_loads_next_to_nothing() -> None:
    code = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport hanctl.hil.plugin\nprint(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours = {name for name in done.stdout.split() if not name.startswith(("_", "encodings"))}
    assert ours == {"hanctl", "hanctl.hil", "hanctl.hil.plugin"} | (ours & set(sys.stdlib_module_names))
