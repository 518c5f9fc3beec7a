"""``hanctl events``: show events to people and machines."""

from __future__ import annotations

import json as jsonlib
from typing import Annotated, Any

import typer

from hanctl.cli import event_export
from hanctl.cli.options import ConfigFile, Json, Socket, connect, eui64, examples
from hanctl.cli.output import field, local_time

EPILOG = examples(
    "hanctl events --follow",
    "hanctl events --device 00:0d:6f:00:0a:90:69:e7",
    "hanctl events --type activation.notice --json",
)
PAGE = 1000
_HEAD = ("id", "time", "type", "level")


app = typer.Typer(invoke_without_command=True)
app.command("export", epilog=event_export.EPILOG)(event_export.export)


@app.callback(epilog=EPILOG)
def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep showing new events until Ctrl-C.")] = False,
    after: Annotated[
        int | None,
        typer.Option(
            "--after", min=0, help="Only events after this id. Default: all; with --follow only new ones.", metavar="ID"
        ),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="Only events of this device.", metavar="EUI64")] = None,
    update: Annotated[int | None, typer.Option("--update", help="Only events of this update.", metavar="ID")] = None,
    type_: Annotated[
        str | None,
        typer.Option("--type", help="Only events of this type, e.g. update.failed (docs/events.md).", metavar="TYPE"),
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show events, oldest first; with --json, one JSON object per line."""
    if context.invoked_subcommand is not None:
        return
    client = connect(socket, config)
    address = None if device is None else eui64(device)
    query: dict[str, Any] = {"device": address, "update": update, "type": type_}
    if follow:
        for event in client.stream("/events/stream", after=after, **query):
            _print(event, json)
        return
    place = after or 0
    while page := client.get("/events", after=place, limit=PAGE, **query):
        for event in page:
            _print(event, json)
        place = page[-1]["id"]


def _print(event: dict[str, Any], json: bool) -> None:
    if json:
        print(jsonlib.dumps(event), flush=True)
        return
    details = " ".join(
        f"{name}={field(name, value)}" for name, value in event.items() if name not in _HEAD and value is not None
    )
    mark = {"info": " ", "warning": "!", "error": "✗"}[event["level"]]
    print(f"{event['id']:>6} {local_time(event['time'])} {mark} {event['type']:<22} {details}", flush=True)
