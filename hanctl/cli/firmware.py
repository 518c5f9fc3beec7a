"""``hanctl firmware``: the store, through the daemon or directly with --store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hanctl.cli.options import ConfigFile, Json, Socket, connect, eui64, examples, number
from hanctl.cli.output import as_json, hexadecimal, moment, print_facts, print_json, print_table, size, version
from hanctl.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from hanctl.firmware.store import FirmwareStore

app = typer.Typer(help="Firmware images.", no_args_is_help=True)
Store = Annotated[
    Path | None,
    typer.Option("--store", help="Work on this store's directory, without a daemon.", metavar="DIR", readable=False),
]
Sha = Annotated[str, typer.Argument(metavar="SHA256", help="The image's file_sha256, 8 digits or more.")]


@app.command(
    epilog=examples(
        "hanctl firmware add display-2.0.ota",
        "hanctl firmware add display-2.1.ota --requires 0x00020000",
        "hanctl firmware add display-2.0.bin --form gb --store firmware_store",
    )
)
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An OTA file.", readable=False)],
    form: Annotated[
        Literal["auto", "zigbee", "gb"],
        typer.Option("--form", help="How to read the body: sub-elements (zigbee), or none (gb)."),
    ] = "auto",
    name: Annotated[str | None, typer.Option("--name", help="A name for people. Default: the file's.")] = None,
    requires: Annotated[
        list[str] | None,
        typer.Option("--requires", help="A running version it may be applied to, if not to any; may be given again."),
    ] = None,
    store: Store = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Check an image strictly and add it to the store."""
    from hanctl.firmware.store import read_image_file

    data = read_image_file(file)
    versions = [number(version) for version in requires or ()]
    if store is not None:
        opened = _open(store)
        added = opened.add(data, form=form, name=name or file.name, requires=tuple(versions))
        image = _described(opened, added.file_sha256)
    else:
        image = connect(socket, config).upload("/images", data, form=form, name=name or file.name, requires=versions)
    _show(image, json)


