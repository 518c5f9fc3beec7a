"""The simulated bench: hub, dongle and display in this process, in virtual time; its API is reached without a socket.

Hub and display begin each test as they were once the display had joined, or before: on a copy of that state.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import Coroutine, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx

from hanctl.api.app import make_app
from hanctl.base.errors import InvalidInput
from hanctl.base.virtual import VirtualLoop
from hanctl.crypto.mmo import mmo_hash
from hanctl.hil.api_client import ApiClient
from hanctl.hil.bench import Bench
from hanctl.hil.driver import Driver
from hanctl.hil.under_test import DeviceUnderTest, ImageFile
from hanctl.images.build import Fields, build
from hanctl.simulator.device.devices_file import load_devices
from hanctl.simulator.device.event import SimulatedDeviceEvent
from hanctl.simulator.device.spec import DeviceSpec, TrustSpec
from hanctl.simulator.sniffer.capture import Capture
from hanctl.simulator.world import DONGLE_EUI64
from hanctl.trust.authority import BenchAuthority
from hanctl.trust.credentials import Credentials, save_credentials

Radio = Literal["ezsp", "znp"]
T = TypeVar("T")

DISPLAY = Path(__file__).parent / "display.toml"
"""The display that is simulated where no other is named."""
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PAYLOAD_SIZE = 8000
INTEGRITY_CODE, INTEGRITY_SIZE = 0x0003, 16


def read_display(path: Path) -> DeviceSpec:
    """Read the one device of a devices file. Raises DevicesFileError, InvalidInput."""
    devices = load_devices(path)
    if len(devices) != 1:
        raise InvalidInput(f"{path} has {len(devices)} devices", "a test is of one: leave one [[device]] in the file")
    return devices[0]


def make_image(spec: DeviceSpec, version: int) -> ImageFile:
    """Make an image for this display, always the same: in GB form, or with its integrity code (comms_hub.md §1.2)."""
    seed = f"{spec.eui64} {version}"
    payload = b"".join(hashlib.sha256(f"{seed} {n}".encode()).digest() for n in range(PAYLOAD_SIZE // 32))
    fields = Fields(spec.manufacturer_code, spec.image_type, version, header_string=f"{spec.name} 0x{version:08x}"[:32])
    name = f"{spec.name}-{version:08x}.ota"
    if spec.ota.image_body == "gb":
        return ImageFile(name, build(payload, fields, form="gb"))
    whole = build(payload, fields, elements=[(INTEGRITY_CODE, bytes(INTEGRITY_SIZE))])
    return ImageFile(name, whole[:-INTEGRITY_SIZE] + mmo_hash(whole[:-INTEGRITY_SIZE]))


def _under_test(spec: DeviceSpec) -> DeviceUnderTest:
    base, image, following = (make_image(spec, spec.running_version + step) for step in range(3))
    return DeviceUnderTest(
        spec.eui64,
        spec.type,
        spec.install_code,
        base,
        image,
        following,
        damaged_image=spec.ota.image_body != "gb",
        leaves_and_joins=True,
        longest_s=float("inf"),
    )


@dataclass
class SimLab:
    """Makes simulated benches of one kind below ``directory``. What costs most, keys and joining, is done once."""

    radio: Radio
    display: DeviceSpec
    directory: Path
    made: int = 0

    def bench(self, *, joined: bool) -> SimDriver:
        """Make a new bench; ``joined``: the display is on the HAN already, else it has not had power yet."""
        self.made += 1
        directory = self.directory / str(self.made)
        if not joined:
            return SimDriver(self, directory, BEGIN)
        shutil.copytree(self._joined[0], directory)
        driver = SimDriver(self, directory, self._joined[1])
        driver.run(driver.come_back())
        return driver

    @cached_property
    def certificate(self) -> Path:
        """The hub's; made with the display's, by an authority that nobody keeps."""
        authority = BenchAuthority.create()
        path = self.directory / "hub-certificate.json"
        save_credentials(path, authority.issue(DONGLE_EUI64[self.radio], valid_from=0))
        if self.display.trust.identity is None:
            trust = _with_certificate(self.display.trust, authority.issue(self.display.eui64, valid_from=0))
            self.display = self.display.model_copy(update={"trust": trust})
        return path

    @cached_property
    def _joined(self) -> tuple[Path, datetime]:
        """The state of a bench whose display has joined, and when that was."""
        directory = self.directory / "joined"
        driver = SimDriver(self, directory, BEGIN)
        try:
            driver.run(driver.join())
            at = driver.bench.clock.now()
        finally:
            driver.close()
        return directory, at


def _with_certificate(trust: TrustSpec, credentials: Credentials) -> TrustSpec:
    suite = credentials.suite
    return trust.model_copy(
        update={
            "certificate": credentials.certificate.raw.hex(),
            "private_key": credentials.private_key.to_bytes(suite.private_key_size, "big").hex(),
            "authority_key": suite.curve.compress(credentials.authority_key).hex(),
        }
    )


class SimDriver(Driver):
    """One simulated bench, running."""

    switches_power = True
    lasting = False

    def __init__(self, lab: SimLab, directory: Path, begin: datetime) -> None:
        certificate = lab.certificate
        self.device = _under_test(lab.display)
        self.description = (
            f"simulated {lab.radio.upper()} dongle and simulated display '{lab.display.name}'; virtual time"
        )
        self.switches_mains = lab.display.battery is not None
        self._lines: list[str] = []
        self._capture: Capture | None = None
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)
        trust = {"certificate": str(certificate)}
        self.run(self._start(directory, lab, begin, {"trust": trust}))

    async def _start(self, directory: Path, lab: SimLab, begin: datetime, sections: dict[str, Any]) -> None:
        self.bench = Bench(directory, [lab.display], radio=lab.radio, sections=sections, begin=begin)
        self.bench.world.listen(self._heard)
        self.bench.world.plug()
        app = make_app(await self.bench.start())

        async def here(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            await app(scope, receive, send)

        self.api = ApiClient(httpx.ASGITransport(here))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def join(self) -> None:
        """Let the display join, and wait until it is known. Where it does not come, so be it: tests will say so."""
        device = self.device
        await self.api.post("/join", {"eui64": device.eui64, "install_code": device.install_code})
        await self.power(on=True)
        await self.api.wait("/events", device.join_s, type="device.interviewed")

    async def come_back(self) -> None:
        """Give a display that had joined its power, and wait until it is heard."""
        path = f"/devices/{self.device.eui64}"
        known = await self.api.get("/devices")
        await self.power(on=True)
        if known:
            await self.api.wait(path, self.device.answer_s, seen_after=known[0]["last_seen"])

    async def power(self, *, on: bool) -> None:
        display = self.bench.world.devices[0]
        if on:
            display.power_on()
        else:
            display.power_off()

    async def mains(self, *, on: bool) -> None:
        battery = self.bench.world.devices[0].display.battery
        assert battery is not None  # switches_mains says so
        battery.plugged_in = on

    def begin(self) -> None:
        """Do nothing: each test has a bench of its own."""

    def console_lines(self) -> list[str]:
        return list(self._lines)

    def start_capture(self, path: Path) -> bool:
        self._capture = self.bench.capture(path)
        return True

    def stop_capture(self) -> None:
        if self._capture is not None:
            self._capture.close()

    def close(self) -> None:
        try:
            self.run(self.api.close())
            self.run(self.bench.close())
        finally:
            self._runner.close()

    def _heard(self, event: SimulatedDeviceEvent) -> None:
        if event.kind != "block":
            at = self.bench.clock.now()
            self._lines.append(f"{at:%Y-%m-%d %H:%M:%S}  {event.device}: {event.text}")
