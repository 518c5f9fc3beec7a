"""Messaging (0x0703): a message from the hub for a device's display.

Source: comms_hub.md §3.4 and appendix F. A client's buffer may be as short as 16 bytes (SDK default), so texts are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

DISPLAY_MESSAGE, CANCEL_MESSAGE = 0x00, 0x01

MEDIUM_IMPORTANCE, CONFIRMATION_REQUIRED = 0x04, 0x80
NOW, UNTIL_CHANGED = 0, 0xFFFF


@dataclass(frozen=True, slots=True)
class Message:
    """A text that stays on the display until it is cancelled, and that the user is to confirm."""

    id: int
    text: str

    @property
    def control(self) -> int:
        """MessageControl: sent as usual, of medium importance, to be confirmed."""
        return MEDIUM_IMPORTANCE | CONFIRMATION_REQUIRED

    def display(self) -> bytes:
        """Return the payload of Display Message."""
        text = self.text.encode()
        return struct.pack("<IBIHB", self.id, self.control, NOW, UNTIL_CHANGED, len(text)) + text

    def cancel(self) -> bytes:
        """Return the payload of Cancel Message."""
        return struct.pack("<IB", self.id, self.control)
