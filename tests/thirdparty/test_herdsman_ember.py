"""zigbee-herdsman's ember adapter on the simulated EmberZNet dongle: it shares no code with us, nor with bellows."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from herdsman_peer import only, require_npm, run_host

from hanctl.images.build import Fields, build
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.ports import PtyPort, TcpPort
from hanctl.simulator.world import World

pytestmark = [pytest.mark.thirdparty, pytest.mark.timeout(180)]

CODE = "83FED3407A939723A5C639B26916D505C3B5"
EUI64 = "00:0d:6f:00:0b:00:00:01"
SETTINGS = {
    "name": "display",
    "eui64": EUI64,
    "type": "ppmid",
    # Home-automation hosts do not speak the Smart Energy profile.
    "profile": 0x0104,
    "manufacturer_code": 0x1234,
    "image_type": 1,
    "running_version": 1,
    "start_delay_s": 0.1,
    "join_retry_s": 0.2,
    "boot_time_s": 0.3,
    "timings": {"start_delay_s": (0.1, 0.2)},
}


@dataclass
class Bench:
    """A world at the far side of a TCP port, and where the host keeps its own things."""

    world: World
    port: TcpPort
    directory: Path
    version: int

    @property
    def display(self) -> SimulatedDevice:
        return self.world.device("display")


async def bench_with(directory: Path, version: int, **settings: object) -> AsyncIterator[Bench]:
    require_npm()
    spec = DeviceSpec.model_validate(SETTINGS | settings)
    world = World.build([spec], kind="ezsp", protocol_version=version, state=directory / "state")
    world.start()
    port = TcpPort(world.dongle)
    await port.open()
    yield Bench(world, port, directory / "host", version)
    await port.close()
    world.stop()
    assert not world.dongle.faults


@pytest.fixture(params=[13, 18])
async def bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async for bench in bench_with(tmp_path, request.param):
        yield bench


@pytest.fixture(params=[13, 18])
async def coded_bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async for bench in bench_with(tmp_path, request.param, install_code=CODE):
        yield bench


@pytest.fixture(params=[14, 19])
async def other_bench(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    async for bench in bench_with(tmp_path, request.param):
        yield bench


async def test_it_forms_a_network_and_resumes_it_after_a_power_cut(bench: Bench) -> None:
    formed = await run_host("ember", bench.port.url, "start", bench.directory)
    assert only(formed, "started") == [{"event": "started", "result": "reset"}]
    (network,) = only(formed, "network")
    assert (network["channel"], network["pan"]) == (15, 0x1A62)
    bench.world.unplug()
    bench.world.plug()
    resumed = await run_host("ember", bench.port.url, "start", bench.directory)
    assert only(resumed, "started") == [{"event": "started", "result": "resumed"}]
    assert only(resumed, "network") == [network]


async def test_it_restores_its_backup_onto_a_new_dongle(bench: Bench, tmp_path: Path) -> None:
    await run_host("ember", bench.port.url, "join", bench.directory)
    other = World.build([], kind="ezsp", protocol_version=bench.version, state=tmp_path / "other", seed=5)
    other.start()
    port = TcpPort(other.dongle)
    await port.open()
    restored = await run_host("ember", port.url, "start", bench.directory)
    assert only(restored, "started") == [{"event": "started", "result": "restored"}]
    assert other.stack.network is not None
    assert bench.world.stack.network is not None
    assert other.stack.network.key == bench.world.stack.network.key
    assert other.stack.network.frame_counter >= bench.world.stack.network.frame_counter
    await port.close()
    other.stop()
    assert not other.dongle.faults


async def test_it_works_on_a_pseudo_terminal(bench: Bench, tmp_path: Path) -> None:
    await bench.port.close()
    pty = PtyPort(bench.world.dongle, tmp_path / "tty")
    await pty.open()
    started = await run_host("ember", pty.url, "start", bench.directory)
    assert only(started, "started")
    await pty.close()


async def test_it_lets_a_device_in_and_updates_it_to_the_last_byte(bench: Bench, tmp_path: Path) -> None:
    await update(bench, tmp_path)


async def test_it_does_so_on_the_other_versions(other_bench: Bench, tmp_path: Path) -> None:
    await update(other_bench, tmp_path)


async def update(bench: Bench, directory: Path) -> None:
    image = build(random.Random(1).randbytes(12_345), Fields(0x1234, 1, 2, header_string="display"))
    file = directory / "image.ota"
    file.write_bytes(image)
    events = await run_host("ember", bench.port.url, "update", bench.directory, "--ota", str(file))
    ieee = "0x" + EUI64.replace(":", "")
    assert only(events, "joined") == [{"event": "joined", "ieee": ieee}]
    assert only(events, "updated") == [{"event": "updated", "ieee": ieee, "from": 1, "to": 2}]
    assert bench.display.flash_image() == image
    assert bench.display.running_version == 2


async def test_it_lets_a_device_in_by_its_install_code(coded_bench: Bench) -> None:
    code = EUI64.replace(":", "").upper() + "|" + CODE
    events = await run_host("ember", coded_bench.port.url, "join", coded_bench.directory, "--install-code", code)
    assert only(events, "interview")[-1]["status"] == "successful"
    assert coded_bench.world.stack.children[coded_bench.display.eui64].link_key == coded_bench.display.spec.link_key
