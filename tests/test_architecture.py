"""What every module keeps to, beside the arrows (which tests/docs compares with the documents): one clock, no threads,
and nothing imported that is not needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hanctl

PACKAGE = Path(hanctl.__file__).parent
INSIDE = (
    "crypto",
    "wireshark",
    "console",
    "trust",
    "simulator",
    "ledger",
    "radio",
    "han",
    "firmware",
    "data",
    "hil",
    "tenancy",
    "api",
    "doctor",
)
"""Rooms whose code must run in virtual time, with the modules beside them but for those of the command line."""

OWN_CLOCK = {"base/clock.py"}
FORBIDDEN_CALLS = {
    "time.time",
    "time.monotonic",
    "time.perf_counter",
    "time.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}
FORBIDDEN_MODULES = {"threading", "multiprocessing", "concurrent"}

MODULES = [
    path
    for path in sorted(PACKAGE.rglob("*.py"))
    if (path.parent == PACKAGE and path.name not in OWN_CLOCK) or path.relative_to(PACKAGE).parts[0] in INSIDE
]


def imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def called(tree: ast.AST) -> set[str]:
    """What is called, by the last two parts of its name."""
    return {".".join(ast.unparse(node.func).split(".")[-2:]) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_time_comes_from_the_loop_and_the_injected_clock_and_nothing_runs_in_a_thread_of_its_own(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = imported(tree)
    assert called(tree) & FORBIDDEN_CALLS == set()
    assert {name.split(".")[0] for name in names} & FORBIDDEN_MODULES == set()
    assert {name for name in names if name.startswith("time.")} & FORBIDDEN_CALLS == set()


def loaded(code: str) -> set[str]:
    """The top-level modules, and the rooms of hanctl, that a fresh interpreter has after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return {".".join(name.split(".")[:2]) if name.startswith("hanctl") else name for name in done.stdout.split()}


@pytest.mark.parametrize(("radio", "other"), [("ezsp", "zigpy_znp"), ("znp", "bellows")])
def test_only_the_radio_library_in_use_is_imported(radio: str, other: str) -> None:
    code = f"from hanctl.radio import DongleSettings, open_radio\nopen_radio(DongleSettings({radio!r}, '/dev/none'))"
    modules = loaded(f"import hanctl.hub.daemon, hanctl.api.app\n{code}")
    assert other not in modules
    assert "hanctl.simulator" not in modules


def test_a_command_that_asks_the_daemon_loads_neither_radio_nor_database() -> None:
    modules = loaded("import hanctl.cli.main")
    assert modules & {"zigpy", "bellows", "zigpy_znp", "sqlalchemy", "fastapi", "hanctl.simulator"} == set()


def test_a_ledger_that_needs_no_migration_is_opened_without_the_libraries_for_it(tmp_path: Path) -> None:
    opening = (
        "import hanctl.hub.daemon, pathlib\nfrom hanctl.base.clock import SystemClock\nfrom hanctl.ledger.ledger import Ledger\n"
        f"Ledger.open(pathlib.Path({str(tmp_path / 'ledger.sqlite')!r}), SystemClock()).close()"
    )
    assert loaded(opening) & {"alembic", "sqlalchemy"}
    assert loaded(opening) & {"alembic", "sqlalchemy"} == set()


def test_what_zigpy_imports_for_the_internet_is_read_only_when_it_is_used() -> None:
    starting = "from hanctl.cli.run import NEVER_USED\nfrom hanctl.base.imports import put_off\nput_off(*NEVER_USED)"
    heavy = {"aiohttp.client", "jsonschema.validators"}
    assert loaded("import hanctl.hub.daemon, hanctl.api.web") >= heavy
    assert loaded(f"{starting}\nimport hanctl.hub.daemon, hanctl.api.web") & heavy == set()
    using = "import zigpy.ota.providers\nassert zigpy.ota.providers.aiohttp.ClientSession"
    assert "aiohttp.client" in loaded(f"{starting}\nimport hanctl.hub.daemon\n{using}")
