"""The tables of docs/data.md, made from the class table: ``python -m hanctl.data.data_doc`` rewrites them."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from hanctl.data.classes import ATTRIBUTE_RULES, TABLE_RULES, AttributeRule
from hanctl.han.smart_energy.clusters import CLUSTERS
from hanctl.han.smart_energy.enumerations import ProposedChangeControl as Bit

BEGIN = "<!-- made by hanctl.data.data_doc: begin -->\n"
END = "<!-- made by hanctl.data.data_doc: end -->\n"


def markdown() -> str:
    """The two tables."""
    lines = [
        "| cluster | attributes | class | cleared by | then reads | why |",
        "|---|---|---|---|---|---|",
        *(_attribute_row(rules) for rules in _alike()),
        "",
        "| table | cluster | class | cleared by | why |",
        "|---|---|---|---|---|",
    ]
    for table in TABLE_RULES:
        bits = _bits(table.bits)
        lines.append(f"| `{table.name}` | {_cluster(table.cluster)} | {table.data_class} | {bits} | {table.reason} |")
    return "\n".join(lines) + "\n"


def document(text: str) -> str:
    """``text`` with the tables between the two marks made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return head + BEGIN + markdown() + END + tail


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
    return (
        f"| {_cluster(first.cluster)} | {ids} | {first.data_class} | {_bits(first.bits)} | {reads} | {first.reason} |"
    )


def _cluster(number: int) -> str:
    return f"{CLUSTERS[number].__name__} 0x{number:04X}"


def _bits(bits: Bit) -> str:
    return " or ".join(f"{bit.name} ({bit.bit_length() - 1})" for bit in Bit if bit & bits) or "nothing"


if __name__ == "__main__":
    path = Path("docs/data.md")
    path.write_text(document(path.read_text(encoding="utf-8")), encoding="utf-8")
