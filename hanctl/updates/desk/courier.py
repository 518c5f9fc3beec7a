"""Run the errands of open updates when they are due, and again if they had no effect.

Each open update has at most one errand due (``errands`` has what they do). A device that cannot be reached is tried
again at its next sign of life, and on a timer that grows. Nothing here ends an update but what is read of its device.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.ledger.errors import LedgerFull
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Update
from hanctl.updates.desk.displays import Displays
from hanctl.updates.desk.errands import READ_BACK_STATES, Errands, Unreachable
from hanctl.updates.desk.link import HanLink
from hanctl.updates.life.attendance import NOTE_INTERVAL_S, Attendance
from hanctl.updates.life.open_updates import OpenUpdates, Session

FIRST_RETRY = 60.0
LAST_RETRY = 600.0
"""An errand that had no effect is tried again after 60, 120, 240, 480, 600, 600, … seconds."""

LIFE_GAP = 5.0
"""A sign of life brings an errand forward, but not within so many seconds of the last try."""

READ_GAP = 30.0
"""The same for reading the version or the power source, whose answers are signs of life themselves."""

CHECKS = 5
"""So often a device that came back without having been told to activate is asked what it runs."""

ERRANDS_AT_ONCE = 8
_PRIORITIES = {"high": 0, "normal": 1, "low": 2}


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

    def __init__(
        self, ledger: Ledger, han: HanLink, updates: OpenUpdates, displays: Displays, errands: Errands, clock: Clock
    ) -> None:
        self._han = han
        self._updates = updates
        self._displays = displays
        self._acts = errands
        self._clock = clock
        self._attendance = Attendance(ledger, clock)
        self._errands: dict[int, _Errand] = {}
        self._leftover: dict[Eui64, Update] = {}
        self._tidy_due = float("-inf")
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(ERRANDS_AT_ONCE)
        updates.on_change.append(self._changed)
        for session in updates:
            self._errands[session.update.id] = _Errand(None)

    def resume(self) -> None:
        """Schedule every open update anew, after the dongle (re)opens."""
        for session in self._updates:
            with suppress(LedgerFull):
                self._updates.step(session, self._attendance.doubt(session.update, self._updates.device(session)))
            errand = self._errands[session.update.id]
            errand.tries, errand.last_try = 0, float("-inf")
            if session.update.state != "transferring":
                # Asking what it runs also finds a device that activated while the hub was away.
                errand.check = CHECKS if session.update.state in READ_BACK_STATES else 0
                self._hurry(errand)
        self._leftover = {update.device: update for update in self._displays.left_over()}
        self._wake.set()

    def heard(self, device: Eui64) -> None:
        """Note that a device sent a frame. Called for every frame."""
        if device in self._leftover and self._clock.monotonic() >= self._tidy_due:
            self._wake.set()
        session = self._updates.of(device)
        if session is None:
            return
        gap = self._gap(session)
        errand = self._errands[session.update.id]
        if gap is not None and self._clock.monotonic() - errand.last_try >= gap:
            self._hurry(errand)

    def returned(self, device: Eui64, *, anew: bool = False) -> None:
        """Note that a device joined, announced itself or was interviewed; ``anew``: it seems to have restarted."""
        session = self._updates.of(device)
        if session is None:
            return
        if anew and session.update.state == "transferring":
            # Its next request says where it goes on, or that it begins anew.
            session.started = False
        errand = self._errands[session.update.id]
        if session.update.state in READ_BACK_STATES:
            self.check_version(session)
        elif self._clock.monotonic() - errand.last_try >= LIFE_GAP:
            self._hurry(errand)

    def check_version(self, session: Session) -> None:
        """Schedule a read-back: the device may run the ordered version by now."""
        errand = self._errands[session.update.id]
        errand.tries, errand.check = 0, CHECKS
        self._hurry(errand)

    def clock_set(self) -> None:
        """Schedule updates that wait for a date or a window anew, after the clock was set."""
        for session in self._updates:
            errand = self._errands[session.update.id]
            if session.update.state in {"ordered", "holding"} and errand.due is not None:
                self._hurry(errand)

    async def run(self) -> None:
        """Run errands when they are due, until cancelled. Raises LedgerError."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._attend_always())
                while True:
                    self._wake.clear()
                    await self._sleep(self._start_due(tasks))
        except ExceptionGroup as group:
            # What ended one errand ends them all: tell it, not its wrapping.
            raise group.exceptions[0] from None

    async def release(self, session: Session) -> bool:
        """Tell a holding device to activate now. Returns True once it took the command."""
        with suppress(Unreachable):
            return await self._acts.release(session)
        return False

    async def _attend_always(self) -> None:
        """Note regularly that the hub is present, as long as devices wait for its command."""
        while True:
            if self._han.network is not None and any(s.update.state == "holding" for s in self._updates):
                with suppress(LedgerFull):
                    self._attendance.note()
            await asyncio.sleep(NOTE_INTERVAL_S)

    async def _sleep(self, pause: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._wake.wait()

    def _start_due(self, tasks: asyncio.TaskGroup) -> float | None:
        now = self._clock.monotonic()
        waits: list[float] = []
        for session in sorted(self._updates, key=lambda session: _PRIORITIES[session.update.priority]):
            errand = self._errands[session.update.id]
            if errand.due is None or errand.busy:
                continue
            if errand.due <= now:
                errand.due, errand.last_try, errand.busy = None, now, True
                tasks.create_task(self._errand(session, errand))
            else:
                waits.append(errand.due - now)
        if self._leftover and now >= self._tidy_due:
            self._tidy_due = now + READ_GAP
            tasks.create_task(self._tidy(list(self._leftover.values())))
        return min(waits, default=None)

    async def _errand(self, session: Session, errand: _Errand) -> None:
        try:
            async with self._slots:
                await self._attend(session, errand)
        except LedgerFull:
            # Nothing was written, and so nothing was done: it is tried again like any other errand.
            pass
        finally:
            errand.busy = False
        current = self._still(session)
        if current is not None and errand.due is None:
            errand.due = self._next(session, errand)
        self._wake.set()

    async def _attend(self, session: Session, errand: _Errand) -> None:
        update = self._still(session)
        if update is None:
            return
        errand.tries += 1
        with suppress(Unreachable):
            if update.state in {"ordered", "notified"}:
                await self._acts.begin(session)
            elif errand.check or update.state in {"activating", "in_doubt"} or self._watches(update):
                await self._read_back(session, errand)
            elif update.state == "holding":
                await self._acts.release(session)

    async def _read_back(self, session: Session, errand: _Errand) -> None:
        before = errand.check
        errand.check = max(0, before - 1)
        try:
            if await self._acts.read_back(session, last=errand.check == 0):
                # It answered: asking again soon would not change that.
                errand.check = 0
        except Unreachable:
            errand.check = before

    async def _tidy(self, updates: list[Update]) -> None:
        """Withdraw messages of ended updates from displays; if that fails, try again when the device is next heard."""
        for update in updates:
            with suppress(LedgerFull):
                if await self._displays.withdraw(update):
                    del self._leftover[update.device]

    def _gap(self, session: Session) -> float | None:
        """Return the least time since the last try after which a sign of life repeats the errand; None: it does not."""
        update = session.update
        if update.state in {"activating", "in_doubt"} or update.message is not None:
            return READ_GAP
        if update.state == "ordered":
            return LIFE_GAP
        if update.state != "holding":
            return None
        if self._watches(update):
            return LAST_RETRY
        return LIFE_GAP if update.released_at is not None or self._errands[update.id].check else None

    @staticmethod
    def _watches(update: Update) -> bool:
        """Tell whether the device activates by itself at an unknown time, so that its version is read regularly."""
        return update.state == "holding" and update.activation == "by-device"

    def _next(self, session: Session, errand: _Errand) -> float | None:
        """Return when the errand is due again if nothing happens until then."""
        update, now = session.update, self._clock.monotonic()
        later = now + min(LAST_RETRY, FIRST_RETRY * (1 << min(max(errand.tries - 1, 0), 10)))
        if errand.check or update.state in {"activating", "in_doubt"}:
            return later
        if update.state in {"transferring", "verifying"}:
            return None
        gate = self._updates.release_wait if update.state == "holding" else self._updates.transfer_wait
        wait = gate(session)
        if wait is None:
            return max(now, errand.last_try + FIRST_RETRY) if update.state == "holding" else later
        if wait.until is not None:
            # The clock on the wall may be set meanwhile: it is looked at again from time to time.
            return now + min(LAST_RETRY, max(0.0, (wait.until - self._clock.now()).total_seconds()))
        return None if wait.kind in {"command", "device", "doubt"} else now + LAST_RETRY

    def _changed(self, update: Update, before: Update | None) -> None:
        errand = self._errands.setdefault(update.id, _Errand(None))
        session = self._updates.get(update.id)
        if session is None:
            del self._errands[update.id]
            if update.message is not None:
                self._leftover[update.device] = update
            self._wake.set()
            return
        errand.tries, errand.due, errand.check = 0, None, 0
        if update.state == "ordered":
            # Where it gave up a transfer, it comes back by itself, in its own time (comms_hub.md §1.7: 5 minutes).
            self._hurry(errand, 0.0 if before is None else FIRST_RETRY)
        elif update.state == "notified":
            notified = before is not None and before.state == "ordered"
            errand.tries, errand.last_try = 1, self._clock.monotonic()
            self._hurry(errand, FIRST_RETRY if notified else LAST_RETRY)
        elif update.state == "activating":
            errand.tries, errand.last_try = 1, self._clock.monotonic()
            self._hurry(errand, FIRST_RETRY)
        elif update.state == "in_doubt":
            errand.check = CHECKS
            self._hurry(errand)
        elif update.state == "holding":
            # Whoever released it tells the device at once; this is for when that fails.
            errand.due = self._next(session, errand)
            if errand.due is not None and update.released_at is not None:
                self._hurry(errand, FIRST_RETRY)
        self._wake.set()

    def _hurry(self, errand: _Errand, seconds: float = 0.0) -> None:
        errand.due = self._clock.monotonic() + seconds
        self._wake.set()

    def _still(self, session: Session) -> Update | None:
        return session.update if self._updates.get(session.update.id) is session else None
