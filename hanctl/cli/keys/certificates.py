"""``hanctl certificate``: import and show the certificates that the hub presents to its devices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hanctl.base.errors import DaemonUnreachable, InvalidInput
from hanctl.base.eui64 import Eui64
from hanctl.base.owner import as_owner
from hanctl.cli.keys.authority import refuse_existing, save_for_owner
from hanctl.cli.options import ConfigFile, Json, Socket, connect, eui64, examples
from hanctl.cli.output import print_facts, print_json

if TYPE_CHECKING:
    from hanctl.config.sections import Config
    from hanctl.trust.credentials import Credentials

app = typer.Typer(help="Certificates of the hub for key establishment (CBKE).", no_args_is_help=True)


@app.command(
    "import",
    epilog=examples(
        "hanctl certificate import certicom.txt -c /etc/hanctl/hanctl.toml",
        "hanctl certificate import --certificate cert.bin --private-key key.bin --ca-key ca.bin --out hub.json",
    ),
)
def import_(
    text: Annotated[
        str | None, typer.Argument(help="File in Certicom's text form; - is standard input.", metavar="FILE")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the implicit certificate, raw or hex.")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with its private key, raw or hex.")
    ] = None,
    ca_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the authority's public key, raw or hex.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to store it in. Default: trust.certificate.", metavar="FILE")
    ] = None,
    eui: Annotated[
        str | None, typer.Option("--eui", help="EUI64 of the dongle. Default: as the hub knows it.", metavar="EUI64")
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
) -> None:
    """Check a certificate and its keys, show what it says, and store it for the hub.

    Keys that do not belong together are refused, and a certificate for another
    EUI64 than the dongle's.
    """
    from hanctl.trust.credentials import load_raw_files, parse_credentials
    from hanctl.trust.hub_certificate import check_subject
    from hanctl.trust.keyfile import read_text

    loaded_config = _load(config)
    raw = (certificate, private_key, ca_key)
    if text is not None and raw == (None, None, None):
        credentials = parse_credentials(sys.stdin.read() if text == "-" else read_text(Path(text)))
    elif text is None and certificate is not None and private_key is not None and ca_key is not None:
        credentials = load_raw_files(certificate, private_key, ca_key)
    else:
        raise InvalidInput(
            "give one file in Certicom's text form, or all three of --certificate, --private-key and --ca-key",
            "hanctl certificate import --help has examples",
        )
    print_facts(list(credentials.describe().items()))
    dongle = eui64(eui) if eui is not None else _dongle(socket, config, loaded_config)
    if dongle is not None:
        check_subject(credentials, dongle)
    target = out or _wanted_by(loaded_config, credentials)
    refuse_existing(target)
    save_for_owner(target, credentials)
    if dongle is None:
        print("the dongle's address is not known yet: that the certificate names it is checked when the hub starts")
    print(f"stored in {target}; the hub uses it from its next start")


@app.command(epilog=examples("hanctl certificate show hub.json", "hanctl certificate show -c /etc/hanctl/hanctl.toml"))
def show(
    file: Annotated[Path | None, typer.Argument(help="File of a stored certificate.", metavar="FILE")] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Show a stored certificate, or those of a configuration. Private keys are not shown."""
    from hanctl.trust.hub_certificate import load_hub_credentials

    loaded_config = _load(config)
    files = [file] if file is not None else list(_configured(loaded_config))
    if not files:
        raise InvalidInput("no certificate is named", "give its file, or -c with a configuration that has [trust]")
    described = [each.describe() for each in load_hub_credentials(files)]
    if json:
        print_json([{name.replace(" ", "_"): value for name, value in facts.items()} for facts in described])
        return
    for number, facts in enumerate(described):
        if number:
            print()
        print_facts(list(facts.items()))


def _load(config: Path | None) -> Config | None:
    if config is None:
        return None
    from hanctl.config.reading import load_config

    return load_config(config)


def _configured(config: Config | None) -> tuple[Path, ...]:
    return config.trust.certificate if config is not None and config.trust is not None else ()


def _wanted_by(config: Config | None, credentials: Credentials) -> Path:
    """Return the first certificate file of the configuration that does not exist yet."""
    missing = [path for path in _configured(config) if not path.exists()]
    if missing:
        return missing[0]
    if existing := _configured(config):
        return existing[0]
    raise InvalidInput(
        f"nothing says where the certificate of {credentials.subject} goes",
        "give --out FILE, or -c with a configuration that has [trust] certificate",
    )


def _dongle(socket: Path | None, config: Path | None, loaded: Config | None) -> Eui64 | None:
    """Return the EUI64 of the hub's dongle, from the running hub or else from its ledger."""
    from hanctl.ledger.files.last_dongle import last_dongle

    try:
        known = connect(socket, config).get("/status")["dongle"]["eui64"]
    except DaemonUnreachable:
        known = None
    if known is not None:
        return eui64(known)
    if loaded is None:
        return None
    ledger = loaded.hub.state_dir / "ledger.sqlite"
    return as_owner(ledger, lambda: last_dongle(ledger))
