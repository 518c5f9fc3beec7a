"""Our arithmetic against OpenSSL's, on random numbers."""

from __future__ import annotations

import random

import pytest
from libcrypto_oracle import Oracle, Unavailable

from hanctl.crypto.ecmqv import shared_secret
from hanctl.crypto.suites import SUITES, Suite

suites = pytest.mark.parametrize("suite", SUITES, ids=str)
RUNS = [20, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]


@pytest.fixture
def oracle(suite: Suite) -> Oracle:
    try:
        return Oracle(suite)
    except Unavailable as reason:
        pytest.skip(str(reason))


@suites
@pytest.mark.parametrize("runs", RUNS)
def test_random_scalar_multiplications_agree(suite: Suite, oracle: Oracle, runs: int) -> None:
    curve, source = suite.curve, random.Random(f"multiply {suite}")
    point = curve.generator
    for _ in range(runs):
        scalar = source.randrange(1, curve.order)
        product = curve.multiply(scalar, point)
        assert curve.compress(product) == oracle.multiply(scalar, curve.compress(point))
        public = source.getrandbits(source.randrange(2, 142)) | 1
        assert curve.compress(curve.multiply_public(public, point)) == oracle.multiply(public, curve.compress(point))
        point = product


@suites
@pytest.mark.parametrize("runs", RUNS)
def test_random_key_agreements_agree(suite: Suite, oracle: Oracle, runs: int) -> None:
    curve, source = suite.curve, random.Random(f"agree {suite}")
    for _ in range(runs):
        d_u, e_u, d_v, e_v = (source.randrange(1, curve.order) for _ in range(4))
        q_v, r_u, r_v, q_u = (oracle.multiply(scalar, oracle.generator()) for scalar in (d_v, e_u, e_v, d_u))
        ours = shared_secret(
            suite,
            static_private=d_u,
            ephemeral_private=e_u,
            ephemeral_public=curve.decompress(r_u),
            partner_static=curve.decompress(q_v),
            partner_ephemeral=curve.decompress(r_v),
        )
        assert ours == oracle.shared_secret(d_v, e_v, r_v, q_u, r_u)
