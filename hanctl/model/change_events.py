"""The events of changes of tenancy and supplier. They name what was cleared or shown, and hold no value of it."""

from __future__ import annotations

from typing import Literal

from hanctl.model.event import DeviceEvent, Event, event


class ChangeEvent(Event):
    """An event about one change."""

    change: int
    kind: Literal["tenancy", "supplier"]


class ChangeDeviceEvent(DeviceEvent):
    """An event about one change and one device."""

    change: int


@event
class ChangeOrdered(ChangeEvent):
    """A change was ordered for ``at``; ``source``: "command", or the GBCS use case that it came by.

    ``cut_off``: what is dated earlier is to be hidden; null of a change of tenancy: what is dated before ``at``.
    """

    type = "change.ordered"
    fuels: str
    at: str
    control: int
    contactor_corrected: bool
    source: str
    cut_off: str | None = None


@event
class ChangeRedated(ChangeEvent):
    """A change that was to come was put to another moment."""

    type = "change.redated"
    old_at: str
    at: str


@event
class ChangeCancelled(ChangeEvent):
    """A change that was to come was cancelled: no device had been told of it."""

    type = "change.cancelled"


@event
class ChangeDone(ChangeEvent):
    """The hub's own data was hidden and cleared, in one transaction with this event; from now on devices are told.

    ``hidden``: how many data are hidden now as they are dated before ``cut_off``; ``cleared`` and ``blocked``: how many
    went, and how many are hidden, as control bits ask; ``held``: how many no device can get any more, all in all.
    """

    type = "change.done"
    at: str
    cleared: int
    held: int
    cut_off: str | None = None
    hidden: int = 0
    blocked: int = 0


@event
class ChangeTold(ChangeDeviceEvent):
    """The device took the publication of the change; that says nothing of what it did with it."""

    type = "change.told"
    fuel: str
    command: str


@event
class ChangeAcknowledged(ChangeDeviceEvent):
    """The device answered the publication with SUCCESS; that is no evidence that it cleared anything."""

    type = "change.acknowledged"
    fuel: str
    command: str


@event
class ChangeRefused(ChangeDeviceEvent):
    """The device answered the publication with this status, or reported by an event that it rejected the change."""

    type = "change.refused"
    level = "warning"
    fuel: str
    command: str
    status: int | None


@event
class ChangeQueried(ChangeDeviceEvent):
    """The device asked for the change by itself, and was answered."""

    type = "change.queried"
    fuel: str
    command: str


@event
class ChangeReported(ChangeDeviceEvent):
    """The device sent an event of its own about the change: that it received it, actioned it or cancelled it."""

    type = "change.reported"
    fuel: str
    report: Literal["received", "cleared", "cancelled"]


@event
class ChangeSeenCleared(ChangeDeviceEvent):
    """These attributes of the device were read back, and hold nothing now; before it was told, some of them did."""

    type = "change.seen_cleared"
    attributes: str


@event
class ChangeStillShows(ChangeDeviceEvent):
    """The device still shows what it was told to clear: by these attributes that were read back, or as a person saw."""

    type = "change.still_shows"
    level = "warning"
    basis: str


@event
class ChangeConfirmed(ChangeDeviceEvent):
    """A person looked at the device, and it shows nothing any more."""

    type = "change.confirmed"
    by: str


@event
class ChangeOverdue(ChangeDeviceEvent):
    """Long after the change it is not known whether the device cleared anything; told once a day until it is."""

    type = "change.overdue"
    level = "warning"
    verdict: str
    days: int
