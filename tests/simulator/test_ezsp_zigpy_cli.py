"""zigpy-cli and bellows' command line, as people run them, on the simulated EZSP dongle: real processes over TCP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from ezsp_support import rig

from hanctl.simulator.ports import TcpPort

pytest.importorskip("zigpy_cli")
pytestmark = pytest.mark.slow


@pytest.fixture(params=[13, 18])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[TcpPort]:
    bench = rig(version=request.param)
    port = TcpPort(bench.dongle)
    await port.open()
    yield port
    await port.close()
    bench.dongle.power_off()
    assert not bench.dongle.faults


async def run(program: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name(program)),
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def zigpy(port: TcpPort, *arguments: str) -> str:
    return await run("zigpy", "radio", "ezsp", port.url, *arguments)


async def test_form_info_backup_restore_reset(port: TcpPort, tmp_path: Path) -> None:
    await zigpy(port, "form")
    shown = await zigpy(port, "info")
    assert "Device IEEE:           00:0d:6f:00:0a:90:69:e7" in shown
    file = tmp_path / "backup.json"
    await zigpy(port, "backup", str(file))
    backup = json.loads(file.read_text())
    assert backup["coordinator_ieee"] == "000d6f000a9069e7"
    assert f"PAN ID:                0x{int(backup['pan_id'], 16):04X}" in shown
    await zigpy(port, "reset")
    backup["network_key"]["key"] = "0f" * 16
    file.write_text(json.dumps(backup))
    await zigpy(port, "restore", str(file))
    assert "Network key:           " + ":".join(["0f"] * 16) in await zigpy(port, "info")


async def test_energy_scan_permit_and_change_of_channel(port: TcpPort) -> None:
    await zigpy(port, "form")
    scan = await zigpy(port, "energy-scan", "-n", "1")
    assert all(f" {channel}" in scan for channel in range(11, 27))
    await zigpy(port, "permit", "-t", "1")
    await zigpy(port, "change-channel", "--channel", "26")
    assert "Channel:               26" in await zigpy(port, "info")


async def test_bellows_shows_what_the_dongle_is(port: TcpPort) -> None:
    await zigpy(port, "form")
    info = await run("bellows", "-d", port.url, "info")
    assert "JOINED_NETWORK" in info
    assert "00:0d:6f:00:0a:90:69:e7" in info
    assert "EmberZNet version" in info
    assert "CONFIG_KEY_TABLE_SIZE=12" in await run("bellows", "-d", port.url, "config", "--all")
    assert "No boot loader installed" in await run("bellows", "-d", port.url, "bootloader")
