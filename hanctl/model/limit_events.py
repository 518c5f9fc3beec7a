"""The event that stands for those that were only counted. Its name is an interface: docs/events.md."""

from __future__ import annotations

from hanctl.model.event import Event, event


@event
class EventsCounted(Event):
    """The hub recorded no more events ``of`` this type in full, and counted them instead: ``count`` in ``seconds``.

    ``device``: the one that the last was about. ``update``: the open update that they were about, if any.
    """

    type = "events.counted"
    level = "warning"
    of: str
    count: int
    seconds: int
    device: str | None
    update: int | None
