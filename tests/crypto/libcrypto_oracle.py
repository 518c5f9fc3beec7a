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
        "BN_bn2binpad": (ctypes.c_int, [_POINTER, ctypes.c_char_p, ctypes.c_int]),
        "BN_free": (None, [_POINTER]),
        "EC_KEY_new": (_POINTER, []),
        "EC_KEY_free": (None, [_POINTER]),
        "EC_KEY_set_group": (ctypes.c_int, [_POINTER, _POINTER]),
        "EC_KEY_set_private_key": (ctypes.c_int, [_POINTER, _POINTER]),
        "EC_KEY_set_public_key": (ctypes.c_int, [_POINTER, _POINTER]),
        "ECDSA_SIG_new": (_POINTER, []),
        "ECDSA_SIG_free": (None, [_POINTER]),
        "ECDSA_SIG_get0": (None, [_POINTER, ctypes.POINTER(_POINTER), ctypes.POINTER(_POINTER)]),
        "ECDSA_SIG_set0": (ctypes.c_int, [_POINTER, _POINTER, _POINTER]),
        "ECDSA_do_sign": (_POINTER, [ctypes.c_char_p, ctypes.c_int, _POINTER]),
        "ECDSA_do_verify": (ctypes.c_int, [ctypes.c_char_p, ctypes.c_int, _POINTER, _POINTER]),
    }
    for function, (result, arguments) in signatures.items():
        try:
            bound = getattr(library, function)
        except AttributeError:
            raise Unavailable(f"libcrypto has no {function}") from None
        bound.restype, bound.argtypes = result, arguments
    return library


class Oracle:
    """Point arithmetic and ECDSA of one suite's curve, points in compressed octets."""

    _COMPRESSED = 2

    def __init__(self, suite: Suite) -> None:
        self._library = _library()
        self._suite = suite
        nid = self._library.OBJ_txt2nid(suite.curve.name.encode())
        self._group = self._library.EC_GROUP_new_by_curve_name(nid)
        if not self._group:
            raise Unavailable(f"this libcrypto was built without {suite.curve.name}")

    def multiply(self, scalar: int, point: bytes) -> bytes:
        number = self._number(scalar)
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

    def sign(self, private_key: int, digest: bytes) -> bytes:
        """r and s, each as long as a private key."""
        key, number = self._library.EC_KEY_new(), self._number(private_key)
        r, s = _POINTER(), _POINTER()
        try:
            assert self._library.EC_KEY_set_group(key, self._group) == 1
            assert self._library.EC_KEY_set_private_key(key, number) == 1
            signature = self._library.ECDSA_do_sign(digest, len(digest), key)
            assert signature
            self._library.ECDSA_SIG_get0(signature, ctypes.byref(r), ctypes.byref(s))
            size = self._suite.private_key_size
            parts = [ctypes.create_string_buffer(size) for _ in range(2)]
            for value, part in zip((r, s), parts, strict=True):
                assert self._library.BN_bn2binpad(value, part, size) == size
            self._library.ECDSA_SIG_free(signature)
            return parts[0].raw + parts[1].raw
        finally:
            self._library.BN_free(number)
            self._library.EC_KEY_free(key)

    def verify(self, public_key: bytes, digest: bytes, signature: bytes) -> bool:
        key, point, parsed = self._library.EC_KEY_new(), self._read(public_key), self._library.ECDSA_SIG_new()
        size = self._suite.private_key_size
        r, s = (self._number(int.from_bytes(part, "big")) for part in (signature[:size], signature[size:]))
        try:
            assert self._library.EC_KEY_set_group(key, self._group) == 1
            assert self._library.EC_KEY_set_public_key(key, point) == 1
            # From here on r and s are the signature's.
            assert self._library.ECDSA_SIG_set0(parsed, r, s) == 1
            return bool(self._library.ECDSA_do_verify(digest, len(digest), parsed, key) == 1)
        finally:
            self._library.ECDSA_SIG_free(parsed)
            self._library.EC_POINT_free(point)
            self._library.EC_KEY_free(key)

    def _number(self, value: int) -> int:
        size = max(1, (value.bit_length() + 7) // 8)
        number: int = self._library.BN_bin2bn(value.to_bytes(size, "big"), size, None)
        return number

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
