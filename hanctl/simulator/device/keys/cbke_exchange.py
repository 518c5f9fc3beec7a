"""A device's side of one key establishment, as initiator and as responder.

Both take what happened with ``now`` and answer what to do, like the OTA client; ``deadline`` is when ``timer`` wants
to be called. A device computes for ``compute_s`` seconds, as a small processor does. Source: comms_hub.md §5.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from hanctl.crypto.curve import Point
from hanctl.simulator.device.keys import cbke
from hanctl.simulator.device.keys.cbke import Identity, Initiation, PartnerRefused

BASE_S = 10.0
"""Every wait is this, and what the partner advertised for the step."""
EPHEMERAL_S, CONFIRM_S = 11, 16
"""Advertised. Source: comms_hub.md §5.4."""


class CbkeStage(Enum):
    """How far an exchange came."""

    IDLE = "idle"
    INITIATED = "initiated"
    IDENTIFIED = "identified"
    AGREED = "agreed"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Output: send a command. ``confirm``: the responder's last, after whose delivery it has the key."""

    command: int
    payload: bytes
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """Output: both sides have shown that they have this key."""

    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class GaveUp:
    """Output: the exchange is over without a key. ``status``: of the Terminate sent or received, if there was one."""

    why: str
    status: int | None = None
    wait_s: int = 0


Output = SendCommand | Keyed | GaveUp


class CbkeExchange:
    """Base of both roles. ``partner`` is an EUI64, most significant byte first."""

    initiator: bool

    def __init__(self, identity: Identity, below: Callable[[int], int], compute_s: float) -> None:
        self.identity = identity
        self.stage = CbkeStage.IDLE
        self.deadline: float | None = None
        self._below = below
        self._compute_s = compute_s
        self._action: Callable[[float], list[Output]] | None = None
        self._partner = b""
        self._partner_key: Point | None = None
        self._partner_times = (0, 0)
        self._ephemeral: cbke.CbkePair | None = None
        self._secrets: cbke.Secrets | None = None
        self._answered: dict[int, tuple[bytes, list[Output]]] = {}

    @property
    def busy(self) -> bool:
        return self.stage is not CbkeStage.IDLE

    def stop(self) -> None:
        """Forget the exchange."""
        self.stage, self.deadline, self._action = CbkeStage.IDLE, None, None
        self._secrets = self._ephemeral = None
        self._answered.clear()

    def timer(self, now: float) -> list[Output]:
        """Do what is due at the deadline, which has come."""
        action, self._action, self.deadline = self._action, None, None
        return action(now) if action is not None else []

    def terminated(self, payload: bytes) -> list[Output]:
        """Handle a Terminate of the partner."""
        if not self.busy or len(payload) < 2:
            return []
        self.stop()
        return [GaveUp(f"the partner sent Terminate {payload[0]}", payload[0], payload[1])]

    def refuse(self, refused: PartnerRefused) -> list[Output]:
        """End it, and say so."""
        self.stop()
        said = cbke.terminate(refused.status, self.identity.suite.bit)
        return [SendCommand(cbke.TERMINATE, said), GaveUp(str(refused), refused.status)]

    def _own_initiation(self) -> bytes:
        return Initiation(self.identity.suite, EPHEMERAL_S, CONFIRM_S, self.identity.certificate).pack()

    def _identify(self, payload: bytes) -> None:
        """Take the partner's first message. Raises Refused."""
        initiation = Initiation.unpack(payload)
        if initiation.suite is not self.identity.suite:
            raise PartnerRefused(cbke.UNSUPPORTED_SUITE, f"it is for {initiation.suite}")
        self._partner_key = cbke.check_certificate(initiation.certificate, self.identity, self._partner)
        self._partner_times = initiation.ephemeral_s, initiation.confirm_s

    def _agree(self, partner_ephemeral: bytes) -> cbke.Secrets:
        assert self._ephemeral is not None and self._partner_key is not None
        if len(partner_ephemeral) != self.identity.suite.public_key_size:
            raise PartnerRefused(cbke.BAD_MESSAGE, f"an ephemeral key of {len(partner_ephemeral)} bytes")
        return cbke.agree(
            self.identity,
            self._ephemeral,
            self._partner,
            self._partner_key,
            partner_ephemeral,
            initiator=self.initiator,
        )

    def _make_ephemeral(self) -> bytes:
        self._ephemeral = cbke.make_ephemeral(self.identity.suite, self._below)
        return self._ephemeral.octets

    def _compute(self, now: float, then: Callable[[float], list[Output]]) -> list[Output]:
        """Do ``then`` when the processor is done; what it refuses is refused then."""

        def done(later: float) -> list[Output]:
            try:
                return then(later)
            except PartnerRefused as refused:
                return self.refuse(refused)

        self.deadline, self._action = now + self._compute_s, done
        return []

    def _await(self, now: float, stage: CbkeStage, seconds: float) -> None:
        self.stage = stage
        self.deadline, self._action = now + BASE_S + seconds, self._timed_out

    def _timed_out(self, now: float) -> list[Output]:
        stage = self.stage
        self.stop()
        return [GaveUp(f"nothing came after it had {stage.value}")]


