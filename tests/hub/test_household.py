"""Household data over true serial bytes, both radios: a display finds the hub's endpoints, and asks them for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any, Literal

import pytest

from hanctl.base import virtual
from hanctl.base.eui64 import parse_eui64
from hanctl.hil.bench import Bench
from hanctl.hub.daemon import Daemon
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.network.medium import ApsFrame
from hanctl.simulator.zcl import ZclFrame, decode

Radio = Literal["ezsp", "znp"]

DISPLAY = parse_eui64("00:0d:6f:00:0b:00:00:01")
INSTALL_CODE = "83FED3407A939723A5C639B26916D505C3B5"
SAMPLE = Path(__file__).parents[2] / "configs" / "household.toml"
METERING, PRICE, MESSAGING = 0x0702, 0x0700, 0x0703


class Rig:
    """A hub with the sample household, and a display that keeps what it hears."""

    def __init__(self, directory: Path, radio: Radio) -> None:
        spec = DeviceSpec.model_validate(
            {"name": "display", "eui64": DISPLAY, "type": "ihd", "install_code": INSTALL_CODE}
        )
        self.bench = Bench(directory, [spec], radio=radio, sections={"data": {"meter_stand_in": True}})
        self.heard: list[ApsFrame] = []

    @property
    def hub(self) -> Daemon:
        assert self.bench.hub is not None
        return self.bench.hub

    @property
    def display(self) -> SimulatedDevice:
        return self.bench.world.device("display")

    async def start(self) -> None:
        self.bench.world.plug()
        await self.bench.start()
        self.display.power_on()
        await self.hub.join(DISPLAY, INSTALL_CODE, seconds=180)
        await self.until(lambda: self.hub.ledger.devices.get(DISPLAY).state == "interviewed")  # type: ignore[union-attr]
        self._listen(self.display._fragmenter)
        self.hub.data.load(SAMPLE.read_text(), "household.toml")

    def _listen(self, fragmenter: Any) -> None:
        receive = fragmenter.receive

        def kept(frame: ApsFrame) -> ApsFrame | None:
            whole: ApsFrame | None = receive(frame)
            if whole is not None:
                self.heard.append(whole)
            return whole

        fragmenter.receive = kept

    async def until(self, what: Callable[[], bool], seconds: float = 200) -> None:
        async with asyncio.timeout(seconds):
            while not what():
                await asyncio.sleep(0.1)

    async def ask(
        self, cluster: int, command: int, payload: bytes = b"", endpoint: int = 2, answers: int = 1, **how: Any
    ) -> list[ZclFrame]:
        """Send a ZCL frame to the hub; the frames that come back for it."""
        tsn = self.display.next_tsn()
        frame = ZclFrame(tsn, command, payload, **{"cluster_specific": True, **how})
        self.display.send_zcl(0, cluster, (1, endpoint), frame)

        def found() -> list[ZclFrame]:
            same = [heard for heard in self.heard if heard.cluster == cluster and heard.payload[1] == tsn]
            assert all(heard.encrypted and heard.source_endpoint == endpoint for heard in same)
            return [decode(heard.payload) for heard in same]

        await self.until(lambda: len(found()) >= answers)
        return found()


Story = Callable[[Rig], Coroutine[Any, Any, None]]


def on_both(story: Story) -> Any:
    @pytest.mark.parametrize("radio", ["ezsp", "znp"])
    @wraps(story)
    def test(radio: Radio, tmp_path: Path) -> None:
        async def body() -> None:
            rig = Rig(tmp_path, radio)
            try:
                await rig.start()
                await story(rig)
            finally:
                await rig.bench.close()

        virtual.run(body())

    del test.__wrapped__
    return test


@on_both
async def test_a_display_finds_the_endpoints_and_their_clusters(rig: Rig) -> None:
    rig.display.send_zdo(0, 0x0005, b"\x01\x00\x00")
    await rig.until(lambda: any(heard.cluster == 0x8005 for heard in rig.heard))
    (active,) = (heard.payload for heard in rig.heard if heard.cluster == 0x8005)
    assert sorted(active[5:]) == [1, 2, 3]
    for endpoint in (1, 2, 3):
        rig.display.send_zdo(0, 0x0004, bytes((endpoint, 0, 0, endpoint)))
    await rig.until(lambda: sum(heard.cluster == 0x8004 for heard in rig.heard) == 3)
    clusters = {}
    for heard in (heard.payload for heard in rig.heard if heard.cluster == 0x8004):
        assert heard[6:8] == b"\x09\x01"
        count = heard[11]
        clusters[heard[5]] = (
            int.from_bytes(heard[8:10], "little"),
            {int.from_bytes(heard[12 + 2 * n : 14 + 2 * n], "little") for n in range(count)},
        )
    assert clusters[1][0] == 0x0500
    assert clusters[2][0] == clusters[3][0] == 0x0501
    assert {0x0700, 0x0703, 0x0707, 0x0708, 0x0709} <= clusters[1][1]
    assert {0x0700, 0x0702, 0x0703, 0x0705, 0x0707, 0x0708, 0x0709} <= clusters[2][1]
    assert {0x0702, 0x0705} <= clusters[3][1]
    # What is announced is served: the hub warns of nothing.
    served = rig.hub.han._dispatcher.served()
    announced = {(record.endpoint, cluster) for record in rig.hub.han.endpoints for cluster in record.input_clusters}
    assert served == announced


@on_both
async def test_answers_come_from_the_endpoint_asked_long_ones_whole(rig: Rig) -> None:
    (answer,) = await rig.ask(METERING, 0x00, b"\x00\x00", cluster_specific=False)
    assert answer.payload == b"\x00\x00\x00\x25" + (4711250).to_bytes(6, "little")
    # 48 half-hours are 155 bytes: too long for one frame of either radio.
    (samples,) = await rig.ask(METERING, 0x08, b"\x00\x00" + bytes(4) + b"\x00" + b"\x30\x00")
    assert len(samples.payload) == 11 + 48 * 3
    assert int.from_bytes(samples.payload[9:11], "little") == 48
    (price,) = await rig.ask(PRICE, 0x00, b"\x00", endpoint=1)
    assert price.payload[:8] == (1101).to_bytes(4, "little") + b"\x03Day"
    (message,) = await rig.ask(MESSAGING, 0x00, endpoint=1)
    assert message.payload.endswith(b"\x1cWelcome to your smart meter.")


@on_both
async def test_several_commands_answer_one_request_in_order(rig: Rig) -> None:
    rows = "".join(
        f"[[gas.calorific_values]]\nstart_time = 2026-03-0{n}T00:00:00Z\ncalorific_value = {n}\n" for n in range(1, 6)
    )
    rig.hub.data.load(rows, "h.toml")
    found = await rig.ask(PRICE, 0x05, bytes(4) + b"\xff\xff\xff\xff" + b"\x00", answers=5)
    assert [frame.payload[8] for frame in found] == [1, 2, 3, 4, 5]


@on_both
async def test_a_report_comes_at_once_then_on_change_and_no_more_often_than_asked_for(rig: Rig) -> None:
    wanted = b"\x00\x00\x00\x25" + (60).to_bytes(2, "little") + (600).to_bytes(2, "little") + (5).to_bytes(6, "little")
    (answer,) = await rig.ask(METERING, 0x06, wanted, cluster_specific=False)
    assert answer.payload == b"\x00"
    loop = asyncio.get_running_loop()

    def reports() -> list[int]:
        return [
            int.from_bytes(decode(heard.payload).payload[3:], "little")
            for heard in rig.heard
            if heard.cluster == METERING and decode(heard.payload).command == 0x0A
        ]

    await rig.until(lambda: reports() == [4711250])
    began = loop.time()
    rig.hub.data.set("gas", "metering", "current_summation_delivered", "4711252")
    await asyncio.sleep(30)
    rig.hub.data.set("gas", "metering", "current_summation_delivered", "4711260")
    await rig.until(lambda: len(reports()) == 2)
    assert reports()[1] == 4711260
    assert 59 <= loop.time() - began <= 62
    # Then nothing changes: the next is due after ten minutes.
    began = loop.time()
    await rig.until(lambda: len(reports()) == 3, seconds=700)
    assert 598 <= loop.time() - began <= 602
    # It outlives the hub, and ends when the display says so.
    await rig.bench.kill()
    await rig.bench.start()
    await rig.until(lambda: len(reports()) == 4, seconds=120)
    wanted = wanted[:6] + b"\xff\xff" + wanted[8:]
    await rig.ask(METERING, 0x06, wanted, cluster_specific=False)
    rig.hub.data.set("gas", "metering", "current_summation_delivered", "1")
    await asyncio.sleep(1000)
    assert len(reports()) == 4


@on_both
async def test_a_display_writes_its_own_low_credit_warning(rig: Rig) -> None:
    rig.hub.data.set("gas", "prepayment", "ihd_low_credit_warning_level", "300")
    record = b"\x32\x00\x23" + (500).to_bytes(4, "little")
    (answer,) = await rig.ask(0x0705, 0x02, record, cluster_specific=False)
    assert answer.payload == b"\x00"
    (item,) = (item for item in rig.hub.data.show("gas", values=True) if item.id == 0x0032)
    assert item.value == 500
