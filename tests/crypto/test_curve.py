"""The curves' own laws, and every kind of point that must be refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanctl.crypto.curve import (
    SECT163K1,
    SECT283K1,
    Curve,
    Point,
    PointAtInfinity,
    PointError,
    PointLowOrder,
    PointMalformed,
    PointOffCurve,
)

CURVES = [SECT163K1, SECT283K1]
curves = pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)


def negative(point: Point) -> Point:
    return Point(point.x, point.x ^ point.y)


def definition_of_trace(curve: Curve, element: int) -> int:
    total = element
    for _ in range(curve.field.degree - 1):
        element = curve.field.square(element)
        total ^= element
    return total


def shifted_product(curve: Curve, a: int, b: int) -> int:
    """The product bit by bit: the school method."""
    polynomial = 1 << curve.field.degree | sum(1 << tap for tap in curve.field.taps) | 1
    total = 0
    while b:
        total ^= a if b & 1 else 0
        a <<= 1
        a ^= polynomial if a >> curve.field.degree else 0
        b >>= 1
    return total


def low_order_point(curve: Curve) -> Point:
    """A point of the curve's order-four (or two) group: on sect283k1 the point (1, 0) or (1, 1)."""
    return Point(0, 1) if curve.cofactor == 2 else Point(1, 0)


@curves
@given(data=st.data())
def test_the_field_agrees_with_the_school_method(curve: Curve, data: st.DataObject) -> None:
    elements = st.integers(0, (1 << curve.field.degree) - 1)
    a, b = data.draw(elements), data.draw(elements)
    assert curve.field.multiply(a, b) == shifted_product(curve, a, b)
    assert curve.field.square(a) == shifted_product(curve, a, a)
    assert curve.field.square(curve.field.root(a)) == a
    if a:
        assert shifted_product(curve, a, curve.field.inverse(a)) == 1
    half = curve.field.half_trace(a)
    assert curve.field.square(half) ^ half == a ^ curve.field.trace(a)


@curves
def test_zero_has_no_inverse(curve: Curve) -> None:
    with pytest.raises(ZeroDivisionError):
        curve.field.inverse(0)


@curves
def test_the_trace_is_what_its_definition_says_for_every_power_of_x(curve: Curve) -> None:
    assert all(
        curve.field.trace(1 << i) == definition_of_trace(curve, 1 << i) for i in (*range(12), *curve.field.traced)
    )
    assert all(curve.field.trace(1 << i) == definition_of_trace(curve, 1 << i) for i in range(0, curve.field.degree, 9))


@curves
def test_the_generator_has_the_order(curve: Curve) -> None:
    assert curve.on_curve(curve.generator)
    with pytest.raises(PointAtInfinity):
        curve.multiply(curve.order, curve.generator)
    with pytest.raises(PointAtInfinity):
        curve.multiply_public(curve.order, curve.generator)
    assert curve.multiply(curve.order - 1, curve.generator) == negative(curve.generator)
    # Hasse: cofactor times order is as near to 2^m as a group of the curve can be.
    assert abs(curve.cofactor * curve.order - (1 << curve.field.degree) - 1) <= 2 << (curve.field.degree + 1) // 2


@curves
def test_small_multiples_are_repeated_sums(curve: Curve) -> None:
    total = curve.generator
    for scalar in range(1, 20):
        assert curve.multiply(scalar, curve.generator) == total == curve.multiply_public(scalar, curve.generator)
        assert curve.multiply(curve.order - scalar, curve.generator) == negative(total)
        total = curve.add(total, curve.generator)


@curves
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_multiplication_distributes(curve: Curve, data: st.DataObject) -> None:
    scalars = st.integers(1, curve.order - 1)
    a, b = data.draw(scalars), data.draw(scalars)
    p, q = curve.multiply_generator(a), curve.multiply_generator(b)
    if (a + b) % curve.order:
        assert curve.add(p, q) == curve.multiply_generator(a + b)
    assert curve.multiply(b, p) == curve.multiply(a, q)
    assert curve.decompress(curve.compress(p)) == p == curve.validate(p)


