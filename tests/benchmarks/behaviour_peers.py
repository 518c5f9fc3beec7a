"""What hanctl, zigbee-herdsman and stock zigpy do where something is out of the ordinary. By hand:

    python tests/benchmarks/behaviour_peers.py [--radio ezsp] [--rows 1,2,...] [--hosts hanctl,herdsman,zigpy]

Each cell is one run, and says what was seen by the displays. Needs npm, for zigbee-herdsman.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from bench import Process, host_command, image_file, profile_of, running, world_command

HOSTS = ("hanctl", "herdsman", "zigpy")
HELD_S = 15.0


@dataclass
class Cell:
    """One run: the world, the host and how both were started."""

    host: str
    radio: str
    world: Process
    child: Process
    ready: dict[str, Any]
    directory: Path
    image: Path

    async def result(self) -> dict[str, Any]:
        count = len(self.world.all("result")) + 1
        self.world.tell("result")
        return await self.world.wait_for("result", 20, count=count)

    async def updated(self, seconds: float) -> tuple[bool, dict[str, Any]]:
        """Whether all displays run the image within so long, and what else was seen."""
        try:
            await self.world.wait_for("updated", seconds)
        except TimeoutError:
            return False, await self.result()
        return True, await self.result()

    async def until_offset(self, offset: int, seconds: float = 120) -> None:
        async with asyncio.timeout(seconds):
            while (await self.result())["offsets"][0] < offset:
                await asyncio.sleep(0.2)


@asynccontextmanager
async def cell(
    host: str, radio: str, *more: str, size: int = 10_000, displays: int = 1, think_s: float = 0.03, **plan: Any
) -> AsyncIterator[Cell]:
    """A world and a host that is about to update its displays."""
    # The displays do not activate by themselves where nobody answers, so that an update is the host's doing.
    special = dict(plan.pop("special", {}))
    special["ota"] = {"timeout_policy": 1, **special.get("ota", {})}
    with tempfile.TemporaryDirectory(prefix="hanctl-bench-") as name:
        directory = Path(name)
        image = image_file(directory, size)
        whole = {
            "radio": radio,
            "displays": displays,
            "profile": profile_of(host),
            "image": str(image),
            "turn_around_s": think_s,
            "special": special,
            **plan,
        }
        log = directory / "errors"
        async with running(*world_command(whole), log=log) as world:
            ready = await world.wait_for("ready", 30)
            async with running(*host_command(host, radio, ready, directory, image, *more), log=log) as child:
                await child.wait_for("open", 60)
                world.tell("power")
                yield Cell(host, radio, world, child, ready, directory, image)


def sections(host: str, **ota: int) -> list[str]:
    """The host's settings, where it has any."""
    return ["now", json.dumps({"ota": ota})] if host == "hanctl" else []


async def page_across_the_end(host: str, radio: str) -> str:
    special = {"ota": {"page_mode": True}, "timings": {"page_spacing_ms": 20}}
    async with cell(host, radio, special=special) as run:
        done, seen = await run.updated(60)
        took = f"{seen['blocks']} blocks in {seen['seconds']:.1f} s"
        return f"{took}, updated" if done else f"{took}, its Upgrade End Request never answered"


async def many_blocks(host: str, radio: str) -> str:
    async with cell(host, radio, size=240_000, displays=8, think_s=0.0) as run:
        _, seen = await run.updated(400)
        return f"{seen['blocks']} blocks, {seen['downloaded']} of 8 downloaded, {seen['updated']} updated"


async def restart(host: str, radio: str) -> str:
    async with cell(host, radio) as run:
        await run.until_offset(4000)
        run.child.process.kill()
        await run.child.process.wait()
        before = (await run.result())["offsets"][0]
        command = host_command(host, radio, run.ready, run.directory, run.image, mode="idle")
        async with running(*command, log=run.directory / "errors"):
            done, seen = await run.updated(60)
        if done:
            return f"goes on from {before} bytes, updated"
        return f"not updated: {seen['states'][0]}, {seen['offsets'][0]} bytes 60 s later"


async def lost_end_response(host: str, radio: str) -> str:
    async with cell(host, radio, faults=["lost end response"]) as run:
        done, seen = await run.updated(90)
        return "answered again, updated" if done else f"not answered again: {seen['states'][0]}, image given up"


