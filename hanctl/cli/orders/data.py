"""``hanctl data``: load, set and show the household data that the hub serves to displays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hanctl.base.errors import InvalidInput, NotFound
from hanctl.base.shown_path import shown
from hanctl.cli.options import ConfigFile, Json, Socket, connect, examples
from hanctl.cli.output import print_json, print_table

app = typer.Typer(help="Household data that displays read: tariffs, messages, consumption.", no_args_is_help=True)
Endpoint = Annotated[
    str | None,
    typer.Option("--endpoint", help="Endpoint of the hub: esi, gas or meter (the stand-in).", metavar="NAME"),
]


@app.command(
    epilog=examples(
        "hanctl data load configs/household.toml",
        "hanctl data load consumption.csv --endpoint gas --zone Europe/London",
    )
)
def load(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Household (.toml, .json) or consumption (.csv).", readable=False)
    ],
    endpoint: Endpoint = None,
    table: Annotated[
        Literal["half_hours", "days"], typer.Option("--table", help="Length of the intervals in a CSV file.")
    ] = "half_hours",
    zone: Annotated[
        str | None,
        typer.Option("--zone", help="Time zone of times without an offset in a CSV file.", metavar="ZONE"),
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Load household data from a file, all of it or nothing.

    A household file replaces the attributes and tables that it names. A
    consumption file adds records.
    """
    data, client = _read(file), connect(socket, config)
    loaded: list[dict[str, Any]]
    if file.suffix.lower() == ".csv":
        if endpoint is None:
            raise InvalidInput("a CSV file says not whose consumption it is", "name the endpoint: --endpoint gas")
        loaded = [client.upload(f"/data/{endpoint}/{table}", data, name=file.name, zone=zone)]
    elif endpoint is not None or zone is not None:
        raise InvalidInput("--endpoint and --zone are for CSV files", "a household names its endpoints itself")
    else:
        loaded = client.upload("/data", data, name=file.name)
    if json:
        print_json(loaded)
        return
    for part in loaded:
        counts = [f"{part['attributes']} attributes"] if part["attributes"] else []
        counts += [f"{count} {name}" for name, count in part["records"].items()]
        print(f"endpoint {part['endpoint']}: {', '.join(counts) or 'nothing'}")


@app.command(
    name="set",
    # A value may be negative.
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "hanctl data set gas metering.current_summation_delivered 4711000",
        "hanctl data set esi price.standing_charge 26110",
    ),
)
def set_(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="Endpoint: esi, gas or meter.")],
    attribute: Annotated[
        str, typer.Argument(metavar="CLUSTER.NAME", help="Attribute; 'hanctl data attributes' lists them.")
    ],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Number, text, or time with its offset.")],
    socket: Socket = None,
    config: ConfigFile = None,
) -> None:
    """Set one attribute that displays read."""
    cluster, _, name = attribute.partition(".")
    if not name or "/" in attribute + endpoint:
        raise InvalidInput("what was given does not name an attribute", "write it as price.standing_charge")
    connect(socket, config).put(f"/data/{endpoint}/{cluster}/{name}", {"value": value})
    print(f"{endpoint} {attribute} is set")


@app.command(epilog=examples("hanctl data show", "hanctl data show --endpoint gas --values"))
def show(
    endpoint: Endpoint = None,
    values: Annotated[
        bool, typer.Option("--values", help="Show values too. Outside a bench they are personal data.")
    ] = False,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List the data that the hub holds: names, classes, numbers of records, and how many a change of tenancy hid."""
    items = connect(socket, config).get("/data", endpoint=endpoint, values=values or None)
    if json:
        print_json(items)
        return
    rows = [
        (
            str(item["endpoint"]),
            item["cluster"],
            item["name"] if item["id"] is None else f"{item['name']} (0x{item['id']:04x})",
            item["data_class"],
            str(item["count"]) if item["id"] is None else "",
            str(item["hidden"]) if item["hidden"] else "",
            *([_value(item["value"])] if values else []),
        )
        for item in items
    ]
    columns = ("endpoint", "cluster", "name", "class", "records", "hidden", *(["value"] if values else []))
    print_table(columns, rows, "nothing is held; load a household: hanctl data load FILE")


@app.command(epilog=examples("hanctl data attributes", "hanctl data attributes metering"))
def attributes(
    cluster: Annotated[
        str | None, typer.Argument(metavar="CLUSTER", help="Only attributes of this cluster, e.g. metering.")
    ] = None,
    json: Json = False,
) -> None:
    """List the attributes that can be loaded and set, with their types and classes. Needs no hub."""
    from zigpy.zcl.foundation import DataTypeId

    from hanctl.data.files import BY_NAME, CLUSTER_NAMES

    if cluster is not None and cluster not in CLUSTER_NAMES:
        raise NotFound("there is no such cluster", "there are: " + ", ".join(CLUSTER_NAMES))
    names = {number: name for name, number in CLUSTER_NAMES.items()}
    names_of_types = {int(kind): kind.name.rstrip("_") for kind in DataTypeId}
    found: list[dict[str, Any]] = [
        {
            "cluster": names[entry.cluster],
            "id": entry.id,
            "name": entry.name,
            "type": names_of_types[entry.data_type],
            "data_class": entry.data_class,
        }
        for entry in BY_NAME.values()
        if cluster in (None, names[entry.cluster])
    ]
    if json:
        print_json(found)
        return
    rows = [(item["cluster"], f"0x{item['id']:04x}", item["name"], item["type"], item["data_class"]) for item in found]
    print_table(("cluster", "id", "name", "type", "class"), rows, "this cluster has none")


def _value(value: Any) -> str:
    """Format a value as one cell; only --json shows the rows of a table."""
    return "" if value is None else f"({len(value)} rows: --json)" if isinstance(value, list) else str(value)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise NotFound("there is no such file", "check the path") from error
    except OSError as error:
        raise InvalidInput(f"{shown(file)} cannot be read: {error.strerror}", "give a readable file") from error
