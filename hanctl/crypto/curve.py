"""Koblitz curves y^2 + xy = x^3 + ax^2 + 1 over GF(2^m): points, their checks, and a regular Montgomery ladder.

Points at infinity have no form here: an operation that would end there raises PointAtInfinity.
Constants: comms_hub.md §5.3; compression: SEC 1, as quoted there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hanctl.base.errors import HanctlError
from hanctl.crypto.field import BinaryField, multiples

_EVEN, _ODD = 0x02, 0x03
"""First byte of a compressed point: the lowest bit of y/x."""


class PointError(HanctlError):
    """A point that must not be used."""

    code = "point"


class PointMalformed(PointError):
    """The octets are not a compressed point of the curve's size."""

    code = "point-malformed"


class PointOffCurve(PointError):
    """The coordinates do not satisfy the curve's equation."""

    code = "point-off-curve"


class PointLowOrder(PointError):
    """The point lies on the curve, but outside the subgroup of prime order: it would leak bits of a key."""

    code = "point-low-order"


class PointAtInfinity(PointError):
    """The result of an operation is the point at infinity."""

    code = "point-at-infinity"


@dataclass(frozen=True, slots=True)
class Point:
    """An affine point."""

    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve: ``order`` is the prime order of ``generator``, ``cofactor`` the index (2 or 4) of its subgroup."""

    name: str
    field: BinaryField
    a: int
    order: int
    cofactor: int
    generator: Point

    @property
    def scalar_size(self) -> int:
        """The length in bytes of a private key."""
        return (self.order.bit_length() + 7) // 8

    @property
    def point_size(self) -> int:
        """The length in bytes of a compressed point."""
        return 1 + self.field.size

    def on_curve(self, point: Point) -> bool:
        """Tell whether the coordinates are field elements that satisfy the curve's equation."""
        x, y = point.x, point.y
        if not (0 <= x < 1 << self.field.degree and 0 <= y < 1 << self.field.degree):
            return False
        x_squared = self.field.square(x)
        left = self.field.square(y) ^ self.field.multiply(x, y)
        return left == self.field.multiply(x_squared, x) ^ (x_squared if self.a else 0) ^ 1

    def in_subgroup(self, point: Point) -> bool:
        """Tell whether a point of the curve is in the subgroup: only then can it be halved log2(cofactor) times.

        P = 2Q has a solution Q on the curve exactly where trace(x) = trace(a). The points whose order divides the
        cofactor form a cyclic group, so that either half of a point decides for both.
        """
        if point.x == 0:
            return False
        field = self.field
        if field.trace(point.x ^ self.a):
            return False
        if self.cofactor == 2:
            return True
        slope = field.half_trace(point.x ^ self.a)
        half_x_squared = point.y ^ field.multiply(slope ^ 1, point.x)
        # Squaring does not change a trace, so the root need not be taken.
        return field.trace(half_x_squared ^ self.a) == 0

    def validate(self, point: Point) -> Point:
        """Return the same point if a partner may send it. Raises PointOffCurve, PointLowOrder."""
        if not self.on_curve(point):
            raise PointOffCurve(f"the point is not on {self.name}", "its sender, or whatever altered it, is at fault")
        if not self.in_subgroup(point):
            raise PointLowOrder(
                f"the point is not in the subgroup of prime order of {self.name}",
                "no honest key is: its sender, or whatever altered it, is at fault",
            )
        return point

    def compress(self, point: Point) -> bytes:
        """Return the point as octets: 02 or 03, then x."""
        odd = self.field.multiply(point.y, self.field.inverse(point.x)) & 1 if point.x else 0
        return bytes((_ODD if odd else _EVEN,)) + point.x.to_bytes(self.field.size, "big")

    def decompress(self, octets: bytes) -> Point:
        """Return the valid point that ``octets`` stand for.

        Raises PointMalformed, PointOffCurve (no point has this x) and PointLowOrder.
        """
        field = self.field
        if len(octets) != self.point_size or octets[0] not in (_EVEN, _ODD):
            raise PointMalformed(
                f"{len(octets)} octets that are no compressed point of {self.name}",
                f"a compressed point is 02 or 03 and {field.size} more octets",
            )
        x = int.from_bytes(octets[1:], "big")
        if x >> field.degree:
            raise PointMalformed(f"the point's x is longer than {field.degree} bits", "check its first octets")
        if x == 0:
            return self.validate(Point(0, 1))
        # With y = xz the equation becomes z^2 + z = x + a + 1/x^2.
        z = field.half_trace(x ^ self.a ^ field.square(field.inverse(x)))
        if z & 1 != octets[0] & 1:
            z ^= 1
        return self.validate(Point(x, field.multiply(x, z)))

    def add(self, p: Point, q: Point) -> Point:
        """Return the sum of two points. Raises PointAtInfinity where one is the other's negative."""
        field = self.field
        if p.x == q.x:
            if p.y != q.y or p.x == 0:
                raise PointAtInfinity("the sum of two points is the point at infinity", "one of them cannot be genuine")
            slope = p.x ^ field.multiply(p.y, field.inverse(p.x))
            x = field.square(slope) ^ slope ^ self.a
            return Point(x, field.square(p.x) ^ field.multiply(slope ^ 1, x))
        slope = field.multiply(p.y ^ q.y, field.inverse(p.x ^ q.x))
        x = field.square(slope) ^ slope ^ p.x ^ q.x ^ self.a
        return Point(x, field.multiply(slope, p.x ^ x) ^ x ^ p.y)

    def multiply(self, scalar: int, point: Point) -> Point:
        """Return ``scalar`` times a point of the subgroup, in as many steps for any scalar less than the order.

        Raises PointAtInfinity for multiples of the order.
        """
        scalar = scalar % self.order + self.order
        if scalar.bit_length() == self.order.bit_length():
            scalar += self.order
        return self._ladder(scalar, point)

    def multiply_public(self, scalar: int, point: Point) -> Point:
        """Return ``scalar`` (1 or more, not secret) times a point of the subgroup, in one step for each of its bits."""
        if scalar < 1:
            raise PointAtInfinity("a point was multiplied by nought", "whoever chose the number cannot be genuine")
        return self._ladder(scalar, point)

    def multiply_generator(self, scalar: int) -> Point:
        """Return the public key that belongs to a private key."""
        return self.multiply(scalar, self.generator)

    def random_scalar(self, below: Callable[[int], int]) -> int:
        """Draw a private key. ``below(n)`` gives a random number from 0 to n - 1: ``secrets.randbelow``."""
        return 1 + below(self.order - 1)

    def _ladder(self, scalar: int, point: Point) -> Point:
        """Double and add for every bit below the highest, on x alone (López and Dahab), then recover y."""
        field = self.field
        product, reduce, square = field.product, field.reduce, field.square
        lane, lowest_lane = field.lane, (1 << field.lane) - 1
        x = point.x
        if x == 0:
            raise PointLowOrder("a point of order two was multiplied", "validate points before their use")
        # pair[0] and pair[1] differ by the point itself throughout. The bit picks which of them is doubled: by
        # index, so that both values of a bit cost the same.
        x_multiples = multiples(x)
        doubled = square(x)
        pair = [(x, 1), (square(doubled) ^ 1, doubled)]
        for bit in map(int, f"{scalar:b}"[1:]):
            (x_0, z_0), (x_1, z_1) = pair[bit], pair[1 - bit]
            by_x_0 = product(x_0, z_1 << lane | z_0)
            left, right = reduce(by_x_0 >> lane), reduce(product(x_1, z_0))
            z_sum = square(left ^ right)
            x_sum = reduce(field.sum_of_products(z_sum, x_multiples, left, multiples(right)))
            pair[bit] = square(square(x_0 ^ z_0)), square(reduce(by_x_0 & lowest_lane))
            pair[1 - bit] = x_sum, z_sum
        return self._recovered(point, pair[0], pair[1])

    def _recovered(self, point: Point, result: tuple[int, int], successor: tuple[int, int]) -> Point:
        """Return the affine form of ``result``; ``successor`` is it plus ``point``; both are (X, Z) with x = X/Z."""
        field = self.field
        (x_0, z_0), (x_1, z_1) = result, successor
        if z_0 == 0:
            raise PointAtInfinity("a multiple of a point is the point at infinity", "one of them cannot be genuine")
        if z_1 == 0:
            return Point(point.x, point.x ^ point.y)
        # One inversion for both denominators and for x.
        all_z = field.multiply(z_0, z_1)
        inverse = field.inverse(field.multiply(all_z, point.x))
        by_z = field.multiply(inverse, point.x)
        x = field.multiply(x_0, field.multiply(by_z, z_1))
        x_next = field.multiply(x_1, field.multiply(by_z, z_0))
        by_x = field.multiply(inverse, all_z)
        bracket = field.multiply(x ^ point.x, x_next ^ point.x) ^ field.square(point.x) ^ point.y
        return Point(x, field.multiply(field.multiply(x ^ point.x, by_x), bracket) ^ point.y)


SECT163K1 = Curve(
    name="sect163k1",
    field=BinaryField(degree=163, taps=(7, 6, 3), traced=(0, 157)),
    a=1,
    order=0x04000000000000000000020108A2E0CC0D99F8A5EF,
    cofactor=2,
    generator=Point(
        0x02FE13C0537BBC11ACAA07D793DE4E6D5E5C94EEE8,
        0x0289070FB05D38FF58321F2E800536D538CCDAA3D9,
    ),
)

SECT283K1 = Curve(
    name="sect283k1",
    field=BinaryField(degree=283, taps=(12, 7, 5), traced=(0, 271)),
    a=0,
    order=0x01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFE9AE2ED07577265DFF7F94451E061E163C61,
    cofactor=4,
    generator=Point(
        0x0503213F78CA44883F1A3B8162F188E553CD265F23C1567A16876913B0C2AC2458492836,
        0x01CCDA380F1C9E318D90F95D07E5426FE87E45C0E8184698E45962364E34116177DD2259,
    ),
)
