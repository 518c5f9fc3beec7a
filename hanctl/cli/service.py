"""``hanctl install-service`` and ``hanctl uninstall-service``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanctl.base.errors import InvalidInput, Refused
from hanctl.cli.options import examples

if TYPE_CHECKING:
    from hanctl.install.places import Places
    from hanctl.install.steps import InstallStep, StepOutcome

INSTALL_EPILOG = examples(
    "hanctl install-service --config configs/bench-ezsp.toml --dry-run",
    "sudo /opt/hanctl/bin/hanctl install-service --config rig.toml",
    "sudo /opt/hanctl/bin/hanctl install-service --instance rig2 --config rig2.toml",
    "hanctl install-service --user",
)
UNINSTALL_EPILOG = examples("sudo /opt/hanctl/bin/hanctl uninstall-service", "hanctl uninstall-service --user --purge")

User = Annotated[
    bool, typer.Option("--user", help="Install for your own user, without root, instead of for the system.")
]
Instance = Annotated[
    str | None,
    typer.Option("--instance", help="Name of this hub, where several run, each with its own dongle.", metavar="NAME"),
]
Root = Annotated[
    Path | None,
    typer.Option(
        "--root", help="Work on the system whose root directory this is (an image).", metavar="DIR", readable=False
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; show the equivalent commands.")]


def install_service(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Configuration file to install, if the service has none yet.",
            metavar="FILE",
            readable=False,
        ),
    ] = None,
    instance: Instance = None,
    user: User = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Do not start the service now.")] = False,
    dry_run: DryRun = False,
    root: Root = None,
    program: Annotated[
        Path | None,
        typer.Option(
            "--program",
            help="hanctl that the service runs. Default: the one that runs now.",
            metavar="PATH",
            readable=False,
        ),
    ] = None,
) -> None:
    """Install the hub as a systemd service: unit, user, directories and udev names of sticks.

    It can be run again. Files that you changed, and your configuration, stay as
    they are.
    """
    from hanctl.config.reading import load_config
    from hanctl.install import plan
    from hanctl.install.files import is_there

    places = _places(user, instance, root)
    installed = places.on_disk(places.config)
    if program is None:
        program = plan.own_program(hidden=not user)
    elif not user:
        plan.check_visible([program])
    if not dry_run:
        _demand_root(places, "install-service")
    # A configuration that the hub would refuse is better refused now.
    for file in (config, installed):
        if file is not None and (file is config or is_there(file)):
            load_config(file)
    steps = plan.install(places, program, config, start=not no_start)
    if dry_run:
        _show(steps)
    else:
        outcomes = _carry_out(steps)
        if any(each.status == "replaced" and each.about.endswith(".service") for each in outcomes):
            print(f"a hub that runs goes on with its old unit until: {_systemctl(places)} restart {places.unit}")
    _advise(places, configured=config is not None or is_there(installed))


def uninstall_service(
    instance: Instance = None,
    user: User = False,
    purge: Annotated[bool, typer.Option("--purge", help="Remove configuration, ledger and images too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    dry_run: DryRun = False,
    root: Root = None,
) -> None:
    """Stop the service and remove what install-service wrote; configuration and state stay.

    Files that you changed stay too, and are listed.
    """
    from hanctl.install import plan

    places = _places(user, instance, root)
    steps = plan.uninstall(places, purge=purge)
    if dry_run:
        _show(steps)
        return
    _demand_root(places, "uninstall-service")
    if purge and not yes:
        state, config = places.on_disk(places.state), places.on_disk(places.config)
        _confirm(f"Remove {state} with the ledger and all images, and {config}?")
    _carry_out(steps)
    if others := places.others():
        print(f"what other hubs need stays: {', '.join(others)}")


def _places(user: bool, instance: str | None, root: Path | None) -> Places:
    from hanctl.install import places

    if not user:
        return places.of_system(instance, (root or Path("/")).absolute())
    if root is not None or instance is not None:
        raise InvalidInput(
            "--user goes with neither --instance nor --root",
            "a person's second hub: hanctl run -c FILE, with a [hub] state_dir and socket of its own",
        )
    return places.of_person()


def _demand_root(places: Places, command: str) -> None:
    if not places.user and not places.staged and os.geteuid() != 0:
        program = Path(sys.prefix) / "bin" / "hanctl"
        raise Refused(
            "only root can change the services of the system; nothing was changed",
            f"sudo {program} {command}; for yourself alone: hanctl {command} --user; to look: --dry-run",
        )


def _confirm(question: str) -> None:
    try:
        sure = typer.confirm(question)
    except typer.Abort:
        sure = False
    if not sure:
        raise Refused("it was not confirmed, and nothing was changed", "where nobody can answer: --yes")


def _show(steps: Sequence[InstallStep]) -> None:
    for step in steps:
        print(step.by_hand())


def _carry_out(steps: Sequence[InstallStep]) -> list[StepOutcome]:
    outcomes = []
    for step in steps:
        outcome = step.carry_out()
        outcomes.append(outcome)
        print(f"{outcome.status:<10} {outcome.about}{f': {outcome.reason}' if outcome.reason else ''}", flush=True)
    return outcomes


def _systemctl(places: Places) -> str:
    return "systemctl --user" if places.user else "systemctl"


def _advise(places: Places, *, configured: bool) -> None:
    """Print what is left for a person to do."""
    if not configured:
        print(f"write {places.config} (configs/ has examples), then: {_systemctl(places)} start {places.unit}")
    if places.user:
        print("it runs while you are logged in; always: loginctl enable-linger")
        print("serial ports need their group: sudo usermod --append --groups dialout $USER, and log in again")
    else:
        print("to use the hub without root: usermod --append --groups hanctl NAME, and log in again")
