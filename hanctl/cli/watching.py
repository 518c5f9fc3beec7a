"""Following one update: until it has come far enough, has failed, or time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from hanctl.cli.client import Client
from hanctl.cli.output import version
from hanctl.errors import DaemonUnreachable, ExitCode, HanctlError

Target = Literal["notified", "transferring", "transferred", "holding", "activating", "confirmed"]
POLL_S = 0.5
UNREACHABLE_S = 60
"""A daemon that restarts is waited for so long."""
AWAY = "hub is away"
"""Shown in place of the state meanwhile."""

_RANK = {
    "ordered": 0,
    "notified": 1,
    "transferring": 2,
    "transferred": 3,
    "holding": 4,
    "activating": 5,
    "confirmed": 6,
}

Show = Callable[[dict[str, Any]], None]


class UpdateNotDone(HanctlError):
    """The update failed or was cancelled."""

    code = "update-failed"
    exit_code = ExitCode.UPDATE_FAILED


class UpdateTooSlow(HanctlError):
    """The update did not come so far in time."""

    code = "timed-out"
    exit_code = ExitCode.TIMED_OUT


def watch(
    client: Client, update: dict[str, Any], target: Target, *, deadline: float | None = None, quiet: bool = False
) -> dict[str, Any]:
    """Wait until the update is at the target or past it; returns it. Raises UpdateNotDone, UpdateTooSlow."""
    number = update["id"]
    with _silence() if quiet else _display(update) as show:
        show(update)
        while not _reached(update, target):
            if update["state"] in ("failed", "cancelled"):
                raise UpdateNotDone(f"update {number} {_ending(update)}", f"see: hanctl events --update {number}")
            if deadline is not None and time.monotonic() >= deadline:
                raise UpdateTooSlow(
                    f"update {number} is {update['state']} and not yet {target}",
                    f"it goes on; wait longer, or cancel it: hanctl update cancel {number}",
                )
            time.sleep(POLL_S)
            update = _ask(client, update, show)
            show(update)
    return update


def _reached(update: dict[str, Any], target: Target) -> bool:
    return _RANK.get(update["state"], -1) >= _RANK[target]


def _ending(update: dict[str, Any]) -> str:
    return "was cancelled" if update["state"] == "cancelled" else f"failed: {update['reason']}"


def _ask(client: Client, update: dict[str, Any], show: Show) -> dict[str, Any]:
    patience = time.monotonic() + UNREACHABLE_S
    while True:
        try:
            answer: dict[str, Any] = client.get(f"/updates/{update['id']}")
        except DaemonUnreachable:
            if time.monotonic() >= patience:
                raise
            show(update | {"state": AWAY, "rate": None})
            time.sleep(POLL_S)
        else:
            return answer


@contextmanager
def _silence() -> Iterator[Show]:
    yield lambda update: None


@contextmanager
def _display(update: dict[str, Any]) -> Iterator[Show]:
    from rich.console import Console

    console = Console(highlight=False)
    title = f"update {update['id']} of {update['device']} to {version(update['file_version'])}"
    if not console.is_terminal:
        yield _lines(title)
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rate]}"),
        console=console,
    ) as progress:
        console.print(title)
        task = progress.add_task(update["state"], total=update["size"], rate="")

        def show(now: dict[str, Any]) -> None:
            progress.update(
                task, description=f"{now['state']:<12}", completed=now["offset"], total=now["size"], rate=_rate(now)
            )

        yield show


def _lines(title: str) -> Show:
    last = ""

    def show(update: dict[str, Any]) -> None:
        nonlocal last
        if update["state"] != last:
            last = update["state"]
            print(f"{title}: {last}", flush=True)

    return show


def _rate(update: dict[str, Any]) -> str:
    rate = update["rate"]
    if update["state"] != "transferring" or not rate:
        return ""
    left = int((update["size"] - update["offset"]) / rate)
    clock = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02}" if left >= 3600 else f"{left // 60}:{left % 60:02}"
    return f"{rate:.0f} bytes/s, {clock} left"
