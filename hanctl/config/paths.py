"""Choose default paths: system directories for a service or root, XDG directories for a person.

A configuration where a service or a person has it says whose the hub is, and so where state and socket are, whoever
asks and whatever the environment: two commands on one configuration never mean two hubs.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

CONFIGURATIONS = Path("/etc/hanctl")
SYSTEM_SOCKET = Path("/run/hanctl/hanctl.sock")
UNNAMED = "hanctl"
"""Name of the configuration of the system's hub that has no name."""


@dataclass(frozen=True, slots=True)
class HubPlaces:
    """Where a hub has its state and its socket if its configuration does not say. ``unit``: its service, if any."""

    state_dir: Path
    socket: Path
    unit: str | None = None


def system_hub(name: str = UNNAMED) -> HubPlaces:
    """Return the places of the system's service hanctl@NAME, or of the one without a name (``systemd/``)."""
    if name == UNNAMED:
        return HubPlaces(Path("/var/lib/hanctl"), SYSTEM_SOCKET, "hanctl.service")
    return HubPlaces(Path(f"/var/lib/hanctl-{name}"), Path(f"/run/hanctl-{name}/hanctl.sock"), f"hanctl@{name}.service")


def hub_of(config: Path) -> HubPlaces | None:
    """Return the places of the hub that this configuration belongs to; None if its place does not tell.

    /etc/hanctl/NAME.toml is a service's, and what is in ~/.config/hanctl that person's, for root too.
    """
    for file in (Path(os.path.normpath(config.absolute())), config.resolve()):
        if file.suffix == ".toml" and file.parent.resolve() == CONFIGURATIONS.resolve():
            return system_hub(file.stem)
    try:
        owner = config.stat().st_uid
        home = Path(pwd.getpwuid(owner).pw_dir)
    except (OSError, KeyError):
        return None
    if os.geteuid() == 0 != owner and config.resolve().parent == (home / ".config" / "hanctl").resolve():
        return HubPlaces(home / ".local" / "state" / "hanctl", Path(f"/run/user/{owner}/hanctl/hanctl.sock"))
    return None


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


def client_socket() -> Path:
    """Return the socket for a command: of this user's daemon if it runs, else of the system's."""
    own = default_socket()
    return own if own.exists() or not SYSTEM_SOCKET.exists() else SYSTEM_SOCKET
