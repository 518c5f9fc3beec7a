"""``hanctl run``: run the daemon in the foreground."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanctl.base.errors import ExitCode, Refused
from hanctl.base.imports import put_off
from hanctl.base.library_logs import let_through
from hanctl.base.owner import owner_of, user_called
from hanctl.cli.options import examples
from hanctl.config.paths import hub_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from hanctl.config.sections import Config

SWITCH_INTERVAL_S = 0.0005
"""How long key establishment's arithmetic, on a thread of its own, may keep the event loop waiting each time that it
wants to run. Python's own 5 ms add up to 20 for an answer to a display."""

STARTED_AFTER_S = 10.0
"""Garbage is looked for only from then on: a start makes what stays, and looking took a sixth of its time."""

NEVER_USED = ("aiohttp", "jsonschema", "zigpy.ota.providers")
"""What zigpy imports to look for firmware on the internet."""

EPILOG = examples("hanctl run -c configs/sim-ezsp.toml", "hanctl run -c /etc/hanctl/hanctl.toml")


def run(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="Configuration file of the hub.", metavar="FILE", readable=False)
    ],
) -> None:
    """Run the Communications Hub in the foreground until it is told to stop.

    SIGTERM stops it with exit code 0, Ctrl-C with 130. SIGHUP makes it read its
    configuration again.
    """
    gc.disable()
    put_off(*NEVER_USED)
    from hanctl.config.reading import load_config
    from hanctl.logs.setup import set_up_logging

    # It would end a hub that has no handler for it yet, or no longer: until there is one, it waits.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    loaded = load_config(config)
    _leave_to_its_owner(config, loaded.hub.state_dir)
    set_up_logging(loaded.hub.log)
    let_through()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if asyncio.run(_run(loaded, partial(load_config, config))) is signal.SIGINT:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _leave_to_its_owner(config: Path, state_dir: Path) -> None:
    """Raise Refused if this is root's process and the state directory another user's, who runs the hub else."""
    if os.geteuid() != 0 or not state_dir.exists():
        return
    owner = owner_of(state_dir)
    if owner.uid == 0:
        return
    hub = hub_of(config)
    user = owner.name if user_called(owner.name) else f"'#{owner.uid}'"
    by_hand = f"run it as its owner: sudo -u {user} hanctl run -c {config}"
    raise Refused(
        f"{state_dir} belongs to {owner.name}, whose hub could not use what root's would leave there",
        by_hand if hub is None or hub.unit is None else f"start its service: systemctl start {hub.unit}",
    )


async def _run(config: Config, reread: Callable[[], Config]) -> signal.Signals | None:
    from hanctl.base.clock import SystemClock
    from hanctl.base.service_manager import ServiceManager
    from hanctl.hub.daemon import Daemon

    daemon = Daemon(config, SystemClock(), manager=ServiceManager(), reread=reread)
    received: list[signal.Signals] = []
    attended = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN and _has_terminal()

    def stop(number: signal.Signals) -> None:
        received.append(number)
        daemon.request_stop(f"received {number.name}")

    def hang_up() -> None:
        if attended and not _has_terminal():
            daemon.request_stop("the terminal was closed")
        else:
            daemon.reloads.ask()

    loop = asyncio.get_running_loop()
    loop.call_later(STARTED_AFTER_S, _look_for_garbage)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        await daemon.run()
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    return received[0] if received else None


def _look_for_garbage() -> None:
    gc.freeze()
    gc.enable()


def _has_terminal() -> bool:
    """Tell whether the process still has a terminal: one that closes sends SIGHUP too."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
