"""zigpy-cli, as people run it, on the simulated Z-Stack dongle: real processes over TCP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from znp_bench import make_dongle

from hanctl.simulator.ports import TcpPort
from hanctl.simulator.znp import ZnpDongle

pytest.importorskip("zigpy_cli")
pytestmark = pytest.mark.slow


@pytest.fixture
async def port() -> AsyncIterator[TcpPort]:
    dongle = make_dongle()
    dongle.power_on()
    port = TcpPort(dongle)
    await port.open()
    yield port
    await port.close()
    dongle.power_off()
    assert not dongle.faults


async def zigpy(port: TcpPort, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("zigpy")),
        "radio",
        "znp",
        port.url,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_form_info_backup_restore_reset(port: TcpPort, tmp_path: Path) -> None:
    dongle = port.dongle
    assert isinstance(dongle, ZnpDongle)
    await zigpy(port, "form")
    shown = await zigpy(port, "info")
    assert "Device IEEE:           00:12:4b:00:11:22:33:44" in shown
    file = tmp_path / "backup.json"
    await zigpy(port, "backup", str(file))
    backup = json.loads(file.read_text())
    assert backup["coordinator_ieee"] == "00124b0011223344"
    assert f"PAN ID:                0x{int(backup['pan_id'], 16):04X}" in shown
    await zigpy(port, "reset")
    backup["network_key"]["key"] = "0f" * 16
    file.write_text(json.dumps(backup))
    await zigpy(port, "restore", str(file))
    assert "Network key:           " + ":".join(["0f"] * 16) in await zigpy(port, "info")


async def test_energy_scan_and_change_of_channel(port: TcpPort) -> None:
    await zigpy(port, "form")
    scan = await zigpy(port, "energy-scan", "-n", "1")
    assert all(f" {channel}" in scan for channel in range(11, 27))
    await zigpy(port, "change-channel", "--channel", "26")
    assert "Channel:               26" in await zigpy(port, "info")
