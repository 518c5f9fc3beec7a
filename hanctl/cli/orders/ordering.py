"""``hanctl update start``: order updates of one device, several, or all that match."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from hanctl.base.errors import ExitCode, InvalidInput
from hanctl.cli.options import ConfigFile, Json, Socket, connect, eui64, examples, iso_time, number, version_range
from hanctl.cli.orders import watching
from hanctl.cli.output import print_json, print_table, version

EPILOG = examples(
    "hanctl update start --device 000d6f000a9069e7 --image 5f1c9a02 --watch",
    "hanctl update start --device 000d6f000a9069e7 --image 5f1c9a02 --activate hold",
    "hanctl update start --device 000d6f000a9069e7 --image 5f1c9a02 --at 2026-03-01T02:00",
    "hanctl update start --type ppmid --running 0x00010000-0x0001ffff --image 5f1c9a02 --window 01:00-05:00 --dry-run",
)


def start(
    image: Annotated[
        str, typer.Option("--image", help="file_sha256 of the image, or its first 8 or more digits.", metavar="SHA256")
    ],
    device: Annotated[
        list[str] | None, typer.Option("--device", help="Device to update. Repeatable.", metavar="EUI64")
    ] = None,
    type_: Annotated[
        Literal["ppmid", "ihd", "hcalcs", "esme", "gsme"] | None,
        typer.Option("--type", help="Update devices of this type."),
    ] = None,
    manufacturer: Annotated[
        str | None, typer.Option("--manufacturer", help="Update devices with this manufacturer code.", metavar="CODE")
    ] = None,
    running: Annotated[
        str | None,
        typer.Option("--running", help="Update devices that run a version in this range.", metavar="LOW-HIGH"),
    ] = None,
    activate: Annotated[
        Literal["now", "hold", "at", "by-device"] | None,
        typer.Option(
            "--activate",
            help="now: once transferred (default); hold: on command; at: at the time given by --at (which implies it); "
            "by-device: the device decides.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Earliest activation; the hub holds the device until then.", metavar="TIME"),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option("--window", help="Activate only at these hours, British time.", metavar="HH:MM-HH:MM"),
    ] = None,
    transfer_window: Annotated[
        str | None,
        typer.Option("--transfer-window", help="Transfer only at these hours, British time.", metavar="HH:MM-HH:MM"),
    ] = None,
    priority: Annotated[
        Literal["low", "normal", "high"],
        typer.Option("--priority", help="Order in which waiting devices are notified."),
    ] = "normal",
    allow_downgrade: Annotated[
        bool, typer.Option("--allow-downgrade", help="Update also a device that runs a newer version.")
    ] = False,
    allow_reinstall: Annotated[
        bool, typer.Option("--allow-reinstall", help="Update also a device that already runs this version.")
    ] = False,
    requires: Annotated[
        list[str] | None,
        typer.Option(
            "--requires-version", help="Refuse devices that do not run this version. Repeatable.", metavar="VERSION"
        ),
    ] = None,
    ignore_power: Annotated[
        bool, typer.Option("--ignore-power", help="Update also a device whose battery is low.")
    ] = False,
    supersede: Annotated[bool, typer.Option("--supersede", help="Replace the open update of a device.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would happen to each device; change nothing.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show progress until the update is over or holding.")] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Order updates for the devices given with --device, or for all that match --type, --manufacturer and --running."""
    activation = activate or ("now" if at is None else "at")
    order: dict[str, Any] = {
        "image": image,
        "activation": activation,
        "activate_at": None if at is None else iso_time(at),
        "window": window,
        "transfer_window": transfer_window,
        "priority": priority,
        "allow_downgrade": allow_downgrade,
        "allow_reinstall": allow_reinstall,
        "requires": [number(one) for one in requires or ()],
        "ignore_power": ignore_power,
        "supersede": supersede,
    }
    match = _match(type_, manufacturer, running)
    if bool(device) == bool(match):
        raise InvalidInput(
            "it is not said which devices are meant",
            "give --device, or one or more of --type, --manufacturer and --running",
        )
    if watch and (dry_run or len(device or ()) != 1):
        raise InvalidInput("--watch is for one device", "leave it out, and see: hanctl update watch")
    client = connect(socket, config)
    if device and len(device) == 1 and not dry_run:
        update = client.post("/updates", order | {"device": eui64(device[0])})
        if watch:
            target: watching.Target = "confirmed" if activation in ("now", "at") else "holding"
            update = watching.watch(client, update, target, quiet=json)
        if json:
            print_json(update)
        elif watch:
            print(f"update {update['id']} is {update['state']}")
        else:
            print(f"update {update['id']} of {update['device']} to {version(update['file_version'])} is ordered")
            print(f"follow it: hanctl update wait {update['id']}")
        return
    whom = {"match": match} if match else {"devices": [eui64(one) for one in device or ()]}
    outcomes = client.post("/orders", order | whom | {"dry_run": dry_run})
    if json:
        print_json(outcomes)
    else:
        _print_outcomes(outcomes, dry_run)
    if not dry_run and any(not one["accepted"] for one in outcomes):
        raise typer.Exit(ExitCode.REFUSED)


def _match(type_: str | None, manufacturer: str | None, running: str | None) -> dict[str, Any]:
    match: dict[str, Any] = {}
    if type_ is not None:
        match["device_type"] = type_
    if manufacturer is not None:
        match["manufacturer_code"] = number(manufacturer)
    if running is not None:
        match["lowest_version"], match["highest_version"] = version_range(running)
    return match


def _print_outcomes(outcomes: list[dict[str, Any]], dry_run: bool) -> None:
    rows = []
    for one in outcomes:
        if not one["accepted"]:
            what = "would be refused" if dry_run else "refused"
        elif dry_run:
            what = "would be ordered"
        else:
            what = f"update {one['update']['id']}"
        supersedes = "" if one["supersedes"] is None else f"; takes the place of update {one['supersedes']}"
        rows.append((one["device"], what, "; ".join([one["reason"] + supersedes, *one["remarks"]])))
    print_table(("device", "order", "what, and why"), rows, "no device matches")
