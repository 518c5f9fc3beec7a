"""What every module keeps to: the rooms it may import, one clock, no threads, no waiting in a transaction, and nothing
loaded that is not needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import hanctl

PACKAGE = Path(hanctl.__file__).parent
ON_THE_COMMAND_LINE = {"cli", "install", "base/clock.py", "__main__.py"}
"""Where time is the system's: all else runs in virtual time."""

ARROWS: dict[str, set[str]] = {
    "base": set(),
    "config": {"base"},
    "model": {"base"},
    "crypto": {"base"},
    "wireshark": {"base", "crypto"},
    "simulator": {"base", "crypto", "wireshark"},
    "ledger": {"base", "model"},
    "logs": {"base", "ledger"},
    "state": {"base", "ledger"},
    "webhook": {"base", "config", "ledger", "model"},
    "console": {"base", "config", "ledger", "model"},
    "radio": {"base", "model"},
    "install": {"base", "config", "state"},
    "han": {"base", "ledger", "model", "radio"},
    "trust": {"base", "crypto", "han", "ledger", "model", "radio"},
    "images": {"base", "crypto", "model", "trust"},
    "updates": {"base", "han", "images", "ledger", "model", "radio"},
    "data": {"base", "han", "ledger", "model", "radio"},
    "tenancy": {"base", "data", "han", "ledger", "model", "radio"},
    "doctor": {"base", "config", "images", "ledger", "radio", "trust", "webhook"},
    "metrics": {"hub", "ledger", "model", "radio"},
    "hub": {
        *("api", "base", "config", "console", "crypto", "data", "han", "images", "ledger", "logs", "metrics", "model"),
        *("radio", "state", "tenancy", "trust", "updates", "webhook"),
    },
    "api": {
        *("base", "config", "console", "data", "hub", "images", "ledger", "model", "radio", "tenancy", "trust"),
        *("updates", "webhook"),
    },
    "hil": {
        *("api", "base", "cli", "config", "crypto", "hub", "images", "ledger", "model", "simulator", "tenancy"),
        *("trust", "updates"),
    },
    "cli": {
        *("base", "config", "data", "doctor", "hil", "hub", "images", "install", "ledger", "logs", "model", "radio"),
        *("simulator", "state", "tenancy", "trust", "updates", "wireshark"),
    },
    "__main__": {"cli"},
}
"""Of each room, the rooms that it imports: no more, and no fewer."""

CIRCLES = {frozenset({"api", "hub"}), frozenset({"hub", "metrics"}), frozenset({"cli", "hil"})}
"""Rooms that import each other. There are to be no others."""

MOST_LINES = 400
MOST_FILES = 20
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
NO_VERBS = frozenset(
    {
        *("A", "All", "Also", "An", "Any", "As", "At", "Attributes", "Between", "Both", "By", "Bytes"),
        *("Captures", "Each", "Every", "Everything", "Exclusive-or", "False", "For", "Frames", "From", "Gates"),
        *("How", "If", "In", "Inter-PAN", "It", "Its", "No", "Nobody", "None", "Not", "Nothing", "Octets"),
        *("Of", "On", "Once", "One", "Only", "Options", "Payload", "Plain", "RAM", "Raises", "Same", "Seconds"),
        *("Short", "Some", "Somebody", "Something", "Status", "Table", "That", "The", "Their", "There"),
        *("These", "They", "This", "Those", "Time", "Timeouts", "To", "True", "Two", "Until", "What", "When"),
        *("Where", "Whether", "Which", "Who", "Whose", "Word"),
    }
)
"""Words with which docstrings of functions began that did not say what the function does."""
NAMED_BY_NOUNS = ("property", "fixture", "setter")
"""Decorators of functions whose docstrings say what something is."""

