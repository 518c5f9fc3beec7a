"""When a report is due, and what counts as a change."""

from __future__ import annotations

import pytest

from hanctl.han.cluster import Reporting
from hanctl.han.reporting import changed_enough, due_in

NUMBER = Reporting(0x0000, 0x25, min_s=60, max_s=600, change=10)


@pytest.mark.parametrize(
    ("min_s", "max_s", "since", "changed", "expected"),
    [
        (60, 600, None, True, 0),
        (60, 600, None, False, 0),
        (60, 600, 10, True, 50),
        (60, 600, 70, True, 0),
        (60, 600, 10, False, 590),
        (60, 600, 700, False, 0),
        (60, 0, 10, False, None),
        (60, 0, 10, True, 50),
    ],
)
def test_a_change_waits_for_the_minimum_and_silence_ends_with_the_maximum(
    min_s: int, max_s: int, since: float | None, changed: bool, expected: float | None
) -> None:
    assert due_in(Reporting(0, 0x25, min_s, max_s, 1), since, changed=changed) == expected


@pytest.mark.parametrize(
    ("before", "now", "expected"), [(100, 109, False), (100, 110, True), (100, 90, True), (100, 100, False)]
)
def test_a_number_has_changed_where_it_differs_by_what_was_asked_for(before: int, now: int, expected: bool) -> None:
    assert changed_enough(NUMBER, before.to_bytes(6, "little"), now.to_bytes(6, "little")) is expected


def test_anything_else_has_changed_where_it_differs_and_what_was_never_told_has() -> None:
    flags = Reporting(0x0200, 0x18, min_s=0, max_s=0)
    assert changed_enough(flags, b"\x01", b"\x02")
    assert not changed_enough(flags, b"\x01", b"\x01")
    assert changed_enough(NUMBER, None, bytes(6))
