"""Plan the steps and their order: first the user, then its files, and the service last."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import hanctl
from hanctl.base.errors import InvalidInput, NotFound, Refused
from hanctl.install.files import is_there
from hanctl.install.places import Places
from hanctl.install.steps import Configure, InstallStep, Purge, Remove, RemoveEmpty, RunCommand, Write

SYSTEMD_RUNS = Path("/run/systemd/system")
"""There where systemd is the init process (sd_booted(3))."""
UDEV_RUNS = Path("/run/udev/control")
HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - to keep out of them
"""What the unit hides from the service: ProtectHome=, PrivateTmp=."""


def own_program(*, hidden: bool = True) -> Path:
    """Return the running hanctl. ``hidden``: as seen by a service that cannot see home directories.

    Raises Refused if it, its interpreter or its package is in a hidden place, NotFound if it has no script.
    """
    program = Path(sys.prefix) / "bin" / "hanctl"
    if not program.exists():
        raise NotFound(
            f"there is no {program}: a service cannot run what is not installed",
            "install it: python3 -m venv /opt/hanctl && /opt/hanctl/bin/pip install hanctl",
        )
    if hidden:
        parts = (program, Path(sys.base_prefix), Path(hanctl.__file__).parent)
        check_visible(path.resolve() for path in (*parts, program.parent))
    return program


def check_visible(paths: Iterable[Path]) -> None:
    """Check that a service can see the program. Raises Refused, InvalidInput."""
    for path in paths:
        place = next((hidden for hidden in HIDDEN if path.is_relative_to(hidden)), None)
        if place is not None:
            raise Refused(
                f"the service could not see {path}: {place} is hidden from it",
                "install hanctl elsewhere (python3 -m venv /opt/hanctl), or for yourself alone: install-service --user",
            )
        if not path.is_absolute() or any(letter.isspace() or letter in "%$|'\"\\" for letter in str(path)):
            raise InvalidInput(f"a unit cannot name {path}", "give an absolute path of plain letters")


def install(places: Places, program: Path, config: Path | None = None, *, start: bool = True) -> list[InstallStep]:
    """Plan an installation. ``config``: configuration to install if there is none. Without any it is not started."""
    disk = places.on_disk
    steps: list[InstallStep] = []
    for name in places.shared:
        steps.append(Write(name, disk(places.shared[name]), str(program)))
    if not places.user:
        steps.append(_run(places, "systemd-sysusers", "hanctl.conf"))
    if config is not None:
        steps.append(Configure(config, disk(places.config)))
    if not places.user:
        steps.append(_run(places, "systemd-tmpfiles", "--create", "hanctl.conf"))
    steps += [Write(name, disk(path), str(program)) for name, path in places.own.items()]
    if not places.user and not places.staged:
        steps.append(RunCommand(("udevadm", "control", "--reload"), UDEV_RUNS, "udev"))
        steps.append(RunCommand(("udevadm", "trigger", "--subsystem-match=tty"), UDEV_RUNS, "udev"))
    steps += [*_reload(places), _enabling(places, "enable")]
    if start and not places.staged and (config is not None or is_there(disk(places.config))):
        steps.append(_systemctl(places, "start", places.unit))
    return steps


def uninstall(places: Places, *, purge: bool = False) -> list[InstallStep]:
    """Plan an uninstallation. ``purge``: with configuration and state. Files that other hubs need stay."""
    disk, others = places.on_disk, places.others()
    steps: list[InstallStep] = []
    if any(disk(path).exists() for path in places.own.values()):
        if not places.staged:
            steps.append(_systemctl(places, "stop", places.unit))
        steps.append(_enabling(places, "disable"))
    of_template = [other for other in others if "@" in other] if "@" in places.unit else []
    gone = {} if of_template else places.own
    gone = gone if others else gone | places.shared
    steps += [Remove(disk(path)) for path in gone.values()]
    steps += _reload(places)
    if not places.user and not places.staged:
        steps.append(RunCommand(("udevadm", "control", "--reload"), UDEV_RUNS, "udev"))
    if purge:
        steps += [Purge(disk(places.state)), Purge(disk(places.config))]
    steps.append(RemoveEmpty(disk(places.config.parent)))
    return steps


def _run(places: Places, tool: str, *words: str) -> RunCommand:
    """Make a step for a command that needs no service manager, and works on an image too."""
    return RunCommand((tool, f"--root={places.root}", *words) if places.staged else (tool, *words))


def _systemctl(places: Places, *words: str) -> RunCommand:
    """Make a step for a command to the service manager, if it runs."""
    if places.user:
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
        return RunCommand(("systemctl", "--user", *words), runtime / "systemd", "your own systemd")
    return RunCommand(("systemctl", *words), SYSTEMD_RUNS)


def _enabling(places: Places, word: str) -> RunCommand:
    """Make the step that enables the unit; on a system image only links, without a service manager."""
    return _systemctl(places, word, places.unit) if places.user else _run(places, "systemctl", word, places.unit)


def _reload(places: Places) -> list[InstallStep]:
    return [] if places.staged else [_systemctl(places, "daemon-reload")]
