"""Join the parts of changes of tenancy and supplier together for the daemon."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from hanctl.base.clock import Clock
from hanctl.base.errors import InvalidInput, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, Reply, Request
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.room import as_there_is_room
from hanctl.model.change_records import Change
from hanctl.tenancy.evidence.records import Records
from hanctl.tenancy.evidence.report import Report, Reporter
from hanctl.tenancy.execution import ChangeExecutor, TakeSnapshots
from hanctl.tenancy.hub_data import ENDPOINTS, HubData
from hanctl.tenancy.service import TenancyService
from hanctl.tenancy.telling.looks import LookReader, Looks
from hanctl.tenancy.telling.messenger import Messenger, MessengerLink
from hanctl.tenancy.telling.overdue import Overdue
from hanctl.tenancy.telling.queries import answer_query, take_event

MOST_NAME = 64


class TenancyLink(MessengerLink, LookReader, Protocol):
    """Interface of the HAN that changes use."""


class Tenancy:
    """Changes of tenancy and supplier. ``orders`` takes orders; daemon and HAN call the other methods.

    ``overdue_after``: when a device that is outstanding is flagged. ``places``: where captures and logs may lie.
    """

    def __init__(
        self,
        ledger: Ledger,
        han: TenancyLink,
        clock: Clock,
        *,
        snapshots: TakeSnapshots,
        overdue_after: timedelta,
        places: Iterable[Path],
    ) -> None:
        data = HubData(ledger.household)
        self.records = Records(ledger, clock)
        self.looks = Looks(ledger, han, self.records, clock)
        self.messenger = Messenger(
            ledger, han, self.records, self.looks, clock, {fuel: each[0] for fuel, each in ENDPOINTS.items()}
        )
        self._overdue = Overdue(ledger, self.records, self.messenger, clock, overdue_after)
        self._reporter = Reporter(ledger, self.records, clock, places)
        self.orders = TenancyService(ledger, ChangeExecutor(ledger, data, snapshots, clock), data, clock)
        self.orders.on_done.append(self._done)
        self.alive = self.messenger.alive
        self.default_response = self.messenger.default_response

    def keep_to(self, overdue_after: timedelta, places: Iterable[Path]) -> None:
        """Apply new settings from now on; arguments as for the constructor."""
        self._overdue.after = overdue_after
        self._overdue.wake()
        self._reporter.places = tuple(places)

    def catch_up(self) -> None:
        """Carry out changes that fell due while the hub was stopped, before anybody is answered."""
        self.orders.catch_up()

    def clock_set(self) -> None:
        """Look for due changes again, after the clock was set."""
        self.orders.wake()
        self._overdue.wake()

    def resume(self) -> None:
        """Resume telling devices, after the dongle (re)opens."""
        self.messenger.resume()
        self.looks.resume()

    def tenancy_asked(self, request: Request) -> Reply | DefaultReply:
        """Answer Get Change of Tenancy with the last change that was done, or NOT_FOUND."""
        return answer_query(request, "tenancy", self.messenger)

    def supplier_asked(self, request: Request) -> Reply | DefaultReply:
        """Answer Get Change of Supplier with the last change that was done, or NOT_FOUND."""
        return answer_query(request, "supplier", self.messenger)

    def take_event(self, request: Request) -> DefaultReply:
        """Take an event that a device's Events server published."""
        return take_event(request, self.messenger)

    def confirm(self, eui64: Eui64, by: str, *, still_shows: bool = False) -> list[Change]:
        """Record that a person looked at a device, and whether it still shows data from before the change.

        Counts for every change of which it is outstanding, or, where there is none, for the last that concerns it.
        Raises InvalidInput, NotFound.
        """
        name = " ".join(by.split())
        if not 0 < len(name) <= MOST_NAME:
            raise InvalidInput("who says so has no name, or a long one", f"give a name of 1 to {MOST_NAME} letters")
        concerned = [change for change in self.records.done() if self.records.of(change.id, eui64)]
        if not concerned:
            raise NotFound("no change concerns this device", "see: hanctl tenancy list")
        outstanding = [change for change in concerned if not self.records.judge(change.id, eui64).settled]
        chosen = outstanding or concerned[-1:]
        for change in chosen:
            if still_shows:
                self.records.still_shows(change.id, eui64, f"seen by {name}", "hub")
            else:
                self.records.confirmed(change.id, eui64, name)
        return chosen

    def report(self, number: int) -> Report:
        """Return the evidence of a change. Raises NotFound."""
        return self._reporter.report(self.orders.get(number))

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for part in (self.orders, self.messenger, self.looks, self._overdue):
                group.create_task(as_there_is_room(part.run))

    def _done(self, change: Change) -> None:
        self.messenger.begin(change)
        self._overdue.wake()
