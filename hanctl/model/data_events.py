"""Events of household data: who did what, and how many; never a value."""

from __future__ import annotations

from hanctl.model.event import DeviceEvent, Event, event


@event
class DataLoaded(Event):
    """Household data were given to the hub: how many attributes and records, and into which tables. Never values."""

    type = "data.loaded"
    endpoint: int
    attributes: int
    records: int
    tables: str


@event
class AttributeWritten(DeviceEvent):
    """The device wrote an attribute that it may write."""

    type = "attribute.written"
    endpoint: int
    cluster: int
    attribute: int


@event
class ReportingConfigured(DeviceEvent):
    """The device wants an attribute reported; ``max_s`` 65535: no more."""

    type = "reporting.configured"
    endpoint: int
    cluster: int
    attribute: int
    min_s: int
    max_s: int


@event
class MessageConfirmed(DeviceEvent):
    """The device says that a message was read; what was answered is not kept."""

    type = "message.confirmed"
    endpoint: int
    message: int
