"""``hanctl update``."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any, Literal

import typer

from hanctl.cli import watching
from hanctl.cli.options import ConfigFile, Json, Socket, connect, duration, eui64, examples
from hanctl.cli.output import ago, moment, print_facts, print_json, print_table, size, version

app = typer.Typer(help="Firmware updates of devices.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="ID", help="The update's number.")]


@app.command(
    epilog=examples(
        "hanctl update start --device 000d6f000a9069e7 --image 5f1c9a02 --watch",
        "hanctl update start --device 000d6f000a9069e7 --image 5f1c9a02 --activate hold",
    )
)
def start(
    device: Annotated[str, typer.Option("--device", help="The device.", metavar="EUI64")],
    image: Annotated[str, typer.Option("--image", help="The image's file_sha256, 8 digits or more.", metavar="SHA256")],
    activate_: Annotated[
        Literal["now", "hold"], typer.Option("--activate", help="Activate when transferred, or wait for a command.")
    ] = "now",
    watch: Annotated[bool, typer.Option("--watch", help="Show progress until it is over (or is holding).")] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Order an update of one device."""
    client = connect(socket, config)
    update = client.post("/updates", {"device": eui64(device), "image": image, "activation": activate_})
    if watch:
        target: watching.Target = "holding" if activate_ == "hold" else "confirmed"
        update = watching.watch(client, update, target, quiet=json)
    if json:
        print_json(update)
    elif watch:
        print(f"update {update['id']} is {update['state']}")
    else:
        print(f"update {update['id']} of {update['device']} to {version(update['file_version'])} is ordered")
        print(f"follow it: hanctl update wait {update['id']}")


@app.command("list", epilog=examples("hanctl update list --open", "hanctl update list --device 000d6f000a9069e7"))
def list_(
    device: Annotated[str | None, typer.Option("--device", help="Only this device's.", metavar="EUI64")] = None,
    open_: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List updates, with live progress."""
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
            moment(update["ordered_at"]),
            update["reason"] or "",
        )
        for update in updates
    ]
    print_table(("id", "device", "to version", "state", "served", "ordered", "reason"), rows, "no updates")


@app.command(epilog=examples("hanctl update show 3"))
def show(number: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show one update, with live progress."""
    update = connect(socket, config).get(f"/updates/{number}")
    if json:
        print_json(update)
        return
    rate = "" if update["rate"] is None else f", {update['rate']:.0f} bytes/s"
    facts = [
        ("update", str(update["id"])),
        ("device", update["device"]),
        ("version", f"{version(update['old_version'])} to {version(update['file_version'])}"),
        ("file_sha256", update["file_sha256"]),
        ("manufacturer_image_sha256", update["manufacturer_image_sha256"] or "-"),
        ("activation", update["activation"]),
        ("state", update["state"]),
        ("served", f"{size(update['offset'])} of {size(update['size'])}{rate}"),
    ]
    if update["ended_at"] is None:
        facts.append(("asked last", ago(update["last_heard"])))
    for name in ("ordered", "notified", "transfer_started", "transferred", "activated", "ended"):
        facts.append((name.replace("_", " "), moment(update[f"{name}_at"])))
    if update["reason"]:
        facts.append(("reason", update["reason"]))
    print_facts(facts)


@app.command(epilog=examples("hanctl update activate 3"))
def activate(number: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Release an update that is holding."""
    update = connect(socket, config).post(f"/updates/{number}/activate")
    if json:
        print_json(update)
    elif update["state"] == "holding":
        print(f"update {number} is released; the device cannot be reached now and is told when it asks next")
    else:
        print(f"update {number} is {update['state']}")


@app.command(epilog=examples("hanctl update cancel 3"))
def cancel(number: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Cancel an update that the device was not yet told to activate."""
    update = connect(socket, config).post(f"/updates/{number}/cancel")
    if json:
        print_json(update)
    else:
        print(f"update {number} is {update['state']}")


@app.command(
    epilog=examples(
        "hanctl update wait 3",
        "hanctl update wait 3 --until holding --timeout 30m",
        "hanctl update wait 3 --json | jq .state",
    )
)
def wait(
    number: Number,
    until: Annotated[watching.Target, typer.Option("--until", help="The state to wait for, or one past it.")] = (
        "confirmed"
    ),
    timeout: Annotated[str | None, typer.Option("--timeout", help="At most so long, e.g. 30m.")] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Wait for an update: exit code 0 when it is there, 9 when it failed or was cancelled, 10 when time is up."""
    limit = None if timeout is None else time.monotonic() + duration(timeout)
    client = connect(socket, config)
    update: dict[str, Any] = client.get(f"/updates/{number}")
    update = watching.watch(client, update, until, deadline=limit, quiet=json or not sys.stdout.isatty())
    if json:
        print_json(update)
    else:
        print(f"update {number} is {update['state']}")