class InitiatorExchange(CbkeExchange):
    """The exchange in which the device asks for a key, as it does after it has joined."""

    initiator = True

    def start(self, partner: bytes, now: float) -> list[Output]:
        self.stop()
        self._partner = partner
        self._await(now, CbkeStage.INITIATED, 0)
        return [SendCommand(cbke.INITIATE, self._own_initiation())]

    def receive(self, command: int, payload: bytes, now: float) -> list[Output]:
        """Handle an answer of the partner."""
        if command == cbke.TERMINATE:
            return self.terminated(payload)
        seen = self._answered.get(command)
        if seen is not None and seen[0] == payload:
            return []
        expected = {
            CbkeStage.INITIATED: (cbke.INITIATE, self._initiated),
            CbkeStage.IDENTIFIED: (cbke.EPHEMERAL, self._ephemeral_came),
            CbkeStage.AGREED: (cbke.CONFIRM, self._confirmed),
        }.get(self.stage)
        if expected is None or expected[0] != command or self._action != self._timed_out:
            return (
                self.refuse(PartnerRefused(cbke.BAD_MESSAGE, f"command {command} came out of order"))
                if self.busy
                else []
            )
        self._answered[command] = (payload, [])
        return self._compute(now, lambda later: expected[1](payload, later))

    def _initiated(self, payload: bytes, now: float) -> list[Output]:
        self._identify(payload)
        octets = self._make_ephemeral()
        self._await(now, CbkeStage.IDENTIFIED, self._partner_times[0])
        return [SendCommand(cbke.EPHEMERAL, octets)]

    def _ephemeral_came(self, payload: bytes, now: float) -> list[Output]:
        self._secrets = self._agree(payload)
        self._await(now, CbkeStage.AGREED, self._partner_times[1])
        return [SendCommand(cbke.CONFIRM, self._secrets.mac_u)]

    def _confirmed(self, payload: bytes, now: float) -> list[Output]:
        assert self._secrets is not None
        if not cbke.same(payload, self._secrets.mac_v):
            raise PartnerRefused(cbke.BAD_KEY_CONFIRM, "its authentication code is wrong")
        key = self._secrets.key
        self.stop()
        return [Keyed(key)]


class ResponderExchange(CbkeExchange):
    """The exchange in which the partner asks the device for a key."""

    initiator = False

    def receive(self, partner: bytes, command: int, payload: bytes, now: float) -> list[Output]:
        """Handle a request of the partner. One that repeats the last of its kind is answered as before."""
        if command == cbke.TERMINATE:
            return self.terminated(payload)
        seen = self._answered.get(command)
        if seen is not None and seen[0] == payload and partner == self._partner:
            return seen[1]
        if command == cbke.INITIATE:
            self.stop()
            self._partner = partner
            work = self._initiated
        elif command == cbke.EPHEMERAL and self.stage is CbkeStage.IDENTIFIED:
            work = self._ephemeral_came
        elif command == cbke.CONFIRM and self.stage is CbkeStage.AGREED:
            work = self._confirm_came
        else:
            return self.refuse(PartnerRefused(cbke.BAD_MESSAGE, f"command {command} came out of order"))
        self.stage = CbkeStage.INITIATED if command == cbke.INITIATE else self.stage

        def answer(later: float) -> list[Output]:
            said = work(payload, later)
            self._answered[command] = (payload, said)
            return said

        return self._compute(now, answer)

    def delivered(self, success: bool) -> list[Output]:
        """Take note whether the partner acknowledged the last message: if so, the key is established."""
        secrets = self._secrets
        if self.stage is not CbkeStage.CONFIRMED or secrets is None:
            return []
        self.stop()
        return [Keyed(secrets.key)] if success else [GaveUp("the last message was not delivered")]

    def _initiated(self, payload: bytes, now: float) -> list[Output]:
        self._identify(payload)
        self._await(now, CbkeStage.IDENTIFIED, self._partner_times[0])
        return [SendCommand(cbke.INITIATE, self._own_initiation())]

    def _ephemeral_came(self, payload: bytes, now: float) -> list[Output]:
        octets = self._make_ephemeral()
        self._secrets = self._agree(payload)
        self._await(now, CbkeStage.AGREED, self._partner_times[1])
        return [SendCommand(cbke.EPHEMERAL, octets)]

    def _confirm_came(self, payload: bytes, now: float) -> list[Output]:
        assert self._secrets is not None
        if not cbke.same(payload, self._secrets.mac_u):
            raise PartnerRefused(cbke.BAD_KEY_CONFIRM, "its authentication code is wrong")
        self._await(now, CbkeStage.CONFIRMED, 0)
        return [SendCommand(cbke.CONFIRM, self._secrets.mac_v, confirm=True)]
