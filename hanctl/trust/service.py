"""Trust as the daemon has it: who may join, the keys of those who did, and what becomes of those who get none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from hanctl.clock import Clock
from hanctl.errors import Refused
from hanctl.eui64 import Eui64
from hanctl.han.han import Han
from hanctl.han.tasks import Tasks
from hanctl.ledger.events import CertificateLoaded
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.room import as_there_is_room
from hanctl.radio.endpoints import KEY_ESTABLISHMENT
from hanctl.trust.backups import Backups
from hanctl.trust.credentials import Credentials
from hanctl.trust.device_log import DeviceLog
from hanctl.trust.evictions import Evictions
from hanctl.trust.key_establishment import KeyEstablishmentServer
from hanctl.trust.messages import SUITE_ATTRIBUTE


class TrustService:
    """Puts the parts of trust together. Without credentials there are only install codes.

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
            self.server.on_confirmed.append(self.evictions.confirmed)
        self.server.on_keyed.append(lambda _: self.backups.request())

    @property
    def key_capacity(self) -> int | None:
        """How many devices the dongle has room for; None where devices take none, or the dongle is gone."""
        network = self._han.network
        return network.key_capacity if network is not None and self.credentials else None

    def check_join(self, eui64: Eui64) -> None:
        """Raises DeviceRefused where the device cannot be added."""
        self.log.check(eui64, self._han.join_windows(), self.key_capacity)

    async def rekey(self, eui64: Eui64) -> None:
        """Ask a device for a new key, as the initiator. What comes of it is an event: key.established or key.failed.

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
        """Ask a device to leave, and forget its place and its key. Raises NotFound."""
        await self._han.remove(eui64, reason)
        self.server.forget(eui64)
        if self.credentials:
            self.backups.request()

    def resume(self) -> None:
        """The dongle was opened."""
        if not self._resumed:
            self._resumed = True
            for each in self.credentials:
                self._ledger.record(
                    CertificateLoaded(suite=each.suite.number, subject=each.subject, issuer=each.certificate.issuer)
                )
        if self.required:
            self.evictions.restart()
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
        """End everything that runs; before the HAN is stopped."""
        await self.server.stop()
        await self._tasks.cancel()

    async def _evict(self, eui64: Eui64, reason: str) -> None:
        self._give_up(eui64)
        await self.remove(eui64, reason)
