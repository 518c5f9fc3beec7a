"""Read the configuration again while the hub runs.

Keys that may change in a running hub are applied at once; others stay as they were and are listed: they need a restart.
``Section.live`` says which is which. A configuration that cannot be used changes nothing. The network, its devices and
their transfers notice nothing of it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from hanctl.base.errors import HanctlError, Refused
from hanctl.config.sections import Config
from hanctl.hub import settings
from hanctl.ledger.errors import LedgerError, LedgerFull
from hanctl.logs.setup import set_up_logging
from hanctl.model.events import ConfigRefused, ConfigReloaded

if TYPE_CHECKING:
    from hanctl.base.service_manager import ServiceManager
    from hanctl.hub.daemon import Daemon

log = structlog.get_logger()

FILES = frozenset(
    {
        "trust.certificate",
        "firmware.signature_roots",
        "firmware.supplier_certificates",
        "webhook.secret_file",
        "listener.token_file",
        "listener.metrics_token_file",
    }
)
"""Keys that name files which the hub reads: another content is another value."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The keys that changed, as ``section.key``: those in force now, and those that need a restart."""

    applied: list[str]
    restart: list[str]


class Reloads:
    """Reloads of one daemon; ``reread`` reads its configuration anew, or raises HanctlError."""

    def __init__(self, daemon: Daemon, reread: Callable[[], Config], manager: ServiceManager) -> None:
        self._daemon = daemon
        self._reread = reread
        self._manager = manager
        self._values = _values(daemon.config)
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Request a reload, which waits until the hub has started. May be called from a signal handler."""
        self._asked.set()

    async def run(self) -> None:
        """Reload at each request, until cancelled. Raises LedgerError."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                self.reload()
            except LedgerFull as error:
                log.warning("the configuration was not read again", reason=str(error))
            except LedgerError:
                raise
            except HanctlError:
                # It is recorded, and there is nobody else to tell.
                continue

    def reload(self) -> Reloaded:
        """Read the configuration and apply what can be. Raises HanctlError; then nothing has changed."""
        if self._daemon.started_at is None:
            raise Refused("the hub is starting or stopping", "try again once it runs")
        self._manager.reloading(self._daemon.clock.monotonic())
        try:
            return self._reload()
        finally:
            self._manager.ready()

    def _reload(self) -> Reloaded:
        daemon, before = self._daemon, self._daemon.config
        try:
            found = self._reread()
            values = _values(found)
            changed = sorted(key for key in values.keys() | self._values if values.get(key) != self._values.get(key))
            applied = [key for key in changed if _is_live(key, before, found)]
            config = _merged(before, found)
            steps = [self._step(section, config) for section in sorted({key.split(".")[0] for key in applied})]
        except HanctlError as error:
            daemon.ledger.record(ConfigRefused(reason=f"{error}: {error.hint}" if error.hint else str(error)))
            raise
        outcome = Reloaded(applied, [key for key in changed if key not in applied])
        daemon.ledger.record(ConfigReloaded(applied=outcome.applied, restart=outcome.restart))
        for step in steps:
            step()
        daemon.config = config
        for key in applied:
            self._values[key] = values.get(key)
        return outcome

    def _step(self, section: str, config: Config) -> Callable[[], None]:
        """Prepare the step that puts a section in force. Whatever can fail is done here; the step itself cannot."""
        daemon = self._daemon
        match section:
            case "hub":
                return partial(set_up_logging, config.hub.log)
            case "join" | "hil":
                return _read_when_needed
            case "firmware":
                return partial(daemon.store.believe, settings.signature_checker(config.firmware))
            case "updates":
                return partial(daemon.updates.keep_to, settings.rules(config.updates, daemon.clock_watch))
            case "ota":
                return partial(daemon.updates.delivery.keep_to, settings.delivery(config.ota))
            case "tenancy":
                overdue_after = timedelta(hours=config.tenancy.overdue_h)
                return partial(daemon.tenancy.keep_to, overdue_after, (config.hub.state_dir, *config.tenancy.places))
            case "webhook":
                return partial(daemon.webhook.use, config.webhook, settings.webhook_secret(config.webhook))
            case _:
                raise AssertionError(f"[{section}] is said to be live, and nothing applies it")


def _read_when_needed() -> None:
    """Do nothing: the section is read from the daemon's configuration each time it is used."""


def _values(config: Config) -> dict[str, Any]:
    """Return the value of each key with digests of the files it names; nothing for an absent section."""
    found: dict[str, Any] = {}
    for name in Config.model_fields:
        section = getattr(config, name)
        for key in type(section).model_fields if section is not None else ():
            place, value = f"{name}.{key}", getattr(section, key)
            files = value if isinstance(value, tuple) else () if value is None else (value,)
            found[place] = (value, _digests(files)) if place in FILES else value
    return found


def _digests(files: Iterable[Path]) -> list[bytes]:
    """Return digests of files, for comparison only; a file that cannot be read counts as empty until it is used."""
    found = []
    for file in files:
        content = b""
        with suppress(OSError):
            content = file.read_bytes()
        found.append(hashlib.sha256(content).digest())
    return found


def _is_live(place: str, before: Config, after: Config) -> bool:
    name, key = place.split(".")
    section = getattr(after, name) or getattr(before, name)
    return bool(section.is_live(key))


def _merged(before: Config, after: Config) -> Config:
    """Return the configuration in force from now on: live keys from ``after``, the others from ``before``."""
    update: dict[str, Any] = {}
    for name in Config.model_fields:
        old, new = getattr(before, name), getattr(after, name)
        live = type(new or old).live if new or old else False
        if live is True:
            update[name] = new
        elif live:
            update[name] = old.model_copy(update={key: getattr(new, key) for key in live})
    return before.model_copy(update=update)