MODULES = sorted(PACKAGE.rglob("*.py"))
TIMELESS = [
    path
    for path in MODULES
    if not {path.relative_to(PACKAGE).parts[0], str(path.relative_to(PACKAGE))} & ON_THE_COMMAND_LINE
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


@pytest.mark.parametrize("path", TIMELESS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_time_comes_from_the_loop_and_the_injected_clock_and_nothing_runs_in_a_thread_of_its_own(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = imported(tree)
    assert called(tree) & FORBIDDEN_CALLS == set()
    assert {name.split(".")[0] for name in names} & FORBIDDEN_MODULES == set()
    assert {name for name in names if name.startswith("time.")} & FORBIDDEN_CALLS == set()


# --- rooms and arrows


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def rooms_of(path: Path) -> set[str]:
    """The rooms of hanctl that a module imports, for types alone too."""
    found: set[str] = set()
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "hanctl" and len(parts) > 1 and (PACKAGE / parts[1]).is_dir():
            found.add(parts[1])
    return found


def test_every_room_imports_what_the_table_says() -> None:
    arrows: dict[str, set[str]] = {}
    for path in MODULES:
        if room(path) != "__init__":
            arrows.setdefault(room(path), set()).update(rooms_of(path) - {room(path)})
    assert arrows == ARROWS


def test_arrows_point_down_but_for_known_circles() -> None:
    below: dict[str, set[str]] = {}

    def reach(name: str, seen: frozenset[str]) -> set[str]:
        if name not in below:
            wanted = {other for other in ARROWS.get(name, set()) if frozenset({name, other}) not in CIRCLES}
            assert not wanted & seen, f"{name} is above and below {wanted & seen}"
            below[name] = wanted | {each for other in wanted for each in reach(other, seen | {name})}
        return below[name]

    for name in ARROWS:
        assert name not in reach(name, frozenset())


def test_only_what_stands_above_both_knows_the_simulator() -> None:
    assert {room(path) for path in MODULES if "simulator" in rooms_of(path)} <= {"cli", "hil", "simulator"}


def test_no_module_is_longer_than_one_idea_needs() -> None:
    assert [path for path in MODULES if len(path.read_text().splitlines()) > MOST_LINES] == []


def test_no_room_is_a_heap() -> None:
    heaps = {path.parent: len(list(path.parent.glob("*.py"))) for path in MODULES}
    assert {str(path): count for path, count in heaps.items() if count > MOST_FILES} == {}
    assert heaps[PACKAGE] <= 10


def test_one_name_means_one_class() -> None:
    where: defaultdict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(str(path.relative_to(PACKAGE)))
    # The ZCL's frame, as either end of the air reads it: hub and simulator share nothing.
    assert {name for name, paths in where.items() if len(paths) > 1} == {"ZclFrame"}


def begins_with_a_verb(docstring: str) -> bool:
    first = docstring.split(maxsplit=1)[0]
    return first[0].isupper() and not first.endswith(":") and first.rstrip(",.;") not in NO_VERBS


def test_a_docstring_begins_with_a_verb() -> None:
    """The tests of the conformance suite name what they test: that is printed in its report."""
    wrong = []
    for path in (path for path in MODULES if not path.name.startswith("test_")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                continue
            decorators, docstring = " ".join(map(ast.unparse, node.decorator_list)), ast.get_docstring(node)
            if docstring is None or any(word in decorators for word in NAMED_BY_NOUNS):
                continue
            if not begins_with_a_verb(docstring):
                wrong.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {docstring.splitlines()[0]}")
    assert wrong == []


def test_nothing_waits_inside_a_transaction() -> None:
    """What another task would write meanwhile would be in it, and gone with it."""
    wrong = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.With):
                continue
            calls = {ast.unparse(item.context_expr).split("(")[0].split(".")[-1] for item in node.items}
            if "transaction" in calls | {call.removeprefix("_") for call in calls}:
                waits = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.Yield, ast.YieldFrom)
                wrong += [f"{path.name}:{each.lineno}" for each in ast.walk(node) if isinstance(each, waits)]
    assert wrong == []


def test_one_module_gives_devices_their_addresses() -> None:
    """All else makes claims: docs/trust.md, "Who can say what"."""
    writers = set()
    for path in (path for path in MODULES if room(path) != "simulator"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            makes = ast.unparse(node.func).split(".")[-1] in {"replace", "Device"}
            if makes and "nwk" in {keyword.arg for keyword in node.keywords}:
                writers.add(str(path.relative_to(PACKAGE)))
    # The ledger takes an address from who had it before, in the table alone.
    assert writers == {"han/identity/addresses.py", "ledger/devices.py"}


# --- what is loaded


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


@pytest.mark.slow
def test_a_ledger_that_needs_no_migration_is_opened_without_the_libraries_for_it(tmp_path: Path) -> None:
    opening = (
        "import hanctl.hub.daemon, pathlib\nfrom hanctl.base.clock import SystemClock\n"
        "from hanctl.ledger.ledger import Ledger\n"
        f"Ledger.open(pathlib.Path({str(tmp_path / 'ledger.sqlite')!r}), SystemClock()).close()"
    )
    assert loaded(opening) & {"alembic", "sqlalchemy"}
    assert loaded(opening) & {"alembic", "sqlalchemy"} == set()


@pytest.mark.slow
def test_what_zigpy_imports_for_the_internet_is_read_only_when_it_is_used() -> None:
    starting = "from hanctl.cli.run import NEVER_USED\nfrom hanctl.base.imports import put_off\nput_off(*NEVER_USED)"
    heavy = {"aiohttp.client", "jsonschema.validators"}
    assert loaded("import hanctl.hub.daemon, hanctl.api.web") >= heavy
    assert loaded(f"{starting}\nimport hanctl.hub.daemon, hanctl.api.web") & heavy == set()
    using = "import zigpy.ota.providers\nassert zigpy.ota.providers.aiohttp.ClientSession"
    assert "aiohttp.client" in loaded(f"{starting}\nimport hanctl.hub.daemon\n{using}")
