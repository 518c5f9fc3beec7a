"""``hanctl console``."""

from __future__ import annotations

import json as jsonlib
import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from hanctl.base.errors import ExitCode, HanctlError, InvalidInput
from hanctl.cli.client import Client
from hanctl.cli.options import ConfigFile, Socket, connect, duration, examples

EPILOG = examples(
    "hanctl console --since 10m",
    "hanctl console --follow",
    "hanctl console --wait-for 'OTA: +verified' --timeout 5m",
)
WAIT_S = 20
"""Longest wait of one request; then the next is sent."""


class LineTimeout(HanctlError):
    """The line to wait for was not printed in time."""

    code = "console-timeout"
    exit_code = ExitCode.TIMED_OUT


def console(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep showing new lines until Ctrl-C.")] = False,
    since: Annotated[
        str | None,
        typer.Option("--since", help="Show lines from the last DURATION, e.g. 10m.", metavar="DURATION"),
    ] = None,
    wait_for: Annotated[
        str | None,
        typer.Option("--wait-for", help="Exit at the first line that matches this.", metavar="REGEX"),
    ] = None,
    timeout: Annotated[
        str, typer.Option("--timeout", help="Longest time to wait for --wait-for, e.g. 60s.", metavar="DURATION")
    ] = "30s",
    socket: Socket = None,
    config: ConfigFile = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Show lines from a display's debug console: the newest 10000 since the hub started.

    Older lines are in files, in console/ of the state directory. --wait-for
    looks only at new lines, or with --since also at lines of that time.
    """
    client = connect(socket, config)
    oldest = None if since is None else duration(since)
    if wait_for is not None:
        _show(_wait_for(client, _pattern(wait_for), duration(timeout), oldest), json)
        return
    for line in _lines(client, oldest, follow=follow):
        _show(line, json)


def _lines(client: Client, oldest_s: float | None, *, follow: bool) -> Iterator[dict[str, Any]]:
    """Yield the lines recorded so far, then each new line."""
    place, wait_s = 0, 0
    while True:
        answer = client.get("/console/lines", after=place, wait_s=wait_s)
        yield from _recent(answer, oldest_s if wait_s == 0 else None)
        place = answer["lines"][-1]["number"] if answer["lines"] else place
        if place >= answer["last"]:
            if not follow:
                return
            wait_s = WAIT_S


def _wait_for(client: Client, pattern: re.Pattern[str], timeout_s: float, oldest_s: float | None) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    place = client.get("/console/lines", limit=1)["last"] if oldest_s is None else 0
    while (left := deadline - time.monotonic()) > 0:
        answer = client.get("/console/lines", after=place, wait_s=min(left, WAIT_S))
        for line in _recent(answer, oldest_s):
            if pattern.search(line["text"]):
                return line
        place = answer["lines"][-1]["number"] if answer["lines"] else place
    raise LineTimeout(
        f"no line came in {timeout_s:.0f} s in which '{pattern.pattern}' is found", "see: hanctl console --follow"
    )


def _recent(answer: dict[str, Any], oldest_s: float | None) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = answer["lines"]
    if oldest_s is None:
        return lines
    first = datetime.fromisoformat(answer["now"]) - timedelta(seconds=oldest_s)
    return [line for line in lines if datetime.fromisoformat(line["time"]) >= first]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise InvalidInput("what was given is not a regular expression", "put a \\ before . ( [ * + ?") from error


def _show(line: dict[str, Any], json: bool) -> None:
    if json:
        print(jsonlib.dumps(line), flush=True)
        return
    moment = datetime.fromisoformat(line["time"]).astimezone()
    print(f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}  {line['text']}", flush=True)
