"""hanctl against zigbee-herdsman and stock zigpy, in the same run. By hand:

    python tests/benchmarks/bench_peers.py [--runs 3] [--displays 1,16,48] [--confirm 1,30] [--radios ezsp,znp]

The simulated dongle and its displays are a process of their own on a TCP port, and each host another. The displays
fetch images of 10 kB, 30 ms after each block the next. Needs npm, for zigbee-herdsman.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from bench import measure

HOSTS = ("hanctl", "herdsman", "zigpy")
FIGURES = (("goodput", "B/s", 0), ("cpu_ms", "CPU ms/block", 3), ("p95_ms", "p95 ms", 1))


def numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def spread(values: list[float], digits: int) -> str:
    """The median, and the least and the most."""
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    return f"{middle:.{digits}f}" + (f" ({ordered[0]:.{digits}f}-{ordered[-1]:.{digits}f})" if len(values) > 1 else "")


async def main(options: argparse.Namespace) -> None:
    console = Console(width=170)
    results: list[dict[str, Any]] = []
    for radio in options.radios.split(","):
        for displays in numbers(options.displays):
            for confirm in numbers(options.confirm):
                for host in options.hosts.split(","):
                    runs = [await one(host, radio, displays, confirm) for _ in range(options.runs)]
                    results.append(
                        {"radio": radio, "displays": displays, "confirm_ms": confirm, "host": host, "runs": runs}
                    )
                    console.print(radio, displays, confirm, host, *(row(runs)))
    if options.delay:
        for radio in options.radios.split(","):
            runs = [await one("herdsman", radio, 16, 1, "--response-delay", "250") for _ in range(options.runs)]
            results.append({"radio": radio, "displays": 16, "confirm_ms": 1, "host": "herdsman, 250 ms", "runs": runs})
    show(console, results)
    if options.json:
        Path(options.json).write_text(json.dumps(results))


async def one(host: str, radio: str, displays: int, confirm_ms: int, *more: str) -> dict[str, Any]:
    return await measure(host, radio, displays, confirm_ms / 1000, *more)


def row(runs: list[dict[str, Any]]) -> list[str]:
    figures = [spread([run[name] for run in runs], digits) for name, _, digits in FIGURES]
    return [
        *figures,
        spread([run["updated"] for run in runs], 0),
        spread([run["slowest_to_fastest"] for run in runs], 2),
    ]


def show(console: Console, results: list[dict[str, Any]]) -> None:
    table = Table(
        "radio", "displays", "confirm ms", "host", *(title for _, title, _ in FIGURES), "updated", "slow/fast"
    )
    for each in results:
        table.add_row(each["radio"], str(each["displays"]), str(each["confirm_ms"]), each["host"], *row(each["runs"]))
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--displays", default="1,16,48")
    parser.add_argument("--confirm", default="1,30")
    parser.add_argument("--radios", default="ezsp,znp")
    parser.add_argument("--hosts", default=",".join(HOSTS))
    parser.add_argument("--delay", action="store_true", help="also zigbee-herdsman with 250 ms between blocks")
    parser.add_argument("--json", help="write the figures of every run to this file")
    asyncio.run(main(parser.parse_args()))
