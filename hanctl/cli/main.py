"""The command line: join the commands together, and turn every failure into one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from hanctl.base import library_logs
from hanctl.base.errors import ExitCode, HanctlError, raised_at
from hanctl.cli import capture, console, demo, devices, doctor, events, reload, run, service, simulate, status
from hanctl.cli.help_types import PlainGroup
from hanctl.cli.keys import authority, backups, certificates
from hanctl.cli.orders import data, firmware, tenancy, updates
from hanctl.hil.conformance import command as conformance

_HARMLESS = ("not one of", "not a valid", "Input should be")
"""How reasons begin that say what is expected, and nothing of the value."""
_USAGE = {
    "No such option": "there is no such option",
    "No such command": "there is no such command",
    "Got unexpected": "there are more arguments than the command takes",
    "Option": "an option lacks its value, or takes none",
}
"""What is told of a mistake, by the beginning of the library's own message."""

app = typer.Typer(
    name="hanctl",
    help="The open Communications Hub for the smart-metering bench. Start here: hanctl demo, hanctl doctor.",
    no_args_is_help=True,
    cls=PlainGroup,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run", epilog=run.EPILOG)(run.run)
app.command("reload", epilog=reload.EPILOG)(reload.reload)
app.command("status", epilog=status.EPILOG)(status.status)
app.add_typer(devices.app, name="device")
app.command("join", epilog=devices.JOIN_EPILOG)(devices.join)
app.add_typer(authority.app, name="ca")
app.add_typer(certificates.app, name="certificate")
app.add_typer(backups.app, name="backup")
app.add_typer(firmware.app, name="firmware")
app.add_typer(updates.app, name="update")
app.add_typer(tenancy.app, name="tenancy")
app.add_typer(tenancy.supplier_app, name="supplier")
app.add_typer(data.app, name="data")
app.add_typer(events.app, name="events")
app.command("install-service", epilog=service.INSTALL_EPILOG)(service.install_service)
app.command("uninstall-service", epilog=service.UNINSTALL_EPILOG)(service.uninstall_service)
app.command("conformance", epilog=conformance.EPILOG)(conformance.conformance)
app.command("console", epilog=console.EPILOG)(console.console)
app.command("capture", epilog=capture.EPILOG)(capture.capture)
app.command("doctor", epilog=doctor.EPILOG)(doctor.doctor)
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.command("simulate", epilog=simulate.EPILOG)(simulate.simulate)


def _print_version(wanted: bool) -> None:
    if wanted:
        import hanctl

        typer.echo(f"hanctl {hanctl.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    library_logs.keep_quiet()
    try:
        sys.exit(app(arguments, standalone_mode=False) or ExitCode.OK)
    except HanctlError as error:
        _complain(str(error), error.hint)
        sys.exit(error.exit_code)
    except TyperException as error:
        # Empty where the help was printed instead, as of a command that needs a subcommand.
        if message := _without_values(error):
            context = getattr(error, "ctx", None)
            _complain(message, f"see: {context.command_path if context else 'hanctl'} --help")
        sys.exit(ExitCode.USAGE)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:
        _complain(
            f"unexpected {type(error).__name__} {raised_at(error)}", "this is a fault of hanctl; please report it"
        )
        sys.exit(ExitCode.INTERNAL)


def _without_values(error: TyperException) -> str:
    """Return what is wrong with the command line, without what was typed: it may be a secret in the wrong place."""
    message = error.format_message()
    if possible := getattr(error, "possibilities", None):
        return f"no such option (did you mean {' or '.join(sorted(possible))}?)"
    if message.startswith("Missing") or "Usage:" in message or not message:
        return message
    if (param := getattr(error, "param", None)) is not None:
        # "'x' is not one of 'a', 'b'": what is wrong stands behind the value.
        reason = error.message.rpartition("' is ")[2]
        return f"Invalid value for {param.get_error_hint()}" + (f": {reason}" if reason.startswith(_HARMLESS) else "")
    return next(
        (said for start, said in _USAGE.items() if message.startswith(start)), "the options do not fit together"
    )


def _complain(message: str, hint: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    if hint:
        print(f"hint: {' '.join(hint.split())}", file=sys.stderr)
