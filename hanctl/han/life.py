"""Signs of life of a device."""

from __future__ import annotations

from enum import Enum


class Life(Enum):
    """How a device showed that it lives."""

    FRAME = "frame"
    SECURED = "frame under its link key"
    ANNOUNCED = "announced"
    INTERVIEWED = "interviewed"
    JOINED = "joined"
    KEYED = "keyed"
