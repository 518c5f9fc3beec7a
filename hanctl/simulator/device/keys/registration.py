"""Let a simulated device get its link key after it has joined, with faults if configured.

Source: comms_hub.md §6 (the reference's registration client: wait, find the server, establish, retry, leave).
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.crypto.curve import Point, PointLowOrder, PointOffCurve
from hanctl.crypto.suites import Suite
from hanctl.simulator import zcl
from hanctl.simulator.device.keys import cbke
from hanctl.simulator.device.keys.cbke import Identity
from hanctl.simulator.device.keys.cbke_exchange import (
    CbkeExchange,
    GaveUp,
    InitiatorExchange,
    Keyed,
    Output,
    ResponderExchange,
    SendCommand,
)
from hanctl.simulator.device.spec import TrustSpec
from hanctl.simulator.device.storage import DeviceStorage
from hanctl.simulator.device.timers import Timers
from hanctl.simulator.zcl import ZclFrame

REPLAY_AFTER_S, REPLAY_SPACING_S = 15.0, 2.0
_ATTRIBUTE_TIMEOUT_S = 5.0


class RegisteringDevice(Protocol):
    """Interface of the device that registration uses."""

    @property
    def trust_centre(self) -> Eui64: ...

    def find_key_server(self) -> None:
        """Send Match_Desc_req for the key establishment server to the trust centre."""

    def say_key_command(self, frame: ZclFrame, endpoint: int, done: Callable[[bool], None]) -> None:
        """Send a frame of the key establishment cluster to the trust centre, in clear."""

    def next_tsn(self) -> int: ...

    def registered(self) -> None:
        """Begin Smart Energy, as there is a key now."""

    def ask_partner_key(self, partner: Eui64) -> None:
        """Send the trust centre an APS Request Key for a link key with another device."""

    def give_up_network(self) -> None:
        """Leave the network, as there will be no key."""

    def tell_key(self, text: str) -> None: ...


@dataclass(slots=True)
class Heard:
    """What came of registration, for tests: statuses of the Terminates received, and how many keys were established."""

    terminates: list[int]
    keys: int = 0


class Registration:
    """Key establishment of one device. Without ``identity`` it has none, and works with the key that it joined with."""

    def __init__(
        self,
        spec: TrustSpec,
        identity: Identity | None,
        storage: DeviceStorage,
        timers: Timers,
        rng: random.Random,
        device: RegisteringDevice,
    ) -> None:
        self.heard = Heard([])
        self._spec = spec
        self._identity = identity
        self._storage = storage
        self._timers = timers
        self._device = device
        self._endpoint = 0
        self._errors = 0
        self._deaf = False
        self._said: list[tuple[int, bytes]] = []
        self._initiator = self._responder = None
        if identity is not None:
            self._initiator = InitiatorExchange(identity, rng.randrange, self._spec.compute_s)
            self._responder = ResponderExchange(identity, rng.randrange, self._spec.compute_s)

    @property
    def ready(self) -> bool:
        """Whether it may speak Smart Energy: there is a key, or none is needed."""
        return self._identity is None or self._storage.link_key is not None

    @property
    def suites(self) -> int:
        """Its attribute 0x0000."""
        return self._identity.suite.bit if self._identity is not None else 0

    def begin(self) -> None:
        """Begin to register, as the device is on the network."""
        self.stop()
        self._deaf = self._spec.silent_after == "join"
        self._errors = 0
        if self._storage.link_key is not None:
            self._ask_for_partners()
        if not self.ready and not self._deaf:
            self._timers.set("register", self._spec.registration_delay_s, self._discover)

    def stop(self) -> None:
        """Stop registering, as the device is off the network or without power."""
        for name in ("register", "initiator", "responder", "replay", "partners"):
            self._timers.cancel(name)
        for exchange in (self._initiator, self._responder):
            if exchange is not None:
                exchange.stop()

    # --- finding the server

    def _discover(self) -> None:
        self._again(_ATTRIBUTE_TIMEOUT_S)
        self._device.find_key_server()

    def server_found(self, endpoint: int) -> None:
        """Take the endpoint of the trust centre's key establishment server, and read its suites."""
        self._endpoint = endpoint
        self._again(_ATTRIBUTE_TIMEOUT_S)
        read = ZclFrame(self._device.next_tsn(), zcl.READ_ATTRIBUTES, struct.pack("<H", cbke.SUITES_ATTRIBUTE))
        self._device.say_key_command(read, endpoint, _ignore)

    def attributes_read(self, payload: bytes) -> None:
        """Start the exchange if the server has the device's suite. An old server that tells none has suite 1."""
        initiator, identity = self._initiator, self._identity
        if self.ready or initiator is None or identity is None or initiator.busy:
            return
        suites = struct.unpack_from("<H", payload, 4)[0] if len(payload) >= 6 and payload[2] == zcl.SUCCESS else 0
        if not (suites or 1) & identity.suite.bit:
            self._failed(GaveUp(f"the server has suites 0x{suites:04x}, not {identity.suite}"))
            return
        self._timers.cancel("register")
        self._device.tell_key("key establishment begins")
        trust_centre = to_bytes(self._trust_centre)[::-1]
        self._carry_out(initiator, initiator.start(trust_centre, self._now()))

    # --- messages

    def receive(self, frame: ZclFrame, endpoint: int) -> None:
        """Handle a command of the key establishment cluster from the trust centre."""
        if self._deaf or self._initiator is None or self._responder is None:
            return
        self._endpoint = endpoint
        if frame.command == cbke.TERMINATE:
            self.heard.terminates.append(frame.payload[0] if frame.payload else -1)
            self._say_default(frame)
        if frame.to_client:
            before = self.heard.keys
            self._carry_out(
                self._initiator, self._initiator.receive(frame.command, frame.payload, self._now()), answers=frame
            )
            self._confirmed(frame, before)
        else:
            partner = to_bytes(self._trust_centre)[::-1]
            self._carry_out(
                self._responder,
                self._responder.receive(partner, frame.command, frame.payload, self._now()),
                answers=frame,
            )

    def default_response(self, command: int, status: int) -> None:
        """Handle a Default Response of the trust centre to a command."""
        if status != zcl.SUCCESS and self._initiator is not None and self._initiator.busy:
            self._initiator.stop()
            self._failed(GaveUp(f"command {command} was answered with status 0x{status:02x}"))

    @property
    def _trust_centre(self) -> Eui64:
        return self._device.trust_centre

    def _confirmed(self, frame: ZclFrame, keys_before: int) -> None:
        """Answer the message that confirmed a key with a Default Response, as the reference does."""
        if self.heard.keys > keys_before:
            self._say_default(frame)

    def _say_default(self, frame: ZclFrame) -> None:
        if not frame.no_default_response:
            self._device.say_key_command(frame.default_response(zcl.SUCCESS), self._endpoint, _ignore)

    def _carry_out(self, exchange: CbkeExchange, outputs: list[Output], answers: ZclFrame | None = None) -> None:
        for output in outputs:
            if isinstance(output, SendCommand):
                self._say(exchange, output, answers)
            elif isinstance(output, Keyed):
                self._keyed(output)
            else:
                self._failed(output)
        name = "initiator" if exchange.initiator else "responder"
        if exchange.deadline is None:
            self._timers.cancel(name)
            return

        def timer() -> None:
            before = self.heard.keys
            self._carry_out(exchange, exchange.timer(self._now()), answers)
            if exchange.initiator and answers is not None:
                self._confirmed(answers, before)

        self._timers.set(name, exchange.deadline - self._now(), timer)

    def _say(self, exchange: CbkeExchange, said: SendCommand, answers: ZclFrame | None) -> None:
        command, payload = self._bent(said.command, said.payload)
        if exchange.initiator or answers is None:
            frame = ZclFrame(self._device.next_tsn(), command, payload, cluster_specific=True, no_default_response=True)
        else:
            frame = answers.answered(command, payload, cluster_specific=True)

        def done(delivered: bool) -> None:
            if said.confirm and isinstance(exchange, ResponderExchange):
                self._carry_out(exchange, exchange.delivered(delivered))

        self._said.append((command, payload))
        self._device.say_key_command(frame, self._endpoint, done)
        if self._spec.fault == "duplicate":
            self._device.say_key_command(frame, self._endpoint, _ignore)
        if self._spec.silent_after == _STEPS.get(command):
            self._deaf = True
            exchange.stop()

    def _keyed(self, keyed: Keyed) -> None:
        self.heard.keys += 1
        self._errors = 0
        self._timers.cancel("register")
        self._storage.set_link_key(keyed.key)
        self._device.tell_key("link key established")
        self._device.registered()
        self._ask_for_partners()
        if self._spec.fault == "replay" and self.heard.keys == 1:
            self._replay(list(self._said), REPLAY_AFTER_S)

    def _failed(self, failed: GaveUp) -> None:
        self._errors += 1
        self._device.tell_key(f"no key: {failed.why}")
        if self._storage.link_key is not None:
            return
        if self._errors >= self._spec.attempts or failed.status == cbke.UNKNOWN_ISSUER:
            self._device.give_up_network()
        else:
            self._again(max(self._spec.retry_s, failed.wait_s))

    def _again(self, seconds: float) -> None:
        self._timers.set("register", seconds, self._discover)

    def _ask_for_partners(self) -> None:
        missing = [each for each in self._spec.partners if each not in self._storage.partner_keys]
        for partner in missing:
            self._device.ask_partner_key(partner)
        if missing:
            # A partner may have no key yet, of which the trust centre says nothing.
            self._timers.set("partners", self._spec.retry_s, self._ask_for_partners)

    # --- misbehaviour

    def _bent(self, command: int, payload: bytes) -> tuple[int, bytes]:
        """Return the command and payload to say in place of the right ones, as the fault asks."""
        fault, identity = self._spec.fault, self._identity
        assert identity is not None
        if fault == "wrong-suite" and command == cbke.INITIATE:
            return command, b"\x04\x00" + payload[2:]
        if fault == "bad-confirm" and command == cbke.CONFIRM:
            return command, bytes((payload[0] ^ 1,)) + payload[1:]
        if fault in ("off-curve", "low-order") and command == cbke.EPHEMERAL:
            return command, bad_point(identity.suite, fault)
        if fault == "out-of-order" and command == cbke.EPHEMERAL:
            return cbke.CONFIRM, bytes(16)
        if fault == "terminate" and command == cbke.CONFIRM:
            return cbke.TERMINATE, cbke.terminate(cbke.NO_RESOURCES, identity.suite.bit)
        return command, payload

    def _replay(self, said: list[tuple[int, bytes]], delay_s: float) -> None:
        """Say all of a finished exchange once more, as somebody might who had recorded it."""

        def say() -> None:
            command, payload = said[0]
            frame = ZclFrame(self._device.next_tsn(), command, payload, cluster_specific=True, no_default_response=True)
            self._device.say_key_command(frame, self._endpoint, _ignore)
            if said[1:]:
                self._replay(said[1:], REPLAY_SPACING_S)

        self._timers.set("replay", delay_s, say)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


_STEPS = {cbke.INITIATE: "initiate", cbke.EPHEMERAL: "ephemeral", cbke.CONFIRM: "confirm"}


def bad_point(suite: Suite, fault: Literal["off-curve", "low-order"]) -> bytes:
    """Return octets of a point that no honest partner sends: not on the curve, or on it but outside of the subgroup."""
    curve = suite.curve
    if fault == "low-order":
        return curve.compress(curve.add(curve.generator, Point(0, 1)))
    x = 2
    while True:
        octets = b"\x02" + x.to_bytes(curve.field.size, "big")
        try:
            with suppress(PointLowOrder):
                curve.decompress(octets)
        except PointOffCurve:
            return octets
        x += 1


def _ignore(_: bool) -> None:
    """Ignore the outcome: nobody waits for the delivery."""
