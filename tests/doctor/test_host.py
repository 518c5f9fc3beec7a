"""What hanctl runs on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from hanctl.doctor.host import (
    clock_synchronised,
    judge_libraries,
    judge_python,
    judge_service,
    requirements_and_installed,
)

PROJECT: dict[str, Any] = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
RUNS = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10), "fail"), ((3, 11), "ok"), ((3, 14), "ok"), ((3, 15), "warn")]
)
def test_python(version: tuple[int, int], status: str) -> None:
    assert judge_python(version).status == status


def test_the_oldest_python_is_the_projects() -> None:
    lowest = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["requires-python"])
    assert lowest is not None
    at_least = (int(lowest[1]), int(lowest[2]))
    assert judge_python(at_least).status == "ok"
    assert judge_python((at_least[0], at_least[1] - 1)).status == "fail"


def test_libraries_are_compared_with_what_the_project_declares() -> None:
    required, installed = requirements_and_installed()
    assert set(installed) <= {re.split(r"[<>=]", each)[0] for each in [*required, *PROJECT["dependencies"]]}
    assert judge_libraries(PROJECT["dependencies"], installed).status == "ok"


@pytest.mark.parametrize(
    ("installed", "status", "told"),
    [
        ({"bellows": "1.2.1"}, "ok", "bellows 1.2.1"),
        ({"bellows": "1.2.10"}, "ok", ""),
        ({"bellows": "1.2.0"}, "fail", "bellows 1.2.0 is not >=1.2.1,<1.3"),
        ({"bellows": "1.3.0"}, "fail", "bellows 1.3.0"),
        ({}, "fail", "bellows is missing"),
    ],
)
def test_a_library_that_does_not_fit(installed: dict[str, str], status: str, told: str) -> None:
    found = judge_libraries(["bellows>=1.2.1,<1.3"], installed)
    assert found.status == status and told in found.message


@pytest.mark.parametrize(
    ("unit", "hub", "status", "told"),
    [
        ({"LoadState": "not-found"}, None, "ok", "no hub runs"),
        ({"LoadState": "not-found"}, 9, "ok", "process 9"),
        (RUNS, 9, "ok", "is enabled and runs"),
        (RUNS | {"ActiveState": "failed"}, None, "fail", "has failed"),
        (RUNS | {"ActiveState": "activating"}, None, "warn", "again and again"),
        (RUNS | {"ActiveState": "inactive"}, None, "warn", "does not run"),
        (RUNS | {"UnitFileState": "disabled"}, 9, "warn", "does not start with the machine"),
    ],
)
def test_the_service(unit: dict[str, str], hub: int | None, status: str, told: str) -> None:
    found = judge_service("hanctl.service", unit, hub)
    assert found.status == status and told in found.message
    assert bool(found.hint) == (status != "ok")


def test_the_kernel_says_whether_the_clock_is_kept_right() -> None:
    assert clock_synchronised() in (True, False)
