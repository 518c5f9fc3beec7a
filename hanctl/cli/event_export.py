"""``hanctl events export``: write events to a file, from a running hub or from the ledger of a stopped one."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from hanctl.base.errors import ConfigError, DaemonUnreachable, InvalidInput, NotFound
from hanctl.base.owner import as_owner
from hanctl.base.whole_file import try_place
from hanctl.cli.client import Client
from hanctl.cli.options import ConfigFile, Socket, connect, eui64, examples, iso_time

EPILOG = examples(
    "hanctl events export -o events.jsonl",
    "hanctl events export --since 2026-03-01 --until 2026-04-01 --device 00:0d:6f:00:0a:90:69:e7",
    "hanctl events export -c /etc/hanctl/hanctl.toml -o events.jsonl      (the hub need not run)",
)
PAGE = 2000

Page = list[dict[str, Any]]


def export(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to this file, completely or not at all. Default: standard output.",
            metavar="FILE",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only events at or after this time.", metavar="TIME")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only events before this time.", metavar="TIME")] = None,
    device: Annotated[str | None, typer.Option("--device", help="Only events of this device.", metavar="EUI64")] = None,
    update: Annotated[int | None, typer.Option("--update", help="Only events of this update.", metavar="ID")] = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", help="Only events of this type, e.g. update.failed (docs/events.md).", metavar="TYPE"),
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
) -> None:
    """Export events as JSON Lines, oldest first, each as in the API."""
    query = {
        "since": None if since is None else iso_time(since),
        "until": None if until is None else iso_time(until),
        "device": None if device is None else eui64(device),
        "update": update,
        "type": type_,
    }
    if output is not None:
        _try(output)
    write = _writer(socket, config, query)
    if output is None:
        write(sys.stdout)
        return
    with _whole_file(output) as file:
        written = write(file)
    print(f"{written} events in {output}")


def _writer(socket: Path | None, config: Path | None, query: dict[str, Any]) -> Callable[[TextIO], int]:
    """Return a function that writes the events to a file, from the hub or its ledger, and tells how many."""
    client = connect(socket, config)
    try:
        newest = client.get("/status")["last_event"]
        return lambda out: _write(newest, _from_hub(client, query), out)
    except DaemonUnreachable:
        if socket is not None or config is None:
            raise
    from hanctl.config.reading import load_config

    # What the owner's process needs is imported here, in root's.
    import_module("hanctl.ledger.ledger")
    ledger = load_config(config).hub.state_dir / "ledger.sqlite"
    # SQLite makes files beside a ledger that it reads.
    return lambda out: as_owner(ledger.parent, lambda: _write(*_from_ledger(ledger, query), out))


def _from_hub(client: Client, query: dict[str, Any]) -> Iterator[Page]:
    place = 0
    while page := client.get("/events", after=place, limit=PAGE, **query):
        yield page
        place = page[-1]["id"]


def _from_ledger(path: Path, query: dict[str, Any]) -> tuple[int, Iterator[Page]]:
    """Return the id of the newest event of a ledger, and the events page by page."""
    from hanctl.ledger.ledger import Ledger
    from hanctl.model.event import EVENT_TYPES

    if not path.exists():
        raise NotFound(f"no hub runs, and there is no ledger {path}", "check [hub] state_dir")
    if query["type"] is not None and query["type"] not in EVENT_TYPES:
        raise InvalidInput("there is no such event type", "docs/events.md lists them")
    ledger = Ledger.open_to_read(path)
    times = {name: None if query[name] is None else datetime.fromisoformat(query[name]) for name in ("since", "until")}

    def pages() -> Iterator[Page]:
        place = 0
        while page := ledger.events(after=place, limit=PAGE, **query | times):
            yield [recorded.as_dict() for recorded in page]
            place = page[-1].id
        ledger.close()

    return ledger.last_event_id(), pages()


def _write(newest: int, pages: Iterator[Page], file: TextIO) -> int:
    written = 0
    for page in _with_progress(pages, newest) if file is not sys.stdout and sys.stderr.isatty() else pages:
        file.writelines(json.dumps(event) + "\n" for event in page)
        written += len(page)
    file.flush()
    return written


def _with_progress(pages: Iterator[Page], newest: int) -> Iterator[Page]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("events"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("events", total=newest)
        for page in pages:
            yield page
            progress.update(bar, completed=page[-1]["id"])


def _try(path: Path) -> None:
    try:
        try_place(path)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ConfigError:
    return ConfigError(f"cannot write {path}: {error.strerror}", "give another file with -o")


@contextmanager
def _whole_file(path: Path) -> Iterator[TextIO]:
    """Write a file that replaces PATH only once it is complete. Raises ConfigError."""
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)
