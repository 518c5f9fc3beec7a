"""What scenarios say of a requirement, and how that is written."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hanctl.hil.conformance.html import page
from hanctl.hil.conformance.outcome import ConformanceReport, Ended, Scenario, Trying, judge


def scenario(ended: Ended, reason: str = "", not_covered: str = "", gaps: tuple[str, ...] = ()) -> Scenario:
    return Scenario("a name", "what is tested", (Trying("F2", "part", not_covered),), ended, reason, gaps=list(gaps))


@pytest.mark.parametrize(
    ("scenarios", "status", "remarks"),
    [
        ([scenario("passed")], "pass", ()),
        ([scenario("passed"), scenario("failed", "it did not\nmore")], "fail", ("it did not (tried: part)",)),
        ([scenario("failed", "no"), scenario("left out", "no plug")], "fail", ("no (tried: part)",)),
        ([scenario("left out", "no plug"), scenario("left out", "no plug")], "not applicable", ("no plug",)),
        ([scenario("passed"), scenario("left out", "no plug")], "partly", ("not tried: part; no plug",)),
        ([scenario("passed", not_covered="the rest")], "partly", ("not tried: the rest",)),
        ([scenario("passed", gaps=("its screen",))], "partly", ("not tried: its screen",)),
        ([scenario("passed"), scenario("not run")], "partly", ("not run: part",)),
        ([scenario("not run")], "not run", ()),
        ([], "not run", ()),
    ],
)
def test_a_requirement_is_no_better_than_what_was_tried(
    scenarios: list[Scenario], status: str, remarks: tuple[str, ...]
) -> None:
    row = next(row for row in judge(scenarios) if row.row == "F2")
    assert (row.status, row.remarks) == (status, remarks)


def test_what_a_device_calls_itself_is_no_markup_in_the_page() -> None:
    nasty = "<img src=x onerror=alert(1)>"
    tried = scenario("failed", nasty, gaps=(nasty,))
    tried.name = tried.tested = tried.files = nasty
    tried.evidence.append(nasty)
    report = ConformanceReport(datetime(2026, 1, 1, tzinfo=UTC), {"model": nasty}, True, True, judge([tried]), (tried,))
    text = page(report)
    assert "<img" not in text
    assert text.count("&lt;img") >= 7
    assert "PARTIAL" in text
