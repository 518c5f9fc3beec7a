"""The open updates, as they are in the ledger, with what only matters while the hub runs: cached bytes and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from hanctl.clock import Clock
from hanctl.errors import HanctlError
from hanctl.eui64 import Eui64
from hanctl.firmware.store import FirmwareStore
from hanctl.ledger.event import Event
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.records import OPEN_STATES, Device, Image, Update

log = structlog.get_logger()

PERSIST_INTERVAL = 5.0
"""At most so often, in seconds, the offset of a running transfer is written to the ledger."""

_RATE_WINDOW = 2.0

Changed = Callable[[Update, Update | None], None]
"""Called with (now, before) after each change of state; before is None for a new update."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is: bytes, bytes per second (None: not known yet), and when the device last asked."""

    offset: int
    size: int
    rate: float | None
    last_heard: datetime | None


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

    def __init__(self, ledger: Ledger, store: FirmwareStore, clock: Clock) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._sessions: dict[Eui64, Session] = {}
        self._contents: dict[str, tuple[Image, bytes]] = {}
        self.on_change: list[Changed] = []
        for update in ledger.updates.all(open_only=True):
            self._sessions[update.device] = _session(update)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def of(self, device: Eui64) -> Session | None:
        """The open update of this device."""
        return self._sessions.get(device)

    def get(self, update_id: int) -> Session | None:
        """The open update with this number."""
        return next((session for session in self._sessions.values() if session.update.id == update_id), None)

    def adopt(self, update: Update) -> None:
        """Take in an update that was just made in the ledger."""
        self._sessions[update.device] = _session(update)
        self._tell(update, None)

    def change(self, session: Session, update: Update, *events: Event, device: Device | None = None) -> None:
        """Make the update (and the device) what it is from now on, together with what happened. Durable on return."""
        with self._ledger.transaction():
            self._ledger.updates.put(update)
            if device is not None:
                self._ledger.devices.put(device)
            for event in events:
                self._ledger.record(event)
        before, session.update = session.update, update
        session.offset = update.offset
        session.persisted_at = self._clock.monotonic()
        if update.state not in OPEN_STATES:
            del self._sessions[update.device]
            self._forget_contents()
        if (update.state, update.activation) != (before.state, before.activation):
            self._tell(update, before)

    def save_offset(self, session: Session) -> None:
        """Write how far the transfer is, if that was not done lately."""
        if self._clock.monotonic() - session.persisted_at >= PERSIST_INTERVAL:
            self.change(session, replace(session.update, offset=session.offset))

    def content(self, session: Session) -> tuple[Image, bytes] | None:
        """The image and its bytes to serve; None where the store cannot give them (now: it is asked each time)."""
        sha256 = session.update.file_sha256
        content = self._contents.get(sha256)
        if content is None:
            try:
                content = self._store.get(sha256), self._store.read(sha256)
            except HanctlError as error:
                log.error("the image of an open update cannot be served", update=session.update.id, reason=str(error))
                return None
            self._contents[sha256] = content
        return content

    def uses(self, file_sha256: str) -> Update | None:
        """An open update of this image, if there is one."""
        return next((s.update for s in self._sessions.values() if s.update.file_sha256 == file_sha256), None)

    def last_cancelled(self, device: Eui64) -> Update | None:
        """The device's last update, where that was cancelled."""
        updates = self._ledger.updates.all(device=device)
        return updates[-1] if updates and updates[-1].state == "cancelled" else None

    def _forget_contents(self) -> None:
        used = {session.update.file_sha256 for session in self._sessions.values()}
        for sha256 in self._contents.keys() - used:
            del self._contents[sha256]

    def _tell(self, update: Update, before: Update | None) -> None:
        for callback in self.on_change:
            callback(update, before)


def _session(update: Update) -> Session:
    # Blocks asked for while the device should hold or activate the image are stray, unless it asks for the image anew.
    return Session(update, started=update.state in {"holding", "activating"}, offset=update.offset)
