"""``hanctl firmware``: work on the firmware store, through the daemon or directly with --store."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from hanctl.base.errors import InvalidInput, Refused
from hanctl.base.owner import as_owner
from hanctl.base.plain_files import printable
from hanctl.base.whole_file import write_result
from hanctl.cli.options import ConfigFile, Json, Socket, connect, eui64, examples, number
from hanctl.cli.output import as_json, hexadecimal, local_time, print_facts, print_json, print_table, size, version

if TYPE_CHECKING:
    from hanctl.images.signature import Verdict
    from hanctl.images.store import FirmwareStore
    from hanctl.images.stored_image import StoredImage

app = typer.Typer(help="Firmware images: build, check, add, list and remove them.", no_args_is_help=True)
Store = Annotated[
    Path | None,
    typer.Option("--store", help="Work on the store in this directory, without a hub.", metavar="DIR", readable=False),
]
SignaturePolicy = Annotated[
    Literal["require", "warn", "off"] | None,
    typer.Option(
        "--signatures",
        help="With --store: images with no verified signature are refused, warned of (the default) or let in.",
    ),
]
Roots = Annotated[
    list[Path] | None,
    typer.Option(
        "--root",
        help="With --store: file of an authority that certifies signers (hanctl ca show --json). Repeatable.",
        metavar="FILE",
        readable=False,
    ),
]
Signers = Annotated[
    list[str] | None,
    typer.Option("--signer", help="With --store: accept only this signer. Repeatable.", metavar="EUI64"),
]
Suppliers = Annotated[
    list[Path] | None,
    typer.Option(
        "--supplier-certificate",
        help="With --store: file of a supplier's certificate (PEM or DER). Repeatable.",
        metavar="FILE",
        readable=False,
    ),
]
Sha = Annotated[str, typer.Argument(metavar="SHA256", help="file_sha256 of the image, or its first 8 or more digits.")]


@app.command(
    epilog=examples(
        "hanctl firmware add display-2.0.ota",
        "hanctl firmware add display-2.1.ota --requires 0x00020000",
        "hanctl firmware add display-2.0.bin --form gb --store firmware_store",
        "hanctl firmware add display-2.0.ota --store firmware_store --signatures require --root root.json",
    )
)
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="OTA file.", readable=False)],
    form: Annotated[
        Literal["auto", "zigbee", "gb"],
        typer.Option("--form", help="Layout after the header: tagged sub-elements (zigbee) or none (gb)."),
    ] = "auto",
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name to show for the image. Default: name of the file.", metavar="NAME"),
    ] = None,
    requires: Annotated[
        list[str] | None,
        typer.Option(
            "--requires",
            help="Running version that the image may be applied to. Repeatable. Default: any.",
            metavar="VERSION",
        ),
    ] = None,
    store: Store = None,
    signatures: SignaturePolicy = None,
    root: Roots = None,
    signer: Signers = None,
    supplier_certificate: Suppliers = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Check an image and its signature, and add it to the store. Every defect is named with its byte offset."""
    from hanctl.images.store import read_image_file

    opened = _store(store, signatures, root, signer, supplier_certificate)
    data = read_image_file(file)
    called = printable(name or file.name)
    versions = [number(version) for version in requires or ()]
    if opened is not None:

        def work() -> dict[str, Any]:
            added = opened.add(data, form=form, name=called, requires=tuple(versions))
            return _described(opened.describe(added.file_sha256), opened.verdict(added.file_sha256))

        image = as_owner(opened.path, work)
    else:
        image = connect(socket, config).upload("/images", data, form=form, name=called, requires=versions)
    _show(image, json)


@app.command("list", epilog=examples("hanctl firmware list", "hanctl firmware list --store firmware_store --json"))
def list_(
    store: Store = None,
    signatures: SignaturePolicy = None,
    root: Roots = None,
    signer: Signers = None,
    supplier_certificate: Suppliers = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """List the images in the store."""
    opened = _store(store, signatures, root, signer, supplier_certificate)
    if opened is not None:
        images = [_described(stored, verdict) for stored, verdict in opened.judged()]
        for wrong in opened.left_aside():
            print(f"left aside: {wrong}", file=sys.stderr)
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
            image["signature"]["status"],
        )
        for image in images
    ]
    columns = ("file_sha256", "name", "form", "manufacturer", "type", "version", "size", "signature")
    print_table(columns, rows, "no images; add one: hanctl firmware add FILE")


