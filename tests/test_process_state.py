"""Whatever a test does to its process, the next one finds it as it was."""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from process_state import KINDS, Kind, ProcessState

from hanctl.base.imports import put_off
from hanctl.logs.setup import set_up_logging


def _lower_a_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))


def _freeze() -> None:
    gc.disable()
    gc.freeze()


def _log_otherwise() -> None:
    set_up_logging("json")
    logging.getLogger("zigpy").addHandler(logging.NullHandler())
    logging.getLogger("first.heard.of.here").setLevel(logging.DEBUG)
    logging.getLogger("bellows").propagate = False


def _change_the_environment() -> None:
    del os.environ["PATH"]
    os.environ.update(LEFT="behind", TZ="Asia/Tokyo")


MESSES: dict[str, Callable[[], object]] = {
    "environment": _change_the_environment,
    "working directory": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o123),
    "structlog's configuration": lambda: structlog.configure(processors=[]),
    "structlog's context": lambda: structlog.contextvars.bind_contextvars(left="behind"),
    "loggers": _log_otherwise,
    "logging switched off": lambda: logging.disable(logging.ERROR),
    "logger class": lambda: logging.setLoggerClass(type("Other", (logging.Logger,), {})),
    "unfit records": lambda: setattr(logging, "raiseExceptions", False),
    "last-resort handler": lambda: setattr(logging, "lastResort", None),
    "signal handlers": lambda: signal.signal(signal.SIGHUP, lambda *_: None),
    "blocked signals": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP}),
    "garbage collection": _freeze,
    "switch interval": lambda: sys.setswitchinterval(0.5),
    "recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 1),
    "thread stack size": lambda: threading.stack_size(1 << 20),
    "interpreter's hooks": lambda: setattr(sys, "excepthook", print),
    "arguments": lambda: sys.argv.append("left behind"),
    "import path": lambda: sys.path.insert(0, "/left/behind"),
    "import finders": lambda: put_off("left_behind"),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "POSIX" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8"),
    "decimal context": lambda: decimal.setcontext(decimal.Context(prec=3)),
    "socket time-out": lambda: socket.setdefaulttimeout(1),
    "resource limits": _lower_a_limit,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_it_is_put_back(kind: Kind) -> None:
    before = ProcessState()
    before.put_back()
    MESSES[kind.name]()
    # It may be a change of another kind too, as setting up logging is.
    assert kind.name in before.put_back()
    assert before.put_back() == []


def test_the_next_test_sees_nothing_of_it(tmp_path: Path) -> None:
    """With this suite's own conftest: the second test of a run fails where the first one's doings are left."""
    here = Path(__file__).parent
    for name in ("conftest.py", "process_state.py", Path(__file__).name):
        (tmp_path / name).write_text((here / name).read_text())
    (tmp_path / "test_two.py").write_text(
        textwrap.dedent(
            f"""
            import pytest
            from process_state import KINDS
            from {Path(__file__).stem} import MESSES

            before = {{}}

            @pytest.fixture(scope="module", autouse=True)
            def outlives_a_test():
                before.update((kind.name, kind.read()) for kind in KINDS)
                MESSES["loggers"]()

            @pytest.mark.parametrize("turn", range(2))
            def test_turn(turn):
                if turn:
                    assert {{kind.name: kind.read() for kind in KINDS}} == before
                for mess in MESSES.values():
                    mess()
            """
        )
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:logging", "test_two.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in run.stdout, run.stdout + run.stderr


@pytest.mark.slow
def test_no_other_library_changes_it_when_it_is_imported() -> None:
    """What is imported while the first test runs would be undone after it, and not be done again."""
    code = """
        import importlib, pkgutil
        from process_state import ProcessState
        import hanctl
        before = ProcessState()
        for module in pkgutil.walk_packages(hanctl.__path__, "hanctl."):
            if ".migrations." not in module.name and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        print(before.put_back())
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    assert run.stdout == "[]\n", run.stderr
