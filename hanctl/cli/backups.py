"""``hanctl backup``: what is saved, saving it now, and giving a dongle its network back."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanctl.cli.options import ConfigFile, Json, Socket, connect, examples
from hanctl.cli.output import as_json, hexadecimal, moment, print_facts, print_json, print_table, size
from hanctl.errors import ConfigError, Refused

if TYPE_CHECKING:
    from hanctl.config_sections import Config
    from hanctl.radio.network_backup import NetworkSummary

app = typer.Typer(help="Backups: of the dongle's network, and of the ledger.", no_args_is_help=True)

RestoreConfig = Annotated[
    Path, typer.Option("--config", "-c", help="The hub's configuration file.", metavar="FILE", readable=False)
]


@app.command(
    "create",
    epilog=examples("hanctl backup create", "hanctl backup create -o network.json  (to keep it somewhere else)"),
)
def create(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Copy the network's backup to this file (0600).")
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    as_json_: Json = False,
) -> None:
    """Save the dongle's network now, beside the backups that are made by themselves."""
    made = connect(socket, config).post("/backups")
    if output is not None:
        _copy(Path(made["network"]), output)
        made["copy"] = str(output)
    if as_json_:
        print_json(made)
    else:
        print_facts(list(made.items()))


@app.command("list", epilog=examples("hanctl backup list", "sudo hanctl backup list -c /etc/hanctl/hanctl.toml"))
def list_(config: ConfigFile = None, as_json_: Json = False) -> None:
    """The backups of a hub, whether it runs or not. Keys are not shown."""
    from hanctl.radio.network_backup import BadBackup, read, summary

    rows: list[dict[str, Any]] = []
    for path in _files(_directory(config)):
        row: dict[str, Any] = {"path": str(path), "size": path.stat().st_size}
        try:
            row |= {"state": "whole", **as_json(summary(read(path)))}
        except BadBackup as error:
            row |= {"state": "damaged", "reason": str(error)}
        rows.append(row)
    if as_json_:
        print_json(rows)
        return
    print_table(
        ("file", "made", "size", "dongle", "channel", "PAN id", "extended PAN id", "keys", "state"),
        [
            (
                row["path"],
                moment(row.get("made_at")),
                size(row["size"]),
                row.get("eui64", "-"),
                str(row.get("channel", "-")),
                hexadecimal(row.get("pan_id")),
                row.get("extended_pan_id", "-"),
                str(row.get("link_keys", "-")),
                row["state"],
            )
            for row in rows
        ],
        "no backups yet: one is made when a device has joined, after each new key, and once a day",
    )


@app.command(
    "restore",
    epilog=examples(
        "hanctl backup restore /var/lib/hanctl/backups/network-20261126T021500.000000Z.json -c /etc/hanctl/hanctl.toml",
        "hanctl backup restore network.json -c bench.toml --yes  (asks nothing)",
    ),
)
def restore(
    file: Annotated[Path, typer.Argument(help="A backup of a network.", metavar="FILE", show_default=False)],
    config: RestoreConfig,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also in place of another network that the dongle holds.")
    ] = False,
    burn_address: Annotated[
        bool,
        typer.Option(
            "--burn-address",
            help="Also where its firmware takes another EUI64 only once (older EZSP).",
        ),
    ] = False,
) -> None:
    """Give the configured dongle a network from a backup: its keys, its address, and counters above the old ones.

    The hub must not run. What the dongle holds is saved first, beside the other backups.
    """
    from hanctl.config import load_config
    from hanctl.lock import StateLock
    from hanctl.radio.network_backup import read, summary

    content = read(file)
    loaded = load_config(config)
    lock = StateLock(loaded.hub.state_dir)
    loaded.hub.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock.acquire()
    try:
        asyncio.run(_restore(loaded, content, summary(content), yes, overwrite, burn_address))
    finally:
        lock.release()


async def _restore(
    config: Config, content: dict[str, Any], wanted: NetworkSummary, yes: bool, overwrite: bool, burn_address: bool
) -> None:
    from hanctl.clock import SystemClock
    from hanctl.daemon import dongle_settings
    from hanctl.radio.network_backup import summary
    from hanctl.radio.offline import offline
    from hanctl.trust.backups import write_backup

    now = SystemClock().now()
    async with offline(dongle_settings(config)) as dongle:
        held = await dongle.content()
        present = None if held is None else summary(held)
        print_facts(
            [
                ("dongle", f"{config.dongle.path} ({await dongle.eui64()})"),
                ("it holds", "no network" if present is None else _said(present)),
                ("it will hold", _said(wanted)),
            ]
        )
        if present is not None and present.extended_pan_id != wanted.extended_pan_id and not overwrite:
            raise Refused("the dongle holds another network", "to put this one in its place: --overwrite")
        if not await dongle.takes_address(wanted.eui64) and not burn_address:
            raise Refused(
                f"the dongle's firmware takes another EUI64 only once, and {wanted.eui64} is another",
                "update its firmware; or, to use up that once: --burn-address",
            )
        if not yes and not _agreed():
            raise Refused("it was not restored, and nothing was changed", "agree, or say --yes")
        if held is not None:
            print_facts([("saved first", str(write_backup(config.hub.state_dir / "backups", held, now)))])
        await dongle.write(content, now, once=burn_address)
    print("restored; start the hub: devices come back by themselves, with their keys")


def _agreed() -> bool:
    return sys.stdin.isatty() and typer.confirm("Restore it?")


def _said(network: NetworkSummary) -> str:
    keys = f"{network.link_keys} link key{'' if network.link_keys == 1 else 's'}"
    return (
        f"{network.extended_pan_id} on channel {network.channel}, PAN id {hexadecimal(network.pan_id)}, "
        f"coordinator {network.eui64}, {keys}"
    )


def _directory(config: Path | None) -> Path:
    from hanctl.paths import default_state_dir

    if config is None:
        return default_state_dir() / "backups"
    from hanctl.config import load_config

    return load_config(config).hub.state_dir / "backups"


def _files(directory: Path) -> list[Path]:
    try:
        return sorted(each for each in directory.iterdir() if each.match("network-*.json"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"{directory} cannot be read: {error.strerror}", "run it as the hub's user, or as root"
        ) from error


def _copy(path: Path, output: Path) -> None:
    if output.exists():
        raise Refused(f"{output} exists", "give another name, or remove it")
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as copy, path.open("rb") as source:
            shutil.copyfileobj(source, copy)
    except OSError as error:
        raise ConfigError(
            f"the backup {path} cannot be copied to {output}: {error.strerror}", "run it as the hub's user, or as root"
        ) from error
