"""Order, preview, cancel and re-date changes of tenancy and supplier for a service user.

States: scheduled → done, or cancelled. A scheduled change is the hub's alone: no device is told before the moment,
because common clients cannot be told to forget it (comms_hub.md §2.5). Everything is in the ledger before it is acted
on; what a kill leaves scheduled is carried out at the next start, before the hub answers anybody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hanctl.base.clock import Clock
from hanctl.base.errors import InvalidInput, NotFound, Refused
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.rows import time_text
from hanctl.model.change_events import ChangeCancelled, ChangeOrdered, ChangeRedated
from hanctl.model.change_records import Change, ChangeKind, ChangePart, Fuel
from hanctl.tenancy.controls import CONTACTOR_NOTE, TOLD_NOTE, Wanted, default, publishable, told
from hanctl.tenancy.execution import ChangeExecutor, Preview
from hanctl.tenancy.hub_data import HubData
from hanctl.tenancy.payloads import GbcsOrder
from hanctl.tenancy.telling.steps import CONTACT_SIZE, NAME_SIZE
from hanctl.tenancy.utc2000 import HIGHEST_GIVEN, to_utc2000

FUELS: tuple[Fuel, ...] = ("electricity", "gas")
LOOK_S = 10.0
"""A scheduled moment is compared with the clock at least so often."""
FUTURE_NOTE = "the cut-off is to come: what is dated before it is hidden already (one public text says so; unverified)"
"""Source: what is public of the use cases ECS12 and GCS09 says that a date to come is executed on receipt."""
RENUMBERED_NOTE = (
    "the message's issuer event is not newer than what was published, or too high: the hub numbers the change"
)


@dataclass(frozen=True, slots=True)
class Provider:
    """Provider of one fuel. ``id`` None: the one on record."""

    id: int | None = None
    name: str = ""
    contact: str = ""


class TenancyService:
    """Take orders of changes and carry them out. ``on_done`` is called with each change that is done."""

    def __init__(self, ledger: Ledger, executor: ChangeExecutor, data: HubData, clock: Clock) -> None:
        self._ledger = ledger
        self._executor = executor
        self._data = data
        self._clock = clock
        self._wake = asyncio.Event()
        self.on_done: list[Callable[[Change], None]] = []

    # --- orders

    def order(
        self,
        kind: ChangeKind,
        fuels: Iterable[Fuel] = FUELS,
        *,
        at: datetime | None = None,
        cut_off: datetime | None = None,
        control: Wanted | None = None,
        providers: Mapping[Fuel, Provider] | None = None,
    ) -> Change:
        """Order a change for now (``at`` None) or for a later time. On return it is done, or scheduled.

        ``cut_off``: what is dated earlier is hidden, whenever the change is carried out; None: it is of its moment.
        Raises InvalidInput, Refused (another of this kind and fuel is scheduled).
        """
        now = self._clock.now()
        if at is not None and at <= now:
            raise InvalidInput(f"{time_text(at)} has passed", "leave the moment out for a change now")
        return self._order(kind, tuple(fuels), at or now, cut_off, control, dict(providers or {}), ())

    def order_gbcs(self, given: GbcsOrder) -> Change:
        """Order or cancel the change in a GBCS message: it is carried out on receipt, and its date is the cut-off.

        Raises InvalidInput, Refused, NotFound (a change to be cancelled is to come: an earlier version scheduled them).
        """
        if given.cancels:
            return self.cancel(self._pending_of(given).id)
        stored = self._data.provider_id(given.fuel)
        if given.provider_id and stored and given.provider_id != stored:
            raise Refused(
                f"the message is of provider 0x{given.provider_id:08x}, and the provider is 0x{stored:08x}",
                "a message with provider 0, or of the provider on record, is accepted",
            )
        now, notes = self._clock.now(), []
        event = given.issuer_event_id
        if event is not None and not self._ledger.changes.last_issuer_event_id() < event < HIGHEST_GIVEN:
            notes.append(RENUMBERED_NOTE)
        wanted = None if given.control is None else publishable(given.control)
        provider = Provider(given.provider_id or None)
        return self._order("tenancy", (given.fuel,), now, given.at or now, wanted, {given.fuel: provider}, notes, given)

    def preview(
        self,
        kind: ChangeKind,
        fuels: Iterable[Fuel],
        control: Wanted | None,
        cut_off: datetime | None = None,
    ) -> tuple[Wanted, Preview]:
        """Return what the change would hide and clear if it were made now, without doing it."""
        wanted = control or Wanted(default(kind, dated=cut_off is not None))
        return wanted, self._executor.preview(kind, wanted.control, tuple(fuels), self._clock.now(), cut_off)

    def cancel(self, number: int) -> Change:
        """Cancel a scheduled change. Raises NotFound, Refused."""
        change = self._scheduled(number)
        cancelled = replace(change, state="cancelled", cancelled_at=self._clock.now())
        with self._ledger.transaction():
            self._ledger.changes.put(cancelled)
            for part in self.parts(number):
                self._data.withdraw(cancelled, part, self._former(change.kind, part.fuel))
            self._ledger.record(ChangeCancelled(change=number, kind=change.kind))
        self._wake.set()
        return cancelled

    def redate(self, number: int, at: datetime) -> Change:
        """Move a scheduled change to another future time. Raises NotFound, Refused, InvalidInput."""
        change = self._scheduled(number)
        if at <= self._clock.now():
            raise InvalidInput(f"{time_text(at)} has passed", "cancel it, and order a change for now")
        to_utc2000(at)
        moved = replace(change, at=at)
        with self._ledger.transaction():
            self._ledger.changes.put(moved)
            for part in self.parts(number):
                self._data.propose(moved, part)
            self._ledger.record(
                ChangeRedated(change=number, kind=change.kind, old_at=time_text(change.at), at=time_text(at))
            )
        self._wake.set()
        return moved

    def get(self, number: int) -> Change:
        """Return the change with this number. Raises NotFound."""
        change = self._ledger.changes.get(number)
        if change is None:
            raise NotFound(f"there is no change {number}", "see: hanctl tenancy list")
        return change

    def parts(self, number: int) -> list[ChangePart]:
        return self._ledger.changes.parts(number)

    # --- at the moment

    def catch_up(self) -> None:
        """Carry out due changes, oldest first. Called before the hub answers anybody, and when one is due."""
        now = self._clock.now()
        due = [change for change in self._ledger.changes.all("scheduled") if change.at <= now]
        for change in sorted(due, key=lambda change: (change.at, change.id)):
            done = self._executor.carry_out(change)
            for callback in tuple(self.on_done):
                callback(done)

    def wake(self) -> None:
        """Look for due changes again, after the clock was set."""
        self._wake.set()

    async def run(self) -> None:
        """Carry out changes when they are due, until cancelled. Raises LedgerError."""
        while True:
            self._wake.clear()
            self.catch_up()
            scheduled = self._ledger.changes.all("scheduled")
            pause = None
            if scheduled:
                wait = (min(change.at for change in scheduled) - self._clock.now()) / timedelta(seconds=1)
                pause = max(0.0, min(wait, LOOK_S))
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    # --- inside

    def _order(
        self,
        kind: ChangeKind,
        fuels: tuple[Fuel, ...],
        at: datetime,
        cut_off: datetime | None,
        control: Wanted | None,
        providers: Mapping[Fuel, Provider],
        notes: Iterable[str],
        given: GbcsOrder | None = None,
    ) -> Change:
        fuels = tuple(fuel for fuel in FUELS if fuel in fuels)
        if not fuels:
            raise InvalidInput("a change is of electricity, of gas or of both", "name a fuel")
        at = at.replace(microsecond=0)
        cut_off = None if cut_off is None else cut_off.replace(microsecond=0)
        to_utc2000(at)
        to_utc2000(cut_off or at)
        wanted = control or Wanted(default(kind, dated=cut_off is not None))
        parts = [self._part(kind, fuel, providers.get(fuel, Provider()), given) for fuel in fuels]
        self._check_alone(kind, fuels)
        remarks = [
            *notes,
            *([FUTURE_NOTE] if cut_off is not None and cut_off > at else []),
            *([CONTACTOR_NOTE] if wanted.contactor_corrected else []),
            *([TOLD_NOTE] if told(kind, wanted.control) != wanted.control else []),
            *self._updates_under_way(),
        ]
        with self._ledger.transaction():
            change = self._ledger.changes.create(
                parts,
                kind=kind,
                state="scheduled",
                at=at,
                cut_off=cut_off,
                ordered_at=self._clock.now(),
                control=wanted.control,
                contactor_corrected=wanted.contactor_corrected,
                source="command" if given is None else given.use_case,
                issuer_event_id=None if given is None else given.issuer_event_id,
                notes=tuple(remarks),
            )
            for part in self.parts(change.id):
                self._data.propose(change, part)
            self._ledger.record(
                ChangeOrdered(
                    change=change.id,
                    kind=kind,
                    fuels=", ".join(fuels),
                    at=time_text(change.at),
                    cut_off=None if cut_off is None else time_text(cut_off),
                    control=wanted.control,
                    contactor_corrected=wanted.contactor_corrected,
                    source=change.source,
                )
            )
        self.catch_up()
        self._wake.set()
        return self.get(change.id)

    def _part(self, kind: ChangeKind, fuel: Fuel, provider: Provider, given: GbcsOrder | None) -> dict[str, object]:
        if kind == "supplier" and (provider.id is None or not provider.name):
            raise InvalidInput(
                f"the new supplier of {fuel} is not named",
                "give its id and its name; common displays refuse a change of supplier without a name",
            )
        number = self._data.provider_id(fuel) if provider.id is None else provider.id
        if not 0 <= number <= 0xFFFFFFFF:
            raise InvalidInput("what was given is no provider id", "it has 32 bits")
        for what, text, size in (("name", provider.name, NAME_SIZE), ("contact", provider.contact, CONTACT_SIZE)):
            if len(text.encode()) > size:
                raise InvalidInput(f"the provider's {what} has more than {size} bytes", "shorten it")
        return {
            "fuel": fuel,
            "provider_id": number,
            "provider_name": provider.name,
            "provider_contact": provider.contact,
            "tariff_type": 0 if given is None else given.tariff_type,
        }

    def _check_alone(self, kind: ChangeKind, fuels: tuple[Fuel, ...]) -> None:
        for other in self._ledger.changes.all("scheduled"):
            theirs = {part.fuel for part in self.parts(other.id)}
            if other.kind == kind and theirs & set(fuels):
                raise Refused(
                    f"change {other.id} of {kind} of {' and '.join(sorted(theirs))} is scheduled for"
                    f" {time_text(other.at)}",
                    f"cancel it (hanctl tenancy cancel {other.id}) or re-date it (hanctl tenancy redate {other.id})",
                )

    def _updates_under_way(self) -> list[str]:
        """Return the open updates, for a note. A change does not wait for them, and neither disturbs the other."""
        return [
            f"update {update.id} of {update.device} is {update.state}: the change does not wait for it,"
            " and the device is told again when it is back, should it restart meanwhile"
            for update in self._ledger.updates.all(open_only=True)
        ]

    def _former(self, kind: ChangeKind, fuel: Fuel) -> Change | None:
        done = [
            change
            for change in self._ledger.changes.all("done")
            if change.kind == kind and any(part.fuel == fuel for part in self.parts(change.id))
        ]
        return done[-1] if done else None

    def _scheduled(self, number: int) -> Change:
        change = self.get(number)
        if change.state != "scheduled":
            raise Refused(
                f"change {number} is {change.state} already",
                "only a change that is to come can be cancelled or re-dated",
            )
        return change

    def _pending_of(self, given: GbcsOrder) -> Change:
        for change in self._ledger.changes.all("scheduled"):
            part = next((part for part in self.parts(change.id) if part.fuel == given.fuel), None)
            same = part is not None and given.provider_id in {0, part.provider_id}
            if change.kind == "tenancy" and same and change.issuer_event_id == given.issuer_event_id:
                return change
        raise NotFound(
            "the message cancels a change of tenancy that is not scheduled",
            "see: hanctl tenancy list; nothing was done",
        )
