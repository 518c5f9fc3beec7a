"""Join the parts of trust together for the daemon: who may join, their keys, and eviction without a key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError, Refused
from hanctl.base.eui64 import Eui64
from hanctl.han.errors import TimedOut
from hanctl.han.han import Han
from hanctl.han.life import Life
from hanctl.han.tasks import Tasks
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.room import as_there_is_room
from hanctl.model.events import CertificateLoaded
from hanctl.radio.endpoints import KEY_ESTABLISHMENT
from hanctl.radio.errors import DeliveryFailed, DongleGone
from hanctl.trust.backups import Backups
from hanctl.trust.credentials import Credentials
from hanctl.trust.device_log import DeviceLog
from hanctl.trust.establishment.messages import SUITE_ATTRIBUTE
from hanctl.trust.establishment.server import KeyEstablishmentServer
from hanctl.trust.evictions import Evictions

log = structlog.get_logger()


class TrustService:
    """Manage joins, key establishment and evictions. Without credentials there are only install codes.

    ``required``: only devices that have established a key are served, and those that do not in ``timeout_s`` seconds
    are removed. ``backups`` is the directory of the network's backups. ``give_up`` is called with each device that is
    evicted, before it is removed.
    """

    def __init__(
        self,
        ledger: Ledger,
        han: Han,
        clock: Clock,
        credentials: Sequence[Credentials],
        *,
        required: bool,
        timeout_s: float,
        backups: Path,
        give_up: Callable[[Eui64], None],
    ) -> None:
        self._ledger = ledger
        self._han = han
        self._give_up = give_up
        self._resumed = False
        self._compared = False
        self._keyless: set[Eui64] = set()
        self._tasks = Tasks()
        self.credentials = tuple(credentials)
        self.required = required
        self.timeout_s = timeout_s
        self.log = DeviceLog(ledger)
        self.server = KeyEstablishmentServer(ledger, han, clock, credentials)
        self.backups = Backups(backups, han, ledger, clock)
        self.evictions = Evictions(
            ledger,
            clock,
            timeout_s,
            how_far=self.server.how_far,
            remove=self._evict,
        )
        han.keys_required = required
        if required:
            han.on_life.append(self.evictions.alive)
            han.on_dongle_lost.append(lambda _: self.evictions.pause())
            self.server.on_lost.append(self.evictions.lost)
            self.backups.on_read.append(self._compare)
            han.on_life.append(self._ask_anew_at)
        han.addresses.under_way.append(self.server.under_way)
        self.server.on_keyed.append(lambda _: self.backups.request())

    @property
    def key_capacity(self) -> int | None:
        """Return the number of devices the dongle has room for; None if they take none or the dongle is gone."""
        network = self._han.network
        return network.key_capacity if network is not None and self.credentials else None

    def check_join(self, eui64: Eui64) -> None:
        """Raise DeviceRefused if the device cannot be added; else forget everything of its former stay."""
        self.log.check(eui64, self._han.join_windows(), self.key_capacity)
        self._forget(eui64)

    async def rekey(self, eui64: Eui64) -> None:
        """Ask a device for a new key, as the initiator. The outcome is an event: key.established or key.failed.

        Raises NotFound (no such device, or no suite in common), Refused (one is being established, or just failed),
        DeliveryFailed, TimedOut, DongleGone.
        """
        if not self.credentials:
            raise Refused(
                "the hub has no certificate", "give it one: hanctl certificate import, then [trust] in its file"
            )
        answer = await self._han.read_attributes(eui64, cluster=KEY_ESTABLISHMENT, attributes=[SUITE_ATTRIBUTE])
        suites = answer[SUITE_ATTRIBUTE]
        self.server.start(eui64, suites if isinstance(suites, int) else 0)

    async def remove(self, eui64: Eui64, reason: str) -> None:
        """Ask a device to leave, and forget its address and key. Raises NotFound."""
        await self._han.remove(eui64, reason)
        self._forget(eui64)
        if self.credentials:
            self.backups.request()

    def resume(self) -> None:
        """Resume key establishments, evictions and backups, after the dongle (re)opens."""
        if not self._resumed:
            self._resumed = True
            for each in self.credentials:
                self._ledger.record(
                    CertificateLoaded(suite=each.suite.number, subject=each.subject, issuer=each.certificate.issuer)
                )
        if self.required:
            self.evictions.restart()
        self._compared = False
        self.server.resume()
        self._tasks.start(self._han.keys.forget_removed())
        if any(device.present for device in self._ledger.devices.all()):
            self.backups.request()

    async def run(self) -> None:
        """Work until cancelled. Raises LedgerError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (self.backups, self.evictions):
                    tasks.create_task(as_there_is_room(part.run))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def stop(self) -> None:
        """Stop all work. Call it before the HAN is stopped."""
        await self.server.stop()
        await self._tasks.cancel()

    def _compare(self, held: frozenset[Eui64]) -> None:
        """Check, once per opening, whether the dongle has the key of each keyed device.

        It does not if its network was restored from a backup older than the key.
        """
        if self._compared:
            return
        self._compared = True
        self._keyless = {
            device.eui64
            for device in self._ledger.devices.all()
            if device.present and device.keyed_at is not None and device.eui64 not in held
        }
        for eui64 in self._keyless:
            log.warning("the dongle has no key for a device that established one", device=eui64)
            self._tasks.start(self._ask_anew(eui64))

    def _ask_anew_at(self, eui64: Eui64, life: Life) -> None:
        if eui64 not in self._keyless:
            return
        if life in (Life.SECURED, Life.KEYED):
            self._keyless.discard(eui64)
        elif life in (Life.ANNOUNCED, Life.JOINED):
            self._tasks.start(self._ask_anew(eui64))

    async def _ask_anew(self, eui64: Eui64) -> None:
        """Ask a device for a new key; if it is present and establishes none, it is evicted later."""
        try:
            await self.rekey(eui64)
        except (DongleGone, DeliveryFailed, TimedOut):
            return
        except HanctlError as error:
            log.warning("the device cannot be asked for a new key", device=eui64, reason=str(error))
        if eui64 in self._keyless:
            self.evictions.doubt(eui64)

    def _forget(self, eui64: Eui64) -> None:
        self._keyless.discard(eui64)
        self.server.forget(eui64)
        self.evictions.forget(eui64)

    async def _evict(self, eui64: Eui64, reason: str) -> None:
        self._give_up(eui64)
        await self.remove(eui64, reason)
