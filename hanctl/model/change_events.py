"""Events of changes of tenancy and supplier. They name the data that was cleared or shown, never its values."""

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
    """A service user ordered a change for ``at``; ``source``: "command", or the GBCS use case of its payload.

    ``cut_off``: data dated earlier is to be hidden; null in a change of tenancy: the cut-off is ``at``.
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
    """A service user moved a future change to another time."""

    type = "change.redated"
    old_at: str
    at: str


@event
class ChangeCancelled(ChangeEvent):
    """A service user cancelled a future change, before any device was told of it."""

    type = "change.cancelled"


@event
class ChangeDone(ChangeEvent):
    """The hub hid and cleared its own data, in one transaction with this event, and begins to tell devices.

    Numbers of data: ``hidden``, dated before ``cut_off``; ``cleared`` and ``blocked`` (hidden too), by control bits;
    ``held``, all that devices can no longer read, by whichever change.
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
    """The device received the publication of the change; whether it acted on it is not known."""

    type = "change.told"
    fuel: str
    command: str


@event
class ChangeAcknowledged(ChangeDeviceEvent):
    """The device answered the publication with SUCCESS, which does not prove that it cleared anything."""

    type = "change.acknowledged"
    fuel: str
    command: str


@event
class ChangeRefused(ChangeDeviceEvent):
    """The device rejected the change, by the status of its answer to the publication or by an event of its own."""

    type = "change.refused"
    level = "warning"
    fuel: str
    command: str
    status: int | None


@event
class ChangeQueried(ChangeDeviceEvent):
    """The device asked for the change by itself, and the hub answered."""

    type = "change.queried"
    fuel: str
    command: str


@event
class ChangeReported(ChangeDeviceEvent):
    """The device sent an event of its own: it received the change, actioned it or cancelled it."""

    type = "change.reported"
    fuel: str
    report: Literal["received", "cleared", "cancelled"]


@event
class ChangeSeenCleared(ChangeDeviceEvent):
    """The hub read these attributes of the device back: they are empty now, and some were not before."""

    type = "change.seen_cleared"
    attributes: str


@event
class ChangeStillShows(ChangeDeviceEvent):
    """The device still shows data that it was told to clear; ``basis``: attributes that were read back, or a person."""

    type = "change.still_shows"
    level = "warning"
    basis: str


@event
class ChangeConfirmed(ChangeDeviceEvent):
    """A person looked at the device and saw no data from before the change."""

    type = "change.confirmed"
    by: str


@event
class ChangeOverdue(ChangeDeviceEvent):
    """``days`` after the change nothing shows that the device cleared its data; sent daily until something does."""

    type = "change.overdue"
    level = "warning"
    verdict: str
    days: int
