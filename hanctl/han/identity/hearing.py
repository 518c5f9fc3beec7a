"""Take frames of devices: answer requests, pass responses to their waiters, and check frames that matter first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import structlog
from zigpy.zdo.types import ZDOCmd

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError
from hanctl.base.eui64 import Eui64
from hanctl.base.lately import Lately
from hanctl.han import zcl, zdo
from hanctl.han.cluster import Proof
from hanctl.han.dispatcher import Dispatcher
from hanctl.han.errors import MalformedZcl
from hanctl.han.exchange import Exchange
from hanctl.han.identity.addresses import Addresses
from hanctl.han.identity.asking import Asking
from hanctl.han.identity.gate import Gate, Weighed
from hanctl.han.identity.witness import Witness
from hanctl.han.life import Life
from hanctl.han.security import needs_encryption
from hanctl.han.tasks import Tasks
from hanctl.han.zcl import Foundation, ZclFrame
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device
from hanctl.radio.endpoints import OTA_UPGRADE, TIME
from hanctl.radio.frames import IncomingFrame

log = structlog.get_logger()

DefaultResponseCallback = Callable[[Eui64, int, int, int, Proof], None]

GREETING_GAP_S = 30.0
"""A device that does not prove itself is asked no more often."""
SEEK_GAP_S = 60.0
"""A device that takes nothing is sought no more often."""
CONTESTED_S = 60.0
"""For so long after a forgery everything in the device's name is weighed that can be."""
ALL_AWAKE = 0xFFFD


