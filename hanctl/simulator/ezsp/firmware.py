"""What the handlers of EZSP commands share: the stack, what the dongle keeps in flash, and its way to the host."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from hanctl.simulator.dongle import Dongle, Flash
from hanctl.simulator.ezsp.codec import Codec
from hanctl.simulator.ezsp.tokens import COUNTER_STEP, ChildToken, Tokens
from hanctl.simulator.network.stack import Stack


class EzspFirmware(Dongle):
    """The firmware of an EmberZNet coordinator, as a handler sees it.

    ``boots`` counts the resets, so that what was begun before the last one can be ignored.
    """

    def __init__(self, stack: Stack, flash: Flash, protocol_version: int) -> None:
        super().__init__(stack, flash)
        self.codec = Codec(protocol_version)
        self.tokens = Tokens()
        self.factory_eui64 = stack.eui64
        self.factory_key_table_size = stack.key_table_size
        self.boots = 0

    @abstractmethod
    def callback(self, name: str, **values: Any) -> None:
        """Tell the host; after the reply where a command caused it (source: peers.md §3.1 requirement 3)."""

    @abstractmethod
    def reboot_after_reply(self) -> None:
        """Reset once the present command is answered."""

    # --- flash

    def save(self) -> None:
        """Write flash."""
        stack = self.stack
        self.tokens.children = [
            ChildToken(c.eui64, stack.addresses.nwk_of(c.eui64) or c.nwk, c.sleepy, c.link_key)
            for c in stack.children.values()
        ]
        self.flash.save(self.tokens.to_json())

    def note_counter(self, *, encrypted: bool = False) -> None:
        """Take note that a frame was sent: move what flash holds before the counters pass it."""
        network, token = self.stack.network, self.tokens.network
        if encrypted:
            self.tokens.aps_counter += 1
            if self.tokens.aps_counter % COUNTER_STEP == 1:
                self.save()
        if network is not None and token is not None and network.frame_counter >= token.counter_ceiling:
            token.counter_ceiling = network.frame_counter + COUNTER_STEP
            self.save()
