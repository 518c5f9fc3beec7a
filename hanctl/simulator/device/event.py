"""Events of a simulated device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimulatedDeviceEvent:
    """Something a person may want to see. ``offset`` and ``size``, bytes, are of the image in the slot.

    ``kind``: "power", "network", "key", "ota" (another state of the client), "block", "version".
    """

    device: str
    kind: str
    text: str
    offset: int = 0
    size: int = 0


Listener = Callable[[SimulatedDeviceEvent], None]
