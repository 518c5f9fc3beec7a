"""One cell of a peer benchmark: the world in one process, a host in another, and what both said."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hanctl.images.build import Fields, build

HERE = Path(__file__).parent
HERDSMAN = HERE.parent.parent / "thirdparty" / "herdsman"
PYTHONPATH = str(HERE.parent.parent.parent)
SMART_ENERGY, HOME_AUTOMATION = 0x0109, 0x0104


def image_file(directory: Path, size: int) -> Path:
    """An image of about ``size`` bytes for the displays of the world."""
    path = directory / "image.ota"
    path.write_bytes(build(os.urandom(size), Fields(manufacturer_code=0x1234, image_type=1, file_version=2)))
    return path


@dataclass
class Process:
    """A child process that says one JSON object a line."""

    process: asyncio.subprocess.Process
    said: list[dict[str, Any]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    listeners: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if not line.startswith(b"{"):
                continue
            event = json.loads(line)
            for listener in self.listeners:
                listener(event)
            async with self.changed:
                self.said.append(event)
                self.changed.notify_all()

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.said if event["event"] == kind]

    async def wait_for(self, kind: str, seconds: float, *, count: int = 1) -> dict[str, Any]:
        """The ``count``-th event of this kind. Raises TimeoutError."""
        async with asyncio.timeout(seconds), self.changed:
            await self.changed.wait_for(lambda: len(self.all(kind)) >= count or self.process.returncode is not None)
        found = self.all(kind)
        if len(found) < count:
            raise RuntimeError(f"ended without saying '{kind}': {self.said[-3:]}")
        return found[count - 1]

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")

    async def cpu(self) -> float:
        """Seconds of CPU it has taken."""
        count = len(self.all("cpu")) + 1
        self.process.send_signal(signal.SIGUSR2)
        return float((await self.wait_for("cpu", 20, count=count))["seconds"])


@asynccontextmanager
async def running(*command: str, log: Path) -> AsyncIterator[Process]:
    """A process for as long as the block runs; then it is killed."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
        )
        child = Process(process)
        reading = asyncio.create_task(child.read())
        try:
            yield child
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            reading.cancel()


def world_command(plan: dict[str, Any]) -> list[str]:
    return [sys.executable, str(HERE / "world.py"), json.dumps(plan)]


def host_command(
    host: str, radio: str, world: dict[str, Any], directory: Path, image: Path, *more: str, mode: str = "update"
) -> list[str]:
    """How a host is started: "hanctl", "zigpy" or "herdsman"; ``more`` goes to it as it is.

    ``mode`` "idle": it is started anew after something was ordered, and told nothing more.
    """
    displays = world["displays"]
    if host == "hanctl":
        state = str(directory / "hub")
        script = str(HERE / "host_hanctl.py")
        return [sys.executable, script, radio, world["url"], state, str(image), ",".join(displays), *more]
    if host == "zigpy":
        script, database = str(HERE / "host_zigpy.py"), str(directory / "zigpy.db")
        return [sys.executable, script, radio, world["url"], database, str(image), str(len(displays)), mode]
    adapter = "ember" if radio == "ezsp" else "zstack"
    (directory / "herdsman").mkdir(exist_ok=True)
    command = ["node", str(HERDSMAN / "host.mjs"), adapter, world["url"], mode, str(directory / "herdsman")]
    return [*command, "--quiet", "--ota", str(image), "--devices", str(len(displays)), *more]


def profile_of(host: str) -> int:
    """Home-automation hosts do not speak Smart Energy."""
    return SMART_ENERGY if host == "hanctl" else HOME_AUTOMATION


async def measure(
    host: str, radio: str, displays: int, confirm_s: float, *more: str, size: int = 10_000, patience_s: float = 300
) -> dict[str, Any]:
    """Update all displays at once: what the world saw, and the CPU that the host took for a block, ms."""
    with tempfile.TemporaryDirectory(prefix="hanctl-bench-") as name:
        directory = Path(name)
        image = image_file(directory, size)
        plan = {
            "radio": radio,
            "displays": displays,
            "confirm_s": confirm_s,
            "profile": profile_of(host),
            "image": str(image),
        }
        log = directory / "errors"
        async with running(*world_command(plan), log=log) as world:
            ready = await world.wait_for("ready", 30)
            async with running(*host_command(host, radio, ready, directory, image, *more), log=log) as child:
                try:
                    await child.wait_for("open", 60)
                    world.tell("power")
                    await world.wait_for("first", 120)
                    before = await child.cpu()
                    downloaded = await world.wait_for("downloaded", patience_s)
                    cpu = await child.cpu() - before
                    try:
                        ended = await world.wait_for("updated", 40)
                    except TimeoutError:
                        world.tell("result")
                        ended = await world.wait_for("result", 20)
                except Exception as error:
                    said = f"{child.said[-3:]} {world.said[-3:]} {log.read_text()[-1500:]}"
                    raise RuntimeError(f"{host} {radio} {displays}: {error!r}; {said}") from error
        return {**downloaded, "updated": ended["updated"], "cpu_ms": 1000 * cpu / downloaded["blocks"], "cpu_s": cpu}
