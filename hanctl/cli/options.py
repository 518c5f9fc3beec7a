"""Options that many commands share, and parsers of their values."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.cli.client import TYPED, Client, ControlSocket, Listener
from hanctl.config.paths import client_socket, default_socket, hub_of

Socket = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        help="Control socket of the hub. Default: that of -c, else HANCTL_SOCKET.",
        metavar="PATH",
        readable=False,
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Configuration file of the hub, which names its control socket.",
        metavar="FILE",
        readable=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def connect(socket: Path | None, config: Path | None) -> Client:
    """Find the daemon to talk to: what is typed, else what the environment says, else this user's, else the system's.

    Typed: --socket, else -c; environment: HANCTL_SOCKET, else HANCTL_URL. Raises ConfigError, InvalidInput.
    """
    if socket is not None:
        return Client(ControlSocket(socket, TYPED))
    if config is not None:
        from hanctl.config.reading import load_config

        return Client(_socket_of(config, load_config(config).hub.socket))
    if given := os.environ.get("HANCTL_SOCKET"):
        return Client(ControlSocket(Path(given), "HANCTL_SOCKET"))
    if url := os.environ.get("HANCTL_URL"):
        return Client(_listener(url))
    return Client(ControlSocket(client_socket(), default=client_socket()))


def _socket_of(config: Path, socket: Path) -> ControlSocket:
    hub = hub_of(config)
    start = f"hanctl run -c {config}" if hub is None or hub.unit is None else f"sudo systemctl start {hub.unit}"
    return ControlSocket(socket, f"-c {config}", start, default_socket() if hub is None else hub.socket)


def _listener(url: str) -> Listener:
    # The token is never an argument or a variable: others on the machine can read those.
    file = os.environ.get("HANCTL_TOKEN_FILE")
    if not file:
        raise InvalidInput("there is no token for the hub of HANCTL_URL", "name its file: HANCTL_TOKEN_FILE=FILE")
    from hanctl.config.tokens import read_token

    return Listener(url, read_token(Path(file), "HANCTL_TOKEN_FILE"))


def duration(text: str) -> float:
    """Parse a duration such as "90", "90s", "30m", "2h" or "1h30m" into seconds. Raises InvalidInput."""
    found = _DURATION.fullmatch(text.strip().lower())
    if not text.strip() or found is None:
        raise InvalidInput("what was given is not a length of time", "write for example 90s, 30m or 2h")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)


def number(text: str) -> int:
    """Parse a number in decimal or, after 0x, in hex. Raises InvalidInput."""
    try:
        return int(text, 0)
    except ValueError as error:
        raise InvalidInput("what was given is not a number", "write it in decimal, or in hex as 0x1a2b") from error


def iso_time(text: str) -> str:
    """Parse a time such as 2026-03-01T02:00 or "2026-03-01 02:00"; without an offset it is local to this machine.

    Returns ISO 8601 with its offset. Raises InvalidInput.
    """
    try:
        return datetime.fromisoformat(text.strip()).astimezone().isoformat()
    except ValueError as error:
        raise InvalidInput("what was given is not a time", "write it as 2026-03-01T02:00, or with an offset") from error


def version_range(text: str) -> tuple[int | None, int | None]:
    """Parse "0x10-0x1f", "0x10-", "-0x1f" or "0x10" into lowest and highest; None: no bound. Raises InvalidInput."""
    low, dash, high = text.partition("-")
    if not dash:
        return number(low), number(low)
    if not low.strip() and not high.strip():
        raise InvalidInput("what was given is not a range of versions", "write it as 0x00010000-0x0001ffff")
    return (number(low) if low.strip() else None), (number(high) if high.strip() else None)


def examples(*lines: str) -> str:
    """Format examples for the end of a command's help."""
    return "\n\n".join(("Examples:", *lines))


def eui64(text: str) -> Eui64:
    return parse_eui64(text)
