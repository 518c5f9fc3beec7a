"""Verdicts are honest about their basis: properties over all evidence there could be, and what outweighs what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanctl.base.eui64 import Eui64
from hanctl.model.change_records import Evidence, EvidenceKind, EvidenceProof, Fuel
from hanctl.tenancy.evidence.verdicts import SETTLED, Verdict, judge

DEVICE = Eui64("00:db:12:34:56:78:00:01")
START = datetime(2026, 3, 1, tzinfo=UTC)
PUBLISH = "PublishChangeOfTenancy"
BOTH: tuple[Fuel, ...] = ("electricity", "gas")
PROOF = {"reported cleared", "seen cleared", "confirmed"}


def line(*kinds: str, fuel: Fuel | None = "gas", what: str = PUBLISH, status: int | None = None) -> list[Evidence]:
    return [
        Evidence(n, 1, DEVICE, START + timedelta(seconds=n), kind, fuel, what, status)  # type: ignore[arg-type]
        for n, kind in enumerate(kinds)
    ]


def verdict(*kinds: str) -> Verdict:
    return judge(line(*kinds), ["gas"]).verdict


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], "silent"),
        (["concerned"], "silent"),
        (["concerned", "told"], "silent"),
        (["told", "acknowledged"], "acknowledged only"),
        (["acknowledged", "told"], "acknowledged only"),
        (["queried"], "acknowledged only"),
        (["told", "reported received"], "acknowledged only"),
        (["told", "refused"], "refused"),
        (["told", "refused", "acknowledged"], "acknowledged only"),
        (["told", "acknowledged", "reported cleared"], "reported cleared"),
        (["reported cleared", "acknowledged"], "reported cleared"),
        (["reported cleared", "reported rejected"], "refused"),
        (["reported cleared", "seen cleared"], "seen cleared"),
        (["seen cleared", "confirmed"], "operator confirmed"),
        (["confirmed", "seen cleared"], "operator confirmed"),
        (["seen cleared", "still shows"], "still shows"),
        (["still shows", "reported cleared"], "still shows"),
        (["still shows", "acknowledged", "reported cleared", "overdue"], "still shows"),
        (["confirmed", "still shows"], "still shows"),
        (["still shows", "seen cleared"], "seen cleared"),
        (["still shows", "confirmed"], "operator confirmed"),
    ],
)
def test_what_outweighs_what(kinds: list[str], expected: Verdict) -> None:
    assert verdict(*kinds) == expected


def test_of_two_fuels_the_weaker_counts() -> None:
    gas = line("told", "acknowledged", "reported cleared")
    assert judge(gas, BOTH).verdict == "silent"
    assert judge(gas + line("told", "acknowledged", fuel="electricity"), BOTH).verdict == "acknowledged only"
    assert judge(gas + line("told", "refused", fuel="electricity", status=0x86), BOTH).verdict == "refused"
    assert judge(gas + line("told", "reported cleared", fuel="electricity"), BOTH).verdict == "reported cleared"


def test_answers_to_other_commands_weigh_nothing() -> None:
    others = line("told", "acknowledged", what="CancelAllMessages") + line("refused", what="UpdateCIN", status=0x7E)
    assert judge(others, ["gas"]).verdict == "silent"
    assert judge(others + line("told", "acknowledged"), ["gas"]).verdict == "acknowledged only"


kinds = st.sampled_from(get_args(EvidenceKind))
evidence = st.lists(st.tuples(kinds, st.sampled_from(BOTH)), max_size=12).map(
    lambda pairs: [each for kind, fuel in pairs for each in line(kind, fuel=fuel)]
)


@given(evidence, st.sampled_from([("gas",), BOTH]))
def test_nothing_is_settled_without_proof(rows: list[Evidence], fuels: tuple[Fuel, ...]) -> None:
    judged = judge(rows, fuels)
    if not PROOF & {each.kind for each in rows}:
        assert judged.verdict not in SETTLED
    assert judged.settled == (judged.verdict in SETTLED)
    assert judged.basis


@given(evidence)
def test_a_success_never_makes_a_verdict_better_than_acknowledged_only(rows: list[Evidence]) -> None:
    before, after = judge(rows, BOTH), judge(rows + line("acknowledged", "told"), BOTH)
    assert after.settled <= before.settled or after.verdict == before.verdict


@pytest.mark.parametrize("kind", ["acknowledged", "refused", "queried", "reported received", "reported cleared"])
def test_what_came_from_an_address_under_some_key_makes_no_verdict(kind: str) -> None:
    said = [replace(each, proof="address") for each in line(kind, status=0)]
    for known in (said, [*line("told"), *said]):
        judged = judge(known, ["gas"])
        assert judged.verdict == "silent" and "under some key" in judged.basis


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        ("key counters", "key counters"),
        ("secret", "a secret that it alone could read"),
        ("earlier version", "recorded by an earlier version"),
    ],
)
def test_a_verdict_says_which_frame_and_which_key_it_rests_on(proof: EvidenceProof, words: str) -> None:
    judged = judge([replace(each, proof=proof) for each in line("reported cleared")], ["gas"])
    assert judged.verdict == "reported cleared" and words in judged.basis
