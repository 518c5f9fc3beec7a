"""Records of changes of tenancy and supplier, and of the evidence for them. None holds a value of a consumer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from hanctl.base.eui64 import Eui64

ChangeKind = Literal["tenancy", "supplier"]
ChangeState = Literal["scheduled", "done", "cancelled"]
Fuel = Literal["electricity", "gas"]
EvidenceKind = Literal[
    "concerned",
    "joined later",
    "told",
    "acknowledged",
    "refused",
    "queried",
    "reported received",
    "reported cleared",
    "reported cancelled",
    "reported rejected",
    "showed before",
    "seen cleared",
    "still shows",
    "confirmed",
    "overdue",
]


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``at``: the time it is ordered for; ``done_at``: when the hub hid and cleared its own data.

    ``cut_off``: data dated earlier is hidden from the HAN. None in a future change of tenancy: the cut-off is ``at``;
    None in a change that is done: earlier versions hid nothing by date.
    ``source``: "command", or the GBCS use case of its payload. ``issuer_event_id``: of a GBCS message, as received.
    Pairs (name, count) of the hub's data: ``hidden`` by the cut-off, ``cleared`` and ``blocked`` (hidden too) by
    control bits, ``held``: all that is hidden afterwards, by any change. ``notes``: remarks for a person.
    """

    id: int
    kind: ChangeKind
    state: ChangeState
    at: datetime
    ordered_at: datetime
    control: int
    contactor_corrected: bool = False
    source: str = "command"
    issuer_event_id: int | None = None
    done_at: datetime | None = None
    cancelled_at: datetime | None = None
    cleared: tuple[tuple[str, int], ...] = ()
    held: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()
    cut_off: datetime | None = None
    hidden: tuple[tuple[str, int], ...] = ()
    blocked: tuple[tuple[str, int], ...] = ()

    @property
    def takes_effect(self) -> datetime:
        """Return when the new tenant or supplier begins. Devices are told this, whenever the change is done."""
        return self.cut_off or self.at


@dataclass(frozen=True, slots=True)
class ChangePart:
    """One fuel of a change. ``provider_id``: the provider from then on; ``former_provider_id``: until then.

    ``issuer_event_id``: the id it is published under once it is done; unique and growing.
    ``withdrawn``: items that devices are told to delete one by one, as pairs (kind, numbers).
    """

    id: int
    change: int
    fuel: Fuel
    provider_id: int
    former_provider_id: int = 0
    provider_name: str = ""
    provider_contact: str = ""
    tariff_type: int = 0
    issuer_event_id: int | None = None
    withdrawn: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...] = ()


EvidenceProof = Literal["key counters", "secret", "address", "hub", "earlier version"]
"""What shows that evidence is the device's own: the counters of the dongle's link keys; its answer to a secret; no more
than that a frame came from its address, under some key. "hub": what the hub, or a person, says; "earlier version":
recorded when nobody asked."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence of what a device did about a change. ``what``: a command, attribute names or a person.

    ``proof``: how the hub knows that the device itself said it.
    """

    id: int
    change: int
    device: Eui64
    at: datetime
    kind: EvidenceKind
    fuel: Fuel | None = None
    what: str = ""
    status: int | None = None
    proof: EvidenceProof = "earlier version"
