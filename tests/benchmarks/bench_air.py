"""The hub against the yardstick on real air: the table of docs/performance.md. By hand, in virtual time:

python tests/benchmarks/bench_air.py [--seeds 3] [--displays 1,32] [--turn-around 0,0.03] [--baud 115200,460800]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "slow"))

from air_bench import Radio, Result, by_hub, by_yardstick

RADIOS: tuple[Radio, ...] = ("ezsp", "znp")


def spread(values: list[float], digits: int) -> str:
    """The median, and the least and the most."""
    low, high = (f"{end(values):.{digits}f}" for end in (min, max))
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if low == high else f"{middle} ({low} to {high})"


def row(name: str, displays: int, turn_around: float, results: list[Result], allowed: list[Result]) -> None:
    rate = statistics.median(r.goodput for r in allowed)
    print(
        f"| {displays} | {round(1000 * turn_around)} | {name} | {spread([r.goodput for r in results], 0)} "
        f"| {statistics.median(r.goodput for r in results) / rate:.2f} "
        f"| {spread([r.slowest_s / r.fastest_s for r in results], 2)} "
        f"| {100 * statistics.median(r.in_use for r in results):.0f} % "
        f"| {100 * statistics.median(r.again for r in results):.0f} % |",
        flush=True,
    )


def quietly(run: Callable[[], Result]) -> Result:
    """Without the hub's log."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run()


def hub(radio: Radio, displays: int, turn_around: float, baud: int, seed: int) -> Result:
    with tempfile.TemporaryDirectory() as directory:
        return by_hub(Path(directory), radio, displays, turn_around, baud=baud, seed=seed)


def main(options: argparse.Namespace) -> None:
    print(
        "| displays | turn-around, ms | server | goodput, B/s | of the yardstick | slowest / fastest | in use | again |"
    )
    print("|---|---|---|---|---|---|---|---|")
    seeds = range(options.seeds)
    for displays in map(int, options.displays.split(",")):
        for pause in map(float, options.turn_around.split(",")):
            allowed = [by_yardstick(displays, pause, seed=seed) for seed in seeds]
            row("yardstick", displays, pause, allowed, allowed)
            for radio in RADIOS:
                for baud in map(int, options.baud.split(",")):
                    results = [quietly(lambda s=s: hub(radio, displays, pause, baud, s)) for s in seeds]  # type: ignore[misc]  # noqa: B023
                    row(f"{radio}, {baud} baud", displays, pause, results, allowed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--displays", default="1,32")
    parser.add_argument("--turn-around", default="0,0.03")
    parser.add_argument("--baud", default="115200,460800")
    main(parser.parse_args())
