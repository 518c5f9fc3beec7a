"""Start hanctl commands by forking a process that has imported them already: a process each, without its start.

``python fork_server.py`` reads requests from the socket that is its standard input; see ``commands.py``.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
from typing import Any, NoReturn

import hanctl.cli
from hanctl.cli.main import main

ALSO_USED = ("httpx", "sqlite3", "hanctl.ledger.ledger", "hanctl.hil.api_client")


def _command(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Be the command: with its streams, directory, environment and arguments."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, max(streams) + 8)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv = ["hanctl", *request["arguments"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _attend(request: dict[str, Any], streams: list[int], told: int) -> NoReturn:
    """Start the command, and tell its number and, once it ended, its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    command = os.fork()
    if not command:
        _command(request, streams)
    for stream in streams:
        os.close(stream)
    os.write(told, f"{command}\n".encode())
    _, status = os.waitpid(command, 0)
    os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def serve() -> None:
    """Start what is asked for until the socket is closed."""
    for module in pkgutil.walk_packages(hanctl.cli.__path__, "hanctl.cli."):
        importlib.import_module(module.name)
    for name in ALSO_USED:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    asked = socket.socket(fileno=0)
    while True:
        request, files, _, _ = socket.recv_fds(asked, 1 << 20, 4)
        if not request:
            return
        if not os.fork():
            _attend(json.loads(request), files[:3], files[3])
        for file in files:
            os.close(file)


if __name__ == "__main__":
    serve()
