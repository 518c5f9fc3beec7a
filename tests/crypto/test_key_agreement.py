"""Every published value of the key agreement, from both ends."""

from __future__ import annotations

import pytest
from crypto_vectors import DEVICES, HANDSHAKES, SELF_MADE, Handshake, PublishedDevice

from hanctl.crypto import ecqv
from hanctl.crypto.curve import PointAtInfinity
from hanctl.crypto.ecmqv import shared_secret
from hanctl.crypto.kdf import derive_keys
from hanctl.crypto.smac import initiator_smac, responder_smac
from hanctl.crypto.suites import SUITE_1, SUITE_2, suite_of_bit

handshakes = pytest.mark.parametrize(
    "vector", [*HANDSHAKES, SELF_MADE], ids=["annex-suite-1", "annex-suite-2", "self-made-suite-2"]
)
sides = pytest.mark.parametrize(("own", "other"), [("U", "V"), ("V", "U")])


def test_sizes() -> None:
    assert [(s.private_key_size, s.public_key_size, s.secret_size, s.associate_bits) for s in (SUITE_1, SUITE_2)] == [
        (21, 22, 21, 82),
        (36, 37, 36, 141),
    ]
    assert [suite_of_bit(bit) for bit in (0, 1, 2, 3, 4)] == [None, SUITE_1, SUITE_2, None, None]


@handshakes
@sides
def test_key_pairs(vector: Handshake, own: str, other: str) -> None:
    curve = vector.suite.curve
    for private, public in ((f"d{own}", f"Q{own}"), (f"e{own}", f"Qe{own}")):
        assert curve.compress(curve.multiply_generator(vector.scalar(private))) == vector[public]


@handshakes
@sides
def test_public_keys_from_certificates(vector: Handshake, own: str, other: str) -> None:
    key = ecqv.public_key(vector.suite.curve, vector[f"cert{own}"], vector.reconstruction(own), vector.point("ca"))
    assert vector.suite.curve.compress(key) == vector[f"Q{own}"]


@handshakes
@sides
def test_the_shared_secret(vector: Handshake, own: str, other: str) -> None:
    secret = shared_secret(
        vector.suite,
        static_private=vector.scalar(f"d{own}"),
        ephemeral_private=vector.scalar(f"e{own}"),
        ephemeral_public=vector.point(f"Qe{own}"),
        partner_static=vector.point(f"Q{other}"),
        partner_ephemeral=vector.point(f"Qe{other}"),
    )
    assert secret == vector["Z"]


@handshakes
def test_keys_and_codes(vector: Handshake) -> None:
    keys = derive_keys(vector["Z"])
    assert (keys.mac_key, keys.key_data) == (vector["mac_key"], vector["key_data"])
    assert initiator_smac(keys.mac_key, vector.party("U"), vector.party("V")) == vector["macU"]
    assert responder_smac(keys.mac_key, vector.party("U"), vector.party("V")) == vector["macV"]
    assert vector["mac_key"].hex() not in repr(keys)
    assert vector["key_data"].hex() not in repr(keys)


def test_ephemeral_keys_given_to_the_wrong_side_give_the_known_wrong_secret() -> None:
    vector = HANDSHAKES[0]
    secret = shared_secret(
        SUITE_1,
        static_private=vector.scalar("dU"),
        ephemeral_private=vector.scalar("eV"),
        ephemeral_public=vector.point("QeV"),
        partner_static=vector.point("QV"),
        partner_ephemeral=vector.point("QeU"),
    )
    assert secret.hex() == "0392abefefc2988dc697b7fc76283b07ce3eae196b"


def test_an_ephemeral_key_chosen_to_cancel_is_refused() -> None:
    """R = -avf(R) Q cannot be found, but what it would lead to must not pass: here by a static key made to fit."""
    vector = HANDSHAKES[1]
    curve = SUITE_2.curve
    received = vector.point("QeU")
    weight = received.x % (1 << 141) + (1 << 141)
    partner_static = curve.multiply(-vector.scalar("eU") * pow(weight, -1, curve.order), curve.generator)
    with pytest.raises(PointAtInfinity):
        shared_secret(
            SUITE_2,
            static_private=vector.scalar("dV"),
            ephemeral_private=vector.scalar("eV"),
            ephemeral_public=vector.point("QeV"),
            partner_static=partner_static,
            partner_ephemeral=received,
        )


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.where)
def test_published_devices_have_the_keys_their_certificates_say(device: PublishedDevice) -> None:
    curve = device.suite.curve
    point = device.certificate[:22] if device.suite is SUITE_1 else device.certificate[37:]
    key = ecqv.public_key(curve, device.certificate, curve.decompress(point), curve.decompress(device.ca))
    assert curve.multiply_generator(int.from_bytes(device.private_key, "big")) == key
    assert device.public_key in (None, curve.compress(key))


@pytest.mark.parametrize("suite", [SUITE_1, SUITE_2], ids=str)
def test_what_is_issued_verifies(suite: object) -> None:
    chosen = SUITE_1 if suite is SUITE_1 else SUITE_2
    curve = chosen.curve
    authority = 0x1234567890ABCDEF
    points: list[bytes] = []

    def assemble(point: bytes) -> bytes:
        points.append(point)
        return b"certificate" + point

    issued = ecqv.issue(curve, authority, assemble, lambda n: n // 3)
    key = ecqv.public_key(curve, issued.certificate, curve.decompress(points[-1]), curve.multiply_generator(authority))
    assert curve.multiply_generator(issued.private_key) == key
    assert str(issued.private_key) not in repr(issued)
