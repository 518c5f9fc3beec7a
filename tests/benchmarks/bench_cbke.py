"""What a suite 2 key establishment costs the hub. By hand: ``python tests/benchmarks/bench_cbke.py [runs]``.

Two figures: the hub's own time for one exchange, and the worst time for which the event loop was held up meanwhile,
with the arithmetic inline and on a thread of its own.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table

from hanctl.crypto.suites import SUITE_2
from hanctl.eui64 import Eui64
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.exchange import Established, Output, Run, Send
from hanctl.trust.jobs import JobResult
from hanctl.trust.manager import KeyEstablishment

HUB, DISPLAY = Eui64("00:0d:6f:00:0a:90:69:e7"), Eui64("00:db:12:34:56:78:00:a1")
RUNS = 50
PROBE = 0.0005
"""How often the loop is asked whether it is held up, in seconds."""

Job = Callable[[], JobResult]
Runner = Callable[[Job], Awaitable[JobResult]]


async def inline(job: Job) -> JobResult:
    return job()


async def off_the_loop(job: Job) -> JobResult:
    return await asyncio.to_thread(job)


async def exchange(hub: KeyEstablishment, display: KeyEstablishment, run: Runner) -> float:
    """One exchange; the seconds that the hub's side of it took."""
    spent = 0.0
    to_hub: list[Output] = display.start(HUB, SUITE_2, 0)
    to_display: list[Output] = []
    established = 0
    while established < 2:
        for output in to_hub:
            if isinstance(output, Run):
                to_hub = display.finished(HUB, output.ticket, output.job(), 0)
            elif isinstance(output, Send):
                start = time.perf_counter()
                to_display = hub.receive(DISPLAY, output.command, output.payload, from_server=False, tsn=1, now=0)
                while any(isinstance(each, Run) for each in to_display):
                    (job,) = (each for each in to_display if isinstance(each, Run))
                    to_display = hub.finished(DISPLAY, job.ticket, await run(job.job), 0)
                spent += time.perf_counter() - start
                to_hub = []
            established += isinstance(output, Established)
        for output in to_display:
            if isinstance(output, Send):
                to_hub = display.receive(HUB, output.command, output.payload, from_server=True, tsn=1, now=0)
                outcome = hub.delivered(DISPLAY, output.ticket, True, 0)
                established += sum(isinstance(each, Established) for each in outcome)
        to_display = []
    return spent


async def measure(run: Runner, runs: int) -> tuple[list[float], float]:
    authority = BenchAuthority.create()
    hub_credentials, display_credentials = (authority.issue(each, valid_from=0) for each in (HUB, DISPLAY))
    worst = 0.0

    async def counted(job: Job) -> JobResult:
        """Run a job while a probe measures by how much the loop is late."""
        nonlocal worst
        done = False

        async def probe() -> None:
            nonlocal worst
            while not done:
                before = time.perf_counter()
                await asyncio.sleep(PROBE)
                worst = max(worst, time.perf_counter() - before - PROBE)

        task = asyncio.create_task(probe())
        await asyncio.sleep(0)
        result = await run(job)
        done = True
        await task
        return result

    # Timed and probed apart, as a probe has the loop wake up all the time.
    times = []
    for _ in range(runs):
        hub, display = KeyEstablishment([hub_credentials]), KeyEstablishment([display_credentials])
        times.append(await exchange(hub, display, run))
    for _ in range(runs):
        hub, display = KeyEstablishment([hub_credentials]), KeyEstablishment([display_credentials])
        await exchange(hub, display, counted)
    return times, worst


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    table = Table(
        "suite 2, hub's side", "median ms", "worst ms", "event loop's worst gap ms", title=f"{runs} exchanges"
    )
    for name, run in (("inline", inline), ("asyncio.to_thread", off_the_loop)):
        times, gap = asyncio.run(measure(run, runs))
        table.add_row(name, *(f"{1000 * value:.1f}" for value in (statistics.median(times), max(times), gap)))
    Console().print(table)


if __name__ == "__main__":
    main()
