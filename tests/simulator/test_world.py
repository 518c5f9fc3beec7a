"""A world as a whole, and the command that runs one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from simulator_hub import DEVICE, NETWORK_KEY, in_virtual_time, spec

from hanctl.base.eui64 import Eui64
from hanctl.cli.simulate import describe, event_printer
from hanctl.simulator.device.event import SimulatedDeviceEvent
from hanctl.simulator.dongle import Dongle, Flash, SimulatorError
from hanctl.simulator.network.medium import ApsFrame, Node
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.network.trust_centre import JoinKind, Network
from hanctl.simulator.world import World


class OpenDongle(Dongle):
    """A dongle that forms its network by itself and lets the one device in."""

    def __init__(self, stack: Stack, flash: Flash) -> None:
        super().__init__(stack, flash)
        stack.listener = self

    def boot(self) -> None:
        if not self.stack.start():
            self.stack.form(Network(15, 0x1234, bytes(8), NETWORK_KEY))
        self.stack.permit(255)
        self.stack.add_transient_key(DEVICE, spec().link_key)

    def shut_down(self) -> None:
        """Nothing runs."""

    def data_received(self, data: bytes) -> None:
        """No host is there."""

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        """No host is there."""

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        """No host is there."""

    def partner_key_event(self, requester: Eui64, outcome: str) -> None: ...

    def stack_changed(self) -> None:
        self.flash.save({"children": len(self.stack.children)})


@in_virtual_time
async def test_devices_join_outlive_the_dongle_and_stop_with_the_world() -> None:
    world = World.build([spec()], make_dongle=OpenDongle)
    events: list[SimulatedDeviceEvent] = []
    world.listen(events.append)
    world.start()
    await asyncio.sleep(10)
    device = world.device("ppmid")
    assert device is world.device(DEVICE) and device.nwk is not None
    world.unplug()
    assert not world.stack.hearing()
    world.power_cycle("ppmid", 5)
    await asyncio.sleep(60)
    assert not device.online
    world.plug()
    await asyncio.sleep(10)
    assert device.online
    assert [e.text.split()[0] for e in events if e.kind == "network"] == ["joined", "rejoined"]
    world.stop()
    pending = len(asyncio.all_tasks())
    told = len(events)
    await asyncio.sleep(10_000)
    assert len(events) == told and len(asyncio.all_tasks()) == pending


@in_virtual_time
async def test_the_same_seed_gives_the_same_run() -> None:
    async def run(seed: int) -> list[str]:
        world = World.build([spec(link={"loss": 0.2})], make_dongle=OpenDongle, seed=seed)
        began, told = asyncio.get_running_loop().time(), []
        world.listen(lambda e: told.append(f"{asyncio.get_running_loop().time() - began:.3f} {e.text}"))
        world.start()
        await asyncio.sleep(100)
        world.stop()
        return told

    assert await run(5) == await run(5)
    assert await run(5) != await run(6)


@in_virtual_time
async def test_a_state_directory_keeps_dongle_and_devices(tmp_path: Path) -> None:
    world = World.build([spec()], make_dongle=OpenDongle, state=tmp_path)
    world.start()
    await asyncio.sleep(10)
    world.stop()
    assert {p.name for p in tmp_path.iterdir()} == {"dongle-ezsp.json", "device-000d6f000b000001.json"}
    assert all(p.stat().st_mode & 0o077 == 0 for p in tmp_path.iterdir())
    assert World.build([spec()], make_dongle=OpenDongle, state=tmp_path).device("ppmid").storage.membership is not None


def test_state_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "device-000d6f000b000001.json").write_text('{"something": "else"}')
    with pytest.raises(SimulatorError, match="does not hold"):
        World.build([spec()], make_dongle=OpenDongle, state=tmp_path)


def test_an_unknown_device_is_named_with_those_there_are() -> None:
    world = World.build([spec()], make_dongle=OpenDongle)
    with pytest.raises(SimulatorError) as error:
        world.device("fridge")
    assert "fridge" in str(error.value) and "ppmid" in error.value.hint


def test_znp_has_no_ezsp_version() -> None:
    with pytest.raises(SimulatorError, match="no EZSP version"):
        World.build([], kind="znp", protocol_version=13)


def test_a_device_is_described_in_one_line_without_its_install_code() -> None:
    line = describe(spec())
    assert "\n" not in line and "install code" in line and DEVICE in line
    assert spec().install_code[:8] not in line


def test_progress_is_printed_in_tenths() -> None:
    lines: list[str] = []
    tell = event_printer(lambda: 0.0, lines.append)
    for offset in range(48, 4801, 48):
        tell(SimulatedDeviceEvent("ppmid", "block", f"{offset} of 4800 bytes", offset, 4800))
    assert len(lines) == 11


@pytest.mark.slow
def test_the_command_says_where_it_listens_and_stops_cleanly(tmp_path: Path) -> None:
    script = "import typer; from hanctl.cli.simulate import simulate; typer.run(simulate)"
    arguments = ["--radio", "znp", "--tcp", "127.0.0.1:0", "--pty", str(tmp_path / "dongle")]
    arguments += ["--pcap", str(tmp_path / "air.pcap")]
    sample = Path(__file__).parents[2] / "configs" / "devices.toml"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments, "--devices", str(sample)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    assert lines[0].startswith("znp dongle") and "tcp://127.0.0.1:" in lines[0]
    assert lines[1].rstrip().endswith(str(tmp_path / "dongle")) and lines[2].startswith("ppmid: ppmid")
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest.splitlines()[-1] == "stopped; serial faults: none"
    assert "Traceback" not in rest
    assert not (tmp_path / "dongle").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"air.pcap", "air.pcap.keys"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
