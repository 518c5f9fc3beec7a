"""What the handlers of MT requests share: the firmware's state, its network, and its way to the host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from zigpy_znp.types.nvids import OsalNvIds

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.simulator.dongle import Dongle, Flash
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY
from hanctl.simulator.znp import network
from hanctl.simulator.znp.codec import c, encode, t
from hanctl.simulator.znp.faults import LineFaults
from hanctl.simulator.znp.mt import MtFrame
from hanctl.simulator.znp.nvram import Nvram

VERSION = (2, 1, 2, 7, 1)
"""Transport revision, product (1 = Z-Stack 3.x.0), release 2.7.1."""
REBOOT_S = 0.1
LONGEST_MESSAGE = 1500
"""Assumption, to be proven on silicon: there is memory for this much, in either direction."""


class ZnpFirmware(Dongle):
    """The firmware of a Z-Stack coordinator, as a handler sees it."""

    def __init__(self, stack: Stack, flash: Flash) -> None:
        super().__init__(stack, flash)
        self.line = LineFaults()
        self.hung = False
        self.nvram = Nvram(flash, to_bytes(stack.eui64), stack.key_table_size)
        self.primary_channels = 0
        self.zdo_callbacks: set[int] = set()
        self.groups: set[tuple[int, int]] = set()
        self.dropped_children: set[Eui64] = set()
        self.huge_messages: dict[int, bytes] = {}
        self.require_key_exchange = False
        self.zdo_sequence = 0
        self._generation = 0
        self._save_counter_at = 0
        self._booting: asyncio.TimerHandle | None = None
        self._reset_reason = t.ResetReason.PowerUp

    # --- power

    def boot(self) -> None:
        self._generation += 1
        self.hung = False
        self.primary_channels = 0
        self.zdo_callbacks.clear()
        self.groups.clear()
        self.dropped_children.clear()
        self.huge_messages.clear()
        self.set_key_exchange(required=False)
        self.nvram.boot(self.stack.medium.rng.randbytes)
        self.stack.eui64 = from_bytes(self.nvram.item(OsalNvIds.EXTADDR))
        self.stack.network = None
        self.stack.fragment(longest=LONGEST_MESSAGE)
        self.stack.global_link_key = WELL_KNOWN_KEY
        self.stack.policy.partner_keys = True
        network.load_devices(self.nvram, self.stack)
        self._booting = asyncio.get_running_loop().call_later(REBOOT_S, self._booted)

    def shut_down(self) -> None:
        self._generation += 1
        self.nvram.flush()
        if self._booting is not None:
            self._booting.cancel()
            self._booting = None

    def reboot(self, reason: int | None = None) -> None:
        """Reset the chip: what is not in NVRAM is gone, the network is down until the host starts it."""
        if not self.powered:
            return
        self._reset_reason = t.ResetReason.PowerUp if reason is None else t.ResetReason(reason)
        self.shut_down()
        self.stack.power_off()
        self.stack.power_on()
        self.boot()

    def crash(self) -> None:
        """Reset the chip unasked, as its watchdog does."""
        self.reboot(t.ResetReason.Watchdog)

    def hang(self) -> None:
        """Stop the firmware; only a power cycle or ``crash`` gets it going again."""
        self.hung = True

    def _booted(self) -> None:
        self._booting = None
        rev, product, major, minor, maintenance = VERSION
        self.send(
            encode(
                c.SYS.ResetInd.Callback(
                    Reason=self._reset_reason,
                    TransportRev=rev,
                    ProductId=product,
                    MajorRel=major,
                    MinorRel=minor,
                    MaintRel=maintenance,
                )
            )
        )
        self._reset_reason = t.ResetReason.PowerUp

    def set_key_exchange(self, *, required: bool) -> None:
        """Set whether joiners must get a key of their own; if not, this build reads strangers by the well-known key."""
        self.require_key_exchange = required
        known = not required and self.stack.quirks.well_known_for_strangers
        self.stack.stranger_key = WELL_KNOWN_KEY if known else None

    # --- network

    def form(self) -> None:
        """Form a network from the items that the host wrote."""
        formed = network.new_network(self.nvram, self.primary_channels, self.stack.medium.rng)
        self.stack.form(formed)
        network.store_new(self.nvram, formed, self.primary_channels)
        self.save_counter()

    def resume(self) -> bool:
        """Start the network that NVRAM holds; False where it holds none."""
        stored = network.stored_network(self.nvram)
        if stored is None:
            return False
        stored.frame_counter += network.COUNTER_SKIPPED_AT_START
        self.stack.network = stored
        self.save_counter()
        return self.stack.start()

    def counter_used(self) -> None:
        """Count a sent frame, and save the counter now and then."""
        running = self.stack.network
        if running is not None and running.frame_counter >= self._save_counter_at:
            self.save_counter()

    def save_counter(self) -> None:
        """Keep the frame counter of the network that runs."""
        running = self.stack.network
        if running is not None:
            network.store_counter(self.nvram, running)
            self._save_counter_at = running.frame_counter + network.COUNTER_SAVED_EVERY

    @property
    def running(self) -> bool:
        """Whether the firmware takes what the host sends: with power, booted, and not hung."""
        return self.powered and not self.hung and self._booting is None

    # --- to the host

    def send(self, frame: MtFrame) -> None:
        """Send a frame to the host, unless the firmware hangs."""
        if self.hung:
            return
        data = frame.encode()
        self.write(self.line.spoil(data, self.stack.medium.rng) if self.line.any else data)

    def notify(self, callback: Any) -> None:
        """Send an asynchronous message now: from events, never from a request's handler."""
        if self.powered and self._booting is None:
            self.send(callback if isinstance(callback, MtFrame) else encode(callback))

    def later(self, action: Callable[[], None], delay_s: float = 0.0) -> None:
        """Act after the reply of the request in hand, unless the chip is reset before."""
        generation = self._generation

        def act() -> None:
            if generation == self._generation:
                action()

        asyncio.get_running_loop().call_later(delay_s, act)

    def guard(self, done: Callable[[bool], None]) -> Callable[[bool], None]:
        """Wrap a callback so that an outcome after a reset is dropped."""
        generation = self._generation
        return lambda delivered: done(delivered) if generation == self._generation else None

    def stack_changed(self) -> None:
        network.store_devices(self.nvram, self.stack)
