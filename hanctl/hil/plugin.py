"""The pytest plugin: fixtures of a bench, simulated (``--hanctl-sim``) or real (``--hanctl-config``).

It is loaded with every pytest of an environment that has hanctl: all that is heavy is imported where it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hanctl.base.errors import HanctlError
    from hanctl.hil.change import OrderedChange
    from hanctl.hil.device import TrialDevice
    from hanctl.hil.driver import Driver
    from hanctl.hil.hub import Hub
    from hanctl.hil.sim import SimLab
    from hanctl.hil.trial import Trial
    from hanctl.hil.update import OrderedUpdate

TRIAL: pytest.StashKey[Trial] = pytest.StashKey()
FACTS: pytest.StashKey[dict[str, str]] = pytest.StashKey()
"""What was tested, of the whole run: known once a test has seen the device."""
FAILURE: pytest.StashKey[HanctlError] = pytest.StashKey()
"""What kept the bench from starting."""
EVIDENCE, GAP, REQUIREMENT, FILES = "evidence", "not covered", "requirement", "files"
"""Names of a test's properties, which JUnit XML has too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hanctl", "hanctl: hardware in the loop")
    group.addoption(
        "--hanctl-sim", choices=["ezsp", "znp"], help="test a simulated display behind a simulated dongle of this kind"
    )
    group.addoption(
        "--hanctl-sim-device", metavar="FILE", type=Path, help="the simulated display: a devices file with one device"
    )
    group.addoption(
        "--hanctl-config",
        metavar="FILE",
        type=Path,
        help="test the device of this rig: the hub's configuration, with [hil]",
    )
    group.addoption(
        "--hanctl-artifacts",
        metavar="DIR",
        type=Path,
        help="where events, console and a capture of the air of tests that failed are written",
    )


def pytest_configure(config: pytest.Config) -> None:
    for marker in (
        "requirement(row, covers, not_covered): the requirement that the test tries, what of it, and what not",
        "takes(length): the test lets so much time pass, such as '70m'; it is left out where the bench allows less",
        "device_unjoined: the test begins with the device under test off the HAN",
    ):
        config.addinivalue_line("markers", marker)
    if config.getoption("--hanctl-sim") and config.getoption("--hanctl-config"):
        raise pytest.UsageError("give --hanctl-sim or --hanctl-config, not both")
    if config.getoption("--hanctl-config") and config.getoption("numprocesses", None):
        raise pytest.UsageError("a rig has one device: give --hanctl-config without -n")


# --- fixtures


@pytest.fixture(scope="session")
def _hanctl_bench(request: pytest.FixtureRequest) -> Iterator[SimLab | Driver]:
    """What benches are made with, or the one rig that there is."""
    from hanctl.base.errors import HanctlError

    config = request.config
    try:
        if radio := config.getoption("--hanctl-sim"):
            from hanctl.hil.sim import DISPLAY, SimLab, read_display

            display = read_display(config.getoption("--hanctl-sim-device") or DISPLAY)
            # Not pytest's own directories: their names are long, and the path of a socket is short.
            with TemporaryDirectory(prefix="hanctl-") as directory:
                yield SimLab(radio, display, Path(directory))
        elif rig := config.getoption("--hanctl-config"):
            from hanctl.hil.rig import RigDriver

            driver = RigDriver(rig)
            try:
                yield driver
            finally:
                driver.close()
        else:
            pytest.skip("it needs a bench: give --hanctl-sim ezsp, --hanctl-sim znp or --hanctl-config FILE")
    except HanctlError as error:
        config.stash[FAILURE] = error
        pytest.exit(f"{error}; {error.hint}", returncode=int(error.exit_code))


