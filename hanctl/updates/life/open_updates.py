"""Hold the open updates of the ledger in memory, with cached image bytes and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.images.store import FirmwareStore
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.ledger import Ledger
from hanctl.model.event import Event
from hanctl.model.records import Device, Image, Update
from hanctl.model.update_events import UpdateImageMissing, UpdateInterrupted, UpdateTransferred
from hanctl.model.update_states import OPEN_STATES
from hanctl.updates.life import gates, making
from hanctl.updates.life.gates import Rules, WaitReason
from hanctl.updates.life.lifecycle import UpdateStep

log = structlog.get_logger()

PERSIST_INTERVAL = 5.0
"""At most so often, in seconds, the offset of a running transfer is written to the ledger."""

_RATE_WINDOW = 2.0

Changed = Callable[[Update, Update | None], None]
"""Called with (now, before) after each change of state; before is None for a new update."""


@dataclass(slots=True)
class Session:
    """One open update while the hub runs. Nothing here but ``update`` is needed after a restart."""

    update: Update
    started: bool
    offset: int
    endpoint: int | None = None
    query_tsn: int | None = None
    queried_at: float | None = None
    queried_version: int | None = None
    last_heard: datetime | None = None
    prepared: bool = False
    """Power and policies were asked for since the update was ordered, or the hub started."""
    image_missing: bool = False
    persisted_at: float = float("-inf")
    rate: float | None = None
    rate_mark: tuple[float, int] | None = None

    def served(self, offset: int, monotonic: float, now: datetime) -> None:
        """Note that the image was served up to ``offset``."""
        self.last_heard = now
        self.offset = max(self.offset, offset)
        if self.rate_mark is None or self.offset < self.rate_mark[1]:
            self.rate_mark = (monotonic, self.offset)
            return
        since, start = self.rate_mark
        if monotonic - since >= _RATE_WINDOW:
            rate = (self.offset - start) / (monotonic - since)
            self.rate = rate if self.rate is None else (self.rate + rate) / 2
            self.rate_mark = (monotonic, self.offset)


class OpenUpdates:
    """All open updates, by device. Every change of an update goes through ``change``, and so to the ledger first."""

    def __init__(self, ledger: Ledger, store: FirmwareStore, clock: Clock, rules: Rules) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self.rules = rules
        self._sessions: dict[Eui64, Session] = {}
        self._contents: dict[str, tuple[Image, bytes]] = {}
        self.on_change: list[Changed] = []
        for update in ledger.updates.all(open_only=True):
            self._sessions[update.device] = _session(update)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def of(self, device: Eui64) -> Session | None:
        """Return the open update of this device, if any."""
        return self._sessions.get(device)

    def get(self, update_id: int) -> Session | None:
        """Return the open update with this number, if any."""
        return next((session for session in self._sessions.values() if session.update.id == update_id), None)

    def device(self, session: Session) -> Device:
        """Return the record of the update's device."""
        device = self._ledger.devices.get(session.update.device)
        assert device is not None  # the ledger keeps every device an update refers to
        return device

    def transfer_wait(self, session: Session) -> WaitReason | None:
        """Say why the device may not fetch the image now; None: it may."""
        update = session.update
        if update.transfer_window is None and update.state not in {"ordered", "notified"}:
            # Asked for each block.
            return None
        return gates.transfer(session.update, self.device(session), self._clock.now(), self.rules)

    def release_wait(self, session: Session) -> WaitReason | None:
        """Say why the device may not be told to activate the image now; None: it may."""
        return gates.release(session.update, self.device(session), self._clock.now(), self.rules)

    def activations(self, session: Session) -> int:
        """Return how often the device took the image and may have been told to activate it."""
        # Asked only of a device that comes for an image it was told to activate: rare enough to read the ledger for.
        return len(self._ledger.events(update=session.update.id, type=UpdateTransferred.type))

    def given_up_here(self, session: Session) -> int:
        """Return how often the device gave the transfer up at its present byte."""
        told = self._ledger.events(update=session.update.id, type=UpdateInterrupted.type)
        return sum(one.event.model_dump()["offset"] == session.update.offset for one in told)

    def adopt(self, update: Update) -> None:
        """Take in an update that was just made in the ledger."""
        self._sessions[update.device] = _session(update)
        self._tell(update, None)

    def change(self, session: Session, update: Update, *events: Event, device: Device | None = None) -> None:
        """Store the new update (and device) together with its events. Durable on return."""
        following = None
        with self._ledger.transaction():
            self._ledger.updates.put(update, *events)
            if device is not None:
                self._ledger.devices.put(device)
            for event in events:
                self._ledger.record(event)
            if update.state == "confirmed" and update.steps:
                following = making.follow(self._ledger, update, self._clock.now())
        self.changed(session, update)
        if following is not None:
            self.adopt(following)

    def step(self, session: Session, step: UpdateStep | None, device: Device | None = None) -> None:
        """Store a step of the update, if there is one."""
        if step is not None:
            self.change(session, step.update, *step.events, device=device)

    def changed(self, session: Session, update: Update) -> None:
        """Take over the update as the ledger now has it."""
        before, session.update = session.update, update
        session.offset = update.offset
        session.persisted_at = self._clock.monotonic()
        if update.state not in OPEN_STATES:
            del self._sessions[update.device]
            self._forget_contents()
        if _turn(update) != _turn(before):
            self._tell(update, before)

    def save_offset(self, session: Session) -> None:
        """Write the offset of the transfer, if that was not done lately."""
        if self._clock.monotonic() - session.persisted_at >= PERSIST_INTERVAL:
            session.persisted_at = self._clock.monotonic()
            # For people: the device names its own offset, and a full disk stops no transfer.
            with suppress(LedgerFull):
                self.change(session, replace(session.update, offset=session.offset))

    def content(self, session: Session) -> tuple[Image, bytes] | None:
        """Return the image and its bytes; None if the store cannot give them now (it is asked each time)."""
        sha256 = session.update.file_sha256
        content = self._contents.get(sha256)
        if content is None:
            try:
                content = self._store.get(sha256), self._store.read(sha256)
            except HanctlError as error:
                log.error("the image of an open update cannot be served", update=session.update.id, reason=str(error))
                self._tell_missing(session, str(error))
                return None
            self._contents[sha256] = content
            session.image_missing = False
        return content

    def uses(self, file_sha256: str) -> Update | None:
        """Return an open update that needs this image, now or for a later step, if there is one."""
        updates = (session.update for session in self._sessions.values())
        return next((u for u in updates if file_sha256 in (u.file_sha256, *u.steps)), None)

    def last_ended(self, device: Eui64) -> Update | None:
        """Return the device's last ended update if it was cancelled or superseded."""
        over = [update for update in self._ledger.updates.all(device=device) if update.state not in OPEN_STATES]
        return over[-1] if over and over[-1].state in {"cancelled", "superseded"} else None

    def _tell_missing(self, session: Session, reason: str) -> None:
        if not session.image_missing:
            session.image_missing = True
            update = session.update
            self._ledger.record(
                UpdateImageMissing(
                    device=update.device, update=update.id, file_sha256=update.file_sha256, reason=reason
                )
            )

    def _forget_contents(self) -> None:
        used = {session.update.file_sha256 for session in self._sessions.values()}
        for sha256 in self._contents.keys() - used:
            del self._contents[sha256]

    def _tell(self, update: Update, before: Update | None) -> None:
        for callback in self.on_change:
            callback(update, before)


def _session(update: Update) -> Session:
    # Blocks asked for while the device should hold or activate the image are stray, unless it asks for the image anew.
    started = update.state in {"verifying", "holding", "activating", "in_doubt"}
    return Session(update, started=started, offset=update.offset)


def _turn(update: Update) -> tuple[object, ...]:
    """Return the fields that decide what the update waits for next."""
    return (update.state, update.activation, update.activate_at, update.released_at, update.cancel_asked_at)
