"""Judge whether the user that runs the hub can use its files: what root can do says nothing about that."""

from __future__ import annotations

import grp
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

from hanctl.base.owner import Account, owner_of, user_called
from hanctl.base.private_file import closed_above, fault_of, user_name
from hanctl.config.paths import hub_of
from hanctl.config.sections import Config
from hanctl.doctor.finding import Finding, fail, ok

SERVICE_USER = "hanctl"
"""User of the units in ``systemd/``."""


def hub_user(file: Path, config: Config, unit_user: str | None) -> Account:
    """Return the user that runs the hub of a configuration file; ``unit_user``: its unit's, if systemd told."""
    hub = hub_of(file)
    account = user_called(unit_user or SERVICE_USER) if hub is not None and hub.unit is not None else None
    return account or owner_of(config.hub.state_dir)


def judge_access(file: Path, config: Config) -> list[Finding]:
    """Judge, as the user of this process, the files that a hub with this configuration reads and writes."""
    hub = hub_of(file)
    # systemd makes these of a service, for its user.
    made = set() if hub is None or hub.unit is None else {hub.state_dir, hub.socket.parent}
    state, store, socket = config.hub.state_dir, config.hub.firmware_store, config.hub.socket
    findings = [*_configuration(file), *_secrets(config)]
    for directory in (state,) if store.is_relative_to(state) else (state, store):
        findings += _directory(directory, directory in made)
    if socket.parent not in made:
        findings += _place_for(socket)
    return findings or [ok("access", f"{user_name()}, who runs the hub, can use its files")]


def _configuration(file: Path) -> Iterator[Finding]:
    if not os.access(file, os.R_OK):
        closed = closed_above(file)
        place, mode = (file, 640) if closed is None else (closed, 750)
        name = shlex.quote(str(place))
        yield _failed(f"may not read {file}", f"sudo chgrp {_group()} {name} && sudo chmod {mode} {name}")


def _secrets(config: Config) -> Iterator[Finding]:
    named: list[tuple[str, Path | None]] = []
    if config.webhook is not None:
        named.append(("the webhook's secret", config.webhook.secret_file))
    if config.trust is not None:
        named += [("a private key", path) for path in config.trust.certificate]
    if config.listener is not None:
        named += [("a token", config.listener.token_file), ("a token", config.listener.metrics_token_file)]
    for what, path in named:
        fault = None if path is None else fault_of(path, what)
        if fault is not None:
            yield fail("access", *fault)


def _directory(directory: Path, made: bool) -> Iterator[Finding]:
    closed = closed_above(directory)
    if closed is not None:
        yield _failed(f"may not enter {closed}", f"give another place than {directory} ([hub])")
    elif os.access(directory, os.F_OK):
        refused = list(_refused(directory))
        if refused:
            more = f", and {len(refused) - 1} more in {directory}" if len(refused) > 1 else ""
            yield _failed(
                f"may not use {refused[0]}{more}",
                f"sudo chown -R {user_name()}:{_group()} {shlex.quote(str(directory))}",
            )
    elif not made:
        yield from _place_for(directory)


def _refused(directory: Path) -> Iterator[Path]:
    """Yield what the user may not use of a directory."""
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        yield directory
    for name, directories, files in os.walk(directory):
        place = Path(name)
        for each in directories:
            if not os.access(place / each, os.R_OK | os.W_OK | os.X_OK):
                yield place / each
        for each in files:
            # Other files are read, removed and replaced; these are written to as they are.
            written = each == "lock" or each.startswith("ledger.sqlite") or each.endswith(".log")
            if not os.access(place / each, os.R_OK | (os.W_OK if written else 0)):
                yield place / each


def _place_for(path: Path) -> Iterator[Finding]:
    there = next(each for each in path.absolute().parents if os.access(each, os.F_OK))
    if not os.access(there, os.W_OK | os.X_OK):
        yield _failed(f"may not make {path}", f"make {path.parent}, give it to {user_name()}, or give another ([hub])")


def _failed(what: str, hint: str) -> Finding:
    return fail("access", f"{user_name()}, who runs the hub, {what}", hint)


def _group() -> str:
    try:
        return grp.getgrgid(os.getegid()).gr_name
    except KeyError:
        return str(os.getegid())
