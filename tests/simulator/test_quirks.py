"""Quirks as a person sets them."""

from __future__ import annotations

import pytest

from hanctl.base.errors import InvalidInput
from hanctl.simulator.quirks import Quirks, quirks_of
from hanctl.simulator.world import World


def test_what_is_not_set_is_the_worst_case() -> None:
    assert quirks_of(()) == Quirks()
    chosen = quirks_of(("compares_nonce=true", "counters=unsupported", "forged_acks=false"))
    assert chosen == Quirks(compares_nonce=True, counters="unsupported", forged_acks=False)
    assert World.build((), kind="znp", quirks=chosen).stack.quirks is chosen


@pytest.mark.parametrize(
    ("setting", "message", "hint"),
    [
        ("compare_nonce=true", "no such quirk", "compares_nonce"),
        ("xyzzy", "no such quirk", "honours_nonce"),
        ("counters=none", "no value of the quirk counters", "live, zero, unsupported"),
        ("forged_acks=yes", "no value of the quirk forged_acks", "true, false"),
        ("forged_acks", "no value of the quirk forged_acks", "true, false"),
    ],
)
def test_an_unknown_name_or_value_is_refused_with_what_there_is(setting: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        quirks_of((setting,))
    assert hint in (refused.value.hint or "")
