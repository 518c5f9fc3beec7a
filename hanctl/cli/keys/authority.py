"""``hanctl ca``: make and use a certificate authority for the bench."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanctl.base.errors import ConfigError, Refused
from hanctl.base.owner import as_owner
from hanctl.base.plain_files import make_directory
from hanctl.base.whole_file import write_whole
from hanctl.cli.options import Json, eui64, examples
from hanctl.cli.output import print_facts, print_json
from hanctl.config.paths import CONFIGURATIONS, default_state_dir

if TYPE_CHECKING:
    from hanctl.trust.credentials import Credentials

app = typer.Typer(
    help="A certificate authority for the bench, for hubs, development displays and image signers.",
    no_args_is_help=True,
)
Authority = Annotated[
    Path | None,
    typer.Option("--ca", help="File of the authority. Default: ca.json in the state directory.", metavar="FILE"),
]


@app.command(epilog=examples("hanctl ca init", "hanctl ca init --ca bench-ca.json"))
def init(
    ca: Authority = None,
    issuer: Annotated[
        str | None, typer.Option("--issuer", help="Name of the authority, an EUI64. Default: random.", metavar="EUI64")
    ] = None,
) -> None:
    """Make a certificate authority (suite 2). Keep its file safe: it holds the key that signs every certificate."""
    from hanctl.trust.authority import BenchAuthority

    path = _path(ca)
    name = eui64(issuer) if issuer is not None else None

    def work() -> str:
        try:
            make_directory(path.parent, 0o700)
        except OSError as error:
            raise ConfigError(
                f"{path.parent} cannot be made: {error.strerror}", "give another file with --ca"
            ) from error
        return BenchAuthority.init(path, name).issuer

    print(f"authority {as_owner(path.parent, work)} is in {path}")


@app.command(
    epilog=examples(
        "hanctl ca issue --eui 00:12:4b:00:1c:a1:b8:46 --out hub-certificate.json  (for a hub: its dongle's EUI64)",
        "hanctl ca issue --eui 00:0d:6f:00:0a:90:69:e7 --out display.txt --text  (for a development display)",
        "hanctl ca issue --eui 00:0d:6f:00:0a:00:00:99 --out signer.json --signer  (to sign images with)",
    )
)
def issue(
    eui: Annotated[
        str,
        typer.Option(
            "--eui", help="EUI64 that the certificate names: a dongle, a device or a signer.", metavar="EUI64"
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Write the certificate and its private key to this file.", metavar="FILE")
    ],
    ca: Authority = None,
    text: Annotated[bool, typer.Option("--text", help="Write Certicom's text form, for a device.")] = False,
    signer: Annotated[
        bool, typer.Option("--signer", help="Issue it for signing images (hanctl firmware build --sign).")
    ] = False,
) -> None:
    """Issue a certificate with its private key. Retail devices refuse it: they do not know this authority."""
    from hanctl.base.clock import SystemClock
    from hanctl.trust.authority import BenchAuthority
    from hanctl.trust.certificate import DIGITAL_SIGNATURE, KEY_AGREEMENT
    from hanctl.trust.text_form import text_form

    subject = eui64(eui)
    refuse_existing(out)
    issued = BenchAuthority.load(_path(ca)).issue(
        subject,
        valid_from=int(SystemClock().now().timestamp()),
        usage=DIGITAL_SIGNATURE if signer else KEY_AGREEMENT,
    )
    if text:
        as_owner(out.absolute().parent, lambda: _write_private(out.absolute(), text_form(issued)))
    else:
        save_for_owner(out, issued)
    print(f"the certificate of {subject} is in {out}")


@app.command(epilog=examples("hanctl ca show", "hanctl ca show --ca bench-ca.json --json"))
def show(ca: Authority = None, json: Json = False) -> None:
    """Show the name and public key of an authority, for development displays and for firmware.signature_roots."""
    from hanctl.trust.authority import BenchAuthority

    facts = BenchAuthority.load(_path(ca)).show()
    if json:
        print_json({name.replace(" ", "_"): value for name, value in facts.items()})
    else:
        print_facts(list(facts.items()))


def refuse_existing(path: Path) -> None:
    """Raise Refused if the file exists: it may hold the only copy of a private key."""
    if os.path.lexists(path):
        raise Refused(f"{path} exists", "move it away first, or give another name with --out")


def save_for_owner(path: Path, credentials: Credentials) -> None:
    """Save credentials for the owner of the directory to use, also if root saves them. Raises KeyFileError."""
    from hanctl.trust.credentials import save_credentials

    file = path.absolute()
    for_a_service = os.geteuid() == 0 and file.parent.resolve() == CONFIGURATIONS.resolve()
    # What is root's there, the group of hubs reads.
    as_owner(file.parent, lambda: save_credentials(file, credentials, 0o640 if for_a_service else 0o600))


def _path(given: Path | None) -> Path:
    return (given or default_state_dir() / "ca.json").absolute()


def _write_private(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", "give another file with --out") from error
