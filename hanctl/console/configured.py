"""Make the console that the configuration names."""

from __future__ import annotations

from functools import partial

from hanctl.base.clock import Clock
from hanctl.config.sections import Config
from hanctl.console.console import DeviceConsole, console_file
from hanctl.console.lines import Redactor
from hanctl.console.log_file import LogFile
from hanctl.console.port import open_serial
from hanctl.ledger.ledger import Ledger

MEGABYTE = 1_000_000


def configured_console(config: Config, ledger: Ledger, clock: Clock) -> DeviceConsole | None:
    """Return the console of ``[console]``, not opened yet; None if there is none."""
    section = config.console
    if section is None:
        return None
    file = LogFile(console_file(config.hub.state_dir, section.name), section.file_mb * MEGABYTE, section.files)
    return DeviceConsole(
        section.name,
        section.port,
        ledger,
        clock,
        partial(open_serial, section.port, section.baudrate),
        Redactor(section.redact),
        file,
    )
