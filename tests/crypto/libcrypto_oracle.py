"""OpenSSL's own binary curves through ctypes: an independent reckoner for tests, where the machine's build has them."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

from hanctl.crypto.curve import Point
from hanctl.crypto.suites import SUITE_1, Suite

_POINTER = ctypes.c_void_p


class Unavailable(Exception):
    """Why there is no oracle on this machine."""


def _library() -> ctypes.CDLL:
    name = ctypes.util.find_library("crypto")
    if name is None:
        raise Unavailable("no libcrypto")
    library = ctypes.CDLL(name)
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "OBJ_txt2nid": (ctypes.c_int, [ctypes.c_char_p]),
        "EC_GROUP_new_by_curve_name": (_POINTER, [ctypes.c_int]),
        "EC_POINT_new": (_POINTER, [_POINTER]),
        "EC_POINT_free": (None, [_POINTER]),
        "EC_POINT_mul": (ctypes.c_int, [_POINTER] * 6),
        "EC_POINT_add": (ctypes.c_int, [_POINTER] * 5),
        "EC_POINT_oct2point": (ctypes.c_int, [_POINTER, _POINTER, ctypes.c_char_p, ctypes.c_size_t, _POINTER]),
        "EC_POINT_point2oct": (
            ctypes.c_size_t,
            [_POINTER, _POINTER, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, _POINTER],
        ),
        "BN_bin2bn": (_POINTER, [ctypes.c_char_p, ctypes.c_int, _POINTER]),
        "BN_free": (None, [_POINTER]),
    }
    for function, (result, arguments) in signatures.items():
        try:
            bound = getattr(library, function)
        except AttributeError:
            raise Unavailable(f"libcrypto has no {function}") from None
        bound.restype, bound.argtypes = result, arguments
    return library


class Oracle:
    """Point arithmetic of one suite's curve, in compressed octets."""

    _COMPRESSED = 2

    def __init__(self, suite: Suite) -> None:
        self._library = _library()
        self._suite = suite
        nid = self._library.OBJ_txt2nid(suite.curve.name.encode())
        self._group = self._library.EC_GROUP_new_by_curve_name(nid)
        if not self._group:
            raise Unavailable(f"this libcrypto was built without {suite.curve.name}")

    def multiply(self, scalar: int, point: bytes) -> bytes:
        size = max(1, (scalar.bit_length() + 7) // 8)
        number = self._library.BN_bin2bn(scalar.to_bytes(size, "big"), size, None)
        base, result = self._read(point), self._library.EC_POINT_new(self._group)
        try:
            assert self._library.EC_POINT_mul(self._group, result, None, base, number, None) == 1
            return self._write(result)
        finally:
            self._library.BN_free(number)
            self._library.EC_POINT_free(base)
            self._library.EC_POINT_free(result)

    def add(self, one: bytes, other: bytes) -> bytes:
        left, right = self._read(one), self._read(other)
        try:
            assert self._library.EC_POINT_add(self._group, left, left, right, None) == 1
            return self._write(left)
        finally:
            self._library.EC_POINT_free(left)
            self._library.EC_POINT_free(right)

    def shared_secret(self, d: int, e: int, own: bytes, partner_static: bytes, partner_ephemeral: bytes) -> bytes:
        """ECMQV written anew from its formula: only the point arithmetic is the library's."""
        half = 82 if self._suite is SUITE_1 else 141
        order, cofactor = self._suite.curve.order, 2 if self._suite is SUITE_1 else 4

        def weight(point: bytes) -> int:
            return int.from_bytes(point[1:], "big") & ((1 << half) - 1) | 1 << half

        implicit = (e + weight(own) * d) % order
        partner = self.add(partner_ephemeral, self.multiply(weight(partner_ephemeral), partner_static))
        return self.multiply(cofactor * implicit, partner)[1:]

    def _read(self, octets: bytes) -> int:
        point: int = self._library.EC_POINT_new(self._group)
        assert self._library.EC_POINT_oct2point(self._group, point, octets, len(octets), None) == 1
        return point

    def _write(self, point: int) -> bytes:
        buffer = ctypes.create_string_buffer(self._suite.public_key_size)
        size = self._library.EC_POINT_point2oct(self._group, point, self._COMPRESSED, buffer, len(buffer), None)
        return buffer.raw[:size]

    def generator(self) -> bytes:
        return self._suite.curve.compress(Point(self._suite.curve.generator.x, self._suite.curve.generator.y))
