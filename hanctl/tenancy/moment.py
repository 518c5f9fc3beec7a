"""The moment of a change: the hub's own data is cleared, hidden and written anew, in one transaction of the ledger.

Before it the change is scheduled, after it done; a kill in between leaves it scheduled, and nothing cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hanctl.clock import Clock
from hanctl.data import catalogue
from hanctl.han.smart_energy.clusters import CLUSTERS
from hanctl.ledger.change_events import ChangeDone
from hanctl.ledger.change_records import Change, ChangePart, Fuel
from hanctl.ledger.household import Found, Selection
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.rows import time_text
from hanctl.tenancy.controls import Control
from hanctl.tenancy.hub_data import ENDPOINTS, HubData
from hanctl.tenancy.moments import HIGHEST_GIVEN, to_utc2000
from hanctl.tenancy.steps import CALENDARS, MESSAGES, TARIFFS

SNAPSHOT_CAUSES = {"tenancy": 0x00001000, "supplier": 0x00002000}
"""Source: comms_hub.md §2.4, bit 0."""

METERS = frozenset({"esme", "gsme"})
"""Devices that a change comes from, and that are not told of it."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was, or would be, cleared and hidden: names and how many. No value is in it."""

    cleared: tuple[tuple[str, int], ...]
    held: tuple[tuple[str, int], ...]


Snapshots = Callable[[int, int, datetime], Iterable[int]]
"""Takes snapshots of an endpoint's registers: (endpoint, cause, time) to the numbers of the records made."""


Withdrawn = tuple[tuple[str, tuple[tuple[int, ...], ...]], ...]

_WITHDRAWN = {MESSAGES: ("messages", "supplier_messages"), TARIFFS: ("tariffs",), CALENDARS: ("calendars",)}
"""Tables whose records devices are told to forget one by one."""


class _Undo(Exception):
    """Nothing of it is to stay."""


class Moment:
    """Carries changes out on the hub's own data."""

    def __init__(self, ledger: Ledger, data: HubData, snapshots: Snapshots, clock: Clock) -> None:
        self._ledger = ledger
        self._data = data
        self._snapshots = snapshots
        self._clock = clock

    def carry_out(self, change: Change) -> Change:
        """Do it; the change as it is then. Raises LedgerError, and then it is as it was."""
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
                    cleared=sum(count for _, count in done.cleared),
                    held=sum(count for _, count in done.held),
                )
            )
        return done

    def preview(self, kind: str, control: int, fuels: Iterable[Fuel]) -> Cleared:
        """What such a change would do now; nothing is done."""
        found: list[Cleared] = []
        with suppress(_Undo), self._ledger.transaction():
            found.append(self._clear(kind, control, self._clock.now(), fuels))
            raise _Undo
        return found[0]

    def _done(self, change: Change) -> Change:
        now = self._clock.now()
        parts = self._ledger.changes.parts(change.id)
        for part in parts:
            self._ledger.changes.put_part(self._numbered(change, part, now))
        result = self._clear(change.kind, change.control, change.at, [part.fuel for part in parts])
        for part in self._ledger.changes.parts(change.id):
            self._data.settle(change, part)
            self._data.cancel(change, part)
        return replace(change, state="done", done_at=now, cleared=result.cleared, held=result.held)

    def _numbered(self, change: Change, part: ChangePart, now: datetime) -> ChangePart:
        """The part with its issuer event, the provider until now, and what is to be withdrawn one by one."""
        last, given = self._ledger.changes.last_issuer_event_id(), change.issuer_event_id
        own = max(last + 1, to_utc2000(now))
        number = given if given is not None and last < given < HIGHEST_GIVEN else own
        return replace(
            part,
            issuer_event_id=number,
            former_provider_id=self._data.provider_id(part.fuel),
            withdrawn=self._withdrawn(part.fuel, catalogue.cleared_by(change.control)),
        )

    def _withdrawn(self, fuel: Fuel, selection: Selection) -> Withdrawn:
        found = []
        for what, tables in _WITHDRAWN.items():
            numbers = {
                _number(what, record.body)
                for endpoint in ENDPOINTS[fuel]
                for table in tables
                if table in selection.tables
                for record in self._ledger.household.records(endpoint, table)
            }
            if numbers:
                found.append((what, tuple(sorted(numbers))))
        return tuple(found)

    def _clear(self, kind: str, control: int, moment: datetime, fuels: Iterable[Fuel]) -> Cleared:
        cleared: dict[str, int] = {}
        held: dict[str, int] = {}
        for fuel, endpoint in [(each, endpoint) for each in fuels for endpoint in ENDPOINTS[each]]:
            for name, count in _names(fuel, self._clear_endpoint(kind, control, moment, endpoint)).items():
                cleared[name] = cleared.get(name, 0) + count
            for name, count in _names(fuel, self._ledger.household.hidden(endpoint)).items():
                held[name] = held.get(name, 0) + count
        return Cleared(tuple(sorted(cleared.items())), tuple(sorted(held.items())))

    def _clear_endpoint(self, kind: str, control: int, moment: datetime, endpoint: int) -> Found:
        household, cause = self._ledger.household, SNAPSHOT_CAUSES[kind]
        before = tuple(self._snapshots(endpoint, cause, moment)) if control & Control.PRE_SNAPSHOTS else ()
        found = household.clear(endpoint, catalogue.cleared_by(control), keep=before)
        gate = self._gate(control, taken=bool(before))
        if gate is not None:
            household.gate(endpoint, gate, self._before(endpoint, gate, moment))
        if control & Control.POST_SNAPSHOTS:
            self._snapshots(endpoint, cause, moment)
        return found

    @staticmethod
    def _gate(control: int, *, taken: bool) -> Selection | None:
        """What is hidden: history that is blocked; and the snapshot before a change that cleared the others."""
        blocked = control & Control.BLOCK_HISTORICAL_LOAD_PROFILE
        if control & Control.CLEAR_HISTORICAL_LOAD_PROFILE:
            # Attributes hold nothing then; tables may get rows of before again, and have the snapshot.
            return Selection({}, catalogue.history().tables) if blocked or taken else None
        return catalogue.history() if blocked else None

    def _before(self, endpoint: int, gate: Selection, moment: datetime) -> datetime:
        """Samples earlier than this are of before the change.

        Held samples are, whatever time they bear: the clock may have been ahead when they came.
        """
        newest = [
            sample.time
            for table in gate.tables
            for sample in self._ledger.household.samples(endpoint, table, limit=1, newest_first=True)
        ]
        return max([moment, *(time + timedelta(seconds=1) for time in newest)])


def _number(what: str, body: Mapping[str, Any]) -> tuple[int, ...]:
    """What a record is cancelled by."""
    if what == MESSAGES:
        return (int(body["message_id"]),)
    if what == TARIFFS:
        return int(body["issuer_tariff_id"]), int(body["tariff_type_charging_scheme"]["tariff_type"])
    return int(body["issuer_calendar_id"]), int(body["calendar_type"])


def _names(fuel: Fuel, found: Found) -> dict[str, int]:
    """Attributes counted by cluster, and rows by table."""
    names: dict[str, int] = {}
    for cluster, _ in found.attributes:
        name = f"{fuel}: attributes of {CLUSTERS[cluster].__name__}"
        names[name] = names.get(name, 0) + 1
    return names | {f"{fuel}: {table}": count for table, count in found.tables.items()}
