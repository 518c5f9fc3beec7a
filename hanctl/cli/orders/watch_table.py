"""``hanctl update watch``: show a live table of updates, or one line per change without a terminal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hanctl.cli.client import Client
from hanctl.cli.orders.report import clock
from hanctl.cli.orders.watching import OVER, POLL_S, outlook, when_back
from hanctl.cli.output import ago, version

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {
    "confirmed": "green",
    "failed": "red",
    "refused": "red",
    "cancelled": "yellow",
    "superseded": "yellow",
    "in_doubt": "magenta",
}


def watch(client: Client, numbers: Sequence[int] | None) -> None:
    """Follow these updates and their chains, or all open and new ones, until all have ended."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    followed = _Followed(client, numbers)
    if not console.is_terminal:
        said: dict[int, str] = {}
        while True:
            followed.refresh()
            _say_what_changed(followed.updates, said)
            if followed.over:
                return
            time.sleep(POLL_S)
    with Live(console=console, auto_refresh=False) as live:
        while True:
            followed.refresh()
            live.update(_table(followed.updates), refresh=True)
            if followed.over:
                return
            time.sleep(POLL_S)


class _Followed:
    """The updates to show, as last read from the hub."""

    def __init__(self, client: Client, numbers: Sequence[int] | None) -> None:
        self._client = client
        self._everything = numbers is None
        self._numbers = list(numbers or ())
        self._known: dict[int, dict[str, Any]] = {}

    @property
    def updates(self) -> list[dict[str, Any]]:
        return [self._known[number] for number in self._numbers]

    @property
    def over(self) -> bool:
        return all(update["state"] in OVER for update in self.updates)

    def refresh(self) -> None:
        """Read the updates that are not over again, and add the ones that follow them."""
        if self._everything:
            for update in when_back(lambda: self._client.get("/updates", open_only=True)):
                self._follow(update["id"])
        # What follows an update is found behind it, and asked for in the same round.
        for number in self._numbers:
            known = self._known.get(number)
            if known is None or known["state"] not in OVER:
                known = self._known[number] = self._ask(number)
            if known["followed_by"] is not None:
                self._follow(known["followed_by"])

    def _ask(self, number: int) -> dict[str, Any]:
        answer: dict[str, Any] = when_back(lambda: self._client.get(f"/updates/{number}"))
        return answer

    def _follow(self, number: int) -> None:
        if number not in self._numbers:
            self._numbers.append(number)


def _say_what_changed(updates: list[dict[str, Any]], said: dict[int, str]) -> None:
    for update in updates:
        number, state = update["id"], update["state"]
        # What a transfer waits for changes with every pause; elsewhere it is news.
        why = "" if state == "transferring" else outlook(update)
        line = f"update {number} of {update['device']} to {version(update['file_version'])} is {state}"
        line += f": {why}" if why else ""
        if said.get(number) != line:
            said[number] = line
            print(line, flush=True)


def _table(updates: list[dict[str, Any]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    columns = ("id", "device", "version", "state", "served", "rate", "left", "heard", "waits for, or reason")
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, caption=None if updates else "no update is open")
    for update in updates:
        state = Text(update["state"], style=_COLOURS.get(update["state"], ""))
        served = f"{100 * update['offset'] // update['size']} %"
        rate = "" if update["rate"] is None else f"{update['rate']:.0f} B/s"
        left = "" if not update["seconds_left"] else clock(update["seconds_left"])
        heard = "" if update["last_heard"] is None else ago(update["last_heard"])
        way = f"{version(update['old_version'])} → {version(update['file_version'])}"
        table.add_row(str(update["id"]), update["device"], way, state, served, rate, left, heard, Text(outlook(update)))
    return table
