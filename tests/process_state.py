"""What a test can change of its process, and how it is put back, so that the order of tests does not matter."""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

# Its libraries set up their loggers as they are imported, late and once: that must not look like a test's doing.
import hanctl.ledger.migrating  # noqa: F401

_SIGNALS = tuple(sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}))
_LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)


@dataclass(frozen=True)
class Kind:
    """One kind of state: ``read`` gives a copy of it that compares, ``write`` makes it as that copy was."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def heed_ctrl_c() -> None:
    """Let SIGINT do what it does to a process in the foreground: a shell has those that it starts with & ignore it.

    The processes that tests start inherit that, and some tests end them by Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def keep_compiled() -> None:
    """Let Python keep compiled modules in ``__pycache__``, also where PYTHONDONTWRITEBYTECODE is set.

    Tests start hundreds of processes, and without it each would compile the package anew.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


class ProcessState:
    """The state of this process when the object was made."""

    def __init__(self) -> None:
        self._was = [(kind, kind.read()) for kind in KINDS]

    def put_back(self) -> list[str]:
        """Make all as it was. The names of the kinds that had changed."""
        changed = []
        for kind, was in self._was:
            if kind.read() != was:
                changed.append(kind.name)
                kind.write(was)
        return changed


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(logger for logger in known if isinstance(logger, logging.Logger))]


def _read_loggers() -> dict[str, tuple[Any, ...]]:
    """The settings of every logger that has any: one that was made since, and has none, is as if it were not there."""
    found = {
        logger.name: (logger.level, logger.handlers[:], logger.filters[:], logger.propagate, logger.disabled)
        for logger in _loggers()
    }
    return {name: settings for name, settings in found.items() if settings != _UNSET}


_UNSET: tuple[Any, ...] = (logging.NOTSET, [], [], True, False)


def _write_loggers(was: dict[str, tuple[Any, ...]]) -> None:
    for logger in _loggers():
        level, handlers, filters, logger.propagate, logger.disabled = was.get(logger.name, _UNSET)
        logger.handlers[:] = handlers
        logger.filters[:] = filters
        logger.setLevel(level)


def _read_structlog() -> dict[str, Any] | None:
    if not structlog.is_configured():
        return None
    configuration = structlog.get_config()
    return configuration | {"processors": [*configuration["processors"]]}


def _write_structlog(was: dict[str, Any] | None) -> None:
    structlog.reset_defaults()
    if was is not None:
        structlog.configure(**was)


def _write_context(was: dict[str, Any]) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**was)


def _read_environment() -> dict[str, str]:
    # pytest's own, and another in each phase of each test.
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _write_environment(was: dict[str, str]) -> None:
    for name in _read_environment().keys() - was.keys():
        del os.environ[name]
    os.environ.update(was)
    time.tzset()


def _read_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - what is given to chdir
    except FileNotFoundError:
        return None


def _write_directory(was: str | None) -> None:
    if was is not None:
        os.chdir(was)


def _read_umask() -> int:
    os.umask(mask := os.umask(0))
    return mask


def _read_handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _write_handlers(was: dict[int, Any]) -> None:
    for number, handler in was.items():
        # None: put there by something other than Python.
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def _read_garbage() -> tuple[bool, tuple[int, int, int], int]:
    return gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()


def _write_garbage(was: tuple[bool, tuple[int, int, int], int]) -> None:
    enabled, thresholds, frozen = was
    if frozen == 0:
        gc.unfreeze()
    gc.set_threshold(*thresholds)
    (gc.enable if enabled else gc.disable)()


def _read_interpreter() -> dict[str, Any]:
    names = ("excepthook", "unraisablehook", "displayhook", "dont_write_bytecode")
    return {name: getattr(sys, name) for name in names}


def _write_interpreter(was: dict[str, Any]) -> None:
    for name, value in was.items():
        setattr(sys, name, value)


def _read_limits() -> list[tuple[int, int]]:
    return [resource.getrlimit(limit) for limit in _LIMITS]


def _write_limits(was: list[tuple[int, int]]) -> None:
    for limit, values in zip(_LIMITS, was, strict=True):
        resource.setrlimit(limit, values)


def _put_into(place: list[Any]) -> Callable[[list[Any]], None]:
    def write(was: list[Any]) -> None:
        place[:] = was

    return write


KINDS = (
    Kind("environment", _read_environment, _write_environment),
    Kind("working directory", _read_directory, _write_directory),
    Kind("umask", _read_umask, os.umask),
    Kind("structlog's configuration", _read_structlog, _write_structlog),
    Kind("structlog's context", structlog.contextvars.get_contextvars, _write_context),
    Kind("loggers", _read_loggers, _write_loggers),
    Kind("logging switched off", lambda: logging.root.manager.disable, logging.disable),
    Kind("logger class", logging.getLoggerClass, logging.setLoggerClass),
    Kind("unfit records", lambda: logging.raiseExceptions, lambda was: setattr(logging, "raiseExceptions", was)),
    Kind("last-resort handler", lambda: logging.lastResort, lambda was: setattr(logging, "lastResort", was)),
    Kind("signal handlers", _read_handlers, _write_handlers),
    Kind(
        "blocked signals",
        lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        lambda was: signal.pthread_sigmask(signal.SIG_SETMASK, was),
    ),
    Kind("garbage collection", _read_garbage, _write_garbage),
    Kind("switch interval", sys.getswitchinterval, sys.setswitchinterval),
    Kind("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Kind("thread stack size", threading.stack_size, threading.stack_size),
    Kind("interpreter's hooks", _read_interpreter, _write_interpreter),
    Kind("arguments", lambda: sys.argv[:], _put_into(sys.argv)),
    Kind("import path", lambda: sys.path[:], _put_into(sys.path)),
    Kind("import finders", lambda: sys.meta_path[:], _put_into(sys.meta_path)),
    Kind("locale", lambda: locale.setlocale(locale.LC_ALL), lambda was: locale.setlocale(locale.LC_ALL, was)),
    Kind(
        "decimal context",
        lambda: (decimal.getcontext().prec, decimal.getcontext().rounding),
        lambda was: decimal.setcontext(decimal.Context(prec=was[0], rounding=was[1])),
    ),
    Kind("socket time-out", socket.getdefaulttimeout, socket.setdefaulttimeout),
    Kind("resource limits", _read_limits, _write_limits),
)
"""Not here: ``warnings`` and the standard streams, which pytest itself puts back after each test."""
