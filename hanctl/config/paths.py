"""Choose default paths: system directories for a service or root, XDG directories for a person."""

from __future__ import annotations

import os
from pathlib import Path

SYSTEM_SOCKET = Path("/run/hanctl/hanctl.sock")


def own_state_dir() -> Path:
    """Return the state directory of the present user's hub."""
    from platformdirs import user_state_path

    return user_state_path("hanctl")


def own_config_dir(program: str = "hanctl") -> Path:
    """Return the configuration directory of a program for the present user."""
    from platformdirs import user_config_path

    return user_config_path(program)


def default_state_dir() -> Path:
    if given := os.environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/hanctl")
    return own_state_dir()


def default_socket() -> Path:
    """Return the default path of the control socket. Short: the path of a Unix socket holds at most 107 bytes."""
    if given := os.environ.get("RUNTIME_DIRECTORY"):
        return Path(given.split(":")[0]) / "hanctl.sock"
    if os.geteuid() == 0:
        return SYSTEM_SOCKET
    if given := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(given) / "hanctl" / "hanctl.sock"
    return default_state_dir() / "hanctl.sock"


def instance_socket(config: Path) -> Path | None:
    """Return the socket of the service hanctl@NAME for its configuration /etc/hanctl/NAME.toml, else None."""
    if config.parent != Path("/etc/hanctl") or config.suffix != ".toml" or config.stem == "hanctl":
        return None
    return Path(f"/run/hanctl-{config.stem}/hanctl.sock")


def client_socket() -> Path:
    """Return the socket for a command: of this user's daemon if it runs, else of the system's."""
    own = default_socket()
    return own if own.exists() or not SYSTEM_SOCKET.exists() else SYSTEM_SOCKET
