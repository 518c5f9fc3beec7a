"""Signs of life of a device."""

from __future__ import annotations

from enum import Enum


class Life(Enum):
    """Kind of a sign of life."""

    FRAME = "frame"
    SECURED = "frame under its link key"
    ANNOUNCED = "announced"
    INTERVIEWED = "interviewed"
    JOINED = "joined"
    KEYED = "keyed"
