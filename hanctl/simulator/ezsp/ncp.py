"""The dongle as a whole: boot, reset, EZSP dispatch and callbacks."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from hanctl.base.eui64 import Eui64, from_bytes
from hanctl.simulator.dongle import Flash
from hanctl.simulator.ezsp.ash import AshLink, LineNoise
from hanctl.simulator.ezsp.ash_frames import ResetCode
from hanctl.simulator.ezsp.codec import FrameError, HostCommand
from hanctl.simulator.ezsp.commands import Handler, NotInThisBuild, Values, handlers_of
from hanctl.simulator.ezsp.configuration import Configuration
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.keys import Keys
from hanctl.simulator.ezsp.messaging import MessagingFrames
from hanctl.simulator.ezsp.network import Networking
from hanctl.simulator.ezsp.nonvolatile import NonVolatile
from hanctl.simulator.ezsp.status import Outcome
from hanctl.simulator.ezsp.tables import Tables
from hanctl.simulator.ezsp.tokens import BLANK_EUI64, COUNTER_STEP, Tokens
from hanctl.simulator.ezsp.utilities import Utilities
from hanctl.simulator.ezsp.versions import STACK_TYPE_MESH, stack_version
from hanctl.simulator.network.addresses import Child
from hanctl.simulator.network.medium import ApsFrame, Node
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import JoinKind, Network, PartnerKeyOutcome

LOGGER = logging.getLogger(__name__)

BOOT_S = 0.02


class EzspDongle(EzspFirmware):
    """An EmberZNet coordinator NCP on a UART. Raises SimulatorError for an unknown protocol version.

    For tests: ``noise`` spoils outgoing frames, ``hang()`` stops the firmware until power is cycled, ``reset()``
    reboots it out of the blue.
    """

    def __init__(self, stack: Stack, flash: Flash, *, protocol_version: int = 13) -> None:
        super().__init__(stack, flash, protocol_version)
        self.noise = LineNoise(stack.medium.rng)
        self.link = AshLink(self, self.write, self.noise)
        self._hung = False
        self._boot_timer: asyncio.TimerHandle | None = None
        self._new_firmware_state()
        stack.addresses.ember = True
        stack.conflict = lambda nwk: self.networking.conflict(nwk)  # noqa: PLW0108 - it is replaced at a reset
        stack.listener = self

    def _new_firmware_state(self) -> None:
        """Set up the RAM as it is after a reset."""
        self.boots += 1
        self.configuration = Configuration(self)
        self.keys = Keys(self, self.configuration)
        self.networking = Networking(self, self.keys)
        self.tables = Tables(self, self.configuration)
        self.messaging = MessagingFrames(self, self.configuration, self.networking, self.tables)
        self._handlers: dict[str, Handler] = handlers_of(
            self.configuration,
            self.networking,
            self.keys,
            self.messaging,
            self.tables,
            NonVolatile(self),
            Utilities(self, self.messaging),
        )
        self._version_agreed = False
        self._last_sequence = 0
        self._answering = False
        self._after_reply: list[tuple[str, Values]] = []
        self._reboot_after_reply = False

    # --- power and reset

    def boot(self) -> None:
        # No RSTACK here: a USB dongle's port appears only with its power, so nobody hears the one silicon sends.
        self._hung = False
        self._load()
        self.link.start()

    def shut_down(self) -> None:
        self._stop_firmware()

    def _stop_firmware(self) -> None:
        self.link.stop()
        self.networking.stop()
        if self._boot_timer is not None:
            self._boot_timer.cancel()
            self._boot_timer = None

    def reset(self, code: int = ResetCode.WATCHDOG) -> None:
        """Reboot, and report the reason once the firmware is up again."""
        if not self.powered:
            return
        self._stop_firmware()
        self.stack.power_off()
        self.stack.power_on()
        self._load()
        self._boot_timer = asyncio.get_running_loop().call_later(BOOT_S, self._booted, code)

    def hang(self) -> None:
        """Stop all that the firmware does, until power is cycled."""
        self._hung = True
        self._stop_firmware()
        self.stack.power_off()

    def _booted(self, code: int) -> None:
        self._boot_timer = None
        if self.powered and not self._hung:
            self.link.restart(code)

    # --- the line

    def data_received(self, data: bytes) -> None:
        if self.powered and not self._hung:
            self.link.data_received(data)

    def reset_requested(self) -> None:
        self.reset(ResetCode.SOFTWARE)

    def link_failed(self) -> None:
        LOGGER.warning("the host no longer acknowledges: waiting for a reset")

    def frame_received(self, payload: bytes) -> None:
        """Execute one EZSP frame from the host, and reply."""
        self._answering = True
        try:
            reply = self._execute(payload)
        finally:
            self._answering = False
        if reply is not None:
            self._last_sequence = reply[0]
            self.link.send(reply)
        waiting, self._after_reply = self._after_reply, []
        for name, values in waiting:
            self.callback(name, **values)
        if self._reboot_after_reply:
            self.reset(ResetCode.SOFTWARE)

    def _execute(self, payload: bytes) -> bytes | None:
        try:
            command = self.codec.decode(payload)
        except FrameError as error:
            self.fault("ezsp-frame", str(error))
            return self.codec.refusal(error.sequence, error.answer) if len(payload) >= 3 else None
        if command.name == "version":
            return self._version(command)
        if not self._version_agreed:
            self.fault("ezsp-version", f"{command.name} before the protocol version was agreed")
            return self.codec.refusal(command.sequence, Outcome.VERSION_NOT_SET)
        if command.name == "customFrame":
            # Plain EmberZNet firmware has no custom frames; hosts probe for them.
            return self.codec.refusal(command.sequence, Outcome.FRAME_ID)
        handler = self._handlers.get(command.name)
        if handler is None:
            self.fault("ezsp-unsupported", command.name)
            return self.codec.refusal(command.sequence, Outcome.FRAME_ID)
        try:
            values = handler(command.arguments)
        except NotInThisBuild:
            return self.codec.refusal(command.sequence, Outcome.FRAME_ID)
        return self.codec.reply(command, values, name="noCallbacks" if command.name == "callback" else None)

    def _version(self, command: HostCommand) -> bytes:
        # A host that wants our version in the first place is content with the short header.
        self._version_agreed = command.arguments["desiredProtocolVersion"] == self.codec.version
        return self.codec.reply(
            command,
            {
                "protocolVersion": self.codec.version,
                "stackType": STACK_TYPE_MESH,
                "stackVersion": stack_version(self.codec.version),
            },
        )

    def callback(self, name: str, **values: Any) -> None:
        if self._answering:
            self._after_reply.append((name, values))
        elif self._version_agreed:
            self.link.send(self.codec.callback(self._last_sequence, name, values), callback=True)

    def reboot_after_reply(self) -> None:
        self._reboot_after_reply = True

    # --- what the stack says

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        self.messaging.incoming(frame, node)

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        self.networking.join_event(eui64, nwk, kind, denied=denied)

    def partner_key_event(self, requester: Eui64, outcome: PartnerKeyOutcome) -> None:
        self.keys.partner_key_event(requester, outcome)

    def stack_changed(self) -> None:
        self.save()

    # --- flash

    def _load(self) -> None:
        self._new_firmware_state()
        self.tokens = tokens = Tokens.from_json(self.flash.load())
        tokens.boot_counter += 1
        # Flash is at most one step behind the counters that were used.
        tokens.aps_counter = -(-tokens.aps_counter // COUNTER_STEP) * COUNTER_STEP
        stack = self.stack
        stack.eui64 = self.factory_eui64
        if tokens.restored_eui64 != BLANK_EUI64:
            stack.eui64 = from_bytes(tokens.restored_eui64)
        elif tokens.manufacturing_token(12) != BLANK_EUI64:
            stack.eui64 = from_bytes(tokens.manufacturing_token(12))
        stack.key_table_size = self.factory_key_table_size
        stack.key_table = {k.eui64: k.key for k in tokens.keys.values()}
        stack.counters.boot()
        stack.addresses.clear()
        stack.children.clear()
        stack.children.update({c.eui64: Child(c.eui64, c.nwk, c.sleepy, c.link_key) for c in tokens.children})
        if not stack.quirks.map_survives_reset:
            for child in stack.children.values():
                if not child.sleepy:
                    stack.addresses.forget(child.eui64)
        stack.network = None
        if tokens.network is not None:
            n = tokens.network
            stack.network = Network(
                n.channel, n.pan_id, n.extended_pan_id, n.key, n.key_sequence, n.counter_ceiling, n.update_id
            )
        self.keys.use_trust_centre_key()
        self.configuration.apply_policy()
        self.save()
