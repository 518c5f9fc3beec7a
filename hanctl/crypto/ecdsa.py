"""ECDSA over the binary curves, on digests that are shorter than the curve's order.

Source: comms_hub.md §1.3: the 16 bytes of an AES-MMO digest are the number that is signed, and a signature is r and
then s, big-endian, each as long as a private key.
"""

from __future__ import annotations

from collections.abc import Callable

from hanctl.crypto.curve import Curve, Point, PointAtInfinity


def in_range(curve: Curve, signature: bytes) -> bool:
    """Tell whether this can be a signature: of the right length, with r and s from 1 to the order less 1."""
    return _split(curve, signature) is not None


def verify(curve: Curve, public_key: Point, digest: bytes, signature: bytes) -> bool:
    """Tell whether the owner of ``public_key``, a valid point, signed this digest."""
    pair = _split(curve, signature)
    if pair is None:
        return False
    r, s = pair
    inverse = pow(s, -1, curve.order)
    by_generator = _number(curve, digest) * inverse % curve.order
    point = curve.multiply_public(r * inverse % curve.order, public_key)
    if by_generator:
        try:
            point = curve.add(curve.multiply_public(by_generator, curve.generator), point)
        except PointAtInfinity:
            return False
    return point.x % curve.order == r


def sign(curve: Curve, private_key: int, digest: bytes, below: Callable[[int], int]) -> bytes:
    """Return the signature of a digest. ``below(n)`` gives a random number from 0 to n - 1: ``secrets.randbelow``."""
    number, order = _number(curve, digest), curve.order
    while True:
        secret, blind = curve.random_scalar(below), curve.random_scalar(below)
        r = curve.multiply_generator(secret).x % order
        # The inverse's time depends on its operand: it is given a random multiple of the secret.
        s = (number + r * private_key) * blind * pow(secret * blind, -1, order) % order
        if r and s:
            return b"".join(value.to_bytes(curve.scalar_size, "big") for value in (r, s))


def _split(curve: Curve, signature: bytes) -> tuple[int, int] | None:
    size = curve.scalar_size
    if len(signature) != 2 * size:
        return None
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    return (r, s) if 0 < r < curve.order and 0 < s < curve.order else None


def _number(curve: Curve, digest: bytes) -> int:
    if 8 * len(digest) >= curve.order.bit_length():
        raise ValueError(f"a digest of {len(digest)} bytes is too long for {curve.name}")
    return int.from_bytes(digest, "big")
