"""``hanctl tenancy`` and ``hanctl supplier``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hanctl.base.errors import InvalidInput
from hanctl.base.whole_file import try_place, write_result
from hanctl.cli.options import ConfigFile, Json, Socket, connect, eui64, examples, number
from hanctl.cli.orders.tenancy_output import cut_off, print_change, print_devices, print_preview, print_report
from hanctl.cli.output import local_time, print_json, print_table

app = typer.Typer(
    help="Changes of tenancy: order them; list and prove these and changes of supplier.", no_args_is_help=True
)
supplier_app = typer.Typer(
    help="Changes of supplier: order them; 'hanctl tenancy' lists and proves them.", no_args_is_help=True
)

Kind = Literal["tenancy", "supplier"]
FuelChoice = Literal["both", "electricity", "gas"]
Number = Annotated[int, typer.Argument(metavar="ID", help="Number of the change (hanctl tenancy list).")]
Fuel = Annotated[FuelChoice, typer.Option("--fuel", help="Fuel that the change applies to.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        help="Time of the change, in ISO 8601: with Z or an offset as written, else in --zone. Default: now.",
        metavar="TIME",
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="Cut-off: hide data dated before it. Past or future, written like --at.",
        metavar="DATE",
    ),
]
Zone = Annotated[str, typer.Option("--zone", help="Time zone of times without an offset.", metavar="ZONE")]
ControlWords = Annotated[
    list[str] | None,
    typer.Option(
        "--control",
        help="Control bit or mask, by name (hanctl tenancy bits) or 0x… Repeatable. Default of a change of tenancy: "
        "tenancy-default; with --since: none. Of a change of supplier: supplier-default.",
        metavar="BITS",
    ),
]
Pre = Annotated[bool, typer.Option("--pre-snapshot", help="Take snapshots of consumption before the change.")]
Post = Annotated[bool, typer.Option("--post-snapshot", help="Take snapshots of consumption after the change.")]
Providers = Annotated[
    list[str] | None,
    typer.Option(
        "--provider",
        help="Id of the provider, for every fuel, or FUEL=ID for one. Repeatable. Default of a change of tenancy: the "
        "one on record; a change of supplier needs it.",
        metavar="ID",
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="Name of the provider (at most 16 bytes), or FUEL=NAME. Repeatable.", metavar="NAME"),
]
Contacts = Annotated[
    list[str] | None,
    typer.Option(
        "--contact",
        help="Contact details of the provider (at most 18 bytes), or FUEL=TEXT. Repeatable.",
        metavar="TEXT",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Show what would be hidden and cleared, and what stays and why; change nothing."),
]
FUELS = ("electricity", "gas")
LOCAL_ZONE = "Europe/London"


@app.command(
    "change",
    epilog=examples(
        "hanctl tenancy change --dry-run",
        "hanctl tenancy change --at 2026-03-28T12:00 --pre-snapshot",
        "hanctl tenancy change --since 2026-03-01",
        "hanctl tenancy change --fuel gas --control clear-ihd-data-consumer --control block-historical-load-profile",
        "hanctl tenancy change --gbcs-payload 0109010107080014090000…",
    ),
)
def tenancy_change(
    fuel: Fuel = "both",
    at: At = None,
    since: Since = None,
    zone: Zone = LOCAL_ZONE,
    control: ControlWords = None,
    provider: Providers = None,
    name: Names = None,
    contact: Contacts = None,
    pre: Pre = False,
    post: Post = False,
    payload: Annotated[
        str | None,
        typer.Option(
            "--gbcs-payload",
            help="Take the whole change from this payload of a GBCS message: GCS09 (gas) or ECS12 (electricity); "
            "give it alone.",
            metavar="HEX",
        ),
    ] = None,
    dry_run: DryRun = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Change the tenant, now or at a time: hide and clear the former tenant's data, and tell every device.

    Data dated before --since (default: the time of the change) is hidden.
    Control bits say what is cleared; with --since but no --control nothing is
    cleared, and balances and debts stay.
    """
    if payload is not None:
        given = [fuel != "both", at, since, control, provider, name, contact, pre, post]
        if any(given):
            raise InvalidInput("--gbcs-payload says all there is to say of its change", "give it alone")
        body: dict[str, Any] = {"kind": "tenancy", "gbcs_payload": payload}
    else:
        body = _order("tenancy", fuel, at, since, zone, control, provider, name, contact, pre, post)
    _send(body, dry_run, socket, config, json)


