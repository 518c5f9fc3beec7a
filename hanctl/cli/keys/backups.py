"""``hanctl backup``: list, create and restore backups of the network and of the ledger."""

from __future__ import annotations

import asyncio
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hanctl.base.errors import ConfigError, Refused
from hanctl.base.owner import as_owner
from hanctl.base.whole_file import try_place, write_whole
from hanctl.cli.options import ConfigFile, Json, Socket, connect, examples
from hanctl.cli.output import as_json, hexadecimal, local_time, print_facts, print_json, print_table, size
from hanctl.config.paths import default_state_dir, hub_of

if TYPE_CHECKING:
    from hanctl.config.sections import Config
    from hanctl.ledger.files.copies import Copy
    from hanctl.radio.finding.network_backup import NetworkSummary
    from hanctl.radio.settings import DongleSettings

Facts = list[tuple[str, str]]

app = typer.Typer(help="Backups of the dongle's network and of the ledger.", no_args_is_help=True)

RestoreConfig = Annotated[
    Path, typer.Option("--config", "-c", help="The hub's configuration file.", metavar="FILE", readable=False)
]


@app.command(
    "create",
    epilog=examples("hanctl backup create", "hanctl backup create -o network.json  (to keep it somewhere else)"),
)
def create(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Also copy the network's backup to this file (mode 0600; it holds keys).",
            metavar="FILE",
        ),
    ] = None,
    socket: Socket = None,
    config: ConfigFile = None,
    as_json_: Json = False,
) -> None:
    """Back up the dongle's network and the ledger now, in addition to the automatic backups."""
    if output is not None:
        _try_output(output)
    made = connect(socket, config).post("/backups")
    if output is not None:
        network = Path(made["network"])
        _write_copy(as_owner(network.parent, lambda: _read_to_copy(network)), output)
        made["copy"] = str(output)
    if as_json_:
        print_json(made)
    else:
        print_facts(list(made.items()))


@app.command("list", epilog=examples("hanctl backup list", "sudo hanctl backup list -c /etc/hanctl/hanctl.toml"))
def list_(config: ConfigFile = None, as_json_: Json = False) -> None:
    """List the backups of a hub, running or not, oldest first. Keys are not shown."""
    state_dir = _state_dir(config)
    rows = [_network(path) for path in _files(state_dir / "backups", "network-*.json")]
    if _files(state_dir / "backups", "ledger-*.sqlite"):
        from hanctl.state.state import ledger_backups

        rows += [_ledger(copy) for copy in ledger_backups(state_dir)]
    if as_json_:
        print_json(rows)
        return
    print_table(
        ("file", "of", "size", "content", "state"),
        [(row["path"], local_time(row.get("made_at")), size(row["size"]), _content(row), row["state"]) for row in rows],
        "no backups yet: they are made when a device has joined, after each new key, and once a day",
    )


@app.command(
    "restore",
    epilog=examples(
        "hanctl backup restore /var/lib/hanctl/backups/network-20261126T021500.000000Z.json -c /etc/hanctl/hanctl.toml",
        "hanctl backup restore network.json -c bench.toml --yes  (asks nothing)",
        "hanctl backup restore ledger-20260301T020000Z.sqlite -c /etc/hanctl/hanctl.toml",
    ),
)
def restore(
    file: Annotated[
        Path,
        typer.Argument(
            help="Backup of a network (.json) or of the ledger (.sqlite).", metavar="FILE", show_default=False
        ),
    ],
    config: RestoreConfig,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a different network that the dongle holds.")
    ] = False,
    burn_address: Annotated[
        bool,
        typer.Option(
            "--burn-address",
            help="Write the EUI64 even if the firmware allows that only once (older EZSP).",
        ),
    ] = False,
) -> None:
    """Restore a backup while the hub is stopped. The present network or ledger is saved first.

    A network backup gives the configured dongle the keys and EUI64 of the old
    one, and frame counters above the old ones. A ledger backup, named as
    hanctl backup list shows it, replaces the ledger. Another hub's is refused.
    """
    from hanctl.config.reading import load_config

    loaded = load_config(config)
    facts = [("hub", _hub(config)), ("state directory", str(loaded.hub.state_dir))]
    if file.suffix == ".sqlite":
        _restore_ledger(loaded.hub.state_dir, file, facts, yes, overwrite)
    else:
        _restore_network(loaded, file, facts, yes, overwrite, burn_address)


def _hub(config: Path) -> str:
    hub = hub_of(config)
    return f"that of {config}" if hub is None or hub.unit is None else f"{hub.unit} ({config})"


def _restore_ledger(state_dir: Path, file: Path, facts: Facts, yes: bool, overwrite: bool) -> None:
    from hanctl.base.clock import SystemClock
    from hanctl.state.state import identity_of_hub, ledger_backup, restore_ledger

    # A name alone is one of the hub's own backups, if it has one of this name.
    own = file.name == str(file) and (os.access(state_dir / "backups" / file, os.F_OK) or not file.exists())
    name = file if own else file.absolute()

    def work() -> None:
        before, copy = identity_of_hub(state_dir), ledger_backup(state_dir, name, overwrite=overwrite)
        print_facts([*facts, ("it holds", str(before)), ("it will hold", f"{copy.hub}, as of {_until(copy)}")])
        if not yes and not _agreed():
            raise Refused("it was not restored, and nothing was changed", "agree, or say --yes")
        restore_ledger(state_dir, name, SystemClock(), overwrite=overwrite)
        print(f"{copy.path.name} was restored to {state_dir}; the ledger that was there is kept beside it")
        if copy.hub.is_not(before):
            print("the dongle has to hold its network too: hanctl backup restore network-….json --overwrite")

    as_owner(state_dir, work)


