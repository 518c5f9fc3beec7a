"""Events of household data: actors, names and counts, never values."""

from __future__ import annotations

from hanctl.model.event import DeviceEvent, Event, event


@event
class DataLoaded(Event):
    """Household data was loaded into the hub: numbers of attributes and records, and names of tables; never values."""

    type = "data.loaded"
    endpoint: int
    attributes: int
    records: int
    tables: str


@event
class AttributeWritten(DeviceEvent):
    """The device wrote one of the hub's writable attributes."""

    type = "attribute.written"
    limited = True
    endpoint: int
    cluster: int
    attribute: int


@event
class ReportingConfigured(DeviceEvent):
    """The device configured reporting of an attribute; ``max_s`` 65535: it wants no more reports."""

    type = "reporting.configured"
    limited = True
    endpoint: int
    cluster: int
    attribute: int
    min_s: int
    max_s: int


@event
class MessageConfirmed(DeviceEvent):
    """The device confirmed that a message was read; the hub does not keep the answer."""

    type = "message.confirmed"
    limited = True
    endpoint: int
    message: int
