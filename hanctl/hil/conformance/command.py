"""``hanctl conformance``: run the example suite against a product, and report."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hanctl.base.errors import ConfigError, ExitCode, HanctlError, InvalidInput
from hanctl.base.plain_files import make_directory
from hanctl.base.whole_file import try_place, write_result
from hanctl.cli.options import Json, examples

if TYPE_CHECKING:
    from rich.console import Console

    from hanctl.hil.conformance.outcome import ConformanceReport, Scenario
    from hanctl.hil.conformance.run import Audience

EPILOG = examples(
    "hanctl conformance --sim ezsp",
    "hanctl conformance --sim znp --sim-device display.toml --only F1,F2",
    "hanctl conformance -c /etc/hanctl/rig.toml --junit conformance.xml --html conformance.html --artifacts failed/",
)
COLOURS = {"pass": "green", "passed": "green", "partly": "yellow", "fail": "bold red", "failed": "bold red"}


class ReportUnwritable(HanctlError):
    """A file of the report cannot be written."""

    code = "report-unwritable"
    exit_code = ExitCode.STATE


class NotConformant(HanctlError):
    """A requirement failed."""

    code = "not-conformant"
    exit_code = ExitCode.UPDATE_FAILED


def conformance(
    sim: Annotated[
        Literal["ezsp", "znp"] | None,
        typer.Option(help="Test a simulated display behind a simulated dongle of this kind.", show_default=False),
    ] = None,
    sim_device: Annotated[
        Path | None,
        typer.Option(
            help="With --sim: devices file that describes the display, with one device.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="Test a real device: the rig's hub configuration, with a section \\[hil].",
            metavar="FILE",
            readable=False,
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        str,
        typer.Option(help="Test only these requirements, separated by commas.", metavar="F6,T2", show_default=False),
    ] = "",
    junit: Annotated[
        Path | None, typer.Option(help="Write a JUnit XML report to this file.", metavar="FILE", show_default=False)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write the report as a page to print to this file.", metavar="FILE", show_default=False),
    ] = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            help="Keep events, console and a capture of the air of failed scenarios in this directory.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Test a product against each requirement: joining, updates (F1 to F8), changes of tenancy and supplier (T1 to T4).

    Exit code 0: no requirement failed; 9: at least one did; 11: a file of the
    report cannot be written, which is tried before the run. Ctrl-C stops the run
    and gives a partial report.
    """
    if (sim is None) == (config is None):
        raise InvalidInput("it is not said what is to be tested", "give --sim ezsp, --sim znp, or -c FILE of a rig")
    if sim_device is not None and sim is None:
        raise InvalidInput("--sim-device is of a simulation", "give --sim ezsp or --sim znp too")
    for path in (junit, html):
        if path is not None:
            _try(path)
    if artifacts is not None:
        _try(artifacts / "air.pcap", artifacts)
    run = _suite()
    from rich.console import Console

    console = Console(highlight=False, stderr=as_json)
    if not console.is_terminal:
        console.width = 160
    rows = tuple(each.strip().upper() for each in only.split(",") if each.strip())
    with tempfile.TemporaryDirectory(prefix="hanctl-conformance-") as directory:
        # pytest says nothing of a place that it could not write to: what it made is put there below.
        xml = Path(directory) / "junit.xml"
        wish = run.Wish(sim, sim_device, config, rows, None if junit is None else xml, artifacts)
        report: ConformanceReport = run.run(wish, _audience(console))
        results = {"JUnit XML": (junit, xml.read_bytes() if xml.exists() else b"")}
    if as_json:
        print(json.dumps(asdict(report), indent=2, default=str))
    else:
        _print(console, report)
    from hanctl.hil.conformance.html import page

    results["the page"] = (html, page(report).encode())
    unwritten = None
    for what, (place, content) in results.items():
        if place is None:
            continue
        try:
            write_result(place, content)
            console.print(f"{what}: {place}", markup=False)
        except OSError as error:
            unwritten = _unwritable(place, error)
            console.print(f"{what} was not written: {unwritten}", markup=False)
    if report.interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if report.failed:
        raise NotConformant(
            f"{len(report.failed)} requirements failed: {', '.join(report.failed)}"
            if len(report.failed) > 1
            else f"requirement {report.failed[0]} failed",
            "the report says by what; --artifacts DIR keeps what was seen of it",
        )
    if unwritten is not None:
        raise unwritten


def _suite() -> ModuleType:
    try:
        from hanctl.hil.conformance import run
    except ModuleNotFoundError as error:
        if error.name != "pytest":
            raise
        raise ConfigError("pytest is not installed", "install it: pip install 'hanctl[hil]'") from error
    return run


def _audience(console: Console) -> Audience:
    from hanctl.hil.conformance.run import Audience

    class Lines(Audience):
        """Print one line per scenario; on a terminal also while it runs."""

        def begins(self, scenario: Scenario) -> None:
            if console.is_terminal:
                console.print(f"         {_rows_of(scenario):<4} {scenario.name} …", end="\r", overflow="ellipsis")

        def over(self, scenario: Scenario) -> None:
            from rich.text import Text

            line = Text(f"{scenario.ended:<8} ", COLOURS.get(scenario.ended, "dim"))
            line.append(f"{_rows_of(scenario):<4} {scenario.name}  ", "default")
            line.append(f"{scenario.seconds:.1f} s  ", "dim")
            console.print(line)

    return Lines()


def _rows_of(scenario: Scenario) -> str:
    return ",".join(dict.fromkeys(trying.row for trying in scenario.tries))


def _print(console: Console, report: ConformanceReport) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    for scenario in report.scenarios:
        if scenario.ended == "failed":
            console.print(Text(f"\n{_rows_of(scenario)} failed: {scenario.name}", "bold red"))
            console.print(Text(f"tested: {scenario.tested}", "dim"))
            console.print(Text(scenario.reason))
            if scenario.files:
                console.print(Text(f"files: {scenario.files}", "dim"))
    console.print()
    for name, value in report.facts.items():
        console.print(Text(f"{name:<8} {value}"))
    if report.interrupted:
        console.print(Text("PARTIAL: the run was interrupted", "bold yellow"))
    table = Table("", "", "requirement", "remarks", box=box.SIMPLE_HEAD, pad_edge=False)
    for row in report.rows:
        status = Text(row.status, COLOURS.get(row.status, "dim"), no_wrap=True)
        table.add_row(row.row, status, Text(row.requirement), Text("\n".join(f"– {each}" for each in row.remarks)))
    console.print(table)


def _try(path: Path, directory: Path | None = None) -> None:
    """Find out before the run, which takes long, whether its files can be written. Raises ReportUnwritable."""
    try:
        make_directory(path.parent)
        try_place(path)
    except OSError as error:
        raise _unwritable(directory or path, error) from error


def _unwritable(path: Path, error: OSError) -> ReportUnwritable:
    return ReportUnwritable(
        f"{path} cannot be written: {error.strerror}", "name another file, or make room on the disk"
    )