@curves
def test_every_scalar_takes_as_many_steps(curve: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: set[int] = set()

    def counted(self: Curve, scalar: int, point: Point) -> Point:
        lengths.add(scalar.bit_length())
        return point

    monkeypatch.setattr(Curve, "_ladder", counted)
    for scalar in (1, 2, 3, 1 << 100, curve.order // 2, curve.order - 1):
        curve.multiply(scalar, curve.generator)
    assert len(lengths) == 1


@curves
def test_nought_times_a_point_is_refused(curve: Curve) -> None:
    for scalar in (0, curve.order):
        with pytest.raises(PointAtInfinity):
            curve.multiply(scalar, curve.generator)
    with pytest.raises(PointAtInfinity):
        curve.multiply_public(0, curve.generator)
    with pytest.raises(PointAtInfinity):
        curve.add(curve.generator, negative(curve.generator))


@curves
def test_points_of_low_order_are_refused(curve: Curve) -> None:
    point = low_order_point(curve)
    assert curve.on_curve(point)
    with pytest.raises(PointLowOrder):
        curve.validate(point)
    with pytest.raises(PointLowOrder):
        curve.decompress(curve.compress(point))


@curves
def test_the_point_of_order_two_is_refused_in_every_form(curve: Curve) -> None:
    for first in (b"\x02", b"\x03"):
        with pytest.raises(PointLowOrder):
            curve.decompress(first + bytes(curve.field.size))
    with pytest.raises(PointLowOrder):
        curve.multiply(5, Point(0, 1))
    with pytest.raises(PointAtInfinity):
        curve.add(Point(0, 1), Point(0, 1))


@curves
def test_a_good_point_with_a_low_order_part_is_refused(curve: Curve) -> None:
    """The nasty case: nothing is odd about such a point but its order, of twice or four times the prime."""
    honest = curve.multiply_generator(0xDEADBEEF)
    poisons = [Point(0, 1)] if curve.cofactor == 2 else [Point(0, 1), Point(1, 0), Point(1, 1)]
    for poison in poisons:
        mixed = curve.add(honest, poison)
        assert curve.on_curve(mixed)
        with pytest.raises(PointLowOrder):
            curve.decompress(curve.compress(mixed))


@curves
def test_the_halving_check_agrees_with_multiplication_by_the_order(curve: Curve) -> None:
    """For points picked anywhere on the curve, of which one in two or four is in the subgroup."""
    seen: set[bool] = set()
    for x in range(2, 60):
        z_squared_plus_z = x ^ curve.a ^ curve.field.square(curve.field.inverse(x))
        z = curve.field.half_trace(z_squared_plus_z)
        point = Point(x, curve.field.multiply(x, z))
        if not curve.on_curve(point):
            continue
        try:
            curve.multiply_public(curve.order, point)
            of_prime_order = False
        except PointAtInfinity:
            of_prime_order = True
        assert curve.in_subgroup(point) is of_prime_order
        seen.add(of_prime_order)
    assert seen == {True, False}


@curves
def test_points_off_the_curve_are_refused(curve: Curve) -> None:
    refused = 0
    for x in range(1, 40):
        try:
            curve.decompress(b"\x02" + x.to_bytes(curve.field.size, "big"))
        except PointOffCurve:
            refused += 1
        except PointLowOrder:
            pass
    assert refused > 5
    with pytest.raises(PointOffCurve):
        curve.validate(Point(curve.generator.x, curve.generator.y ^ 1))
    with pytest.raises(PointOffCurve):
        curve.validate(Point(curve.generator.x | 1 << curve.field.degree, curve.generator.y))


@curves
def test_octets_that_are_no_point_are_refused(curve: Curve) -> None:
    good = curve.compress(curve.generator)
    too_long = bytearray(good)
    too_long[1] |= 0x80
    for bad in (b"", good[:-1], good + b"\x00", b"\x04" + good[1:], b"\x00" + good[1:], b"\x00", bytes(too_long)):
        with pytest.raises(PointMalformed):
            curve.decompress(bad)


@curves
@given(data=st.data())
def test_any_octets_give_a_valid_point_or_the_named_error(curve: Curve, data: st.DataObject) -> None:
    octets = data.draw(st.binary(min_size=curve.field.size, max_size=curve.field.size))
    try:
        point = curve.decompress(data.draw(st.sampled_from([b"\x02", b"\x03"])) + octets)
    except PointError:
        return
    assert curve.on_curve(point)
    assert curve.in_subgroup(point)