def held(after_s: float) -> Callable[[str, str], Awaitable[str]]:
    """Held, and then released on command or, given a time, by a date that far ahead."""

    async def run(host: str, radio: str) -> str:
        async with cell(host, radio, *(["hold"] if host == "hanctl" else [])) as run:
            if host != "hanctl":
                _, seen = await run.updated(60)
                return f"none: told to activate at once (current, upgrade = {', '.join(map(str, seen['ends'][0]))})"
            await run.world.wait_for("downloaded", 60)
            await asyncio.sleep(HELD_S)
            waiting = await run.result()
            assert (waiting["states"], waiting["ends"]) == (["waiting for upgrade"], [[0, 0xFFFFFFFF]])
            run.child.tell(str(after_s))
            released = time.monotonic()
            if not (await run.updated(30 + after_s))[0]:
                return "holds, and was not activated"
            took = time.monotonic() - released
            order = f"to activate in {after_s:.0f} s" if after_s else "to activate"
            return f"holds ({HELD_S:.0f} s seen), runs it {took:.0f} s after the command {order}"

    return run


async def wrong_manufacturer(host: str, radio: str) -> str:
    async with cell(host, radio, special={"timings": {"query_period_s": 20.0}}) as run:
        await run.until_offset(1000)
        run.world.tell("strange")
        done, seen = await run.updated(90)
        answer = bytes.fromhex(seen["strange"][0]) if seen["strange"] else b""
        if not answer:
            said = "silence"
        elif answer[0] & 1:
            said = "served" if answer[3] == 0 else f"status 0x{answer[3]:02x}"
        else:
            said = f"Default Response 0x{answer[4]:02x}"
        return f"{said}; {'updated' if done else 'not updated'}"


async def wait_for_data(host: str, radio: str) -> str:
    async with cell(host, radio, *sections(host, block_period_ms=1000), size=1000) as run:
        done, seen = await run.updated(120)
        said = f"sent {seen['waits']} times, blocks {seen['spacing']:.1f} s apart" if seen["waits"] else "never sent"
        return said + (", updated" if done else ", not updated")


def block_period(unit: str) -> Callable[[str, str], Awaitable[str]]:
    async def run(host: str, radio: str) -> str:
        more = sections(host, block_period_ms=1000)
        async with cell(host, radio, *more, size=1000, special={"ota": {"min_block_period": unit}}) as run:
            done, seen = await run.updated(120)
            said = f"told {seen['waits']} time" if seen["waits"] else "ignored"
            return f"{said}, blocks {seen['spacing']:.2f} s apart" + ("" if done else ", not updated")

    return run


async def deaf_sleeper(host: str, radio: str) -> str:
    special = {"sleepy": True, "poll_interval_s": 30, "timings": {"query_period_s": 20.0}}
    async with cell(host, radio, special=special) as run:
        await run.child.wait_for("joined" if host != "herdsman" else "ready", 120)
        run.world.tell("arm")
        done, seen = await run.updated(200)
        return "updated by its own queries" if done else f"not updated: {seen['states'][0]}, {seen['offsets'][0]} bytes"


ROWS: dict[str, Callable[[str, str], Awaitable[str]]] = {
    "page request across the end of the file": page_across_the_end,
    "more than 32,768 blocks in one process": many_blocks,
    "killed and started again in mid-transfer": restart,
    "the first Upgrade End Response is lost": lost_end_response,
    "held activation": held(0),
    "dated activation": held(10),
    "wrong manufacturer in a block request": wrong_manufacturer,
    "WAIT_FOR_DATA": wait_for_data,
    "minimum block period, client in ms": block_period("ms"),
    "minimum block period, client in s": block_period("s"),
    "a sleeper misses every unsolicited frame": deaf_sleeper,
}


async def main(options: argparse.Namespace) -> None:
    console = Console(width=190)
    table = Table("behaviour", *options.hosts.split(","))
    wanted = [int(row) for row in options.rows.split(",")] if options.rows else range(1, len(ROWS) + 1)
    for number in wanted:
        name, run = list(ROWS.items())[number - 1]
        cells = []
        for host in options.hosts.split(","):
            try:
                said = await run(host, options.radio)
            except Exception as error:
                said = f"the run failed: {error!r}"
            console.print(number, name, host, said)
            cells.append(said)
        table.add_row(name, *cells)
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--radio", default="ezsp")
    parser.add_argument("--rows", default="")
    parser.add_argument("--hosts", default=",".join(HOSTS))
    asyncio.run(main(parser.parse_args()))
