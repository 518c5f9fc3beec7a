"""Running the suite: pytest in this process, with the plugin and nothing else, and a report of what became of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hanctl.base.clock import SystemClock
from hanctl.base.errors import ExitCode, HanctlError, InvalidInput
from hanctl.hil import plugin
from hanctl.hil.conformance.outcome import ConformanceReport, Scenario, Trying, judge
from hanctl.hil.conformance.requirements import ROWS

SUITE = Path(__file__).parent
ORDER = ("test_joining.py", "test_updates.py", "test_tenancy.py")


class SuiteBroken(HanctlError):
    """The suite itself could not be run."""

    code = "suite-broken"
    exit_code = ExitCode.INTERNAL


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run on what. Either ``sim`` or ``config``; ``only``: rows, empty for all."""

    sim: str | None = None
    sim_device: Path | None = None
    config: Path | None = None
    only: tuple[str, ...] = ()
    junit: Path | None = None
    artifacts: Path | None = None


class Audience:
    """Who watches: told when a scenario begins, and when it is over."""

    def begins(self, scenario: Scenario) -> None:
        """Take note that a scenario begins."""

    def over(self, scenario: Scenario) -> None:
        """Take note that a scenario is over."""


def run(wish: Wish, audience: Audience) -> ConformanceReport:
    """Run the suite; what was interrupted with Ctrl-C is a report all the same.

    Raises InvalidInput, what kept the bench from starting, and SuiteBroken.
    """
    if unknown := set(wish.only) - set(ROWS):
        raise InvalidInput(f"there is no such requirement ({len(unknown)} of them)", f"there are {', '.join(ROWS)}")
    collector = _Collector(wish.only, audience)
    code = _without_foreign_options(lambda: pytest.main(_arguments(wish), plugins=[collector]))
    if collector.failure is not None:
        raise collector.failure
    if not collector.interrupted and code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise SuiteBroken(f"the suite could not be run: {collector.trouble or code}", "please report it")
    scenarios = tuple(collector.scenarios.values())
    rows = tuple(row for row in judge(scenarios) if not wish.only or row.row in wish.only)
    return ConformanceReport(
        made_at=SystemClock().now(),
        facts=collector.facts,
        complete=not (wish.only or collector.interrupted),
        interrupted=collector.interrupted,
        rows=rows,
        scenarios=scenarios,
    )


def _arguments(wish: Wish) -> list[str]:
    options: Sequence[tuple[str, object]] = (
        ("--hanctl-sim", wish.sim),
        ("--hanctl-sim-device", wish.sim_device),
        ("--hanctl-config", wish.config),
        ("--hanctl-artifacts", wish.artifacts),
        ("--junitxml", None if wish.junit is None else wish.junit.absolute()),
    )
    return [
        *(str(SUITE / name) for name in ORDER),
        *("--disable-plugin-autoload", "-p", "hanctl.hil.plugin", "-p", "no:cacheprovider", "-p", "no:terminal"),
        *("-c", os.devnull, "--rootdir", str(SUITE), "-o", "junit_suite_name=hanctl conformance"),
        *(text for name, value in options if value is not None for text in (name, str(value))),
    ]


def _without_foreign_options(work: Callable[[], int | pytest.ExitCode]) -> int | pytest.ExitCode:
    """Run ``work`` without the options that a person gave to their own pytest."""
    kept = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    try:
        return work()
    finally:
        os.environ.update(kept)


class _Collector:
    """What pytest tells of the run."""

    def __init__(self, only: tuple[str, ...], audience: Audience) -> None:
        self.scenarios: dict[str, Scenario] = {}
        self.facts: dict[str, str] = {}
        self.interrupted = False
        self.failure: HanctlError | None = None
        self.trouble = ""
        self._only = set(only)
        self._audience = audience

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        wanted = []
        for item in items:
            scenario = _scenario(item)
            if not self._only or self._only & {trying.row for trying in scenario.tries}:
                self.scenarios[item.nodeid] = scenario
                wanted.append(item)
        items[:] = wanted

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._audience.begins(self.scenarios[nodeid])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        scenario = self.scenarios[report.nodeid]
        scenario.seconds += report.duration
        if report.failed and scenario.ended != "failed":
            # What comes after a failure, as a test is cleared up, most often follows from it.
            scenario.ended, scenario.reason = "failed", _reason(report)
        elif report.skipped:
            scenario.ended, scenario.reason = "left out", _reason(report)
        elif report.when == "call":
            scenario.ended = "passed"
        if report.when == "call":
            told = report.user_properties
            scenario.evidence = [str(value) for name, value in told if name == plugin.EVIDENCE]
            scenario.gaps = [str(value) for name, value in told if name == plugin.GAP]
            scenario.files = next((str(value) for name, value in told if name == plugin.FILES), "")
        if report.when == "teardown":
            self._audience.over(scenario)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = excinfo.errisinstance(KeyboardInterrupt)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.trouble = f"{excinfo.typename}: {excinfo.value}"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.trouble = _reason(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.facts = session.config.stash.get(plugin.FACTS, {})
        self.failure = session.config.stash.get(plugin.FAILURE, None)


def _scenario(item: pytest.Item) -> Scenario:
    function: Any = getattr(item, "function", None)
    tries = tuple(
        Trying(marker.args[0], marker.kwargs["covers"], marker.kwargs.get("not_covered", ""))
        for marker in item.iter_markers(plugin.REQUIREMENT)
    )
    tested = " ".join((getattr(function, "__doc__", None) or "").split())
    return Scenario(item.name.removeprefix("test_").replace("_", " "), tested, tries)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    told = report.longrepr
    if isinstance(told, tuple):
        return str(told[2]).removeprefix("Skipped: ")
    crash = getattr(told, "reprcrash", None)
    text = str(told) if crash is None else str(crash.message)
    # Of an assertion what it says, not how pytest takes it apart.
    text = text.split("\nassert ")[0]
    for prefix in ("AssertionError: ", "hanctl.hil.trial.Expired: ", "Failed: "):
        text = text.removeprefix(prefix)
    return text.strip()
