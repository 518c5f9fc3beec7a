"""A whole simulated world: one dongle, the air, and the devices in range."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.simulator.air.constants import BAUD
from hanctl.simulator.air.medium import RealMedium
from hanctl.simulator.air.uart import Uart
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.event import Listener
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.dongle import Dongle, Flash, SimulatorError
from hanctl.simulator.network.medium import Medium
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.quirks import Quirks
from hanctl.simulator.sniffer.capture import Capture

Kind = Literal["ezsp", "znp"]
Air = Literal["ideal", "real"]
MakeDongle = Callable[[Stack, Flash], Dongle]

DONGLE_EUI64 = {"ezsp": parse_eui64("00:0d:6f:00:0a:00:00:01"), "znp": parse_eui64("00:12:4b:00:0a:00:00:01")}


def dongle_maker(kind: Kind, protocol_version: int | None = None) -> MakeDongle:
    """Return the maker of a kind of dongle. ``protocol_version`` of EZSP; None: the dongle's default.

    Raises SimulatorError for a version that the kind does not have.
    """
    if kind == "znp":
        from hanctl.simulator.znp import ZnpDongle

        if protocol_version is not None:
            raise SimulatorError("ZNP has no EZSP version", "leave --ezsp-version out with --radio znp")
        return ZnpDongle
    from hanctl.simulator.ezsp import EzspDongle

    if protocol_version is None:
        return EzspDongle
    return lambda stack, flash: EzspDongle(stack, flash, protocol_version=protocol_version)


class World:
    """A dongle, the air and the devices in range. ``build`` it in an event loop or before; ``start`` needs the loop."""

    def __init__(self, medium: Medium, stack: Stack, dongle: Dongle, devices: Sequence[SimulatedDevice]) -> None:
        self.medium = medium
        self.stack = stack
        self.dongle = dongle
        self.devices = list(devices)

    @classmethod
    def build(
        cls,
        specs: Sequence[DeviceSpec],
        *,
        kind: Kind = "ezsp",
        protocol_version: int | None = None,
        seed: int = 0,
        state: Path | None = None,
        make_dongle: MakeDongle | None = None,
        eui64: Eui64 | None = None,
        air: Air = "ideal",
        baud: int = BAUD,
        quirks: Quirks = Quirks(),  # noqa: B008 - it is frozen
    ) -> World:
        """Build a world without power. ``state``: directory for what survives a power cut; None: memory only.

        On ``real`` air frames take their time and wait for each other, and the serial line has ``baud``; on ``ideal``
        a frame takes ``Link.delay_s``, and the serial line nothing. ``quirks``: how the dongle tells senders apart.
        Raises SimulatorError where the directory cannot be used, or does not hold a simulation.
        """
        if state is not None:
            _make_directory(state)
        rng = random.Random(seed)
        medium = RealMedium(rng) if air == "real" else Medium(rng)
        stack = Stack(eui64 or DONGLE_EUI64[kind], medium, quirks=quirks)
        flash = Flash(None if state is None else state / f"dongle-{kind}.json")
        dongle = (make_dongle or dongle_maker(kind, protocol_version))(stack, flash)
        if isinstance(medium, RealMedium):
            dongle.uart = Uart(medium.agenda, baud)
        return cls(medium, stack, dongle, [SimulatedDevice(spec, medium, stack, state) for spec in specs])

    def device(self, name: str) -> SimulatedDevice:
        """Return the device with this name or EUI64. Raises SimulatorError."""
        for device in self.devices:
            if name in (device.spec.name, device.eui64):
                return device
        names = ", ".join(d.spec.name for d in self.devices) or "none"
        raise SimulatorError(f"there is no simulated device '{name}'", f"devices: {names}")

    def capture(self, pcap: Path, keys: Path | None = None, *, now: Callable[[], float] = time.time) -> Capture:
        """Record the air from now on until the capture is closed; ``now`` returns seconds since the epoch.

        ``pcap`` gets IEEE 802.15.4 frames, and ``keys`` all that they need, as a Wireshark table; it is named as
        ``pcap`` with ".keys" behind unless given. Both files are for their owner alone. Raises SimulatorError where one
        cannot be written.
        """
        return Capture(self.stack, pcap, keys or pcap.with_name(pcap.name + ".keys"), now)

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` for every event of every device."""
        for device in self.devices:
            device.listeners.append(listener)

    def start(self) -> None:
        """Switch everything on."""
        self.plug()
        for device in self.devices:
            device.power_on()

    def stop(self) -> None:
        """Switch everything off without telling anybody; no timer of a device is left."""
        for device in self.devices:
            listeners, device.listeners = device.listeners, []
            device.power_off()
            device.listeners = listeners
        self.unplug()

    def plug(self) -> None:
        """Plug the dongle in."""
        self.dongle.power_on()

    def unplug(self) -> None:
        """Pull the dongle."""
        self.dongle.power_off()

    def power_cycle(self, name: str, off_s: float = 5.0) -> None:
        """Cut a device's power for ``off_s`` seconds."""
        self.device(name).power_cycle(off_s)


def _make_directory(state: Path) -> None:
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SimulatorError(
            f"the directory {state} cannot be made: {error.strerror}", "choose another one to keep the state in"
        ) from error
