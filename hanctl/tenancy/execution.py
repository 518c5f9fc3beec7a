"""Carry out a change: hide, clear and rewrite the hub's own data in one transaction of the ledger.

What is dated before the cut-off is hidden, of all endpoints of the change's fuels; what control bits ask for is added.
Where a cut-off was given, what is dated after it stays, whatever the bits: it is the new tenant's or supplier's.
Without one, a change of tenancy cuts off at its own time and a change of supplier hides nothing by date; control bits
then clear all that is held, whatever its date.

Before the transaction the change is scheduled, after it done. A kill in between leaves it scheduled, and nothing is
cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hanctl.base.clock import Clock
from hanctl.data import catalogue, dating
from hanctl.han.smart_energy.clusters import CLUSTERS
from hanctl.ledger.household import Found, Selection
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.rows import time_text
from hanctl.model.change_events import ChangeDone
from hanctl.model.change_records import Change, ChangeKind, ChangePart, Fuel
from hanctl.tenancy.controls import Control
from hanctl.tenancy.evidence.keeping import Kept, kept
from hanctl.tenancy.hub_data import ENDPOINTS, HubData
from hanctl.tenancy.telling.steps import CALENDARS, MESSAGES, TARIFFS
from hanctl.tenancy.utc2000 import HIGHEST_GIVEN, to_utc2000

SNAPSHOT_CAUSES = {"tenancy": 0x00001000, "supplier": 0x00002000}
"""Source: comms_hub.md §2.4, bit 0."""

METERS = frozenset({"esme", "gsme"})
"""Devices that a change comes from, and that are not told of it."""


Counts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class ChangeEffect:
    """Effect of a change on the hub's data: names and counts, no values. For its fields see ``Change``."""

    hidden: Counts
    cleared: Counts
    blocked: Counts
    held: Counts


@dataclass(frozen=True, slots=True)
class Preview:
    """Effect that a change would have, and what would stay."""

    effect: ChangeEffect
    kept: tuple[Kept, ...]


TakeSnapshots = Callable[[int, int, datetime], Iterable[int]]
"""Takes snapshots of an endpoint's registers: (endpoint, cause, time) to the numbers of the records made."""


CancelNumbers = set[tuple[int, ...]]

_WITHDRAWN = {MESSAGES: ("messages", "supplier_messages"), TARIFFS: ("tariffs",), CALENDARS: ("calendars",)}
"""Tables whose records devices are told to forget one by one."""


class _Undo(Exception):
    """Raised to undo the transaction of a preview."""


