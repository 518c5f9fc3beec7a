"""Certificate-based key establishment as a device knows it: its identity, the messages, and the arithmetic.

Messages and certificates are packed and read by hand here: the hub's own codec is not shared. Curves, hash and key
derivation are those of ``crypto``, which published vectors check. Source: comms_hub.md §5.1 to §5.6.
"""

from __future__ import annotations

import hmac
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hanctl.crypto.curve import Point, PointError
from hanctl.crypto.ecmqv import shared_secret
from hanctl.crypto.kdf import derive_keys
from hanctl.crypto.mmo import mmo_hash, mmo_hmac
from hanctl.crypto.suites import SUITE_1, SUITE_2, Suite
from hanctl.simulator.dongle import SimulatorError

CLUSTER = 0x0800
SUITES_ATTRIBUTE = 0x0000
INITIATE, EPHEMERAL, CONFIRM, TERMINATE = 0x00, 0x01, 0x02, 0x03

UNKNOWN_ISSUER, BAD_KEY_CONFIRM, BAD_MESSAGE, NO_RESOURCES, UNSUPPORTED_SUITE, INVALID_CERTIFICATE = range(1, 7)

SUITES = {1: SUITE_1, 2: SUITE_2}
"""By the bit that stands for them on the air."""
_SIZES = {48: SUITE_1, 74: SUITE_2}
_SUBJECT = {1: slice(22, 30), 2: slice(28, 36)}
_ISSUER = {1: slice(30, 38), 2: slice(11, 19)}
_POINT = {1: slice(0, 22), 2: slice(37, 74)}
_KEY_AGREEMENT = 0x08


class PartnerRefused(Exception):
    """Something that the partner sent is refused: the status of the Terminate it gets, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class Identity:
    """What was put into the device when it was made: certificate, its private key, and its authority's public key."""

    certificate: bytes
    authority_key: bytes
    private_key: bytes = field(repr=False)

    @property
    def suite(self) -> Suite:
        return _SIZES[len(self.certificate)]

    @property
    def subject(self) -> bytes:
        """Most significant byte first, as in every certificate."""
        return self.certificate[_SUBJECT[self.suite.number]]

    @property
    def issuer(self) -> bytes:
        return self.certificate[_ISSUER[self.suite.number]]

    @classmethod
    def of(cls, certificate: str, private_key: str, authority_key: str) -> Identity:
        """Make an identity from hex. Raises ValueError for wrong lengths; whether the keys fit is not checked."""
        identity = cls(bytes.fromhex(certificate), bytes.fromhex(authority_key), bytes.fromhex(private_key))
        if len(identity.certificate) not in _SIZES:
            raise ValueError(f"a certificate of {len(identity.certificate)} bytes: 48 (suite 1) or 74 (suite 2) wanted")
        sizes = (len(identity.private_key), len(identity.authority_key))
        if sizes != (identity.suite.private_key_size, identity.suite.public_key_size):
            raise ValueError(f"the keys are not of {identity.suite}, as the certificate is")
        return identity

    @classmethod
    def load(cls, path: Path) -> Identity:
        """Load an identity in Certicom's text form, as ``hanctl ca issue --text`` writes it. Raises SimulatorError."""
        hint = "make one with: hanctl ca issue --eui EUI64 --out FILE --text"
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise SimulatorError(f"the device's certificate {path} cannot be read: {error}", hint) from error
        found = {
            label.lower(): "".join(digits.split())
            for label, digits in re.findall(r"^([A-Za-z ]+):\s*((?:[0-9A-Fa-f]{2}\s*)+)$", text, re.MULTILINE)
        }
        try:
            return cls.of(found["device implicit cert"], found["device private key"], found["ca pub key"])
        except (KeyError, ValueError) as error:
            raise SimulatorError(f"{path} holds no certificate with its keys: {error}", hint) from error


