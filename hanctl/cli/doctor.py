"""``hanctl doctor``."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanctl.base.errors import ConfigError, DaemonUnreachable, ExitCode, InvalidInput
from hanctl.base.owner import as_user
from hanctl.cli.client import Client, ControlSocket
from hanctl.cli.options import Json, examples
from hanctl.cli.output import print_json

if TYPE_CHECKING:
    from rich.console import Console

    from hanctl.config.sections import Config
    from hanctl.doctor.examination import Examination
    from hanctl.doctor.finding import Finding, Status
    from hanctl.radio.settings import DongleSettings

EPILOG = examples(
    "hanctl doctor -c /etc/hanctl/hanctl.toml",
    "hanctl doctor --port /dev/serial/by-id/usb-EXAMPLE-if00-port0 --radio znp",
    "hanctl doctor -c configs/sim-ezsp.toml --json | jq '.findings[] | select(.status != \"ok\")'",
)
_STYLES: dict[Status, str] = {"ok": "green", "warn": "bold yellow", "fail": "bold red"}
_NAME_WIDTH = 12


def doctor(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The hub's configuration file.", metavar="FILE", readable=False),
    ] = None,
    port: Annotated[str | None, typer.Option("--port", help="Check the dongle on this port.", metavar="PATH")] = None,
    radio: Annotated[
        Literal["ezsp", "znp"] | None,
        typer.Option("--radio", help="Radio firmware of that dongle.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Check machine, files, service and dongle; each problem comes with what to do about it.

    Root looks at the hub's files as the user that runs it. Without options,
    check the system's hub (/etc/hanctl/hanctl.toml), or if
    there is none the USB sticks with known names. No other port is opened, as
    opening may reset the device behind it. A port that a hub or another program
    has open is left alone: a running hub is asked instead. Exit code 0 if no
    check fails (warnings allowed), else 12.
    """
    examination = _examination(config, port, radio)
    findings = asyncio.run(_examine(examination, quiet=json))
    worst = any(finding.status == "fail" for finding in findings)
    if json:
        print_json({"healthy": not worst, "findings": [asdict(finding) for finding in findings]})
    else:
        _print_sum(findings)
    if worst:
        raise typer.Exit(ExitCode.UNHEALTHY)


def _examination(config: Path | None, port: str | None, radio: Literal["ezsp", "znp"] | None) -> Examination:
    from hanctl.base.clock import SystemClock
    from hanctl.config.paths import hub_of
    from hanctl.config.reading import load_config
    from hanctl.doctor.examination import Examination, default_config
    from hanctl.doctor.finding import failed, ok
    from hanctl.hub.daemon import dongle_settings
    from hanctl.radio.settings import DongleSettings

    if (port is None) != (radio is None):
        raise InvalidInput("--port and --radio go together", "for example --port /dev/serial/by-id/... --radio ezsp")
    if port is not None and config is not None:
        raise InvalidInput("-c names a dongle too", "give either -c FILE, or --port and --radio")
    if port is not None and radio is not None:
        return _with_hub(Examination(SystemClock(), (DongleSettings(radio, port),)))
    config = config or default_config()
    if config is None:
        return _with_hub(Examination(SystemClock(), _known_sticks()))
    try:
        loaded = load_config(config)
    except ConfigError as error:
        return Examination(SystemClock(), (), known=(failed("config", error),))
    hub = hub_of(config)
    service = None if hub is None else hub.unit
    access = _as_the_hubs_user(config, loaded, service)
    known = (ok("config", f"{config} can be used"), *(access or ()))
    dongles = (dongle_settings(loaded),)
    return _with_hub(
        Examination(SystemClock(), dongles, loaded, service, access_judged=access is not None, known=known)
    )


def _as_the_hubs_user(config: Path, loaded: Config, service: str | None) -> list[Finding] | None:
    """Judge, if root looks, whether another user, who runs the hub, can use its files; None: there is none."""
    from hanctl.doctor import host
    from hanctl.doctor.access import hub_user, judge_access
    from hanctl.doctor.finding import Finding

    if os.geteuid() != 0:
        return None
    unit = asyncio.run(host.service_unit(service)) if service is not None and host.systemd_runs() else None
    user, file = hub_user(config, loaded, (unit or {}).get("User")), config.absolute()
    if user.uid == 0:
        return None
    found = as_user(user, lambda: [asdict(finding) for finding in judge_access(file, loaded)])
    return [Finding(**each) for each in found]


def _known_sticks() -> tuple[DongleSettings, ...]:
    from hanctl.doctor.machine import Machine
    from hanctl.doctor.plugged_in import plugged_in

    found = tuple(plugged_in(Machine()))
    if not found:
        raise InvalidInput(
            "no configuration is given, and no stick that is known is plugged in",
            "give the hub's configuration with -c FILE, or a dongle with --port and --radio",
        )
    return found


def _with_hub(examination: Examination) -> Examination:
    """Add the running hub, if there is one: that of the configuration, else of this user, else of the system."""
    from hanctl.config.paths import client_socket
    from hanctl.doctor.examination import RunningHub
    from hanctl.doctor.finding import failed

    config = examination.config
    socket = client_socket() if config is None else config.hub.socket
    try:
        return replace(examination, hub=RunningHub.from_status(Client(ControlSocket(socket)).get("/status")))
    except DaemonUnreachable as error:
        if socket.exists() and not os.access(socket, os.R_OK | os.W_OK):
            return replace(examination, out_of_reach=True, known=(*examination.known, failed("socket", error)))
        return examination


async def _examine(examination: Examination, *, quiet: bool) -> list[Finding]:
    if quiet:
        return [finding async for finding in examination.findings()]

    from rich.console import Console

    console, findings = Console(highlight=False), []
    # A dongle that does not answer is asked in several ways, which takes half a minute.
    with console.status("looking"):
        async for finding in examination.findings():
            findings.append(finding)
            _print(finding, console)
    return findings


def _print(finding: Finding, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    if not console.is_terminal:
        print(f"{finding.status:<4}  {finding.check:<{_NAME_WIDTH}}  {finding.message}")
        if finding.hint:
            print(f"{'':{_NAME_WIDTH + 8}}→ {finding.hint}")
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(width=4)
    table.add_column(width=_NAME_WIDTH)
    table.add_column()
    text = Text(finding.message)
    if finding.hint:
        text.append(f"\n→ {finding.hint}", style="dim")
    table.add_row(Text(finding.status, style=_STYLES[finding.status]), finding.check, text)
    console.print(table)


def _print_sum(findings: list[Finding]) -> None:
    count = {status: sum(finding.status == status for finding in findings) for status in _STYLES}
    if count["fail"] or count["warn"]:
        print(f"\n{count['fail']} to mend, {count['warn']} to look at, {count['ok']} well")
    else:
        print(f"\nall {count['ok']} well")
