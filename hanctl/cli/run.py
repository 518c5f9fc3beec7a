"""``hanctl run``: the daemon in the foreground."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanctl.cli.options import examples
from hanctl.errors import ExitCode

if TYPE_CHECKING:
    from hanctl.config_sections import Config

SWITCH_INTERVAL_S = 0.0005
"""How long key establishment's arithmetic, on a thread of its own, may keep the event loop waiting each time that it
wants to run. Python's own 5 ms add up to 20 for an answer to a display."""

EPILOG = examples("hanctl run -c configs/sim-ezsp.toml", "hanctl run -c /etc/hanctl/hanctl.toml")


def run(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="The configuration file.", metavar="FILE", readable=False)
    ],
) -> None:
    """Run the Communications Hub until it is told to stop (SIGTERM: exit code 0; Ctrl-C: 130)."""
    from hanctl.config import load_config
    from hanctl.logs import set_up_logging

    loaded = load_config(config)
    set_up_logging(loaded.hub.log)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if asyncio.run(_run(loaded)) is signal.SIGINT:
        raise typer.Exit(ExitCode.INTERRUPTED)


async def _run(config: Config) -> signal.Signals | None:
    from hanctl.clock import SystemClock
    from hanctl.daemon import Daemon
    from hanctl.service_manager import ServiceManager

    daemon = Daemon(config, SystemClock(), manager=ServiceManager())
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        daemon.request_stop(f"received {number.name}")

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    await daemon.run()
    return received[0] if received else None