@app.command("list", epilog=examples("hanctl firmware list", "hanctl firmware list --store firmware_store --json"))
def list_(store: Store = None, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """List the images."""
    if store is not None:
        images = [as_json(image) for image in _open(store).list()]
    else:
        images = connect(socket, config).get("/images")
    if json:
        print_json(images)
        return
    rows = [
        (
            image["file_sha256"][:12],
            image["name"],
            image["form"],
            hexadecimal(image["manufacturer_code"]),
            hexadecimal(image["image_type"]),
            version(image["file_version"]),
            size(image["size"]),
        )
        for image in images
    ]
    columns = ("file_sha256", "name", "form", "manufacturer", "type", "version", "size")
    print_table(columns, rows, "no images; add one: hanctl firmware add FILE")


@app.command(epilog=examples("hanctl firmware show 5f1c9a02"))
def show(image: Sha, store: Store = None, socket: Socket = None, config: ConfigFile = None, json: Json = False) -> None:
    """Show one image: its header, its hashes, and how it was read."""
    found = _described(_open(store), image) if store is not None else connect(socket, config).get(f"/images/{image}")
    _show(found, json)


@app.command(epilog=examples("hanctl firmware remove 5f1c9a02"))
def remove(image: Sha, store: Store = None, socket: Socket = None, config: ConfigFile = None) -> None:
    """Remove an image."""
    if store is not None:
        opened = _open(store)
        sha256 = opened.get(image).file_sha256
        opened.remove(sha256)
    else:
        sha256 = connect(socket, config).delete(f"/images/{image}")["file_sha256"]
    print(f"{sha256} was removed")


@app.command(
    epilog=examples(
        "hanctl firmware build app.bin --manufacturer 0x1234 --type 1 --version 0x00020000 -o display.ota",
        "hanctl firmware build app.bin --manufacturer 0x1234 --type 1 --version 3 --form gb -o gb.ota",
    )
)
def build(
    payload: Annotated[Path, typer.Argument(metavar="PAYLOAD", help="The device's own image.", readable=False)],
    manufacturer: Annotated[str, typer.Option("--manufacturer", help="Manufacturer code.")],
    type_: Annotated[str, typer.Option("--type", help="Image type.")],
    version_: Annotated[str, typer.Option("--version", help="File version.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.", readable=False)],
    form: Annotated[
        Literal["zigbee", "gb"], typer.Option("--form", help="Payload in tag 0x0000, or directly after the header.")
    ] = "zigbee",
    stack_version: Annotated[str, typer.Option("--stack-version", help="Zigbee stack version.")] = "0x0002",
    header_string: Annotated[str, typer.Option("--header-string", help="Text of at most 32 bytes.")] = "",
    credential_version: Annotated[
        str | None, typer.Option("--credential-version", help="Security credential version.")
    ] = None,
    destination: Annotated[str | None, typer.Option("--destination", help="For this EUI64 alone.")] = None,
    hardware_min: Annotated[str | None, typer.Option("--hardware-min", help="Lowest hardware version.")] = None,
    hardware_max: Annotated[str | None, typer.Option("--hardware-max", help="Highest hardware version.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Make an OTA file from a payload."""
    from hanctl.firmware.build import Fields
    from hanctl.firmware.build import build as build_image
    from hanctl.firmware.store import read_image_file

    fields = Fields(
        manufacturer_code=number(manufacturer),
        image_type=number(type_),
        file_version=number(version_),
        stack_version=number(stack_version),
        header_string=header_string,
        security_credential_version=None if credential_version is None else number(credential_version),
        destination=None if destination is None else eui64(destination),
        hardware_min=None if hardware_min is None else number(hardware_min),
        hardware_max=None if hardware_max is None else number(hardware_max),
    )
    data = build_image(read_image_file(payload), fields, form=form)
    made = False
    try:
        with output.open("wb" if force else "xb") as file:
            made = not force
            file.write(data)
    except FileExistsError as error:
        raise Refused(f"{output} exists", "give another name, or --force") from error
    except OSError as error:
        if made:
            output.unlink(missing_ok=True)
        raise InvalidInput(f"{output} cannot be written: {error.strerror}", "give another path") from error
    print(f"wrote {output}: {size(len(data))}")


def _open(store: Path) -> FirmwareStore:
    from hanctl.clock import SystemClock
    from hanctl.firmware.store import FirmwareStore

    return FirmwareStore(store, SystemClock())


def _described(store: FirmwareStore, sha256: str) -> dict[str, Any]:
    stored = store.describe(sha256)
    return as_json(stored.record) | {"form_reason": stored.form_reason, "notes": list(stored.parsed.notes)}


def _show(image: dict[str, Any], json: bool) -> None:
    if json:
        print_json(image)
        return
    facts = [
        ("name", image["name"]),
        ("file_sha256", image["file_sha256"]),
        ("manufacturer_image_sha256", image["manufacturer_image_sha256"] or "-"),
        ("form", f"{image['form']} ({image['form_reason']})"),
        ("manufacturer", hexadecimal(image["manufacturer_code"])),
        ("image type", hexadecimal(image["image_type"])),
        ("file version", version(image["file_version"])),
        ("stack version", hexadecimal(image["stack_version"])),
        ("header string", image["header_string"]),
        ("size", size(image["size"])),
        ("added", moment(image["added_at"])),
    ]
    if image["hardware_min"] is not None:
        hardware = f"{hexadecimal(image['hardware_min'])} to {hexadecimal(image['hardware_max'])}"
        facts.append(("hardware", hardware))
    if image["requires"]:
        facts.append(("for running versions", " ".join(map(version, image["requires"]))))
    if image["destination"] is not None:
        facts.append(("destination", image["destination"]))
    if image["tags"]:
        facts.append(("tags", " ".join(hexadecimal(tag) for tag in image["tags"])))
    facts += [("note", note) for note in image["notes"]]
    print_facts(facts)
