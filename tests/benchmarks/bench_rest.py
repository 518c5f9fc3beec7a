"""What the daemon costs at rest, and how soon it is there: on a formed network, beside stock zigpy on the same dongle.

Each host is a process on a simulated dongle, a process too. "ready": from its start until its API answers, or until
zigpy has started the network. "CPU": of one core, in the time given, once it is settled.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from rich.console import Console
from rich.table import Table

HANCTL = (sys.executable, "-m", "hanctl")
TICKS = os.sysconf("SC_CLK_TCK")
SETTLING_S = 5.0
ZIGPY = """
import asyncio, importlib, sys
async def main():
    application = importlib.import_module(sys.argv[1]).ControllerApplication
    config = {"device": {"path": sys.argv[2]}, "database_path": sys.argv[3], "backup_enabled": False}
    app = await application.new(config | {"ota": {"enabled": False}, "topology_scan_enabled": False}, auto_form=True)
    print("ready", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
MODULES = {"ezsp": "bellows.zigbee.application", "znp": "zigpy_znp.zigbee.application"}


@dataclass(frozen=True)
class Figures:
    ready_s: float
    cpu_percent: float
    resident_mb: float


@contextmanager
def dongle(radio: str, directory: Path) -> Iterator[str]:
    port = directory / "dongle"
    arguments = ("simulate", "--radio", radio, "--pty", str(port), "--state", str(directory / "dongle-state"))
    process = subprocess.Popen([*HANCTL, *arguments], stdout=subprocess.DEVNULL)
    try:
        wait(port.exists)
        yield str(port)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("it did not start")
        time.sleep(0.01)


def hanctl(radio: str, port: str, directory: Path, seconds: float) -> Figures:
    config, socket = directory / "hub.toml", directory / "hub.sock"
    config.write_text(f'[hub]\nstate_dir = "hub"\nsocket = "hub.sock"\n[dongle]\npath = "{port}"\nradio = "{radio}"\n')

    def answers() -> bool:
        try:
            with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket))) as http:
                return http.get("http://hub/status").is_success
        except httpx.TransportError:
            return False

    return observe([*HANCTL, "run", "-c", str(config)], lambda _: wait(answers), seconds)


def zigpy(radio: str, port: str, directory: Path, seconds: float) -> Figures:
    command = [sys.executable, "-c", ZIGPY, MODULES[radio], port, str(directory / "zigpy.db")]
    return observe(command, lambda process: (process.stdout or sys.exit()).readline(), seconds)


def observe(command: list[str], ready: Callable[[subprocess.Popen[bytes]], object], seconds: float) -> Figures:
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ready(process)
        ready_s = time.monotonic() - began
        time.sleep(min(SETTLING_S, seconds))
        before, since = cpu_s(process.pid), time.monotonic()
        time.sleep(seconds)
        cpu = (cpu_s(process.pid) - before) / (time.monotonic() - since)
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        return Figures(ready_s, 100 * cpu, pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
    finally:
        process.terminate()
        process.wait()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long CPU time is counted")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the least is shown")
    given = parser.parse_args()
    table = Table("radio", "host", "ready", "CPU at rest", "memory")
    for radio in MODULES:
        with TemporaryDirectory() as place, dongle(radio, Path(place)) as port:
            for host in (hanctl, zigpy):
                # The first forms the network.
                host(radio, port, Path(place), 0)
                runs = [host(radio, port, Path(place), given.seconds / given.runs) for _ in range(given.runs)]
                table.add_row(
                    radio,
                    host.__name__,
                    f"{min(run.ready_s for run in runs):.1f} s",
                    f"{min(run.cpu_percent for run in runs):.2f} %",
                    f"{min(run.resident_mb for run in runs):.0f} MB",
                )
    Console().print(table)


if __name__ == "__main__":
    main()
