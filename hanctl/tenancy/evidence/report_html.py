"""Render the evidence of a change as a page to print: one file, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from hanctl.model.change_records import Change
from hanctl.tenancy.evidence.report import MEANINGS, DeviceReport, Report

STYLE = """
body { font: 11pt/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em; color: #111; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 1.6em; } h3 { font-size: 1em; margin-bottom: .2em; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
  padding: .2em .6em .2em 0; border-bottom: 1px solid #ccc; }
.open { font-weight: bold; } .small { color: #555; font-size: .9em; }
@media print { body { margin: 0; max-width: none; } h3, tr { break-inside: avoid; } }
"""


def page(report: Report) -> str:
    """Return the whole page as HTML."""
    change = report.change
    title = f"Change of {change.kind} {change.id}"
    facts = [
        ("State", change.state),
        ("Fuels", ", ".join(part.fuel for part in report.parts)),
        ("Cut-off", _cut_off(change)),
        ("Moment", _time(change.at)),
        ("Ordered", f"{_time(change.ordered_at)}, by {change.source}"),
        ("Executed", _time(change.done_at)),
        ("Control", f"0x{change.control:08x}: {', '.join(report.control_names)}"),
        *((f"Provider of {part.fuel}", f"0x{part.provider_id:08x} {part.provider_name}") for part in report.parts),
        *(("Note", note) for note in change.notes),
    ]
    return "".join(
        (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
            f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>",
            f'<p class="small">As known at {_time(report.made_at)}. Names and numbers; values are nowhere kept.</p>',
            table((), facts),
            *_counts("Hidden by the cut-off", change.hidden),
            *_counts("Cleared, added by control bits", change.cleared),
            *_counts("Hidden, added by control bits", change.blocked),
            *_counts("What the hub still holds, and gives to no device", change.held),
            f"<h2>Devices: {report.outstanding} outstanding of {len(report.devices)}</h2>",
            *(_device(device) for device in report.devices),
            "<h2>Captures and logs that a person has to deal with</h2>",
            f'<p class="small">Written to since {_time(report.period_from)}. The hub deletes none of them.</p>',
            table(
                ("kind", "where", "bytes", "last written"),
                [
                    (each.kind, each.path, "" if each.size is None else str(each.size), _time(each.changed_at))
                    for each in report.leftovers
                ],
                "none was found",
            ),
            "<h2>What stays, and why</h2>",
            table(
                ("what", "how many", "why"), [(each.what, str(each.count), each.why) for each in report.kept], "nothing"
            ),
            "</body></html>\n",
        )
    )


def _cut_off(change: Change) -> str:
    if change.cut_off is not None:
        return _time(change.cut_off)
    return "its moment" if change.kind == "tenancy" and change.state == "scheduled" else "none"


def _counts(title: str, counts: Iterable[tuple[str, int]]) -> tuple[str, str]:
    rows = [(name, str(count)) for name, count in counts]
    return f"<h2>{title}</h2>", table(("what", "how many"), rows, "nothing")


def _device(device: DeviceReport) -> str:
    mark = "" if device.settled else ' class="open"'
    state = f"{device.state}{', sleepy' if device.sleepy else ''}{', overdue' if device.overdue else ''}"
    return (
        f"<h3>{escape(device.eui64)} ({escape(device.device_type)} {escape(device.model or '')})</h3>"
        f"<p><span{mark}>{escape(device.verdict)}</span>: {escape(MEANINGS[device.verdict])}; {escape(device.basis)}."
        f' <span class="small">{escape(state)}</span></p>'
        + table((), [(_time(line.at), line.what) for line in device.lines])
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], empty: str = "") -> str:
    lines = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
    if not lines:
        return f"<p>{escape(empty)}</p>"
    first = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>" if head else ""
    return f"<table>{first}{''.join(lines)}</table>"


def _time(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
