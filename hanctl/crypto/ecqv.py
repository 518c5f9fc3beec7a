"""ECQV implicit certificates: the public key is computed from the certificate and its issuer's key.

Source: comms_hub.md §5.6. A certificate is hashed whole, so any change to it gives another public key, to which
nobody has the private one: there is no signature, and a false certificate shows only when a key is confirmed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hanctl.crypto.curve import Curve, Point
from hanctl.crypto.mmo import mmo_hash


def certificate_scalar(certificate: bytes) -> int:
    """Return the number e that a certificate hashes to."""
    return int.from_bytes(mmo_hash(certificate), "big")


def public_key(curve: Curve, certificate: bytes, reconstruction: Point, issuer_key: Point) -> Point:
    """Return the subject's public key: e times the certificate's point plus the issuer's key. Raises PointError."""
    scaled = curve.multiply_public(certificate_scalar(certificate), reconstruction)
    return curve.add(scaled, issuer_key)


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate, and the private key of its subject."""

    certificate: bytes
    private_key: int = field(repr=False)


def issue(
    curve: Curve, issuer_private_key: int, assemble: Callable[[bytes], bytes], below: Callable[[int], int]
) -> Issued:
    """Make a key pair and the certificate for it.

    ``assemble`` is given the compressed point and answers the whole certificate that holds it; ``below(n)`` gives a
    random number from 0 to n - 1.
    """
    while True:
        secret = curve.random_scalar(below)
        certificate = assemble(curve.compress(curve.multiply_generator(secret)))
        private_key = (certificate_scalar(certificate) * secret + issuer_private_key) % curve.order
        if private_key:
            return Issued(certificate, private_key)