@dataclass(frozen=True, slots=True)
class Initiation:
    """The first message of either side."""

    suite: Suite
    ephemeral_s: int
    confirm_s: int
    certificate: bytes

    def pack(self) -> bytes:
        return struct.pack("<HBB", self.suite.bit, self.ephemeral_s, self.confirm_s) + self.certificate

    @classmethod
    def unpack(cls, payload: bytes) -> Initiation:
        """Unpack an Initiate. Raises PartnerRefused."""
        if len(payload) < 4:
            raise PartnerRefused(BAD_MESSAGE, f"an Initiate of {len(payload)} bytes")
        bits, ephemeral_s, confirm_s = struct.unpack_from("<HBB", payload)
        if bits not in SUITES:
            raise PartnerRefused(UNSUPPORTED_SUITE, f"an Initiate for suites 0x{bits:04x}")
        suite = SUITES[bits]
        if len(payload) != 4 + suite.certificate_size:
            raise PartnerRefused(BAD_MESSAGE, f"an Initiate of {len(payload)} bytes for {suite}")
        return cls(suite, ephemeral_s, confirm_s, payload[4:])


def terminate(status: int, suites: int, wait_s: int = 10) -> bytes:
    """Return the payload of a Terminate."""
    return struct.pack("<BBH", status, wait_s, suites)


def check_certificate(certificate: bytes, own: Identity, partner: bytes) -> Point:
    """Return the partner's public key; ``partner`` is its EUI64, most significant byte first. Raises PartnerRefused.

    The checks come in the order of the reference device.
    """
    suite = own.suite
    if certificate[_ISSUER[suite.number]] != own.issuer:
        raise PartnerRefused(UNKNOWN_ISSUER, f"its certificate is of issuer {certificate[_ISSUER[suite.number]].hex()}")
    if certificate[_SUBJECT[suite.number]] != partner:
        raise PartnerRefused(BAD_MESSAGE, f"its certificate names {certificate[_SUBJECT[suite.number]].hex()}")
    if suite is SUITE_2:
        kind, curve, digest, usage = certificate[0], certificate[9], certificate[10], certificate[36]
        if (kind, curve, digest) != (0x00, 0x0D, 0x08) or not usage & _KEY_AGREEMENT:
            raise PartnerRefused(INVALID_CERTIFICATE, "its certificate is not for key agreement")
    try:
        point = suite.curve.decompress(certificate[_POINT[suite.number]])
        weight = int.from_bytes(mmo_hash(certificate), "big")
        return suite.curve.add(suite.curve.multiply(weight, point), suite.curve.decompress(own.authority_key))
    except PointError as error:
        raise PartnerRefused(INVALID_CERTIFICATE, f"its certificate holds no proper point: {error}") from None


@dataclass(frozen=True, slots=True)
class CbkePair:
    """A key pair for one exchange."""

    private: int = field(repr=False)
    public: Point
    octets: bytes


def make_ephemeral(suite: Suite, below: Callable[[int], int]) -> CbkePair:
    """Make a key pair. ``below(n)`` gives a random number from 0 to n - 1."""
    private = suite.curve.random_scalar(below)
    public = suite.curve.multiply_generator(private)
    return CbkePair(private, public, suite.curve.compress(public))


@dataclass(frozen=True, slots=True)
class Secrets:
    """The new link key, what the initiator sends to confirm it (MACU), and what the responder does (MACV)."""

    key: bytes = field(repr=False)
    mac_u: bytes = field(repr=False)
    mac_v: bytes = field(repr=False)


def agree(
    own: Identity,
    ephemeral: CbkePair,
    partner: bytes,
    partner_key: Point,
    partner_ephemeral: bytes,
    *,
    initiator: bool,
) -> Secrets:
    """Compute the new link key and both codes. Raises PartnerRefused if the partner's ephemeral key is not usable."""
    suite = own.suite
    try:
        secret = shared_secret(
            suite,
            static_private=int.from_bytes(own.private_key, "big"),
            ephemeral_private=ephemeral.private,
            ephemeral_public=ephemeral.public,
            partner_static=partner_key,
            partner_ephemeral=suite.curve.decompress(partner_ephemeral),
        )
    except PointError as error:
        raise PartnerRefused(BAD_MESSAGE, f"its ephemeral key is not usable: {error}") from None
    keys = derive_keys(secret)
    me, it = (own.subject, ephemeral.octets), (partner, partner_ephemeral)
    (id_u, e_u), (id_v, e_v) = (me, it) if initiator else (it, me)
    return Secrets(
        keys.key_data,
        mmo_hmac(keys.mac_key, b"\x02" + id_u + id_v + e_u + e_v),
        mmo_hmac(keys.mac_key, b"\x03" + id_v + id_u + e_v + e_u),
    )


def same(a: bytes, b: bytes) -> bool:
    """Tell whether two authentication codes are equal."""
    return hmac.compare_digest(a, b)
