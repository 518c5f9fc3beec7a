"""The heavy arithmetic of key establishment, as callables that may run on another thread.

A job holds all its inputs, touches nothing else and returns its result; a bad point of a partner is a result too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hanctl.crypto.curve import Point, PointError
from hanctl.crypto.ecmqv import shared_secret
from hanctl.crypto.kdf import derive_keys
from hanctl.crypto.smac import Party, initiator_smac, responder_smac
from hanctl.crypto.suites import Suite
from hanctl.trust.certificate import Certificate
from hanctl.trust.credentials import Credentials
from hanctl.trust.establishment.messages import TerminateStatus

Below = Callable[[int], int]
"""``below(n)`` gives a random number from 0 to n - 1; ``secrets.randbelow`` but in tests."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Fault in what a partner sent: Terminate status for it, and words for people."""

    status: TerminateStatus
    detail: str


@dataclass(frozen=True, slots=True)
class EphemeralPair:
    """A key pair for one exchange alone."""

    private: int = field(repr=False)
    public: Point
    octets: bytes

    @classmethod
    def generate(cls, suite: Suite, below: Below) -> EphemeralPair:
        private = suite.curve.random_scalar(below)
        public = suite.curve.multiply_generator(private)
        return cls(private, public, suite.curve.compress(public))


@dataclass(frozen=True, slots=True)
class Identified:
    """Result: the partner's static public key, and an ephemeral pair if the job was asked for one."""

    partner_key: Point
    ephemeral: EphemeralPair | None


@dataclass(frozen=True, slots=True)
class Agreed:
    """Result: the hub's ephemeral public key, the new link key, and both sides' authentication codes."""

    ephemeral: bytes
    key: bytes = field(repr=False)
    initiator_smac: bytes = field(repr=False)
    responder_smac: bytes = field(repr=False)


JobResult = Identified | Agreed | Refusal


@dataclass(frozen=True, slots=True)
class IdentifyJob:
    """Compute the partner's public key from its certificate."""

    certificate: Certificate
    authority_key: Point
    with_ephemeral: bool
    below: Below

    def __call__(self) -> Identified | Refusal:
        try:
            partner_key = self.certificate.public_key(self.authority_key)
        except PointError as error:
            return Refusal(TerminateStatus.INVALID_CERTIFICATE, f"its certificate holds no proper point: {error}")
        suite = self.certificate.suite
        ephemeral = EphemeralPair.generate(suite, self.below) if self.with_ephemeral else None
        return Identified(partner_key, ephemeral)


@dataclass(frozen=True, slots=True)
class AgreeJob:
    """Compute the link key and the codes. Without ``ephemeral``, a fresh pair is made for it."""

    credentials: Credentials
    initiating: bool
    partner: Certificate
    partner_key: Point
    partner_ephemeral: bytes
    ephemeral: EphemeralPair | None
    below: Below

    def __call__(self) -> Agreed | Refusal:
        suite = self.credentials.suite
        try:
            received = suite.curve.decompress(self.partner_ephemeral)
            own = self.ephemeral or EphemeralPair.generate(suite, self.below)
            secret = shared_secret(
                suite,
                static_private=self.credentials.private_key,
                ephemeral_private=own.private,
                ephemeral_public=own.public,
                partner_static=self.partner_key,
                partner_ephemeral=received,
            )
        except PointError as error:
            return Refusal(TerminateStatus.BAD_MESSAGE, f"its ephemeral key is not usable: {error}")
        keys = derive_keys(secret)
        me = Party(self.credentials.certificate.subject_octets, own.octets)
        other = Party(self.partner.subject_octets, self.partner_ephemeral)
        initiator, responder = (me, other) if self.initiating else (other, me)
        return Agreed(
            ephemeral=own.octets,
            key=keys.key_data,
            initiator_smac=initiator_smac(keys.mac_key, initiator, responder),
            responder_smac=responder_smac(keys.mac_key, initiator, responder),
        )