@supplier_app.command(
    "change",
    epilog=examples(
        'hanctl supplier change --provider 0x1a2b --name "Acme Energy"',
        'hanctl supplier change --provider electricity=17 --provider gas=18 --name "Acme Energy" --at 2026-03-28T00:00',
        'hanctl supplier change --fuel gas --provider 18 --name "Gas & Co" --contact 08001234567 --dry-run',
    ),
)
def supplier_change(
    fuel: Fuel = "both",
    at: At = None,
    since: Since = None,
    zone: Zone = LOCAL_ZONE,
    control: ControlWords = None,
    provider: Providers = None,
    name: Names = None,
    contact: Contacts = None,
    pre: Pre = False,
    post: Post = False,
    dry_run: DryRun = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Change the supplier of electricity, gas or both, now or at a time, and tell every device."""
    body = _order("supplier", fuel, at, since, zone, control, provider, name, contact, pre, post)
    _send(body, dry_run, socket, config, json)


@app.command("list", epilog=examples("hanctl tenancy list", "hanctl tenancy list --kind supplier --json"))
def list_(
    kind: Annotated[Kind | None, typer.Option("--kind", help="List only changes of this kind.")] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List changes of tenancy and supplier."""
    changes = connect(socket, config).get("/changes", kind=kind)
    if json:
        print_json(changes)
        return
    rows = [
        (
            str(each["change"]["id"]),
            each["change"]["kind"],
            ", ".join(part["fuel"] for part in each["parts"]),
            each["change"]["state"],
            local_time(each["change"]["at"]),
            cut_off(each["change"]),
            f"0x{each['change']['control']:08x}",
        )
        for each in changes
    ]
    print_table(
        ("id", "of", "fuels", "state", "moment", "cut-off", "control"),
        rows,
        "no changes; order one: hanctl tenancy change",
    )


@app.command(epilog=examples("hanctl tenancy show 3"))
def show(change: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show one change, with a verdict for each device."""
    report = connect(socket, config).get(f"/changes/{change}/report")
    if json:
        print_json(report)
        return
    print_change(report)
    print_devices(report)


@app.command(
    epilog=examples(
        "hanctl tenancy report 3", "hanctl tenancy report 3 --html change-3.html", "hanctl tenancy report 3 --json"
    )
)
def report(
    change: Number,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page to print to this file.", metavar="FILE", dir_okay=False)
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show the evidence of a change: data hidden, cleared and kept, what each device was told and did, files left."""
    client = connect(socket, config)
    if html is not None:
        try:
            try_place(html)
            write_result(html, client.get_text(f"/changes/{change}/report.html"))
        except OSError as error:
            raise InvalidInput(f"cannot write {html}: {error.strerror}", "give another file") from error
        print(f"wrote {html}")
        return
    found = client.get(f"/changes/{change}/report")
    if json:
        print_json(found)
        return
    print_report(found)


@app.command(epilog=examples("hanctl tenancy cancel 3"))
def cancel(change: Number, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Cancel a change that has not taken place yet. No device has been told of it."""
    found = connect(socket, config).post(f"/changes/{change}/cancel")
    if json:
        print_json(found)
    else:
        print(f"change {change} is {found['change']['state']}")


@app.command(epilog=examples("hanctl tenancy redate 3 --at 2026-04-01T12:00"))
def redate(
    change: Number,
    at: Annotated[str, typer.Option("--at", help="New time of the change, written as for 'change'.", metavar="TIME")],
    zone: Zone = LOCAL_ZONE,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Move a change that has not taken place yet to another time."""
    found = connect(socket, config).post(f"/changes/{change}/redate", {"at": at, "zone": zone})
    if json:
        print_json(found)
    else:
        print(f"change {change} comes at {local_time(found['change']['at'])}")


@app.command(
    epilog=examples(
        'hanctl tenancy confirm 000d6f000a9069e7 --by "A. Smith"',
        'hanctl tenancy confirm 000d6f000a9069e7 --by "A. Smith" --still-shows',
    )
)
def confirm(
    device: Annotated[str, typer.Argument(metavar="EUI64", help="Device that you looked at.")],
    by: Annotated[str, typer.Option("--by", help="Name of the person who looked.", metavar="NAME")],
    still_shows: Annotated[
        bool, typer.Option("--still-shows", help="Record instead that it still shows such data.")
    ] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Record that you looked at a device and that it no longer shows data from before the change."""
    body = {"device": eui64(device), "by": by, "still_shows": still_shows}
    found = connect(socket, config).post("/changes/confirm", body)
    if json:
        print_json(found)
        return
    said = "still shows what was to go" if still_shows else "is confirmed"
    print(f"{body['device']} {said} (change {', '.join(str(each['change']['id']) for each in found)})")


@app.command(epilog=examples("hanctl tenancy bits"))
def bits(json: Json = False) -> None:
    """List the control bits and masks that --control takes."""
    from hanctl.tenancy import controls

    rows = {**controls.BITS, **controls.CONTACTORS, **controls.MASKS}
    if json:
        print_json(rows)
        return
    print_table(
        ("name", "mask", "means"),
        [
            (name, f"0x{mask:08x}", ", ".join(controls.names(mask)) if name in controls.MASKS else "")
            for name, mask in rows.items()
        ],
        "",
    )
    print(f"A change that does not say takes {_default('tenancy')} or {_default('supplier')}.")
    print(f"Where {controls.CONTACTOR_NOTE}.")


def _default(kind: Kind) -> str:
    from hanctl.tenancy import controls

    return next(name for name, mask in controls.MASKS.items() if mask == controls.DEFAULTS[kind])


def _order(
    kind: Kind,
    fuel: FuelChoice,
    at: str | None,
    since: str | None,
    zone: str,
    control: list[str] | None,
    provider: list[str] | None,
    name: list[str] | None,
    contact: list[str] | None,
    pre: bool,
    post: bool,
) -> dict[str, Any]:
    fuels: tuple[str, ...] = FUELS if fuel == "both" else (fuel,)
    ids = {each: number(text) for each, text in _by_fuel("--provider", provider, fuels).items()}
    names, contacts = _by_fuel("--name", name, fuels), _by_fuel("--contact", contact, fuels)
    providers = {
        each: {
            key: value[each] for key, value in (("id", ids), ("name", names), ("contact", contacts)) if each in value
        }
        for each in fuels
    }
    return {
        "kind": kind,
        "fuels": list(fuels),
        "at": at,
        "since": since,
        "zone": zone,
        "control": control or [],
        "pre_snapshot": pre,
        "post_snapshot": post,
        "providers": {each: said for each, said in providers.items() if said},
    }


def _by_fuel(option: str, values: list[str] | None, fuels: tuple[str, ...]) -> dict[str, str]:
    """Return the value for each fuel: FUEL=VALUE sets one, VALUE sets all."""
    found: dict[str, str] = {}
    for value in values or []:
        fuel, separator, rest = value.partition("=")
        if separator and fuel in FUELS:
            if fuel not in fuels:
                raise InvalidInput(f"{option}: the change is not of {fuel}", "see --fuel")
            meant: tuple[str, ...] = (fuel,)
            said = rest
        else:
            meant, said = fuels, value
        for each in meant:
            if each in found:
                raise InvalidInput(f"{option} is given twice for {each}", f"give it once, or as {each}=…")
            found[each] = said
    return found


def _send(body: dict[str, Any], dry_run: bool, socket: Path | None, config: Path | None, json: bool) -> None:
    client = connect(socket, config)
    found = client.post("/changes/preview" if dry_run else "/changes", body)
    if json:
        print_json(found)
    elif dry_run:
        print_preview(found)
    else:
        change = found["change"]
        print(f"change {change['id']} of {change['kind']} is {change['state']}, for {local_time(change['at'])}")
        print(f"cut-off: {cut_off(change)}")
        print(f"control 0x{change['control']:08x}: {', '.join(found['control_names'])}")
        for note in change["notes"]:
            print(f"note: {note}")
        print(f"its evidence: hanctl tenancy report {change['id']}")
