"""The tables of docs/data.md, made from the code: ``python tests/docs/data_doc.py`` rewrites them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import zigpy.types as t

from hanctl.data.classes import ATTRIBUTE_RULES, TABLE_RULES, AttributeRule
from hanctl.data.dating import PERIODS, hidden
from hanctl.data.tables import INTERVALS, TABLES
from hanctl.han.smart_energy.clusters import CLUSTERS
from hanctl.han.smart_energy.enumerations import ProposedChangeControl as Bit
from hanctl.han.smart_energy.types import OctetString, Text

BEGIN = "<!-- made by tests/docs/data_doc.py: {} -->\n"
END = "<!-- end -->\n"


def classes() -> str:
    """Classes of attributes and of tables."""
    lines = [
        "| cluster | attributes | class | cleared by | then reads | why |",
        "|---|---|---|---|---|---|",
        *(_attribute_row(rules) for rules in _alike()),
        "",
        "| table | cluster | class | cleared by | hidden before a cut-off by | why |",
        "|---|---|---|---|---|---|",
    ]
    for table in TABLE_RULES:
        bits = _bits(table.bits)
        cells = (
            f"`{table.name}`",
            _cluster(table.cluster),
            table.data_class,
            bits,
            _dated_by(table.name),
            table.reason,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def fields() -> str:
    """What a record of each table may have."""
    lines = ["| table | dated by | fields |", "|---|---|---|"]
    for table in TABLES.values():
        kinds = {field.name: field.type for field in table.schema.fields}
        names = ", ".join(f"`{name}`{_kind(kinds[name])}" for name in table.fields)
        lines.append(f"| `{table.name}` | {f'`{table.time}`' if table.time else 'when it is loaded'} | {names} |")
    return "\n".join(lines) + "\n"


def document(text: str) -> str:
    """``text`` with the tables between the marks made anew."""
    for name, made in (("classes", classes()), ("fields", fields())):
        head, mark, rest = text.partition(BEGIN.format(name))
        _, end, tail = rest.partition(END)
        text = head + mark + made + end + tail
    return text


def _alike() -> list[list[AttributeRule]]:
    """The rules in order; neighbours that differ in their ids alone together."""
    return [
        list(rules)
        for _, rules in groupby(
            ATTRIBUTE_RULES, lambda rule: (rule.cluster, rule.data_class, rule.bits, rule.neutral, rule.reason)
        )
    ]


def _attribute_row(rules: list[AttributeRule]) -> str:
    first = rules[0]
    reads = first.neutral if first.bits else "–"
    ids = ", ".join(f"0x{rule.first:04X}" + (f"–0x{rule.last:04X}" if rule.last > rule.first else "") for rule in rules)
    if len(rules) > 4:
        ids = f"0x{first.first:04X}, 0x{rules[1].first:04X}, … 0x{rules[-1].first:04X}"
    cluster, bits = _cluster(first.cluster), _bits(first.bits)
    return f"| {cluster} | {ids} | {first.data_class} | {bits} | {reads} | {first.reason} |"


def _dated_by(table: str) -> str:
    """By what the rows of a table are hidden before the cut-off of a change of tenancy."""
    if table not in hidden("tenancy", datetime.now(UTC)).tables:
        return "–"
    return "its end" if table in PERIODS or table in INTERVALS else "its time"


def _cluster(number: int) -> str:
    return f"{CLUSTERS[number].__name__} 0x{number:04X}"


def _bits(bits: Bit) -> str:
    return " or ".join(f"{bit.name} ({bit.bit_length() - 1})" for bit in Bit if bit & bits) or "nothing"


def _kind(kind: Any) -> str:
    """In brackets, what is not a number."""
    if issubclass(kind, t.UTCTime):
        return " (time)"
    if issubclass(kind, OctetString | Text):
        return " (text)"
    if issubclass(kind, t.List):
        return f" (list of {{ {_parts(kind._item_type)} }})" if issubclass(kind._item_type, t.Struct) else " (list)"
    return f" ({{ {_parts(kind)} }})" if issubclass(kind, t.Struct) else ""


def _parts(kind: Any) -> str:
    counted = any(field.length is not None for field in kind.fields)
    return ", ".join(
        field.name for field in kind.fields if not (counted and field.name.startswith("number_of")) and field.name
    )


if __name__ == "__main__":
    path = Path("docs/data.md")
    path.write_text(document(path.read_text(encoding="utf-8")), encoding="utf-8")
