"""ECMQV with cofactor: a secret from two static and two ephemeral key pairs. Source: comms_hub.md §5.6."""

from __future__ import annotations

from hanctl.crypto.curve import Point
from hanctl.crypto.suites import Suite


def associate_value(suite: Suite, point: Point) -> int:
    """Return the low half of a point's x with a bit set above it."""
    return point.x % (1 << suite.associate_bits) + (1 << suite.associate_bits)


def shared_secret(
    suite: Suite,
    *,
    static_private: int,
    ephemeral_private: int,
    ephemeral_public: Point,
    partner_static: Point,
    partner_ephemeral: Point,
) -> bytes:
    """Return the secret Z, which the partner computes likewise. All points must have been validated.

    Raises PointAtInfinity, which means that the partner's keys were made to that end.
    """
    curve = suite.curve
    implicit = (ephemeral_private + associate_value(suite, ephemeral_public) * static_private) % curve.order
    weighted = curve.multiply_public(associate_value(suite, partner_ephemeral), partner_static)
    combined = curve.add(partner_ephemeral, weighted)
    # The cofactor is a power of two.
    for _ in range(curve.cofactor.bit_length() - 1):
        combined = curve.add(combined, combined)
    return curve.multiply(implicit, combined).x.to_bytes(suite.secret_size, "big")
