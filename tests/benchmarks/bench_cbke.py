"""What a suite 2 key establishment costs the hub.

Two figures: the hub's own time for one exchange, and the worst time for which the event loop was held up meanwhile,
with the arithmetic inline and on a thread of its own, as the daemon has it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table

from hanctl.base.eui64 import Eui64
from hanctl.cli.run import SWITCH_INTERVAL_S
from hanctl.crypto.suites import SUITE_2
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.establishment.exchange import Established, Output, RunJob, Send
from hanctl.trust.establishment.key_establishment import KeyEstablishmentEngine
from hanctl.trust.jobs import JobResult

HUB, DISPLAY = Eui64("00:0d:6f:00:0a:90:69:e7"), Eui64("00:db:12:34:56:78:00:a1")
PROBE = 0.0005
"""How often the loop is asked whether it is held up, in seconds."""

Job = Callable[[], JobResult]
Runner = Callable[[Job], Awaitable[JobResult]]


async def inline(job: Job) -> JobResult:
    return job()


async def off_the_loop(job: Job) -> JobResult:
    return await asyncio.to_thread(job)


WAYS: dict[str, Runner] = {"inline": inline, "asyncio.to_thread": off_the_loop}


async def exchange(hub: KeyEstablishmentEngine, display: KeyEstablishmentEngine, run: Runner) -> float:
    """One exchange; the seconds that the hub's side of it took."""
    spent = 0.0
    to_hub: list[Output] = display.start(HUB, SUITE_2, 0)
    to_display: list[Output] = []
    established = 0
    while established < 2:
        for output in to_hub:
            if isinstance(output, RunJob):
                to_hub = display.finished(HUB, output.ticket, output.job(), 0)
            elif isinstance(output, Send):
                start = time.perf_counter()
                to_display = hub.receive(DISPLAY, output.command, output.payload, from_server=False, tsn=1, now=0)
                while any(isinstance(each, RunJob) for each in to_display):
                    (job,) = (each for each in to_display if isinstance(each, RunJob))
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


class Probe:
    """Runs jobs by ``run`` while it measures by how much the event loop is late: ``worst``, in seconds."""

    def __init__(self, run: Runner) -> None:
        self._run = run
        self.worst = 0.0

    async def __call__(self, job: Job) -> JobResult:
        asking = asyncio.create_task(self._ask())
        await asyncio.sleep(0)
        try:
            return await self._run(job)
        finally:
            asking.cancel()
            await asyncio.sleep(0)

    async def _ask(self) -> None:
        while True:
            before = time.perf_counter()
            try:
                await asyncio.sleep(PROBE)
            finally:
                self.worst = max(self.worst, time.perf_counter() - before - PROBE)


async def measure(runs: int) -> dict[str, tuple[list[float], float]]:
    """The seconds of each exchange and the worst gap, of either way to run the jobs."""
    authority = BenchAuthority.create()
    hub_credentials, display_credentials = (authority.issue(each, valid_from=0) for each in (HUB, DISPLAY))
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    probes = {name: Probe(run) for name, run in WAYS.items()}
    # By turns, as a machine's speed may change from second to second. Timed and probed apart, as a probe has the
    # loop wake up all the time.
    for _ in range(runs):
        for name, run in WAYS.items():
            for each in (run, probes[name]):
                hub, display = KeyEstablishmentEngine([hub_credentials]), KeyEstablishmentEngine([display_credentials])
                spent = await exchange(hub, display, each)
                if each is run:
                    times[name].append(spent)
    return {name: (times[name], probes[name].worst) for name in WAYS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int, nargs="?", default=50, help="exchanges of each kind")
    runs = parser.parse_args().runs
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    columns = ("least ms", "median ms", "worst ms", "event loop's worst gap ms")
    table = Table("suite 2, hub's side", *columns, title=f"{runs} exchanges")
    for name, (times, gap) in asyncio.run(measure(runs)).items():
        figures = (min(times), statistics.median(times), max(times), gap)
        table.add_row(name, *(f"{1000 * value:.1f}" for value in figures))
    Console().print(table)


if __name__ == "__main__":
    main()
