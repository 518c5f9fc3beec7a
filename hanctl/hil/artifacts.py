"""What is kept of a test that failed: the hub's events, the device's console, and the air."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

from hanctl.base.errors import HanctlError
from hanctl.hil.driver import Driver
from hanctl.hil.trial import Trial, sentence

LAST_EVENTS = 200
LAST_LINES = 200


def sections(trial: Trial) -> list[tuple[str, str]]:
    """Return the sections of a failing test's report: titles and texts."""
    try:
        events = [sentence(event) for event in trial.events()][-LAST_EVENTS:]
    except HanctlError as error:
        events = [f"they cannot be had: {error}"]
    files = "none: name a directory with --hanctl-artifacts" if trial.files is None else str(trial.files)
    lines = trial.driver.console_lines()[-LAST_LINES:]
    return [
        ("hanctl: the hub's events since the test began", "\n".join(events) or "none"),
        ("hanctl: the device's console", "\n".join(lines) or "none: no console is attached, or it said nothing"),
        ("hanctl: files", files),
    ]


class Recording:
    """Files of one test in a directory of its own below ``directory``; none where that is None, or the test passed."""

    def __init__(self, driver: Driver, directory: Path | None, name: str) -> None:
        self._driver = driver
        self.directory = None if directory is None else directory / name
        self._keep = False

    def __enter__(self) -> Recording:
        self._driver.begin()
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir(parents=True)
            self._driver.start_capture(self.directory / "air.pcap")
        return self

    def end(self, trial: Trial, *, failed: bool) -> None:
        """Take note that the test is over; if it failed, write the hub's events and the device's console to files."""
        self._keep = failed
        if self.directory is not None and failed:
            with suppress(HanctlError), (self.directory / "events.jsonl").open("w") as file:
                file.writelines(json.dumps(event) + "\n" for event in trial.events())
            console = "".join(f"{line}\n" for line in self._driver.console_lines())
            (self.directory / "console.txt").write_text(console)

    def __exit__(self, *_: object) -> None:
        if self.directory is not None:
            self._driver.stop_capture()
            if not self._keep:
                shutil.rmtree(self.directory)
