"""The main job on one machine without a radio: a simulated dongle with a PPMID behind it, and the hub on its port.

Hub and simulation meet only as bytes on a TCP port, as they would on a serial line.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hanctl.base.clock import SystemClock
from hanctl.base.errors import ExitCode, HanctlError
from hanctl.base.eui64 import parse_eui64
from hanctl.config.sections import Config
from hanctl.hub.daemon import Daemon
from hanctl.images import demo_image
from hanctl.ledger.ledger import Recorded
from hanctl.model.events import DeviceInterviewed
from hanctl.model.update_events import ActivationNotice, UpdateFailed, UpdateRefused
from hanctl.simulator.device.event import SimulatedDeviceEvent
from hanctl.simulator.device.spec import Behaviour, DeviceSpec, OtaTimings, TrustSpec
from hanctl.simulator.ports import TcpPort
from hanctl.simulator.world import DONGLE_EUI64, World
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.credentials import Credentials, save_credentials
from hanctl.updates.desk.outlook import Progress

INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
"""A published test value. Source: comms_hub.md §7.5."""

DISPLAY = parse_eui64("00:0d:6f:00:0b:00:00:01")
PATIENCE_S = 120.0


class DemoFailed(HanctlError):
    """The demonstration did not end in the activation notice."""

    code = "demo-failed"
    exit_code = ExitCode.UPDATE_FAILED


def display(credentials: Credentials) -> DeviceSpec:
    """Return the PPMID of the demonstration, with this certificate."""
    suite = credentials.suite
    return DeviceSpec(
        name="ppmid",
        eui64=DISPLAY,
        type="ppmid",
        install_code=INSTALL_CODE,
        manufacturer_code=demo_image.MANUFACTURER_CODE,
        image_type=demo_image.IMAGE_TYPE,
        running_version=demo_image.FILE_VERSION - 1,
        trust=TrustSpec(
            certificate=credentials.certificate.raw.hex(),
            private_key=credentials.private_key.to_bytes(suite.private_key_size, "big").hex(),
            authority_key=suite.curve.compress(credentials.authority_key).hex(),
            registration_delay_s=0.5,
        ),
        # The real client waits up to four minutes after it has joined; nobody watches a demo that long.
        timings=OtaTimings(start_delay_s=(1.0, 1.0)),
        ota=Behaviour(think_time_s=0.02),
    )


@dataclass(frozen=True)
class DemoAudience:
    """Who watches: called with what the hub recorded, what the device did, and how far the transfer is."""

    hub: Callable[[Recorded], None]
    device: Callable[[SimulatedDeviceEvent], None]
    progress: Callable[[Progress], None]


async def run(
    radio: Literal["ezsp", "znp"], directory: Path, audience: DemoAudience, pcap: Path | None = None
) -> ActivationNotice:
    """Run the demonstration with its state in ``directory``; returns the activation notice. Raises DemoFailed.

    ``pcap``: a file for what is on air, as ``World.capture`` writes it.
    """
    authority = BenchAuthority.create()
    hub, device = (authority.issue(eui64, valid_from=0) for eui64 in (DONGLE_EUI64[radio], DISPLAY))
    certificate = directory / "hub-certificate.json"
    save_credentials(certificate, hub)
    async with _simulation(radio, display(device), audience, pcap) as (world, url):
        config = Config.model_validate(
            {
                "trust": {"certificate": str(certificate)},
                "hub": {"state_dir": str(directory), "socket": str(directory / "socket")},
                "dongle": {"path": url, "radio": radio},
            }
        )
        daemon = Daemon(config, SystemClock(), serve=False)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await daemon.start()
                for recorded in daemon.ledger.events():
                    audience.hub(recorded)
                daemon.ledger.subscribe(audience.hub)
                return await _update(daemon, world, audience)
        except TimeoutError:
            raise DemoFailed(
                f"no activation notice after {PATIENCE_S:.0f} s", "run it again; the lines above say how far it came"
            ) from None
        finally:
            await daemon.stop("the demo is over")


@asynccontextmanager
async def _simulation(
    radio: Literal["ezsp", "znp"], device: DeviceSpec, audience: DemoAudience, pcap: Path | None
) -> AsyncIterator[tuple[World, str]]:
    world = World.build([device], kind=radio)
    world.listen(audience.device)
    capture = None if pcap is None else world.capture(pcap)
    port = TcpPort(world.dongle)
    await port.open()
    try:
        world.plug()
        yield world, port.url
    finally:
        world.stop()
        await port.close()
        if capture is not None:
            capture.close()


async def _update(daemon: Daemon, world: World, audience: DemoAudience) -> ActivationNotice:
    interviewed = asyncio.Event()
    ended: asyncio.Future[ActivationNotice] = asyncio.get_running_loop().create_future()

    def follow(recorded: Recorded) -> None:
        match recorded.event:
            case DeviceInterviewed():
                interviewed.set()
            case ActivationNotice(outcome="activated") as notice if not ended.done():
                ended.set_result(notice)
            case UpdateFailed(cause=cause) | UpdateRefused(cause=cause) if not ended.done():
                ended.set_exception(DemoFailed(f"the update failed: {cause}", "the lines above say more"))

    daemon.ledger.subscribe(follow)
    await daemon.join(DISPLAY, INSTALL_CODE, device_type="ppmid")
    for device in world.devices:
        device.power_on()
    await interviewed.wait()
    image = daemon.updates.add_image(demo_image.build(), name=demo_image.NAME)
    update = daemon.updates.start(DISPLAY, image.file_sha256, activation="now")
    while not ended.done():
        audience.progress(daemon.updates.progress(update.id))
        await asyncio.wait({ended}, timeout=0.1)
    return ended.result()
