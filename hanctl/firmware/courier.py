"""What the hub does of its own accord for an open update: notify, release, and read back the running version.

Each open update has at most one errand due. A device that cannot be reached costs nothing but its errand: it is
tried again at its next sign of life, and on a timer that grows. Nothing here ends an update but the new version
being read back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from hanctl.clock import Clock
from hanctl.errors import HanctlError
from hanctl.eui64 import Eui64
from hanctl.firmware import ota
from hanctl.firmware.decisions import upgrade_end_reply
from hanctl.firmware.open_updates import OpenUpdates, Session
from hanctl.ledger.event import Event
from hanctl.ledger.events import (
    ActivationNotice,
    DeviceVersionRead,
    UpdateActivating,
    UpdateConfirmed,
    UpdateNotified,
)
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.records import Update
from hanctl.ledger.rows import time_text
from hanctl.radio.errors import DongleGone

log = structlog.get_logger()

FIRST_RETRY = 60.0
LAST_RETRY = 600.0
"""An errand that had no effect is tried again after 60, 120, 240, 480, 600, 600, … seconds."""

LIFE_GAP = 5.0
"""A sign of life brings an errand forward, but not within so many seconds of the last try."""

READ_GAP = 30.0
"""The same for reading the version, whose answers are signs of life themselves."""

CHECKS = 5
"""So often a device that came back without having been told to activate is asked what it runs."""

ERRANDS_AT_ONCE = 8

_READ_BACK_STATES = frozenset({"transferring", "holding", "activating"})


class HanLink(Protocol):
    """What an errand needs of the HAN."""

    async def send_command(
        self, eui64: Eui64, *, cluster: int, command: int, payload: bytes, endpoint: int | None = None
    ) -> None: ...

    async def read_attributes(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        attributes: Sequence[int],
        client_side: bool = False,
        endpoint: int | None = None,
    ) -> dict[int, int | str | bytes | None]: ...


@dataclass(slots=True)
class _Errand:
    due: float | None
    tries: int = 0
    last_try: float = float("-inf")
    check: int = 0
    """How many times the version is still to be asked for, out of turn."""
    busy: bool = False


class Courier:
    """Runs the errands of all open updates. ``run`` does the work; the other methods only say what is due."""

    def __init__(self, ledger: Ledger, han: HanLink, updates: OpenUpdates, clock: Clock) -> None:
        self._ledger = ledger
        self._han = han
        self._updates = updates
        self._clock = clock
        self._errands: dict[int, _Errand] = {}
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(ERRANDS_AT_ONCE)
        updates.on_change.append(self._changed)
        self.resume()

    def resume(self) -> None:
        """Begin anew with every open update: after a start, and when the dongle is back."""
        for session in self._updates:
            errand = self._errands.setdefault(session.update.id, _Errand(None))
            errand.tries, errand.last_try = 0, float("-inf")
            if session.update.state != "transferring":
                # Asking what it runs also finds a device that activated while the hub was away.
                errand.check = CHECKS if session.update.state == "holding" else 0
                errand.due = None if _is_waiting(session.update) and not errand.check else self._clock.monotonic()
        self._wake.set()

    def heard(self, device: Eui64) -> None:
        """The device sent something. Called for every frame."""
        session = self._updates.of(device)
        if session is None or _is_waiting(session.update) or session.update.state == "notified":
            return
        errand = self._errands[session.update.id]
        gap = READ_GAP if session.update.state == "activating" else LIFE_GAP
        if self._clock.monotonic() - errand.last_try >= gap:
            self._hurry(errand)

    def returned(self, device: Eui64) -> None:
        """The device joined, announced itself or was interviewed: perhaps it has just started anew."""
        session = self._updates.of(device)
        if session is None:
            return
        errand = self._errands[session.update.id]
        if session.update.state in _READ_BACK_STATES:
            self.check_version(session)
        elif self._clock.monotonic() - errand.last_try >= LIFE_GAP:
            self._hurry(errand)

    def check_version(self, session: Session) -> None:
        """The device may run the ordered version by now: read it back."""
        errand = self._errands[session.update.id]
        errand.tries, errand.check = 0, CHECKS
        self._hurry(errand)

    async def run(self) -> None:
        """Run errands as they fall due, until cancelled. Raises LedgerError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    self._wake.clear()
                    await self._sleep(self._start_due(tasks))
        except ExceptionGroup as group:
            # What ended one errand ends them all: tell it, not its wrapping.
            raise group.exceptions[0] from None

    async def _sleep(self, pause: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()

    async def release(self, session: Session) -> bool:
        """Tell a holding device to activate; True once it took the command, or had taken it already."""
        update = session.update
        reply = upgrade_end_reply(update, hold=False)
        try:
            await self._send(session, reply.command, reply.payload)
        except HanctlError as error:
            log.info("the activation command did not reach the device", update=update.id, reason=str(error))
            return False
        current = self._still(session)
        if current is not None and current.state == "holding":
            self._updates.change(
                session,
                replace(current, state="activating", activated_at=self._clock.now()),
                UpdateActivating(device=current.device, update=current.id, by="command"),
            )
        return True

    def _start_due(self, tasks: asyncio.TaskGroup) -> float | None:
        now = self._clock.monotonic()
        waits: list[float] = []
        for session in self._updates:
            errand = self._errands[session.update.id]
            if errand.due is None or errand.busy:
                continue
            if errand.due <= now:
                errand.due, errand.last_try, errand.busy = None, now, True
                tasks.create_task(self._errand(session, errand))
            else:
                waits.append(errand.due - now)
        return min(waits, default=None)

    async def _errand(self, session: Session, errand: _Errand) -> None:
        try:
            async with self._slots:
                await self._attend(session, errand)
        finally:
            errand.busy = False
        current = self._still(session)
        if current is not None and errand.due is None:
            errand.due = self._next(current, errand)
        self._wake.set()

    async def _attend(self, session: Session, errand: _Errand) -> None:
        update = self._still(session)
        if update is None:
            return
        errand.tries += 1
        if update.state in {"ordered", "notified"}:
            await self._notify(session)
        elif errand.check or update.state == "activating":
            errand.check = max(0, errand.check - 1)
            await self._read_back(session, errand)
        elif update.state == "holding" and update.activation == "now":
            await self.release(session)

    def _next(self, update: Update, errand: _Errand) -> float | None:
        if _is_waiting(update) and not errand.check:
            return None
        now = self._clock.monotonic()
        if update.state == "holding" and update.activation == "now" and not errand.check:
            return max(now, errand.last_try + FIRST_RETRY)
        return now + min(LAST_RETRY, FIRST_RETRY * (1 << min(errand.tries - 1, 10)))

    def _changed(self, update: Update, before: Update | None) -> None:
        errand = self._errands.setdefault(update.id, _Errand(None))
        errand.tries, errand.due, errand.check = 0, None, 0
        if self._updates.get(update.id) is None:
            del self._errands[update.id]
        elif update.state == "ordered" and before is None:
            self._hurry(errand)
        elif update.state == "activating" or (update.state == "notified" and before and before.state == "ordered"):
            errand.tries, errand.last_try = 1, self._clock.monotonic()
            errand.due = self._clock.monotonic() + FIRST_RETRY
        elif update.state == "holding" and update.activation == "now":
            # Whoever released it tells the device at once; this is for when that fails.
            errand.due = self._clock.monotonic() + FIRST_RETRY
        elif update.state in {"ordered", "notified"}:
            # It gave up a transfer: it comes back by itself, in its own time (comms_hub.md §1.7: after 5 minutes).
            errand.due = self._clock.monotonic() + LAST_RETRY
        self._wake.set()

    def _hurry(self, errand: _Errand) -> None:
        errand.due = self._clock.monotonic()
        self._wake.set()

    def _still(self, session: Session) -> Update | None:
        """The update as it is now, where it is still open: anything may have happened during an await."""
        return session.update if self._updates.get(session.update.id) is session else None

    async def _send(self, session: Session, command: int, payload: bytes) -> None:
        await self._han.send_command(
            session.update.device,
            cluster=ota.CLUSTER,
            command=command,
            payload=payload,
            endpoint=session.endpoint,
        )

    async def _notify(self, session: Session) -> None:
        update = session.update
        if session.queried_at is not None and self._clock.monotonic() - session.queried_at < FIRST_RETRY:
            return
        notify = ota.ImageNotify(
            payload_type=3,
            query_jitter=100,
            manufacturer_code=update.manufacturer_code,
            image_type=update.image_type,
            new_file_version=update.file_version,
        )
        try:
            await self._send(session, ota.Command.IMAGE_NOTIFY, notify.serialize())
        except HanctlError as error:
            log.info("image notify did not reach the device", update=update.id, reason=str(error))
            return
        current = self._still(session)
        if current is not None and current.notified_at is None:
            # A quick device asks for its first block before the delivery of the notification is known.
            state = "notified" if current.state == "ordered" else current.state
            self._updates.change(
                session,
                replace(current, state=state, notified_at=self._clock.now(), offset=session.offset),
                UpdateNotified(device=current.device, update=current.id),
            )

    async def _read_back(self, session: Session, errand: _Errand) -> None:
        device, wanted = session.update.device, session.update.file_version
        try:
            read = await self._han.read_attributes(
                device,
                cluster=ota.CLUSTER,
                attributes=[ota.CURRENT_FILE_VERSION],
                client_side=True,
                endpoint=session.endpoint,
            )
        except HanctlError as error:
            log.info("the running version was not read", device=device, reason=str(error))
            if isinstance(error, DongleGone):
                errand.check += 1
                return
            # The new firmware may have other endpoints: next time, as the interview found them.
            session.endpoint = None
            version, answered = None, False
        else:
            version, answered = read.get(ota.CURRENT_FILE_VERSION), True
        update = self._still(session)
        if update is None or update.state not in _READ_BACK_STATES:
            return
        if version == wanted:
            self._confirm(session, "version read back")
        elif session.queried_version == wanted and (answered or errand.check == 0):
            # It does not tell the attribute, but says the same in its query.
            self._confirm(session, "query next image")
        elif isinstance(version, int):
            # It answered and runs something else: asking again soon would not change that.
            errand.check = 0
            note_version(self._ledger, device, version)

    def _confirm(self, session: Session, by: str) -> None:
        now, update = self._clock.now(), session.update
        device = self._ledger.devices.get(update.device)
        assert device is not None  # the ledger keeps every device an update refers to
        events: list[Event] = []
        if device.current_version != update.file_version:
            events.append(
                DeviceVersionRead(
                    device=update.device, old_version=device.current_version, new_version=update.file_version
                )
            )
        events.append(
            UpdateConfirmed(
                device=update.device, update=update.id, old_version=update.old_version, new_version=update.file_version
            )
        )
        events.append(
            ActivationNotice(
                device=update.device,
                update=update.id,
                device_type=device.device_type,
                old_version=update.old_version,
                new_version=update.file_version,
                file_sha256=update.file_sha256,
                manufacturer_image_sha256=update.manufacturer_image_sha256,
                ordered_at=time_text(update.ordered_at),
                transferred_at=time_text(update.transferred_at) if update.transferred_at else None,
                activated_at=time_text(update.activated_at) if update.activated_at else None,
                confirmed_at=time_text(now),
                confirmed_by=by,
            )
        )
        self._updates.change(
            session,
            replace(update, state="confirmed", offset=update.size, ended_at=now),
            *events,
            device=replace(device, current_version=update.file_version),
        )


def note_version(ledger: Ledger, eui64: Eui64, version: int) -> None:
    """Record the version a device says it runs, where that is news."""
    device = ledger.devices.get(eui64)
    if device is None or version in {device.current_version, ota.UNKNOWN_VERSION}:
        return
    with ledger.transaction():
        ledger.devices.put(replace(device, current_version=version))
        ledger.record(DeviceVersionRead(device=eui64, old_version=device.current_version, new_version=version))


def _is_waiting(update: Update) -> bool:
    """Whether it is the device's turn, or the service user's."""
    return update.state == "transferring" or (update.state == "holding" and update.activation == "hold")