@pytest.fixture
def _hanctl_trial(request: pytest.FixtureRequest, _hanctl_bench: SimLab | Driver) -> Iterator[Trial]:
    from hanctl.hil.artifacts import Recording
    from hanctl.hil.driver import Driver
    from hanctl.hil.trial import Trial

    node = request.node
    if isinstance(_hanctl_bench, Driver):
        driver, owned = _hanctl_bench, False
    else:
        unjoined = node.get_closest_marker("device_unjoined") is not None
        driver, owned = _hanctl_bench.bench(joined=not unjoined), True
    try:
        with Recording(driver, request.config.getoption("--hanctl-artifacts"), _safe(node.nodeid)) as recording:
            _check_time(node, driver.device.longest_s)
            trial = Trial(driver)
            trial.files = recording.directory
            node.stash[TRIAL] = trial
            yield trial
            recording.end(trial, failed=_failed(node))
    finally:
        if owned:
            driver.close()


@pytest.fixture
def hub(_hanctl_trial: Trial) -> Hub:
    """The hub: its events, and waiting for them."""
    from hanctl.hil.hub import Hub

    return Hub(_hanctl_trial)


@pytest.fixture
def device(
    request: pytest.FixtureRequest,
    _hanctl_trial: Trial,
    record_testsuite_property: Callable[[str, object], None],
) -> Iterator[TrialDevice]:
    """The device under test; on the HAN, unless the test is marked ``device_unjoined``."""
    from hanctl.hil.device import TrialDevice

    found = TrialDevice(_hanctl_trial)
    if request.node.get_closest_marker("device_unjoined") is not None:
        found.begin_unjoined()
    elif not found.joined:
        found.join()
    _hanctl_trial.begin_here()
    facts = found.facts() if found.joined else {}
    yield found
    if FACTS not in request.config.stash:
        request.config.stash[FACTS] = facts = facts or found.facts()
        for name, value in facts.items():
            record_testsuite_property(name, value)


@pytest.fixture
def update(_hanctl_trial: Trial, device: TrialDevice) -> Iterator[OrderedUpdate]:
    """An update of the device, which begins with its base version. None is left open behind the test."""
    from hanctl.hil.update import OrderedUpdate

    found = OrderedUpdate(_hanctl_trial, device)
    found.begin_at_base()
    _hanctl_trial.begin_here()
    yield found
    found.finish()


@pytest.fixture
def tenancy(_hanctl_trial: Trial, device: TrialDevice) -> OrderedChange:
    """Changes of tenancy and supplier."""
    from hanctl.hil.change import OrderedChange

    return OrderedChange(_hanctl_trial, device)


@pytest.fixture
def evidence(_hanctl_trial: Trial) -> Trial:
    """``evidence.saw("…")`` adds a line of evidence, ``evidence.gaps.append("…")`` what could not be found out."""
    return _hanctl_trial


def _check_time(node: pytest.Item, most: float) -> None:
    marker = node.get_closest_marker("takes")
    if marker is None:
        return
    from hanctl.cli.options import duration

    if duration(marker.args[0]) > most:
        pytest.skip(f"it lets {marker.args[0]} pass; [hil] longest_s allows {most:g} s")


# --- reports


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    item.stash.setdefault(_FAILED, False)
    item.stash[_FAILED] = item.stash[_FAILED] or report.failed
    trial = item.stash.get(TRIAL, None)
    if trial is None:
        return
    if report.failed and call.when != "teardown":
        # In a teardown the bench may be gone.
        from hanctl.hil.artifacts import sections

        report.sections += sections(trial)
    if call.when == "call":
        told = _properties(item, trial)
        if report.failed and trial.files is not None:
            told.append((FILES, str(trial.files)))
        report.user_properties += told
        item.user_properties += told


_FAILED: pytest.StashKey[bool] = pytest.StashKey()


def _failed(node: pytest.Item) -> bool:
    return node.stash.get(_FAILED, False)


def _properties(item: pytest.Item, trial: Trial) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        (REQUIREMENT, f"{marker.args[0]}: {marker.kwargs.get('covers', '')}")
        for marker in item.iter_markers(REQUIREMENT)
    ]
    return [*rows, *((EVIDENCE, line) for line in trial.evidence), *((GAP, line) for line in trial.gaps)]


def _safe(name: str) -> str:
    """Return the name in a form that can be a directory's."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[-100:]
