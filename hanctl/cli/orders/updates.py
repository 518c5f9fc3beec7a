"""``hanctl update``: list, follow and steer updates; ``update start`` is in ``ordering``."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from hanctl.base.errors import ExitCode, InvalidInput
from hanctl.cli.client import RemoteError
from hanctl.cli.options import ConfigFile, Json, Socket, connect, duration, eui64, examples, iso_time
from hanctl.cli.orders import ordering, report, watch_table, watching
from hanctl.cli.output import local_time, print_facts, print_json, print_table, version

app = typer.Typer(help="Firmware updates: order, follow, activate and report them.", no_args_is_help=True)
app.command(epilog=ordering.EPILOG)(ordering.start)
Number = Annotated[int, typer.Argument(metavar="ID", help="Number of the update (hanctl update list).")]


@app.command("list", epilog=examples("hanctl update list --open", "hanctl update list --device 000d6f000a9069e7"))
def list_(
    device: Annotated[
        str | None, typer.Option("--device", help="Only updates of this device.", metavar="EUI64")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Only updates that are not over.")] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List updates with their progress."""
    address = None if device is None else eui64(device)
    updates = connect(socket, config).get("/updates", device=address, open_only=open_)
    if json:
        print_json(updates)
        return
    rows = [
        (
            str(update["id"]),
            update["device"],
            version(update["file_version"]),
            update["state"],
            f"{100 * update['offset'] // update['size']} %",
            local_time(update["ordered_at"]),
            watching.outlook(update),
        )
        for update in updates
    ]
    print_table(
        ("id", "device", "to version", "state", "served", "ordered", "waits for, or reason"), rows, "no updates"
    )


@app.command(epilog=examples("hanctl update show 3"))
def show(number: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show one update with its progress."""
    update = connect(socket, config).get(f"/updates/{number}")
    if json:
        print_json(update)
        return
    print_facts(report.facts(update))


@app.command(
    epilog=examples(
        "hanctl update activate 3",
        "hanctl update activate 3 --manufacturer-image-sha256 HASH",
        "hanctl update activate --all-holding --at 2026-03-01T02:00",
    )
)
def activate(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers of the updates.")] = None,
    device: Annotated[str | None, typer.Option("--device", help="The open update of this device.", metavar="EUI64")] = (
        None
    ),
    all_holding: Annotated[
        bool, typer.Option("--all-holding", help="Every update that waits for this command.")
    ] = False,
    image_hash: Annotated[
        str | None,
        typer.Option(
            "--manufacturer-image-sha256",
            help="Activate only if the image has this hash. Required for a load control switch.",
            metavar="HASH",
        ),
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="Activate at this time, not now.", metavar="TIME")] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Activate updates that are holding, now or at a time."""
    client = connect(socket, config)
    order = {"manufacturer_image_sha256": image_hash, "at": None if at is None else iso_time(at)}
    chosen = _chosen(client, numbers or [], device, all_holding)
    if len(chosen) == 1:
        update = client.post(f"/updates/{chosen[0]}/activate", order)
        print_json(update) if json else print(_released(update))
        return
    answers: list[dict[str, Any]] = []
    refused = 0
    for number in chosen:
        try:
            answers.append(client.post(f"/updates/{number}/activate", order))
        except RemoteError as error:
            refused += 1
            answers.append({"id": number, "error": {"code": error.code, "message": str(error), "hint": error.hint}})
    if json:
        print_json(answers)
    else:
        for answer in answers:
            print(_released(answer) if "error" not in answer else answer["error"]["message"])
        if not answers:
            print("no update is holding")
    if refused:
        raise typer.Exit(ExitCode.REFUSED)


def _chosen(client: Any, numbers: list[int], device: str | None, all_holding: bool) -> list[int]:
    if bool(numbers) + (device is not None) + all_holding != 1:
        raise InvalidInput("it is not said which updates are meant", "give numbers, --device, or --all-holding")
    if numbers:
        return numbers
    address = None if device is None else eui64(device)
    found = client.get("/updates", device=address, open_only=True)
    if device is not None and not found:
        raise InvalidInput(f"device {address} has no open update", "see: hanctl update list")
    return [
        update["id"]
        for update in found
        if device is not None or (update["state"] == "holding" and update["activation"] != "by-device")
    ]


def _released(update: dict[str, Any]) -> str:
    number = update["id"]
    if update["state"] == "holding" and update["activation"] == "at":
        return f"update {number} is activated at {local_time(update['activate_at'])}"
    if update["state"] == "holding":
        return f"update {number} is released; it waits for {update['waits_for']}"
    return f"update {number} is {update['state']}"


@app.command(epilog=examples("hanctl update cancel 3"))
def cancel(number: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Cancel an update before its activation, or give up one that is in doubt."""
    update = connect(socket, config).post(f"/updates/{number}/cancel")
    if json:
        print_json(update)
    elif update["state"] == "in_doubt":
        print(f"update {number} was being activated: it waits for {update['waits_for']}")
    else:
        print(f"update {number} is {update['state']}")


@app.command("report", epilog=examples("hanctl update report 3", "hanctl update report 3 --json | jq .notices"))
def report_(number: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Report on one update: order, image, every event with its cause, notices and evidence."""
    found = connect(socket, config).get(f"/updates/{number}/report")
    if json:
        print_json(found)
    else:
        report.print_report(found)


@app.command(epilog=examples("hanctl update watch", "hanctl update watch 3 4"))
def watch(
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Numbers of updates to watch. Default: all open ones.")
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
) -> None:
    """Show a live table of updates until all are over; without a terminal, one line per change."""
    watch_table.watch(connect(socket, config), numbers or None)


@app.command(
    epilog=examples(
        "hanctl update wait 3",
        "hanctl update wait 3 --until holding --timeout 30m",
        "hanctl update wait 3 --json | jq .state",
    )
)
def wait(
    number: Number,
    until: Annotated[watching.Target, typer.Option("--until", help="State to wait for; a later state counts too.")] = (
        "confirmed"
    ),
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Longest time to wait, e.g. 30m.", metavar="DURATION")
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Wait until an update, and the further steps of its pathway if it needs several images, have reached a state.

    Exit code 0: reached. 9: failed, refused, cancelled or superseded. 10: not
    in time.
    """
    limit = None if timeout is None else time.monotonic() + duration(timeout)
    client = connect(socket, config)
    update: dict[str, Any] = client.get(f"/updates/{number}")
    update = watching.watch(client, update, until, deadline=limit, quiet=json or not sys.stdout.isatty())
    if json:
        print_json(update)
    else:
        print(f"update {number} is {update['state']}")