class ChangeExecutor:
    """Carry out changes on the hub's own data."""

    def __init__(self, ledger: Ledger, data: HubData, snapshots: TakeSnapshots, clock: Clock) -> None:
        self._ledger = ledger
        self._data = data
        self._snapshots = snapshots
        self._clock = clock

    def carry_out(self, change: Change) -> Change:
        """Carry out the change and return it as done. Raises LedgerError; then nothing has changed."""
        with self._ledger.transaction():
            done = self._done(change)
            self._ledger.changes.put(done)
            for device in self._ledger.devices.all():
                if device.present and device.device_type not in METERS:
                    self._ledger.changes.add_evidence(
                        change=change.id, device=device.eui64, at=self._clock.now(), kind="concerned", proof="hub"
                    )
            self._ledger.record(
                ChangeDone(
                    change=change.id,
                    kind=change.kind,
                    at=time_text(change.at),
                    cut_off=None if done.cut_off is None else time_text(done.cut_off),
                    hidden=_sum(done.hidden),
                    cleared=_sum(done.cleared),
                    blocked=_sum(done.blocked),
                    held=_sum(done.held),
                )
            )
        return done

    def preview(
        self, kind: ChangeKind, control: int, fuels: Iterable[Fuel], at: datetime, cut_off: datetime | None
    ) -> Preview:
        """Return what the change would do, without doing it."""
        found: list[Preview] = []
        with suppress(_Undo), self._ledger.transaction():
            effect = self._clear(kind, control, at, cut_off, fuels)
            found.append(
                Preview(effect, kept(self._ledger.household, kind, control, fuels, _effective(kind, at, cut_off)))
            )
            raise _Undo
        return found[0]

    def _done(self, change: Change) -> Change:
        now = self._clock.now()
        parts = self._ledger.changes.parts(change.id)
        shown = {part.fuel: self._shown_numbers(part.fuel) for part in parts}
        result = self._clear(change.kind, change.control, change.at, change.cut_off, [part.fuel for part in parts])
        done = replace(
            change,
            state="done",
            done_at=now,
            cut_off=_effective(change.kind, change.at, change.cut_off),
            hidden=result.hidden,
            cleared=result.cleared,
            blocked=result.blocked,
            held=result.held,
        )
        for part in parts:
            numbered = self._with_issuer_event(change, part, now, shown[part.fuel])
            self._ledger.changes.put_part(numbered)
            self._data.settle(done, numbered)
            self._data.cancel(done, numbered)
        return done

    def _with_issuer_event(
        self, change: Change, part: ChangePart, now: datetime, shown: Mapping[str, CancelNumbers]
    ) -> ChangePart:
        """Return the part with its issuer event, the provider until now, and what is to be withdrawn one by one: what
        was ``shown`` to devices before, and is not any more."""
        last, given = self._ledger.changes.last_issuer_event_id(), change.issuer_event_id
        own = max(last + 1, to_utc2000(now))
        number = given if given is not None and last < given < HIGHEST_GIVEN else own
        left = self._shown_numbers(part.fuel)
        withdrawn = [(what, tuple(sorted(numbers - left[what]))) for what, numbers in shown.items()]
        return replace(
            part,
            issuer_event_id=number,
            former_provider_id=self._data.provider_id(part.fuel),
            withdrawn=tuple((what, numbers) for what, numbers in withdrawn if numbers),
        )

    def _shown_numbers(self, fuel: Fuel) -> dict[str, CancelNumbers]:
        return {
            what: {
                _cancel_number(what, record.body)
                for endpoint in ENDPOINTS[fuel]
                for table in tables
                for record in self._ledger.household.records(endpoint, table)
            }
            for what, tables in _WITHDRAWN.items()
        }

    def _clear(
        self, kind: ChangeKind, control: int, at: datetime, cut_off: datetime | None, fuels: Iterable[Fuel]
    ) -> ChangeEffect:
        counts: list[dict[str, int]] = [{}, {}, {}, {}]
        for fuel, endpoint in [(each, endpoint) for each in fuels for endpoint in ENDPOINTS[each]]:
            for count, found in zip(counts, self._clear_endpoint(kind, control, at, cut_off, endpoint), strict=True):
                for name, number in _names(fuel, found).items():
                    count[name] = count.get(name, 0) + number
        return ChangeEffect(*(tuple(sorted(count.items())) for count in counts))

    def _clear_endpoint(
        self, kind: ChangeKind, control: int, at: datetime, cut_off: datetime | None, endpoint: int
    ) -> tuple[Found, Found, Found, Found]:
        """Clear one endpoint. Returns what the cut-off newly hides, bits clear, bits newly hide, and all hidden."""
        household, cause = self._ledger.household, SNAPSHOT_CAUSES[kind]
        before = tuple(self._snapshots(endpoint, cause, at)) if control & Control.PRE_SNAPSHOTS else ()
        cleared = self._clear_by_bits(control, cut_off, endpoint, before)
        was_hidden = household.hidden(endpoint)
        effective = _effective(kind, at, cut_off)
        if effective is not None:
            household.hide(endpoint, dating.hidden(kind, effective))
        by_date = household.hidden(endpoint)
        # Gate: hide history by bit 7, and all held now, whatever its time.
        gate = self._gate(control, taken=bool(before)) if cut_off is None else None
        if gate is not None:
            household.gate(endpoint, gate, self._before(endpoint, gate, at))
        by_bits = household.hidden(endpoint)
        if control & Control.POST_SNAPSHOTS:
            self._snapshots(endpoint, cause, at)
        return _newly(by_date, was_hidden), cleared, _newly(by_bits, by_date), by_bits

    def _clear_by_bits(self, control: int, cut_off: datetime | None, endpoint: int, keep: Iterable[int]) -> Found:
        household, selection = self._ledger.household, catalogue.cleared_by(control)
        if cut_off is None:
            return household.clear(endpoint, selection, keep=keep)
        cuts = dating.cuts(cut_off)
        later = cuts.attributes.keys() - household.of_before(endpoint, cuts.attributes)
        attributes = {key: neutral for key, neutral in selection.attributes.items() if key not in later}
        return household.clear(endpoint, Selection(attributes, selection.tables), keep=keep, before=cuts.tables)

    @staticmethod
    def _gate(control: int, *, taken: bool) -> Selection | None:
        """Return what a change without a cut-off hides by its bits: history that is blocked; and, if one was ``taken``,
        the snapshot before a change that cleared the others."""
        blocked = control & Control.BLOCK_HISTORICAL_LOAD_PROFILE
        if control & Control.CLEAR_HISTORICAL_LOAD_PROFILE:
            # Bit 8 emptied the attributes. Tables still need hiding: old rows may be loaded again, and the pre-change
            # snapshot is in them.
            return Selection({}, catalogue.history().tables) if blocked or taken else None
        return catalogue.history() if blocked else None

    def _before(self, endpoint: int, gate: Selection, moment: datetime) -> datetime:
        """Return the time before which samples count as dated before the change.

        Held samples are, whatever time they bear: the clock may have been ahead when they came.
        """
        newest = [
            sample.time
            for table in gate.tables
            for sample in self._ledger.household.samples(endpoint, table, limit=1, newest_first=True)
        ]
        return max([moment, *(time + timedelta(seconds=1) for time in newest)])


def _effective(kind: ChangeKind, at: datetime, cut_off: datetime | None) -> datetime | None:
    """Return the cut-off that a change hides by. Default for a tenancy: its time; for a supplier: none."""
    return at if cut_off is None and kind == "tenancy" else cut_off


def _newly(found: Found, than: Found) -> Found:
    """Return what was found beyond what was there before."""
    tables = {name: count - than.tables.get(name, 0) for name, count in found.tables.items()}
    return Found(
        tuple(sorted(set(found.attributes) - set(than.attributes))),
        {name: count for name, count in tables.items() if count},
    )


def _sum(counts: Counts) -> int:
    return sum(count for _, count in counts)


def _cancel_number(what: str, body: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the number by which devices are told to cancel a record."""
    if what == MESSAGES:
        return (int(body["message_id"]),)
    if what == TARIFFS:
        return int(body["issuer_tariff_id"]), int(body["tariff_type_charging_scheme"]["tariff_type"])
    return int(body["issuer_calendar_id"]), int(body["calendar_type"])


def _names(fuel: Fuel, found: Found) -> dict[str, int]:
    """Count attributes by cluster, and rows by table."""
    names: dict[str, int] = {}
    for cluster, _ in found.attributes:
        name = f"{fuel}: attributes of {CLUSTERS[cluster].__name__}"
        names[name] = names.get(name, 0) + 1
    return names | {f"{fuel}: {table}": count for table, count in found.tables.items()}
