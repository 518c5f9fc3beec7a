"""Ask the user, by a message on the device's display, to plug it in (F5), and withdraw the message later."""

from __future__ import annotations

from dataclasses import replace

import structlog

from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.han.clusters.messaging import CANCEL_MESSAGE, DISPLAY_MESSAGE, Message
from hanctl.han.interview import endpoint_with
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Update
from hanctl.model.update_events import MessageShown, MessageWithdrawn
from hanctl.model.update_states import OPEN_STATES
from hanctl.radio.endpoints import MESSAGING
from hanctl.updates.desk.link import HanLink
from hanctl.updates.life.open_updates import OpenUpdates, Session

log = structlog.get_logger()

TEXT = "Please plug in"


class Displays:
    """One message for each update that waits for mains power; its number is the update's.

    ``Update.message`` is written before the message is sent, and taken away when the display took the cancellation.
    """

    def __init__(self, ledger: Ledger, han: HanLink, updates: OpenUpdates) -> None:
        self._ledger = ledger
        self._han = han
        self._updates = updates

    async def ask(self, session: Session) -> None:
        """Show the message, unless the display already has it."""
        update = session.update
        if update.message is None:
            self._updates.change(session, replace(update, message=update.id))
        elif self._ledger.events(update=update.id, type=MessageShown.type):
            return
        message = Message(update.id, TEXT)
        if await self._send(update.device, DISPLAY_MESSAGE, message.display()):
            self._ledger.record(
                MessageShown(device=update.device, update=update.id, message=message.id, text=message.text)
            )

    async def withdraw(self, update: Update) -> bool:
        """Withdraw the message of this update from the display. Returns True if it is gone."""
        if update.message is None:
            return True
        # A device without Messaging never showed it.
        device = self._ledger.devices.get(update.device)
        shows = device is not None and endpoint_with(device.endpoints, MESSAGING, client_side=True) is not None
        if shows and not await self._send(update.device, CANCEL_MESSAGE, Message(update.message, TEXT).cancel()):
            return False
        self._gone(update)
        return True

    def cancelled(self, device: Eui64) -> None:
        """Show the message again if it is still wanted, after the display was told to cancel all messages."""
        session = self._updates.of(device)
        if session is not None and session.update.message is not None:
            self._gone(session.update)

    def _gone(self, update: Update) -> None:
        assert update.message is not None
        withdrawn = MessageWithdrawn(device=update.device, update=update.id, message=update.message)
        session = self._updates.get(update.id)
        if session is not None:
            self._updates.change(session, replace(session.update, message=None), withdrawn)
        else:
            with self._ledger.transaction():
                self._ledger.updates.put(replace(update, message=None))
                self._ledger.record(withdrawn)

    def left_over(self) -> list[Update]:
        """Return the updates that are over while their message is still on a display."""
        return [update for update in self._ledger.updates.with_message() if update.state not in OPEN_STATES]

    async def _send(self, device: Eui64, command: int, payload: bytes) -> bool:
        try:
            await self._han.send_command(device, cluster=MESSAGING, command=command, payload=payload)
        except HanctlError as error:
            log.info("a message did not reach the display", device=device, reason=str(error))
            return False
        return True

    def active(self, device: Eui64) -> bytes | None:
        """Return the message that the device should show now, as payload of Display Message; None: none."""
        session = self._updates.of(device)
        if session is None or session.update.message is None:
            return None
        return Message(session.update.message, TEXT).display()
