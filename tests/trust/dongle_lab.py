"""The hub over the radio libraries on a simulated dongle, in virtual time, with displays that establish keys."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Literal
from zlib import crc32

import pytest
from trust_bench import issued

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.model.event import Event
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.quirks import Quirks
from hanctl.simulator.world import DONGLE_EUI64
from hanctl.trust.credentials import Credentials, save_credentials

Kind = Literal["ezsp", "znp"]
VARIANTS: list[tuple[Kind, int | None]] = [("ezsp", 13), ("ezsp", 14), ("ezsp", 18), ("znp", None)]
OTHER_CODE = "00112233445566778899AABBCCDDEEFF"
"""Without its CRC."""
WELL_KNOWN = ""
"""No install code: the device tries the key that every Zigbee device knows."""
CODE = "83FED3407A939723A5C639B26916D505C3B5"
TABLE = 12


def each(name: str, *, oldest: bool) -> pytest.MarkDecorator:
    """Each kind of dongle as ``variant``, for the test of this name.

    One of EZSP 18 and Z-Stack is fast, by turns, and the others are slow; with ``oldest``, for what the key tables of
    dongles decide, only EZSP 14 is, whose frames and tables are those of 18.
    """
    by_turns = VARIANTS[2 + crc32(name.encode()) % 2]
    fast = {variant for variant in VARIANTS if variant != ("ezsp", 14)} if oldest else {by_turns}
    return pytest.mark.parametrize(
        "variant",
        [
            pytest.param(
                variant, id=f"{variant[0]}{variant[1] or ''}", marks=[] if variant in fast else [pytest.mark.slow]
            )
            for variant in VARIANTS
        ],
    )


def address(number: int) -> Eui64:
    return Eui64(f"00:db:12:34:56:78:00:{number:02x}")


def identity(credentials: Credentials) -> dict[str, str]:
    """Credentials as a device's specification has them."""
    suite = credentials.suite
    return {
        "certificate": credentials.certificate.raw.hex(),
        "private_key": credentials.private_key.to_bytes(suite.private_key_size, "big").hex(),
        "authority_key": suite.curve.compress(credentials.authority_key).hex(),
    }


def display(number: int, **different: Any) -> DeviceSpec:
    """A PPMID with a certificate; its ``trust`` table is added to."""
    trust = identity(issued(address(number))) | different.pop("trust", {})
    return DeviceSpec.model_validate(
        {
            "name": f"display {number}",
            "eui64": address(number),
            "type": "ppmid",
            "install_code": CODE,
            "start_delay_s": 0.5,
            "timings": {"start_delay_s": [3000.0, 3600.0]},
            "trust": trust,
        }
        | different
    )


class Lab(Bench):
    def __init__(
        self,
        directory: Path,
        kind: Kind,
        version: int | None,
        *,
        devices: int,
        different: Mapping[int, Mapping[str, Any]] | None = None,
        trust: dict[str, Any],
        quirks: Quirks = Quirks(),  # noqa: B008 - it is frozen
    ) -> None:
        file = directory / "hub.json"
        save_credentials(file, issued(DONGLE_EUI64[kind]))
        super().__init__(
            directory,
            [display(number, **dict((different or {}).get(number, {}))) for number in range(1, devices + 1)],
            radio=kind,
            protocol_version=version,
            sections={"trust": {"certificate": str(file)} | trust},
            quirks=quirks,
        )
        self.directory = directory

    async def join(self, hub: Daemon, *numbers: int) -> None:
        """Open the network to these devices, or all, and give them power."""
        for device in [self.device(number) for number in numbers] or self.world.devices:
            await hub.join(device.eui64, CODE)
            device.power_on()

    def device(self, number: int) -> SimulatedDevice:
        return self.world.devices[number - 1]

    @property
    def installed(self) -> dict[Eui64, bytes]:
        """The dongle's own table."""
        return self.world.stack.key_table

    @property
    def agreed(self) -> dict[Eui64, bytes]:
        """What the devices have stored."""
        return {device.eui64: device.storage.link_key for device in self.world.devices if device.storage.link_key}

    def events(self, hub: Daemon, kind: str, number: int | None = None) -> list[Any]:
        recorded = hub.ledger.events(type=kind, device=None if number is None else address(number))
        found: list[Event] = [each.event for each in recorded]
        return found

    async def is_served(self, hub: Daemon, number: int) -> bool:
        """Whether hub and device understand each other under their key, asked by the hub."""
        values = await hub.han.read_attributes(address(number), cluster=0x0019, attributes=[2], client_side=True)
        return values[2] == 1


Test = Callable[[Lab], Coroutine[Any, Any, None]]


def in_a_lab(
    devices: int = 1,
    different: Mapping[int, Mapping[str, Any]] | None = None,
    *,
    oldest: bool = False,
    **trust: Any,
) -> Callable[[Test], Callable[..., None]]:
    """Run a test on ``each`` kind of dongle, in virtual time."""

    def decorate(test: Test) -> Callable[..., None]:
        @wraps(test)
        def run(variant: tuple[Kind, int | None], tmp_path: Path) -> None:
            play(test, tmp_path, variant, devices, different, trust)

        del run.__wrapped__
        marked: Callable[..., None] = each(test.__name__, oldest=oldest)(run)
        return marked

    return decorate


def play(
    test: Test,
    directory: Path,
    variant: tuple[Kind, int | None],
    devices: int,
    different: Mapping[int, Mapping[str, Any]] | None,
    trust: dict[str, Any],
) -> None:
    """Run one test on one kind of dongle. No serial frame may be malformed."""

    async def main() -> None:
        lab = Lab(directory, *variant, devices=devices, different=different, trust=trust)
        lab.world.plug()
        try:
            await test(lab)
        finally:
            await lab.close()
        assert not lab.world.dongle.faults

    virtual.run(main())
