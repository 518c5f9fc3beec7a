"""Print JSON for machines and tables for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def as_json(record: Any) -> dict[str, Any]:
    """Convert a ledger record to the JSON that the API would give."""
    return {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in asdict(record).items()
    }


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    if not rows:
        print(empty)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        # As it is: a name or a device's answer may look like rich's markup.
        table.add_row(*map(Text, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width to fit: nothing is cut short for a reading program.
        console.width = 300
    console.print(table)


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        print(f"{name:<{width}}  {value}")


def hexadecimal(value: int | None, digits: int = 4) -> str:
    return "-" if value is None else f"0x{value:0{digits}x}"


def version(value: int | None) -> str:
    return hexadecimal(value, 8)


_HEX_DIGITS = {"pan_id": 4, "nwk": 4, "manufacturer_code": 4, "image_type": 4, "status": 2}


def field(name: str, value: Any) -> str:
    """Format one field of an event for people; versions, addresses and ids in hex."""
    if isinstance(value, int) and not isinstance(value, bool):
        if name.endswith("version"):
            return version(value)
        if name in _HEX_DIGITS:
            return hexadecimal(value, _HEX_DIGITS[name])
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def size(value: int) -> str:
    return f"{value:,} bytes".replace(",", " ")


def local_time(text: str | None) -> str:
    """Format an ISO 8601 time for people, in local time."""
    if text is None:
        return "-"
    return datetime.fromisoformat(text).replace(microsecond=0).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def ago(text: str | None) -> str:
    if text is None:
        return "never"
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()))
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"
