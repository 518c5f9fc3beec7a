"""Follow one update until it reaches a state, fails, or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from hanctl.base.errors import DaemonUnreachable, ExitCode, HanctlError
from hanctl.cli.client import Client
from hanctl.cli.output import version

T = TypeVar("T")

Target = Literal["notified", "transferring", "verifying", "transferred", "holding", "activating", "confirmed"]
POLL_S = 0.5
UNREACHABLE_S = 60
"""A daemon that restarts is waited for so long."""
AWAY = "hub is away"
"""Shown in place of the state meanwhile."""

OVER = frozenset({"confirmed", "failed", "refused", "cancelled", "superseded"})
_RANK = {
    "ordered": 0,
    "notified": 1,
    "transferring": 2,
    "verifying": 3,
    "transferred": 4,
    "holding": 5,
    "in_doubt": 5,
    "activating": 6,
    "confirmed": 7,
}

Show = Callable[[dict[str, Any]], None]


class UpdateNotDone(HanctlError):
    """The update failed, or was refused, cancelled or superseded."""

    code = "update-failed"
    exit_code = ExitCode.UPDATE_FAILED


class UpdateTooSlow(HanctlError):
    """The update did not reach the state in time."""

    code = "timed-out"
    exit_code = ExitCode.TIMED_OUT


def watch(
    client: Client, update: dict[str, Any], target: Target, *, deadline: float | None = None, quiet: bool = False
) -> dict[str, Any]:
    """Wait until the update, and each that follows it in its chain, is at the target or past it; returns the last.

    Raises UpdateNotDone, UpdateTooSlow.
    """
    with _silence() if quiet else _display(update) as show:
        show(update)
        while not _reached(update, target):
            number = update["id"]
            if update["state"] in OVER - {"confirmed"}:
                raise UpdateNotDone(f"update {number} {_ending(update)}", f"see: hanctl update report {number}")
            if deadline is not None and time.monotonic() >= deadline:
                raise UpdateTooSlow(
                    f"update {number} is {update['state']} and not yet {target}: it waits for {update['waits_for']}",
                    f"it goes on; wait longer, or cancel it: hanctl update cancel {number}",
                )
            time.sleep(POLL_S)
            update = _ask(client, update["followed_by"] or number, update, show)
            show(update)
    return update


def outlook(update: dict[str, Any]) -> str:
    """Say what an update waits for, or why it ended."""
    if update["followed_by"] is not None:
        return f"update {update['followed_by']} goes on"
    return str(update["waits_for"] or update["reason"] or "")


def when_back(ask: Callable[[], T], meanwhile: Callable[[], None] = lambda: None) -> T:
    """Repeat a request while the daemon may be restarting. Raises DaemonUnreachable."""
    patience = time.monotonic() + UNREACHABLE_S
    while True:
        try:
            return ask()
        except DaemonUnreachable:
            if time.monotonic() >= patience:
                raise
            meanwhile()
            time.sleep(POLL_S)


def _reached(update: dict[str, Any], target: Target) -> bool:
    return _RANK.get(update["state"], -1) >= _RANK[target] and update["followed_by"] is None


def _ending(update: dict[str, Any]) -> str:
    state = update["state"]
    if state in ("cancelled", "superseded"):
        return f"was {state}"
    return f"{'was refused' if state == 'refused' else 'failed'}: {update['reason']}"


def _ask(client: Client, number: int, update: dict[str, Any], show: Show) -> dict[str, Any]:
    def ask() -> dict[str, Any]:
        answer: dict[str, Any] = client.get(f"/updates/{number}")
        return answer

    return when_back(ask, lambda: show(update | {"state": AWAY, "rate": None, "seconds_left": None}))


@contextmanager
def _silence() -> Iterator[Show]:
    yield lambda update: None


@contextmanager
def _display(update: dict[str, Any]) -> Iterator[Show]:
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        yield _lines()
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        console=console,
    ) as progress:
        console.print(_title(update))
        task = progress.add_task(update["state"], total=update["size"], rate="")

        def show(now: dict[str, Any]) -> None:
            progress.update(
                task, description=f"{now['state']:<12}", completed=now["offset"], total=now["size"], rate=_note(now)
            )

        yield show


def _lines() -> Show:
    last: tuple[Any, ...] = ()

    def show(update: dict[str, Any]) -> None:
        nonlocal last
        if (update["id"], update["state"]) != last:
            last = update["id"], update["state"]
            print(f"{_title(update)}: {update['state']}", flush=True)

    return show


def _title(update: dict[str, Any]) -> str:
    return f"update {update['id']} of {update['device']} to {version(update['file_version'])}"


def _note(update: dict[str, Any]) -> str:
    """Format the text beside the progress bar: speed, or what the update waits for."""
    from hanctl.cli.orders.report import clock

    if update["state"] == "transferring" and update["rate"]:
        left = "" if not update["seconds_left"] else f", {clock(update['seconds_left'])} left"
        return f"{update['rate']:.0f} bytes/s{left}"
    return "" if update["state"] == AWAY else str(update["waits_for"] or "")
