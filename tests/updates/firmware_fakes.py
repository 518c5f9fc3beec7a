"""Far ends for the firmware tests: a HAN that records what is sent, and a clock set by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hanctl.base.clock import LoopClock
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, LaterReply, Reply, Request
from hanctl.images.build import Fields, build
from hanctl.images.store import FirmwareStore
from hanctl.ledger.ledger import Ledger
from hanctl.model.records import Device
from hanctl.radio.errors import DeliveryFailed
from hanctl.radio.frames import Outcome
from hanctl.updates.desk.service import UpdateService

T = TypeVar("T")

START = datetime(2026, 3, 1, tzinfo=UTC)
"""The time where virtual time begins."""
DISPLAY = Eui64("00:0d:6f:00:0a:90:69:e7")
OTHER = Eui64("00:0d:6f:00:0a:90:69:e8")
MANUFACTURER, IMAGE_TYPE, OLD, NEW = 0x1234, 0x0001, 0x0001, 0x0002


class StillClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class FakeBulk:
    """Records what is posted; ``waiting``: how long blocks wait for their turn; ``outcome``: what becomes of them."""

    posted: list[dict[str, Any]] = field(default_factory=list)
    waiting: float = 0.0
    outcome: Outcome = "delivered"

    def post(self, eui64: Eui64, *, outcome: Callable[[Outcome], None], **frame: Any) -> None:
        self.posted.append(frame | {"at": asyncio.get_running_loop().time()})
        asyncio.get_running_loop().call_soon(outcome, self.outcome)

    def backlog(self) -> float:
        return self.waiting

    def is_sleepy(self, eui64: Eui64) -> bool:
        return False


@dataclass
class FakeHan:
    """Records what is sent. ``asleep``: nothing is delivered. ``version``: what a read of the version returns.

    ``status``, ``downloaded``: ImageUpgradeStatus, DownloadedFileVersion; ``policies``: UpgradeActivationPolicy and
    UpgradeTimeoutPolicy; ``power``, ``battery``: PowerSource, BatteryPercentageRemaining. None: the device does not
    have the attribute.
    """

    asleep: bool = False
    version: int | None = OLD
    status: int | None = None
    downloaded: int | None = None
    policies: tuple[int | None, int | None] = (None, None)
    power: int | None = 1
    battery: int | None = None
    network: object | None = "the dongle is open"
    messages: list[tuple[int, bytes]] = field(default_factory=list)
    """What was sent to the display."""
    powers: list[float] = field(default_factory=list)
    """When the power source was read."""
    sent: list[tuple[float, int, bytes]] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    endpoints: list[int | None] = field(default_factory=list)
    """Which endpoint each command or read went to."""
    error: Exception | None = None
    bulk: FakeBulk = field(default_factory=FakeBulk)
    missing: list[Eui64] = field(default_factory=list)
    """Devices that did not take a block."""

    def missed(self, eui64: Eui64) -> None:
        self.missing.append(eui64)

    async def send_command(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        command: int,
        payload: bytes,
        endpoint: int | None = None,
        default_response: bool = False,
    ) -> None:
        if cluster == 0x0703:
            await asyncio.sleep(0.05)
            self._fail()
            self.messages.append((command, payload))
            return
        assert (eui64, cluster) == (DISPLAY, 0x0019)
        self.endpoints.append(endpoint)
        self.sent.append((asyncio.get_running_loop().time(), command, payload))
        await asyncio.sleep(0.05)
        self._fail()

    async def read_attributes(
        self,
        eui64: Eui64,
        *,
        cluster: int,
        attributes: Sequence[int],
        client_side: bool = False,
        endpoint: int | None = None,
    ) -> dict[int, int | str | bytes | None]:
        assert (eui64, client_side) == (DISPLAY, cluster == 0x0019)
        if 0x0002 in attributes:
            self.reads.append(asyncio.get_running_loop().time())
            self.endpoints.append(endpoint)
        if cluster == 0x0000:
            self.powers.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.05)
        self._fail()
        told = {
            0x0019: {
                0x0002: self.version,
                0x0004: self.downloaded,
                0x0006: self.status,
                0x000B: self.policies[0],
                0x000C: self.policies[1],
            },
            0x0000: {0x0007: self.power},
            0x0001: {0x0021: self.battery},
        }[cluster]
        return {attribute: told[attribute] for attribute in attributes}

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error
        if self.asleep:
            raise DeliveryFailed("not acknowledged")

    def commands(self) -> list[int]:
        return [command for _, command, _ in self.sent]


def make_image(version: int = NEW, payload: bytes = bytes(range(200)), **fields: Any) -> bytes:
    values = {"manufacturer_code": MANUFACTURER, "image_type": IMAGE_TYPE, **fields}
    return build(payload, Fields(file_version=version, **values))


def make_device(**fields: Any) -> Device:
    values: dict[str, Any] = {
        "device_type": "ppmid",
        "state": "interviewed",
        "manufacturer_code": MANUFACTURER,
        "current_version": OLD,
        "power_source": "mains",
        **fields,
    }
    return Device(eui64=DISPLAY, added_at=START, **values)


class Bench:
    """A hub's firmware part over a real ledger and store. Made again on the same path: a restart after a kill."""

    def __init__(self, path: Path, han: FakeHan | None = None) -> None:
        loop = asyncio.get_running_loop()
        # The clock of a hub that is started again goes on; virtual time begins at 1000 s.
        self.clock = LoopClock(loop, START + timedelta(seconds=loop.time() - 1000))
        self.ledger = Ledger.open(path / "ledger.db", self.clock)
        self.store = FirmwareStore(path / "store", self.clock)
        self.han = han or FakeHan()
        if self.ledger.devices.get(DISPLAY) is None:
            self.ledger.devices.put(make_device())
        self.service = UpdateService(self.ledger, self.han, self.store, self.clock)
        self.service.resume()
        self._task = asyncio.ensure_future(self.service.run())
        self._tsn = 0

    def add(self, data: bytes) -> str:
        return self.service.add_image(data, name="test.ota").file_sha256

    def ask(self, command: int, payload: bytes, *, device: Eui64 = DISPLAY) -> Reply | DefaultReply:
        self._tsn = (self._tsn + 1) % 256
        answer = self.service.server.handle(make_request(command, payload, self._tsn, device))
        assert not isinstance(answer, LaterReply)
        return answer

    def types(self) -> list[str]:
        return [recorded.event.type for recorded in self.ledger.events()]

    def count(self, event_type: str) -> int:
        return self.types().count(event_type)

    async def kill(self) -> None:
        """Stop as kill -9 would: nothing is written any more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.ledger._connection.close()


def make_request(command: int, payload: bytes, tsn: int = 1, device: Eui64 = DISPLAY) -> Request:
    return Request(
        device=device,
        source_endpoint=1,
        destination_endpoint=1,
        cluster=0x0019,
        command=command,
        tsn=tsn,
        payload=payload,
        aps_encrypted=True,
        broadcast=False,
        proof="key counters",
    )
