"""Messaging (0x0703): one message for a device's display, asked for by the device or sent to it.

Source: comms_hub.md §3.4 and appendix F. A client's buffer may be as short as 16 bytes (SDK default), so texts are.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hanctl.eui64 import Eui64
from hanctl.han.cluster import Attribute, DefaultReply, Reply, Request, Status
from hanctl.radio.endpoints import ESI_ENDPOINT, MESSAGING

DISPLAY_MESSAGE, CANCEL_MESSAGE = 0x00, 0x01
GET_LAST_MESSAGE, MESSAGE_CONFIRMATION = 0x00, 0x01

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
        """The payload of Display Message."""
        text = self.text.encode()
        return struct.pack("<IBIHB", self.id, self.control, NOW, UNTIL_CHANGED, len(text)) + text

    def cancel(self) -> bytes:
        """The payload of Cancel Message."""
        return struct.pack("<IB", self.id, self.control)


class MessagingServer:
    """``active`` gives the message that a device should show now; ``confirmed`` is told of each confirmation."""

    cluster = MESSAGING
    endpoint = ESI_ENDPOINT

    def __init__(self, active: Callable[[Eui64], Message | None], confirmed: Callable[[Eui64, int], None]) -> None:
        self._active = active
        self._confirmed = confirmed

    def attributes(self) -> Mapping[int, Attribute]:
        return {}

    def handle(self, request: Request) -> Reply | DefaultReply:
        if request.command == GET_LAST_MESSAGE:
            message = self._active(request.device)
            return DefaultReply(Status.NOT_FOUND) if message is None else Reply(DISPLAY_MESSAGE, message.display())
        if request.command == MESSAGE_CONFIRMATION:
            if len(request.payload) < 8:
                return DefaultReply(Status.MALFORMED_COMMAND)
            self._confirmed(request.device, int.from_bytes(request.payload[:4], "little"))
            return DefaultReply(Status.SUCCESS)
        return DefaultReply(Status.UNSUP_COMMAND)