@app.command(
    epilog=examples(
        "hanctl firmware show 5f1c9a02", "hanctl firmware show 5f1c9a02 --store firmware_store --root root.json"
    )
)
def show(
    image: Sha,
    store: Store = None,
    signatures: SignaturePolicy = None,
    root: Roots = None,
    signer: Signers = None,
    supplier_certificate: Suppliers = None,
    socket: Socket = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show one image: header, hashes, layout and signature."""
    opened = _store(store, signatures, root, signer, supplier_certificate)
    if opened is not None:
        found = _described(opened.describe(image), opened.verdict(image))
    else:
        found = connect(socket, config).get(f"/images/{image}")
    _show(found, json)


@app.command(epilog=examples("hanctl firmware remove 5f1c9a02"))
def remove(image: Sha, store: Store = None, socket: Socket = None, config: ConfigFile = None) -> None:
    """Remove an image from the store."""
    opened = _store(store)
    if opened is not None:
        sha256 = opened.get(image).file_sha256
        as_owner(opened.path, lambda: opened.remove(sha256))
        print(f"{sha256} was removed from {opened.path}")
    else:
        sha256 = connect(socket, config).delete(f"/images/{image}")["file_sha256"]
        print(f"{sha256} was removed")


@app.command(
    epilog=examples(
        "hanctl firmware build app.bin --manufacturer 0x1234 --type 1 --version 0x00020000 -o display.ota",
        "hanctl firmware build app.bin --manufacturer 0x1234 --type 1 --version 3 --form gb -o gb.ota",
        "hanctl firmware build app.bin --manufacturer 0x1234 --type 1 --version 4 --sign signer.json -o signed.ota",
    )
)
def build(
    payload: Annotated[
        Path, typer.Argument(metavar="PAYLOAD", help="File with the firmware for the device.", readable=False)
    ],
    manufacturer: Annotated[
        str, typer.Option("--manufacturer", help="Manufacturer code, e.g. 0x1234.", metavar="CODE")
    ],
    type_: Annotated[str, typer.Option("--type", help="Image type, e.g. 0x0001.", metavar="TYPE")],
    version_: Annotated[str, typer.Option("--version", help="File version, e.g. 0x00000002.", metavar="VERSION")],
    output: Annotated[Path, typer.Option("--output", "-o", help="OTA file to write.", readable=False, metavar="FILE")],
    form: Annotated[
        Literal["zigbee", "gb"],
        typer.Option(
            "--form", help="Put the payload into sub-element 0x0000 (zigbee), or directly after the header (gb)."
        ),
    ] = "zigbee",
    stack_version: Annotated[
        str, typer.Option("--stack-version", help="Zigbee stack version.", metavar="VERSION")
    ] = "0x0002",
    header_string: Annotated[
        str, typer.Option("--header-string", help="Header string, at most 32 bytes.", metavar="TEXT")
    ] = "",
    credential_version: Annotated[
        str | None, typer.Option("--credential-version", help="Security credential version.", metavar="VERSION")
    ] = None,
    destination: Annotated[
        str | None, typer.Option("--destination", help="Make the image for this device only.", metavar="EUI64")
    ] = None,
    hardware_min: Annotated[
        str | None, typer.Option("--hardware-min", help="Lowest hardware version.", metavar="VERSION")
    ] = None,
    hardware_max: Annotated[
        str | None, typer.Option("--hardware-max", help="Highest hardware version.", metavar="VERSION")
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(
            "--sign",
            help="Sign with the certificate and key in this file (hanctl ca issue --signer).",
            metavar="FILE",
            readable=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Make an OTA file from a payload; --sign also signs it."""
    from hanctl.images.build import Fields, build_signed
    from hanctl.images.build import build as build_image
    from hanctl.images.store import read_image_file
    from hanctl.trust.certificate import DIGITAL_SIGNATURE
    from hanctl.trust.credentials import load_credentials
    from hanctl.trust.keyfile import check_private

    if sign is not None and form == "gb":
        raise InvalidInput("the gb form has no signature elements", "leave --sign out, or build with --form zigbee")
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
    content, signer = read_image_file(payload), ""
    if sign is not None:
        check_private(sign)
        credentials = load_credentials(sign, usage=DIGITAL_SIGNATURE)
        data = build_signed(content, fields, credentials)
        signer = f", signed by {credentials.subject} ({credentials.suite})"
    else:
        data = build_image(content, fields, form=form)
    try:
        if os.path.lexists(output) and not force:
            raise Refused(f"{output} exists", "give another name, or --force")
        write_result(output, data)
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written: {error.strerror}", "give another path") from error
    print(f"wrote {output}: {size(len(data))}{signer}")


def _store(
    store: Path | None,
    signatures: Literal["require", "warn", "off"] | None = None,
    roots: list[Path] | None = None,
    signers: list[str] | None = None,
    suppliers: list[Path] | None = None,
) -> FirmwareStore | None:
    """Open the store named by --store, if any; raise InvalidInput if a signature option is given without it."""
    if store is None:
        if signatures or roots or signers or suppliers:
            raise InvalidInput(
                "--signatures, --root, --signer and --supplier-certificate are for --store alone",
                "a hub has them in its configuration, in [firmware]",
            )
        return None
    from hanctl.base.clock import SystemClock
    from hanctl.images.image_check import SignatureChecker
    from hanctl.images.store import FirmwareStore

    checker = SignatureChecker.load(
        signatures or "warn", roots or (), [eui64(each) for each in signers or ()], suppliers or ()
    )
    return FirmwareStore(store.absolute(), SystemClock(), checker)


def _described(stored: StoredImage, verdict: Verdict) -> dict[str, Any]:
    return as_json(stored.record) | {
        "form_reason": stored.form_reason,
        "notes": list(stored.parsed.notes),
        "signature": as_json(verdict),
    }


def _show(image: dict[str, Any], json: bool) -> None:
    if json:
        print_json(image)
        return
    from hanctl.images.signature import Verdict

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
        ("added", local_time(image["added_at"])),
        ("signature", str(Verdict(**image["signature"]))),
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
