"""A hub and simulated displays in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Literal

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.model.change_records import Change
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.tenancy.evidence.report import DeviceReport

Radio = Literal["ezsp", "znp"]
CODE = "83FED3407A939723A5C639B26916D505C3B5"
DAY = 86400.0
SHOWN = [
    {"cluster": 0x0705, "attribute": 0x0211, "value": 777},
    {"cluster": 0x0702, "attribute": 0x0421, "type": 0x22, "value": 4711},
]
PREPAYMENT_DISPLAY = {
    "number": 1,
    "device_id": 0x0506,
    "input_clusters": [0x0000, 0x0702, 0x0705, 0x0709],
    "output_clusters": [0x000A, 0x0019, 0x0700, 0x0703, 0x0707, 0x0708],
}
"""One of the few that serve something."""


def display(number: int, kind: str = "ppmid", **more: Any) -> DeviceSpec:
    tenancy = {"data": SHOWN, **more.pop("tenancy", {})}
    base = {
        "name": f"display {number}",
        "eui64": f"00:db:12:34:56:78:00:{number:02x}",
        "type": kind,
        "install_code": CODE,
        "start_delay_s": 0.5,
        # Its firmware client keeps out of the way.
        "timings": {"start_delay_s": [5e6, 6e6]},
        "tenancy": tenancy,
    }
    return DeviceSpec.model_validate(base | more)


def serving(number: int, **tenancy: Any) -> DeviceSpec:
    return display(number, endpoint=[PREPAYMENT_DISPLAY], tenancy={"serves": True, **tenancy})


class Rig(Bench):
    @property
    def daemon(self) -> Daemon:
        assert self.hub is not None
        return self.hub

    def device(self, number: int) -> SimulatedDevice:
        return self.world.devices[number - 1]

    async def join(self, *numbers: int) -> None:
        devices = [self.device(number) for number in numbers] or self.world.devices
        for device in devices:
            await self.daemon.join(device.eui64, CODE)
            device.power_on()
        await self.until(lambda: all(self.known(device.eui64) for device in devices))

    def known(self, eui64: Eui64) -> bool:
        record = self.daemon.ledger.devices.get(eui64)
        return record is not None and record.state == "interviewed"

    async def until(self, condition: Callable[[], bool], seconds: float = 600) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.5)

    def change(self, kind: Literal["tenancy", "supplier"] = "tenancy", **more: Any) -> Change:
        return self.daemon.tenancy.orders.order(kind, **more)

    def of(self, number: int, change: int = 1) -> DeviceReport:
        found = {each.eui64: each for each in self.daemon.tenancy.report(change).devices}
        return found[self.device(number).eui64]

    def told(self, kind: str, number: int | None = None) -> list[dict[str, Any]]:
        eui64 = None if number is None else self.device(number).eui64
        return [each.as_dict() for each in self.daemon.ledger.events(type=kind, device=eui64)]

    def is_clear(self, number: int) -> bool:
        return not self.device(number).tenancy.shown


Scenario = Callable[[Rig], Coroutine[Any, Any, None]]


def play(directory: Path, radio: Radio, specs: list[DeviceSpec], scenario: Scenario, **sections: Any) -> None:
    async def main() -> None:
        rig = Rig(directory, specs, radio=radio, sections=sections)
        rig.world.plug()
        await rig.start()
        try:
            await scenario(rig)
            assert rig.hub is None or not [task for task in rig.hub._tasks if task.done()]
            # Nothing came in clear that is to be encrypted.
            assert not any(device._zcl.ignored for device in rig.world.devices)
        finally:
            await rig.close()
        assert not rig.world.dongle.faults

    virtual.run(main())
