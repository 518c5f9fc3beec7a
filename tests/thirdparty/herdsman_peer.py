"""zigbee-herdsman, unmodified from npm, as a host of a simulated dongle."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(__file__).parent / "herdsman"


def require_npm() -> None:
    """Skip where there is no npm; install the host where it is not yet there. Raises where npm fails."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm is not installed")


async def install() -> None:
    """``npm install`` in the host's directory, once."""
    if (DIRECTORY / "node_modules" / "zigbee-herdsman").exists():
        return
    process = await asyncio.create_subprocess_exec(
        "npm", "install", "--no-audit", "--no-fund", "--no-package-lock", cwd=DIRECTORY
    )
    assert await asyncio.wait_for(process.wait(), 110) == 0, "npm install failed"


async def run_host(
    adapter: str, url: str, mode: str, directory: Path, *options: str, seconds: float = 90
) -> list[dict[str, Any]]:
    """What the host said, one event after the other. Fails where it does not end well."""
    await install()
    directory.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        "node",
        str(DIRECTORY / "host.mjs"),
        adapter,
        url,
        mode,
        str(directory),
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    events = [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]
    assert process.returncode == 0, (events[-3:], errors.decode()[-2000:])
    return events


def only(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Events of one kind."""
    return [e for e in events if e["event"] == kind]
