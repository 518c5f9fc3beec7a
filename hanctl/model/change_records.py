"""Changes of tenancy and supplier, and the evidence of them, as records. No record holds a value of a consumer."""

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
    """One change. ``at``: the moment it is ordered for; ``done_at``: when the hub hid and cleared its own data.

    ``cut_off``: what is dated earlier is hidden from the HAN. None of a change of tenancy that is to come: its moment;
    of one that is done: nothing was hidden by a date, as no earlier version did.
    ``source``: "command", or the GBCS use case it came by. ``issuer_event_id``: of a GBCS message, as it came.
    Of the hub's data, (name, how many): ``hidden`` by the cut-off, ``cleared`` and ``blocked`` (hidden too) by control
    bits; ``held``: all that is hidden afterwards, by whichever change. ``notes``: what a person should know.
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
        """From when on the home is the new tenant's or supplier's: what devices are told, whenever it is done."""
        return self.cut_off or self.at


@dataclass(frozen=True, slots=True)
class ChangePart:
    """What a change is for one fuel. ``provider_id``: the provider from then on; ``former_provider_id``: until then.

    ``issuer_event_id``: what the hub publishes it under, from when it is done; no two are the same, and they only grow.
    ``withdrawn``: what devices are told to forget one by one, as (what, numbers of each).
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
    """One thing that is known of a device and a change. ``what``: a command, attributes by name, or who says so.

    ``proof``: what shows that it is the device's own word.
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