class Hearing:
    """Take the ZCL frames of devices on record.

    ``may_serve``: whether Smart Energy clusters are open to a device. ``lives`` is told of signs of life.
    ``on_default_response``: see ``Han``.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        exchange: Exchange,
        tasks: Tasks,
        dispatcher: Dispatcher,
        may_serve: Callable[[Device], bool],
        lives: Callable[[Device, Life], None],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._exchange = exchange
        self._tasks = tasks
        self._dispatcher = dispatcher
        self._may_serve = may_serve
        self._lives = lives
        self._witness = Witness(ledger, exchange)
        self.asking = Asking(ledger, exchange, may_serve, self._proved, self.missed)
        self.addresses = Addresses(ledger, clock, exchange, tasks, self.asking.challenge, self._can_prove)
        self._gate = Gate(self._witness, tasks, self._weighed, self._forged)
        self.on_default_response: list[DefaultResponseCallback] = []
        self._greeted = Lately[Eui64](clock, GREETING_GAP_S)
        self._meeting: dict[Eui64, asyncio.Task[None]] = {}
        self._sought = Lately[Eui64](clock, SEEK_GAP_S)
        self._contested = Lately[Eui64](clock, CONTESTED_S)
        self._have_time: set[Eui64] = set()

    def begin(self) -> None:
        """Start anew after the dongle (re)opens: its counters and its memory of devices are new."""
        self._witness.forget()
        self._greeted.clear()
        for device in self._ledger.devices.all():
            if device.nwk is not None and self._may_serve(device) and not device.sleepy:
                self.greet(device)

    def keyed(self, device: Device) -> None:
        """Forget what was known under the last key of a device that has a new one."""
        self._dispatcher.forget(device.eui64)
        self._witness.forget(device.eui64)
        self._greeted.forget(device.eui64)
        self._tasks.start(self._witness.mark())
        self.greet(device)

    def came(self, eui64: Eui64) -> None:
        """Note that the device may have restarted, and its sequence numbers and clock with it."""
        self._dispatcher.forget(eui64)
        self._have_time.discard(eui64)

    def has_time(self, eui64: Eui64) -> bool:
        """Tell whether the device has read the hub's Time since it last came."""
        return eui64 in self._have_time

    def received(self, frame: IncomingFrame, zcl_frame: ZclFrame, device: Device) -> None:
        """Take a frame that came from a device's address."""
        eui64, keyed = device.eui64, self._may_serve(device)
        number = self._witness.heard(eui64) if frame.aps_encrypted else 0
        if not zcl_frame.cluster_specific and zcl_frame.command in zcl.RESPONSES:
            if not self._response(frame, zcl_frame, eui64, number) and frame.aps_encrypted:
                self._gate.look(eui64, number)
        else:
            now = self._clock.monotonic()
            contested = eui64 in self._contested
            weighed = self._dispatcher.weigh(frame, zcl_frame, eui64, now, keyed=keyed, contested=contested)
            if keyed and eui64 not in self._have_time and _reads_time(frame, zcl_frame):
                weighed = Weighed(frame, zcl_frame, "step")
            if weighed is None:
                self._serve(frame, zcl_frame, device, "address")
                # What a transfer brings is too much to look at each.
                if frame.aps_encrypted and frame.cluster != OTA_UPGRADE:
                    self._gate.look(eui64, number)
            else:
                self._gate.put(eui64, replace(weighed, number=number))
        if frame.aps_encrypted and keyed and self._witness.wants_proof(eui64):
            self.greet(device)

    def overheard(self, frame: IncomingFrame) -> None:
        """Count a frame that is not for the clusters under its device's key all the same, if it is encrypted."""
        if frame.aps_encrypted:
            device = self._ledger.devices.by_nwk(frame.source_nwk)
            if device is None:
                self._witness.stray()
            else:
                self._gate.look(device.eui64, self._witness.heard(device.eui64))

    def answers_a_secret(self, frame: IncomingFrame) -> bool:
        """Tell whether a frame from an unknown address is the answer expected from there."""
        try:
            response = zcl.parse_frame(frame.payload)
        except MalformedZcl:
            return False
        is_read = not response.cluster_specific and response.command == Foundation.READ_ATTRIBUTES_RESPONSE
        return is_read and frame.aps_encrypted and self._exchange.zcl_response(frame, response)

    def missed(self, eui64: Eui64) -> None:
        """Search a device that did not acknowledge a frame: broadcast for its address, as it may have moved."""
        if self._sought.first(eui64):
            self._exchange.post_zdo(
                nwk=ALL_AWAKE, cluster=ZDOCmd.NWK_addr_req, build=lambda tsn: zdo.nwk_addr_req(tsn, eui64)
            )

    # --- requests

    def _serve(self, frame: IncomingFrame, request: ZclFrame, device: Device, proof: Proof) -> None:
        if _reads_time(frame, request) and proof != "address":
            self._have_time.add(device.eui64)
        answers = self._dispatcher.handle(
            frame, request, device.eui64, self._clock.monotonic(), keyed=self._may_serve(device), proof=proof
        )
        if device.sleepy:
            answers = tuple(replace(answer, sleepy=True) for answer in answers)
        self._exchange.answer(answers, self._tasks)

    def _weighed(self, eui64: Eui64, weighed: Weighed, proof: Proof) -> None:
        """Handle a frame that passed the gate."""
        device = self._ledger.devices.get(eui64)
        if device is None or device.nwk != weighed.frame.source_nwk:
            return
        if weighed.zcl.command in zcl.RESPONSES and not weighed.zcl.cluster_specific:
            self._default_response(weighed.frame, weighed.zcl, eui64, proof)
        else:
            self._serve(weighed.frame, weighed.zcl, device, proof)
        if proof != "address":
            self._lives(device, Life.SECURED)

    def _forged(self, eui64: Eui64) -> None:
        self._contested.add(eui64)
        self.addresses.claimed(eui64, "frames under another device's key came from its address")

    # --- proofs

    def _can_prove(self, device: Device) -> bool:
        return bool(device.endpoints) and self._may_serve(device)

    def _proved(self, eui64: Eui64) -> None:
        """Note that the device answered a secret."""
        self._witness.proved(eui64)
        device = self._ledger.devices.get(eui64)
        if device is not None and device.nwk is not None:
            self._lives(device, Life.SECURED)

    def greet(self, device: Device) -> None:
        """Make a device prove itself, so that its old frames cannot be replayed and its counter is known."""
        if device.endpoints and device.eui64 not in self._meeting and self._greeted.first(device.eui64):
            self._meeting[device.eui64] = self._tasks.start(self._meet(device.eui64))

    async def meet(self, device: Device) -> None:
        """Greet a device not met since the dongle opened, and wait for it, so that its answer counts."""
        if self._may_serve(device) and self._witness.wants_proof(device.eui64):
            self.greet(device)
            meeting = self._meeting.get(device.eui64)
            if meeting is not None:
                await asyncio.wait([meeting])

    async def _meet(self, eui64: Eui64) -> None:
        async def ask() -> bool:
            device, nwk = self.asking.reachable(eui64)
            return await self.asking.challenge(device, nwk, aps_ack=True)

        try:
            await self.addresses.remind(eui64)
            await self._witness.mark()
            await self._witness.learn(eui64, ask)
        except HanctlError as error:
            # It was not asked: it is off, or the dongle is busy. Its next frame is reason enough to ask.
            self._greeted.forget(eui64)
            log.debug("a device did not prove itself", device=eui64, reason=str(error))
        finally:
            if self._meeting.get(eui64) is asyncio.current_task():
                del self._meeting[eui64]

    # --- responses

    def _response(self, frame: IncomingFrame, response: ZclFrame, eui64: Eui64, number: int) -> bool:
        """Give a response to whoever wants it; False where nobody does."""
        if needs_encryption(frame.cluster) and not frame.aps_encrypted:
            # A Default Response with FAILURE says that somebody there wants to be spoken to in cipher, as it is: it is
            # nobody's word about what was asked (comms_hub.md §6).
            log.warning("a response in clear was not believed", device=eui64, cluster=frame.cluster)
            return False
        if self._exchange.zcl_response(frame, response):
            return True
        if response.command != Foundation.DEFAULT_RESPONSE:
            return False
        if frame.aps_encrypted:
            self._gate.put(eui64, Weighed(frame, response, "end", number=number))
        else:
            self._default_response(frame, response, eui64, "address")
        return True

    def _default_response(self, frame: IncomingFrame, response: ZclFrame, eui64: Eui64, proof: Proof) -> None:
        try:
            command, status = zcl.parse_default_response(response.payload)
        except MalformedZcl as error:
            log.warning("malformed Default Response", device=eui64, reason=str(error))
            return
        for callback in tuple(self.on_default_response):
            callback(eui64, frame.cluster, command, status, proof)


def _reads_time(frame: IncomingFrame, request: ZclFrame) -> bool:
    """Tell whether a device asks for the hub's clock, under some key."""
    reads = not request.cluster_specific and request.command == Foundation.READ_ATTRIBUTES
    return reads and frame.cluster == TIME and frame.aps_encrypted
