"""Tell devices of changes that are done: to each its own unicasts, in order, until it received them all.

A device that cannot be reached costs nothing but its errand: it is tried again at its next sign of life, and on a
timer that grows. What was sent and not seen to arrive is sent again: a device is told twice rather than never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import Proof
from hanctl.han.interview import endpoint_with
from hanctl.han.life import Life
from hanctl.ledger.ledger import Ledger
from hanctl.model.change_records import Change, ChangeKind, Evidence, Fuel
from hanctl.tenancy.evidence.dating import dated_by, may_be_about
from hanctl.tenancy.evidence.records import Records, Report
from hanctl.tenancy.evidence.verdicts import PUBLISHED
from hanctl.tenancy.execution import METERS
from hanctl.tenancy.telling.looks import Looks
from hanctl.tenancy.telling.steps import TellingStep, publication, steps

log = structlog.get_logger()

FIRST_RETRY, LAST_RETRY = 60.0, 3600.0
"""Seconds: 60, 120, 240 … 3600, 3600, …"""
LIFE_GAP = 5.0
"""A sign of life brings an errand forward, but not within so many seconds of the last try."""
ANSWER_S = 10.0
"""How long a Default Response is waited for before the next command; a later one counts as well."""
ERRANDS_AT_ONCE = 4
AGAIN_AFTER = timedelta(minutes=10)
"""A device that comes back is published to again, but not within so long of the last time."""

_RETURNS = frozenset({Life.JOINED, Life.ANNOUNCED, Life.KEYED, Life.INTERVIEWED})


class MessengerLink(Protocol):
    """Interface of the HAN that the messenger uses."""

    async def send_command(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        command: int,
        payload: bytes,
        endpoint: int | None = None,
        source_endpoint: int = ...,
        default_response: bool = False,
    ) -> None: ...

    def has_time(self, eui64: Eui64) -> bool: ...


@dataclass(slots=True)
class _Errand:
    due: float | None
    tries: int = 0
    last_try: float = float("-inf")
    busy: bool = False
    again: set[int] = field(default_factory=set)
    """Changes that are to be published to it once more."""


@dataclass(slots=True)
class _Sent:
    """The last step of a cluster and command that a device was sent."""

    change: int
    step: TellingStep
    answered: asyncio.Event


class Messenger:
    """Errands of devices that are to be told. ``run`` does the work; the other methods only say what is due."""

    def __init__(
        self,
        ledger: Ledger,
        han: MessengerLink,
        records: Records,
        looks: Looks,
        clock: Clock,
        endpoints: Mapping[Fuel, int],
    ) -> None:
        self._ledger = ledger
        self._han = han
        self._records = records
        self._looks = looks
        self._clock = clock
        self._endpoints = endpoints
        self._errands: dict[Eui64, _Errand] = {}
        self._sent: dict[tuple[Eui64, int, int], _Sent] = {}
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(ERRANDS_AT_ONCE)

    # --- what is due

    def begin(self, change: Change) -> None:
        """Begin to tell devices of a change that was carried out."""
        for eui64 in self._records.devices(change.id):
            self._hurry(eui64)

    def resume(self) -> None:
        """Schedule all errands anew, after a start and after the dongle (re)opens."""
        for change in self._records.done():
            for eui64 in self._records.devices(change.id):
                if self._open_steps(change, eui64):
                    self._hurry(eui64)

    def again(self, change: int, eui64: Eui64) -> None:
        """Publish a change to a device once more."""
        self._errands.setdefault(eui64, _Errand(None)).again.add(change)
        self._hurry(eui64)

    def alive(self, eui64: Eui64, life: Life) -> None:
        """Note a sign of life of a device. Called for every frame."""
        if life in _RETURNS:
            self._returned(eui64)
        errand = self._errands.get(eui64)
        if errand is not None and self._clock.monotonic() - errand.last_try >= LIFE_GAP:
            self._hurry(eui64)

    def _returned(self, eui64: Eui64) -> None:
        """Tell a device that is new or may have restarted what it does not know or may have forgotten."""
        device = self._ledger.devices.get(eui64)
        if device is None or not device.present or device.device_type in METERS:
            return
        kinds: tuple[ChangeKind, ...] = ("tenancy", "supplier")
        latest = {
            found[0].id for kind in kinds for fuel in self._endpoints if (found := self._records.latest(kind, fuel))
        }
        for number in sorted(latest):
            known = self._records.of(number, eui64)
            if not known:
                self._records.joined_later(number, eui64)
                self._hurry(eui64)
            elif self._may_have_forgotten(number, eui64, known):
                self.again(number, eui64)
        if any(self._open_steps(change, eui64) for change in self._records.done()):
            self._hurry(eui64)
        self._looks.returned(eui64)

    def _may_have_forgotten(self, change: int, eui64: Eui64, known: list[Evidence]) -> bool:
        told = [each.at for each in known if _is_publication(each)]
        lately = bool(told) and abs(self._clock.now() - told[-1]) < AGAIN_AFTER
        return bool(told) and not lately and not self._records.judge(change, eui64).settled

    # --- what devices say

    def default_response(self, eui64: Eui64, cluster: int, command: int, status: int, proof: Proof) -> None:
        """Take a Default Response of a device; ignore it if it answers none of the messenger's commands."""
        sent = self._sent.get((eui64, cluster, command))
        if sent is None or sent.answered.is_set():
            return
        self._records.answered(sent.change, eui64, sent.step.fuel, sent.step.name, status, proof)
        sent.answered.set()

    def query(self, eui64: Eui64, kind: ChangeKind, fuel: Fuel, proof: Proof) -> TellingStep | None:
        """Return the last change for a device that asks; None: there was none."""
        found = self._records.latest(kind, fuel)
        if found is None:
            return None
        step = publication(*found)
        self._records.queried(found[0].id, eui64, fuel, step.name, proof)
        return step

    def report(
        self, eui64: Eui64, kind: ChangeKind, report: Report, fuel: Fuel | None, time: int, proof: Proof
    ) -> bool:
        """Record a device's own event about a change. Returns False if it was told of none that it can be about.

        ``fuel``: of the endpoint that it was sent to. Devices that know one endpoint of the hub alone send all there.
        ``time``: the event's, by the device's clock, in seconds since 2000.
        """
        fuels = sorted(self._endpoints, key=lambda each: each != fuel)
        for change in reversed(self._records.done()):
            if change.kind != kind or not may_be_about(change, time, self._clock.now()):
                continue
            known = self._records.of(change.id, eui64)
            parts = {part.fuel for part in self._records.parts(change.id)}
            open_fuels = [each for each in fuels if each in parts and self._was_told(change.id, eui64, each, known)]
            for each in open_fuels:
                seen = {
                    one.kind for one in known if one.fuel == each and (one.proof != "address" or proof == "address")
                }
                if f"reported {report}" not in seen:
                    when = dated_by(change, time, self._clock.now(), trusted=self._han.has_time(eui64))
                    self._records.reported(change.id, eui64, each, report, when, proof)
                    return True
            if open_fuels:
                return True
        return False

    def _was_told(self, change: int, eui64: Eui64, fuel: Fuel, known: list[Evidence]) -> bool:
        if any(each.fuel == fuel and (each.kind == "queried" or _is_publication(each)) for each in known):
            return True
        # Its event may overtake the confirmation that it got the command.
        return any(
            key[0] == eui64 and sent.change == change and sent.step.fuel == fuel and sent.step.name in PUBLISHED
            for key, sent in self._sent.items()
        )

    # --- work

    async def run(self) -> None:
        """Run errands when they are due, until cancelled. Raises LedgerError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    pause = self._start_due(tasks)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(pause):
                            await self._wake.wait()
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    def _start_due(self, tasks: asyncio.TaskGroup) -> float | None:
        now = self._clock.monotonic()
        waits = []
        for eui64, errand in list(self._errands.items()):
            if errand.due is None or errand.busy:
                continue
            if errand.due <= now:
                errand.due, errand.last_try, errand.busy = None, now, True
                tasks.create_task(self._errand(eui64, errand))
            else:
                waits.append(errand.due - now)
        return min(waits, default=None)

    async def _errand(self, eui64: Eui64, errand: _Errand) -> None:
        try:
            async with self._slots:
                errand.tries += 1
                finished = await self._attend(eui64, errand)
        finally:
            errand.busy = False
        if finished and errand.due is None and not errand.again:
            errand.tries = 0
            del self._errands[eui64]
        elif errand.due is None:
            delay = min(LAST_RETRY, FIRST_RETRY * (1 << min(errand.tries - 1, 10)))
            errand.due = self._clock.monotonic() + delay
        self._wake.set()

    async def _attend(self, eui64: Eui64, errand: _Errand) -> bool:
        """Tell the device what it was not told yet. Returns False if that failed in part."""
        for change in self._records.done():
            known = self._records.of(change.id, eui64)
            if not known:
                continue
            missing = self._open_steps(change, eui64, known)
            if change.id in errand.again:
                repeated = [publication(change, part) for part in self._records.parts(change.id)]
                missing = [step for step in repeated if step not in missing] + missing
            if not missing:
                continue
            try:
                if not _told(known):
                    await self._looks.before(change, eui64)
                for step in missing:
                    await self._tell(change, eui64, step)
            except NotFound:
                # It is removed, or not interviewed yet: its interview is a sign of life.
                errand.again.clear()
                return True
            except HanctlError as error:
                log.info("a device was not told of a change", device=eui64, change=change.id, reason=str(error))
                return False
            errand.again.discard(change.id)
            self._looks.told(change, eui64)
        return True

    def _open_steps(self, change: Change, eui64: Eui64, known: list[Evidence] | None = None) -> list[TellingStep]:
        """Return the steps that the device was not sent yet and has the cluster for."""
        device = self._ledger.devices.get(eui64)
        if device is None or not device.present:
            return []
        if known is None:
            known = self._records.of(change.id, eui64)
        took = {(each.fuel, each.what) for each in known if each.kind in {"told", "acknowledged", "refused"}}
        return [
            step
            for part in self._records.parts(change.id)
            for step in steps(change, part)
            if (step.fuel, step.name) not in took
            and (not device.endpoints or endpoint_with(device.endpoints, step.cluster, client_side=True) is not None)
        ]

    async def _tell(self, change: Change, eui64: Eui64, step: TellingStep) -> None:
        sent = self._sent[eui64, step.cluster, step.command] = _Sent(change.id, step, asyncio.Event())
        await self._han.send_command(
            eui64,
            cluster=step.cluster,
            command=step.command,
            payload=step.payload,
            source_endpoint=self._endpoints[step.fuel],
            default_response=True,
        )
        self._records.told(change.id, eui64, step.fuel, step.name)
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await sent.answered.wait()

    def _hurry(self, eui64: Eui64) -> None:
        errand = self._errands.setdefault(eui64, _Errand(None))
        errand.due = self._clock.monotonic()
        self._wake.set()


def _is_publication(evidence: Evidence) -> bool:
    return evidence.kind == "told" and evidence.what in PUBLISHED


def _told(known: list[Evidence]) -> bool:
    return any(_is_publication(each) for each in known)
