"""Base classes of events: typed, frozen, and registered under their type."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from hanctl.model.update_states import UpdateState


class Event(BaseModel):
    """One event. Subclasses set ``type`` and ``level``.

    ``limited``: somebody else can cause as many as they like, so that only the first are recorded in full
    (``hanctl/ledger/limiting.py``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ClassVar[str]
    level: ClassVar[Literal["info", "warning", "error"]] = "info"
    limited: ClassVar[bool] = False


EVENT_TYPES: dict[str, type[Event]] = {}


def event(cls: type[Any]) -> type[Any]:
    """Register an event class under its type."""
    if cls.type in EVENT_TYPES:
        raise ValueError(f"two events are named {cls.type}")
    EVENT_TYPES[cls.type] = cls
    return cls


class DeviceEvent(Event):
    """An event about one device."""

    device: str


class UpdateEvent(DeviceEvent):
    """An event about one update of one device."""

    update: int


class UpdateTransition(UpdateEvent):
    """An event that moves an update from the state ``was`` to another; ``cause`` says why, in words."""

    was: UpdateState
    cause: str
