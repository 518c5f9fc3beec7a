"""The hub over the radio libraries on a simulated dongle, in virtual time, with displays that have an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import pytest
from trust_bench import issued

from hanctl import virtual
from hanctl.daemon import Daemon
from hanctl.eui64 import Eui64
from hanctl.hil.bench import Bench
from hanctl.simulator.device import SimulatedDevice
from hanctl.simulator.device_spec import DeviceSpec
from hanctl.simulator.medium import COORDINATOR, ApsFrame
from hanctl.simulator.world import DONGLE_EUI64
from hanctl.trust.credentials import save_credentials
from hanctl.trust.exchange import Established, Output, Run, Send
from hanctl.trust.manager import KeyEstablishment

Kind = Literal["ezsp", "znp"]
VARIANTS: list[tuple[Kind, int | None]] = [("ezsp", 13), ("ezsp", 14), ("ezsp", 18), ("znp", None)]
OTHER_CODE = "00112233445566778899AABBCCDDEEFF"
"""Without its CRC."""
WELL_KNOWN = ""
"""No install code: the device tries the key that every Zigbee device knows."""
CODE = "83FED3407A939723A5C639B26916D505C3B5"
TABLE = 12


class KeyedDevice(SimulatedDevice):
    """A device that encrypts with the key it established, once it has one."""

    established: bytes | None = None

    @property
    def link_key(self) -> bytes:
        return self.established or super().link_key


class Engine:
    """The engine as initiator inside a simulated device, over its radio."""

    def __init__(self, device: SimulatedDevice, hub: Eui64) -> None:
        # The world makes plain devices.
        device.__class__ = KeyedDevice
        assert isinstance(device, KeyedDevice)
        self.device = device
        self.hub = hub
        self.engine = KeyEstablishment([issued(device.eui64)])
        self.key: bytes | None = None
        self.lengths: list[int] = []
        self._tsn = 0
        self._receive = device.receive
        device.receive = self._hear  # type: ignore[method-assign]

    def ask(self) -> None:
        self._carry_out(self.engine.start(self.hub, issued(self.device.eui64).suite, self._now))

    def _hear(self, frame: ApsFrame) -> bool:
        if frame.cluster != 0x0800 or not frame.payload[0] & 0x01:
            return self._receive(frame)
        self.lengths.append(len(frame.payload))
        self._carry_out(
            self.engine.receive(
                self.hub, frame.payload[2], frame.payload[3:], from_server=True, tsn=frame.payload[1], now=self._now
            )
        )
        return True

    def _carry_out(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(tsn=tsn, from_server=from_server, command=command, payload=payload):
                    self._tsn += 1
                    head = bytes((0x11 | 0x08 * from_server, self._tsn if tsn is None else tsn, command))
                    self.device._send(COORDINATOR, 0x0109, 0x0800, 1, 1, head + payload, encrypted=False)
                    self._carry_out(self.engine.delivered(self.hub, output.ticket, True, self._now))
                case Run(ticket=ticket, job=job):
                    self._carry_out(self.engine.finished(self.hub, ticket, job(), self._now))
                case Established(key=key):
                    self.key = self.device.established = key

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def display(number: int, code: str = CODE) -> DeviceSpec:
    return DeviceSpec.model_validate(
        {
            "name": f"display {number}",
            "eui64": f"00:db:12:34:56:78:00:{number:02x}",
            "type": "ppmid",
            "install_code": code,
            "start_delay_s": 0.5,
            "timings": {"start_delay_s": [3000.0, 3600.0]},
        }
    )


class Lab(Bench):
    def __init__(
        self,
        directory: Path,
        kind: Kind,
        version: int | None,
        *,
        devices: int,
        codes: dict[int, str] | None = None,
        trust: dict[str, Any],
    ) -> None:
        file = directory / "hub.json"
        save_credentials(file, issued(DONGLE_EUI64[kind]))
        super().__init__(
            directory,
            [display(number, (codes or {}).get(number, CODE)) for number in range(1, devices + 1)],
            radio=kind,
            protocol_version=version,
            sections={"trust": {"certificate": str(file)} | trust},
        )
        self.directory = directory
        self.engines = [Engine(device, DONGLE_EUI64[kind]) for device in self.world.devices]

    async def join(self, hub: Daemon, count: int) -> None:
        for device in self.world.devices[:count]:
            await hub.join(device.eui64, CODE)
            device.power_on()
        await asyncio.sleep(30)

    @property
    def installed(self) -> dict[Eui64, bytes]:
        return self.world.stack.key_table

    @property
    def agreed(self) -> dict[Eui64, bytes | None]:
        return {engine.device.eui64: engine.key for engine in self.engines if engine.key is not None}


def in_a_lab(
    devices: int = 1, codes: dict[int, str] | None = None, **trust: Any
) -> Callable[[Callable[[Lab], Coroutine[Any, Any, None]]], Callable[..., None]]:
    """Run a test on each kind of dongle, in virtual time."""

    def decorate(test: Callable[[Lab], Coroutine[Any, Any, None]]) -> Callable[..., None]:
        async def main(directory: Path, kind: Kind, version: int | None) -> None:
            lab = Lab(directory, kind, version, devices=devices, codes=codes, trust=trust)
            lab.world.plug()
            try:
                await test(lab)
            finally:
                await lab.close()
            assert not lab.world.dongle.faults

        @wraps(test)
        def run(variant: tuple[Kind, int | None], tmp_path: Path) -> None:
            virtual.run(main(tmp_path, *variant))

        del run.__wrapped__
        marked: Callable[..., None] = pytest.mark.parametrize(
            "variant", VARIANTS, ids=[f"{k}{v or ''}" for k, v in VARIANTS]
        )(run)
        return marked

    return decorate