def _until(copy: Copy) -> str:
    return "-" if copy.until is None else local_time(copy.until.isoformat())


def _restore_network(loaded: Config, file: Path, facts: Facts, yes: bool, overwrite: bool, burn_address: bool) -> None:
    from hanctl.hub.daemon import dongle_settings
    from hanctl.radio import load_library
    from hanctl.radio.finding.network_backup import read, summary
    from hanctl.state.lock import StateLock
    from hanctl.state.state import identity_of_hub, make_state_directory

    content, state_dir = read(file), loaded.hub.state_dir
    wanted, settings = summary(content), dongle_settings(loaded)
    # What the owner's process needs is imported here, in root's; the last, an event loop imports at its first use.
    load_library(settings.radio)
    import_module("concurrent.futures.thread")

    def work() -> None:
        make_state_directory(state_dir)
        lock = StateLock(state_dir)
        lock.acquire()
        try:
            hub = identity_of_hub(state_dir)
            if hub.has_devices and hub.network not in (None, wanted.extended_pan_id):
                raise Refused(
                    f"{file} is of the network {wanted.extended_pan_id}, and the devices of the hub of {state_dir} "
                    f"belong to {hub.network}: it would not start with another",
                    "take a backup of its own network: hanctl backup list; to move another hub here, restore that "
                    "hub's ledger first (docs/recovery.md)",
                )
            asyncio.run(_restore(settings, state_dir, content, wanted, facts, yes, overwrite, burn_address))
        finally:
            lock.release()

    as_owner(state_dir, work)


async def _restore(
    settings: DongleSettings,
    state_dir: Path,
    content: dict[str, Any],
    wanted: NetworkSummary,
    facts: Facts,
    yes: bool,
    overwrite: bool,
    burn_address: bool,
) -> None:
    from hanctl.base.clock import SystemClock
    from hanctl.radio.finding.network_backup import summary
    from hanctl.radio.finding.offline import offline
    from hanctl.trust.backups import write_backup

    now = SystemClock().now()
    async with offline(settings) as dongle:
        held = await dongle.content()
        present = None if held is None else summary(held)
        print_facts(
            [
                *facts,
                ("dongle", f"{settings.path} ({await dongle.eui64()})"),
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
            print_facts([("saved first", str(write_backup(state_dir / "backups", held, now)))])
        await dongle.write(content, now, once=burn_address)
    print("restored; start the hub: devices come back by themselves, with their keys")


def _agreed() -> bool:
    try:
        return sys.stdin.isatty() and typer.confirm("Restore it?")
    except typer.Abort:
        return False


def _said(network: NetworkSummary) -> str:
    keys = f"{network.link_keys} link key{'' if network.link_keys == 1 else 's'}"
    return (
        f"{network.extended_pan_id} on channel {network.channel}, PAN id {hexadecimal(network.pan_id)}, "
        f"coordinator {network.eui64}, {keys}"
    )


def _network(path: Path) -> dict[str, Any]:
    from hanctl.radio.finding.network_backup import BadBackup, read, summary

    row = {"kind": "network", "path": str(path), "size": path.stat().st_size}
    try:
        return row | {"state": "whole", **as_json(summary(read(path)))}
    except BadBackup as error:
        return row | {"state": "damaged", "reason": str(error)}


def _ledger(copy: Copy) -> dict[str, Any]:
    made = None if copy.until is None else copy.until.isoformat().replace("+00:00", "Z")
    row = {"kind": "ledger", "path": str(copy.path), "size": copy.size, "made_at": made, "schema": copy.schema}
    row |= {"extended_pan_id": copy.hub.network, "eui64": copy.hub.dongle}
    return row | ({"state": "whole"} if copy.damage is None else {"state": "damaged", "reason": copy.damage})


def _content(row: dict[str, Any]) -> str:
    if row["state"] != "whole":
        return str(row["reason"])
    if row["kind"] == "ledger":
        network, dongle = row["extended_pan_id"] or "-", row["eui64"] or "-"
        return f"ledger, schema {row['schema']}, of network {network}, dongle {dongle}"
    return (
        f"network {row['extended_pan_id']} on channel {row['channel']}, dongle {row['eui64']}, keys {row['link_keys']}"
    )


def _state_dir(config: Path | None) -> Path:
    if config is None:
        return default_state_dir()
    from hanctl.config.reading import load_config

    return load_config(config).hub.state_dir


def _files(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(each for each in directory.iterdir() if each.match(pattern))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            f"{directory} cannot be read: {error.strerror}", "run it as the hub's user, or as root"
        ) from error


def _try_output(output: Path) -> None:
    if os.path.lexists(output):
        raise Refused(f"{output} exists", "give another name, or remove it")
    try:
        try_place(output)
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}", "give another file with -o") from error


def _read_to_copy(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the backup {path} cannot be read: {error.strerror}", "run it as the hub's user, or as root"
        ) from error


def _write_copy(content: str, output: Path) -> None:
    try:
        write_whole(output, content)
    except OSError as error:
        raise ConfigError(
            f"the backup cannot be copied to {output}: {error.strerror}", "give another file with -o"
        ) from error
