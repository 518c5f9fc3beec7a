"""ECDSA over the binary curves: both ways against OpenSSL's, and every signature that is none."""

from __future__ import annotations

import random

import pytest
from crypto_vectors import HANDSHAKES, Handshake
from libcrypto_oracle import Oracle, Unavailable

from hanctl.crypto import ecdsa
from hanctl.crypto.mmo import mmo_hash
from hanctl.crypto.suites import SUITES, Suite
from hanctl.images.build import Fields, build_signed
from hanctl.trust.credentials import credentials_of

suites = pytest.mark.parametrize("suite", SUITES, ids=str)
RUNS = [10, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
DIGEST = bytes.fromhex("e26a886e8030458da084586f2dcb08a2")


@pytest.fixture
def oracle(suite: Suite) -> Oracle:
    try:
        return Oracle(suite)
    except Unavailable as reason:
        pytest.skip(str(reason))


def pair(suite: Suite, r: int, s: int) -> bytes:
    return r.to_bytes(suite.private_key_size, "big") + s.to_bytes(suite.private_key_size, "big")


@suites
@pytest.mark.parametrize("runs", RUNS)
def test_what_one_signs_the_other_verifies(suite: Suite, oracle: Oracle, runs: int) -> None:
    curve, source = suite.curve, random.Random(f"sign {suite}")
    for run in range(runs):
        private_key = source.randrange(1, curve.order)
        digest = source.randbytes(16) if run else bytes(16)
        public_key = curve.multiply_generator(private_key)
        ours = ecdsa.sign(curve, private_key, digest, source.randrange)
        theirs = oracle.sign(private_key, digest)
        assert len(ours) == len(theirs) == suite.signature_size
        assert oracle.verify(curve.compress(public_key), digest, ours)
        assert ecdsa.verify(curve, public_key, digest, theirs)
        wrong = bytearray(theirs)
        # Not in the highest byte: there it would be out of range.
        wrong[source.randrange(2, suite.private_key_size)] ^= 1 << source.randrange(8)
        assert not ecdsa.verify(curve, public_key, digest, bytes(wrong))
        assert not oracle.verify(curve.compress(public_key), digest, bytes(wrong))


@pytest.mark.parametrize(("suite", "vectors"), [(each.suite, each) for each in HANDSHAKES], ids=["1", "2"])
def test_openssl_verifies_an_image_that_was_built(suite: Suite, vectors: Handshake, oracle: Oracle) -> None:
    signer = credentials_of(vectors["certU"], vectors["dU"], vectors["ca"])
    fields = Fields(manufacturer_code=0x1234, image_type=1, file_version=2)
    data = build_signed(b"payload" * 2000, fields, signer, below=random.Random(5).randrange)
    signed, signature = data[: -suite.signature_size], data[-suite.signature_size :]
    assert signed[-8:] == vectors.identity("U")[::-1]
    assert oracle.verify(vectors["QU"], mmo_hash(signed), signature)
    assert vectors["certU"] in signed


@suites
def test_no_two_signatures_share_their_secret(suite: Suite) -> None:
    source = random.Random(1)
    first, second = (ecdsa.sign(suite.curve, 7, DIGEST, source.randrange) for _ in range(2))
    assert first[: suite.private_key_size] != second[: suite.private_key_size]


@suites
def test_a_signature_is_good_for_its_digest_and_signer_alone(suite: Suite) -> None:
    curve, source = suite.curve, random.Random(2)
    signature = ecdsa.sign(curve, 12345, DIGEST, source.randrange)
    public_key, other = curve.multiply_generator(12345), curve.multiply_generator(12346)
    assert ecdsa.verify(curve, public_key, DIGEST, signature)
    assert not ecdsa.verify(curve, other, DIGEST, signature)
    assert not ecdsa.verify(curve, public_key, DIGEST[::-1], signature)
    assert not ecdsa.verify(curve, public_key, bytes(16), signature)
    size = suite.private_key_size
    assert not ecdsa.verify(curve, public_key, DIGEST, signature[size:] + signature[:size])


@suites
def test_r_and_s_out_of_range_are_no_signature(suite: Suite) -> None:
    curve, source = suite.curve, random.Random(3)
    public_key, order = curve.multiply_generator(99), curve.order
    signature = ecdsa.sign(curve, 99, DIGEST, source.randrange)
    size = suite.private_key_size
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    # The same numbers modulo the order: an arithmetic that forgets the range takes them.
    for wrong in (pair(suite, r + order, s), pair(suite, r, s + order), pair(suite, 0, s), pair(suite, r, 0)):
        assert not ecdsa.in_range(curve, wrong)
        assert not ecdsa.verify(curve, public_key, DIGEST, wrong)
    for wrong in (pair(suite, order, s), signature[:-1], signature + b"\x00", b""):
        assert not ecdsa.in_range(curve, wrong)
        assert not ecdsa.verify(curve, public_key, DIGEST, wrong)
    assert ecdsa.in_range(curve, pair(suite, order - 1, 1))


@suites
def test_a_sum_at_infinity_is_a_refusal(suite: Suite) -> None:
    """A key made for the purpose: -e/r times the generator, so that the two products cancel for any s."""
    curve, r = suite.curve, 5
    private_key = -int.from_bytes(DIGEST, "big") * pow(r, -1, curve.order) % curve.order
    assert not ecdsa.verify(curve, curve.multiply_generator(private_key), DIGEST, pair(suite, r, 17))


@suites
def test_a_digest_that_would_have_to_be_cut_is_a_fault_of_the_caller(suite: Suite) -> None:
    long = bytes(suite.private_key_size)
    with pytest.raises(ValueError, match="too long"):
        ecdsa.sign(suite.curve, 1, long, random.Random(4).randrange)
