"""``hanctl tenancy`` and ``hanctl supplier``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hanctl.base.errors import InvalidInput
from hanctl.cli.options import ConfigFile, Json, Socket, connect, eui64, examples, number
from hanctl.cli.orders.tenancy_output import cut_off, print_change, print_devices, print_preview, print_report
from hanctl.cli.output import local_time, print_json, print_table

app = typer.Typer(help="Changes of tenancy and supplier, and the evidence of them.", no_args_is_help=True)
supplier_app = typer.Typer(help="Changes of supplier; 'hanctl tenancy' has what follows them.", no_args_is_help=True)

Kind = Literal["tenancy", "supplier"]
FuelChoice = Literal["both", "electricity", "gas"]
Number = Annotated[int, typer.Argument(metavar="ID", help="The change's number.")]
Fuel = Annotated[FuelChoice, typer.Option("--fuel", help="What it is of.")]
At = Annotated[
    str | None,
    typer.Option("--at", help="When, in ISO 8601: UTC with Z, else local time; left out: now.", metavar="TIME"),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        help="The cut-off, written like --at, past or to come: what is dated before it is hidden.",
        metavar="DATE",
    ),
]
Zone = Annotated[str, typer.Option("--zone", help="The zone of a local time.", metavar="ZONE")]
ControlWords = Annotated[
    list[str] | None,
    typer.Option("--control", help="A control bit or mask, by name or 0x…; again for more.", metavar="BITS"),
]
Pre = Annotated[bool, typer.Option("--pre-snapshot", help="Take snapshots before.")]
Post = Annotated[bool, typer.Option("--post-snapshot", help="Take snapshots afterwards.")]
Providers = Annotated[
    list[str] | None,
    typer.Option("--provider", help="The provider's id, of all fuels or as FUEL=ID; again.", metavar="ID"),
]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="The provider's name (16 bytes), alike.", metavar="NAME"),
]
Contacts = Annotated[
    list[str] | None,
    typer.Option("--contact", help="How to reach the provider (18 bytes), alike.", metavar="TEXT"),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be hidden and cleared, and what stays and why.")
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
        typer.Option("--gbcs-payload", help="All of it from the payload of GCS09 or ECS12.", metavar="HEX"),
    ] = None,
    dry_run: DryRun = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Change the tenant, now or at a moment: hide and clear what the hub holds of the last one, and tell every device.

    What is dated before --since, or the moment, is hidden; --since alone clears nothing and leaves balances and debts.
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
    """Change the supplier of electricity, gas or both, now or at a moment, and tell every device."""
    body = _order("supplier", fuel, at, since, zone, control, provider, name, contact, pre, post)
    _send(body, dry_run, socket, config, json)


@app.command("list", epilog=examples("hanctl tenancy list", "hanctl tenancy list --kind supplier --json"))
def list_(
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only these.")] = None,
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
    """Show one change, with the verdict on each device."""
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
        Path | None, typer.Option("--html", help="Write a page for printing here.", metavar="FILE", dir_okay=False)
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """The evidence: what was hidden, cleared and stays, who was told, what each device did, and files to deal with."""
    client = connect(socket, config)
    if html is not None:
        text = client.get_text(f"/changes/{change}/report.html")
        try:
            html.write_text(text, encoding="utf-8")
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
    """Cancel a change that is to come; no device has been told of it."""
    found = connect(socket, config).post(f"/changes/{change}/cancel")
    if json:
        print_json(found)
    else:
        print(f"change {change} is {found['change']['state']}")


@app.command(epilog=examples("hanctl tenancy redate 3 --at 2026-04-01T12:00"))
def redate(
    change: Number,
    at: Annotated[str, typer.Option("--at", help="When, as for 'change'.", metavar="TIME")],
    zone: Zone = LOCAL_ZONE,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Put a change that is to come to another moment."""
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
    device: Annotated[str, typer.Argument(metavar="EUI64", help="The device that was looked at.")],
    by: Annotated[str, typer.Option("--by", help="Who looked.", metavar="NAME")],
    still_shows: Annotated[bool, typer.Option("--still-shows", help="It still shows what was to go.")] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Say that you looked at a device, and that it shows nothing of before any more."""
    body = {"device": eui64(device), "by": by, "still_shows": still_shows}
    found = connect(socket, config).post("/changes/confirm", body)
    if json:
        print_json(found)
        return
    said = "still shows what was to go" if still_shows else "is confirmed"
    print(f"{body['device']} {said} (change {', '.join(str(each['change']['id']) for each in found)})")


@app.command(epilog=examples("hanctl tenancy bits"))
def bits(json: Json = False) -> None:
    """The control bits and masks by name."""
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
    """What was said of each fuel: FUEL=VALUE of one, VALUE of all."""
    found: dict[str, str] = {}
    for value in values or []:
        fuel, separator, rest = value.partition("=")
        if separator and fuel in FUELS:
            if fuel not in fuels:
                raise InvalidInput(f"{option} {value}: the change is not of {fuel}", "see --fuel")
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
