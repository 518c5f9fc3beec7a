"""Arithmetic in GF(2^m) with a pentanomial, elements as Python integers: bit i is the coefficient of x^i.

Every operation runs the same sequence of steps whatever its operands are, as far as Python's integers allow it; the
one exception, the inverse, is blinded.
"""

from __future__ import annotations

import secrets
from binascii import hexlify
from dataclasses import dataclass

_HEX = b"0123456789abcdef"
_NIBBLES = bytes.maketrans(_HEX, bytes(range(16)))
"""ASCII hex digits to their values: the quickest way to cut an integer into nibbles."""
_SPREAD = bytes.maketrans(_HEX, bytes(sum((nibble >> bit & 1) << 2 * bit for bit in range(4)) for nibble in range(16)))
"""ASCII hex digits to their squares: the same four bits with a zero above each."""


Multiples = tuple[int, ...]


def multiples(b: int) -> Multiples:
    """Return the products of ``b`` with the 16 polynomials of degree 3 or less, indexed by the polynomial's bits."""
    b2, b4, b8 = b << 1, b << 2, b << 3
    b3, b12 = b2 ^ b, b8 ^ b4
    return (
        *(0, b, b2, b3, b4, b4 ^ b, b4 ^ b2, b4 ^ b3),
        *(b8, b8 ^ b, b8 ^ b2, b8 ^ b3, b12, b12 ^ b, b12 ^ b2, b12 ^ b3),
    )


@dataclass(frozen=True, slots=True)
class BinaryField:
    """GF(2^degree) modulo x^degree + the sum of x^tap over ``taps`` + 1, the taps falling and far below the degree.

    ``traced``: the exponents i for which the trace of x^i is 1.
    """

    degree: int
    taps: tuple[int, int, int]
    traced: tuple[int, ...]

    @property
    def size(self) -> int:
        """The length in bytes of an element as an octet string."""
        return (self.degree + 7) // 8

    @property
    def lane(self) -> int:
        """Bits enough for a product before reduction."""
        return 2 * self.degree

    def reduce(self, value: int) -> int:
        """Return ``value``, of less than twice the degree, modulo the polynomial."""
        a, b, c = self.taps
        degree = self.degree
        high = value >> degree
        high ^= high >> (degree - a) ^ high >> (degree - b) ^ high >> (degree - c)
        return (value ^ high ^ high << a ^ high << b ^ high << c) & ((1 << degree) - 1)

    def nibbles(self, a: int) -> bytes:
        """Return the nibbles of ``a``, highest first; their number is the same for every element."""
        return hexlify(a.to_bytes((self.degree + 7) // 8, "big")).translate(_NIBBLES)

    def product(self, a: int, b: int) -> int:
        """Return the product before reduction, by nibbles of ``a`` against the 16 multiples of ``b``.

        ``b`` may hold several elements, ``lane`` bits apart: so will the product, which costs less than they would
        singly.
        """
        table = multiples(b)
        total = 0
        for nibble in self.nibbles(a):
            total = total << 4 ^ table[nibble]
        return total

    def sum_of_products(self, a: int, b_multiples: Multiples, c: int, d_multiples: Multiples) -> int:
        """Return ``a`` times b plus ``c`` times d before reduction, for little more than the cost of one product."""
        total = 0
        for a_nibble, c_nibble in zip(self.nibbles(a), self.nibbles(c), strict=True):
            total = total << 4 ^ b_multiples[a_nibble] ^ d_multiples[c_nibble]
        return total

    def multiply(self, a: int, b: int) -> int:
        """Return the product of two elements."""
        return self.reduce(self.product(a, b))

    def square(self, a: int) -> int:
        """Return the square: the same bits with a zero between each two, reduced."""
        digits = hexlify(a.to_bytes((self.degree + 7) // 8, "big"))
        return self.reduce(int.from_bytes(digits.translate(_SPREAD), "big"))

    def inverse(self, a: int) -> int:
        """Return the inverse, by Euclid's algorithm. Raises ZeroDivisionError for zero.

        How Euclid runs depends on its operand, which may come from a secret: so that of a random multiple is taken.
        """
        if a == 0:
            raise ZeroDivisionError("zero has no inverse")
        blind = 1 + secrets.randbelow((1 << self.degree) - 1)
        u, u_factor = self.multiply(a, blind), blind
        v, v_factor = 1 << self.degree | sum(1 << tap for tap in self.taps) | 1, 0
        while u != 1:
            shift = u.bit_length() - v.bit_length()
            if shift < 0:
                u, v, u_factor, v_factor, shift = v, u, v_factor, u_factor, -shift
            u ^= v << shift
            u_factor ^= v_factor << shift
        return self.reduce(u_factor)

    def root(self, a: int) -> int:
        """Return the square root, which every element has exactly once."""
        for _ in range(self.degree - 1):
            a = self.square(a)
        return a

    def trace(self, a: int) -> int:
        """Return the trace, 0 or 1. It is linear, so the traces of the powers of x determine it."""
        return sum(a >> exponent for exponent in self.traced) & 1

    def half_trace(self, a: int) -> int:
        """Return the h with h^2 + h = a + trace(a) (the degree is odd); the only other such element is h + 1."""
        total = a
        for _ in range((self.degree - 1) // 2):
            a = self.square(self.square(a))
            total ^= a
        return total
