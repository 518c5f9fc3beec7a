"""The conformance report as a page that can be printed: one file, no script, nothing fetched."""

from __future__ import annotations

from datetime import UTC
from html import escape

from hanctl.hil.conformance.outcome import ConformanceReport, Row, Scenario
from hanctl.tenancy.evidence.report_html import STYLE, table

_STYLE = """
h3 span, td span { padding: .05em .5em; border-radius: .3em; border: 1px solid; white-space: nowrap; font-size: .9em; }
.pass { color: #14601f; } .partly { color: #7a4b00; } .fail { color: #fff; background: #a11212; }
.none { color: #555; } ul { margin: .3em 0 .8em; padding-left: 1.4em; } li { margin: .1em 0; }
.evidence { font: 8.5pt/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 8.5pt; border-left: 3px solid #a11212;
  padding-left: .8em; } td:first-child { white-space: nowrap; } .rows td { padding-right: 1em; }
@media print { h2 { break-after: avoid; } .scenario { break-inside: avoid; } }
"""
_CLASSES = {"pass": "pass", "passed": "pass", "partly": "partly", "fail": "fail", "failed": "fail"}


def page(report: ConformanceReport) -> str:
    """Return the whole page."""
    failed = ", ".join(report.failed)
    verdict = f"Failed: {failed}" if failed else "No requirement failed"
    facts = [
        *((name.capitalize(), value) for name, value in report.facts.items()),
        ("Date", f"{report.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"),
        ("Extent", _extent(report)),
    ]
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Conformance report</title>',
            f"<style>{STYLE}{_STYLE}</style></head><body><h1>Conformance report</h1>",
            f"<p><b>{escape(verdict)}</b></p>",
            table((), facts),
            "<h2>Requirements</h2>",
            _rows(report.rows),
            '<p class="small">partly: what was tried passed, and what the remarks name was not tried. Each requirement '
            "is tried by the scenarios below, and by nothing else.</p>",
            "<h2>Scenarios</h2>",
            *(_scenario(scenario) for scenario in report.scenarios),
            "</body></html>\n",
        )
    )


def _extent(report: ConformanceReport) -> str:
    if report.interrupted:
        return "PARTIAL: the run was interrupted"
    return "the whole suite" if report.complete else f"only {', '.join(row.row for row in report.rows)}"


def _rows(rows: tuple[Row, ...]) -> str:
    lines = []
    for row in rows:
        remarks = f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in row.remarks)}</ul>" if row.remarks else ""
        lines.append(
            f"<tr><td>{escape(row.row)}</td><td>{_badge(row.status)}</td><td>{escape(row.requirement)}{remarks}</td></tr>"
        )
    head = "<tr><th></th><th></th><th>requirement and remarks</th></tr>"
    return f'<table class="rows">{head}{"".join(lines)}</table>'


def _scenario(scenario: Scenario) -> str:
    rows = ", ".join(dict.fromkeys(trying.row for trying in scenario.tries))
    reason = ""
    if scenario.reason:
        tag = "pre" if scenario.ended == "failed" else "p"
        reason = f"<{tag}>{escape(scenario.reason)}</{tag}>"
    files = f'<p class="small">Files: {escape(scenario.files)}</p>' if scenario.files else ""
    gaps = "".join(f"<p>Not covered: {escape(gap)}</p>" for gap in scenario.gaps)
    evidence = "".join(f"<li>{escape(line)}</li>" for line in scenario.evidence)
    return (
        f'<div class="scenario"><h3>{escape(rows)} – {escape(scenario.name)} {_badge(scenario.ended)}</h3>'
        f"<p>{escape(scenario.tested)}</p>{reason}{files}{gaps}</div>"
        + (f'<ul class="evidence">{evidence}</ul>' if evidence else "")
    )


def _badge(status: str) -> str:
    return f'<span class="{_CLASSES.get(status, "none")}">{escape(status)}</span>'
