"""A scripted OTA server right above the simulated stack: no hub code, no serial line."""

from __future__ import annotations

import asyncio
import hashlib
import random
import struct
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64, parse_eui64
from hanctl.simulator import zcl, zdo
from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.ota import frames as ota
from hanctl.simulator.device.ota.types import OtaState
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.network.medium import ApsFrame, Medium, Node
from hanctl.simulator.network.stack import SendError, Stack
from hanctl.simulator.network.trust_centre import JoinKind, Network
from hanctl.simulator.zcl import ZclFrame

HUB = parse_eui64("00:0d:6f:00:00:00:00:01")
DEVICE = parse_eui64("00:0d:6f:00:0b:00:00:01")
CODE = "83FED3407A939723A5C639B26916D505C3B5"
MANUFACTURER, IMAGE_TYPE, OLD, NEW = 0x1234, 0x0001, 1, 2
NETWORK_KEY = bytes(range(16))

Answer = Callable[[ZclFrame], ZclFrame | list[ZclFrame] | None]


def spec(**fields: Any) -> DeviceSpec:
    """A PPMID that starts its OTA client at once."""
    basis: dict[str, Any] = {
        "name": "ppmid",
        "eui64": DEVICE,
        "type": "ppmid",
        "install_code": CODE,
        "timings": {"start_delay_s": [1, 1]},
    }
    return DeviceSpec.model_validate(basis | fields)


def image(
    size: int = 3000, *, version: int = NEW, manufacturer: int = MANUFACTURER, image_type: int = IMAGE_TYPE
) -> bytes:
    """An OTA file of one element with ``size`` bytes of data."""
    data = b"".join(hashlib.sha256(struct.pack("<I", n)).digest() for n in range(size // 32 + 1))[:size]
    total = 56 + 6 + size
    header = struct.pack(
        "<4sHHHHHIH32sI",
        b"\x1e\xf1\xee\x0b",
        0x0100,
        56,
        0,
        manufacturer,
        image_type,
        version,
        2,
        b"test image",
        total,
    )
    return header + struct.pack("<HI", 0, size) + data


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test coroutine in a virtual-time loop of its own."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        virtual.run(test(*args, **kwargs))

    return run


class FakeHub:
    """Answers the OTA client from a script: one function per command, None for silence. Hears everything."""

    def __init__(self, spec: DeviceSpec, file: bytes = b"", *, seed: int = 1, directory: Path | None = None) -> None:
        self.medium = Medium(random.Random(seed))
        self.stack = Stack(HUB, self.medium)
        self.stack.listener = self
        self.device = SimulatedDevice(spec, self.medium, self.stack, directory)
        self.file = file or image()
        self.block_size = 48
        self.hold = False
        self.deaf = False
        self._seen = 0
        self.script: dict[int, Answer] = {
            ota.QUERY_NEXT_IMAGE_REQUEST: self.offer,
            ota.IMAGE_BLOCK_REQUEST: self.block,
            ota.IMAGE_PAGE_REQUEST: lambda f: f.default_response(zcl.UNSUP_COMMAND),
            ota.UPGRADE_END_REQUEST: self.end,
        }
        self.heard: list[tuple[float, ApsFrame]] = []
        self.joins: list[JoinKind] = []
        self.events: list[str] = []
        self.device.listeners.append(lambda e: self.events.append(f"{e.kind}: {e.text}"))

    # --- as the stack's personality

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        self.heard.append((self.now, frame))
        if frame.cluster != 0x0019 or frame.profile == 0 or self.deaf:
            return
        request = zcl.decode(frame.payload)
        answer = self.script.get(request.command) if request.cluster_specific else None
        answers = answer(request) if answer is not None else None
        for one in answers if isinstance(answers, list) else [answers]:
            if one is not None:
                self.send_zcl(one)

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        self.joins.append(kind)

    def partner_key_event(self, requester: Eui64, outcome: str) -> None: ...

    def stack_changed(self) -> None:
        """Nothing is kept."""

    # --- answers

    def offer(self, request: ZclFrame, **changed: int) -> ZclFrame:
        fields = {
            "manufacturer": MANUFACTURER,
            "image_type": IMAGE_TYPE,
            "version": struct.unpack_from("<I", self.file, 14)[0],
            "size": len(self.file),
        } | changed
        payload = struct.pack("<BHHII", 0, *fields.values())
        return request.answered(ota.QUERY_NEXT_IMAGE_RESPONSE, payload, cluster_specific=True)

    def block(self, request: ZclFrame) -> ZclFrame:
        _, _, _, _, offset, most = struct.unpack_from("<BHHIIB", request.payload)
        return self.block_at(request, offset, min(most, self.block_size))

    def block_at(self, request: ZclFrame, offset: int, size: int) -> ZclFrame:
        data = self.file[offset : offset + size]
        payload = b"\x00" + request.payload[1:9] + struct.pack("<IB", offset, len(data)) + data
        return request.answered(ota.IMAGE_BLOCK_RESPONSE, payload, cluster_specific=True)

    def end(self, request: ZclFrame) -> ZclFrame:
        if request.payload[0] != zcl.SUCCESS:
            return request.default_response(zcl.SUCCESS)
        return self.end_answer(request, 0, ota.HOLD if self.hold else 0)

    def end_answer(self, request: ZclFrame, current: int, upgrade: int) -> ZclFrame:
        payload = request.payload[1:9] + struct.pack("<II", current, upgrade)
        return request.answered(ota.UPGRADE_END_RESPONSE, payload, cluster_specific=True)

    # --- what a test does

    def start(self, *, permit: bool = True, power: bool = True) -> None:
        """Dongle up with a network, open for the device; device on."""
        self.stack.power_on()
        if self.stack.network is None:
            self.stack.form(Network(15, 0x1234, bytes(8), NETWORK_KEY))
        self.stack.endpoints[1] = zdo.Endpoint(1, self.device.spec.profile, 0x0500, 0, (0x0000, 0x000A, 0x0019), ())
        if permit:
            self.permit()
        if power:
            self.device.power_on()

    def permit(self) -> None:
        self.stack.permit(200)
        self.stack.add_transient_key(self.device.eui64, self.device.spec.link_key)

    def send_zcl(
        self, frame: ZclFrame, *, cluster: int = 0x0019, encrypted: bool | None = None, to: int | None = None
    ) -> None:
        destination = to if to is not None else self.device.nwk
        assert destination is not None
        secured = self.device.spec.encrypts and cluster != 0 and to is None if encrypted is None else encrypted
        endpoint = 0xFF if to is not None else 1
        aps = ApsFrame(
            0, destination, self.device.spec.profile, cluster, 1, endpoint, 7, frame.encode(), encrypted=secured
        )
        self._queue(aps)

    def _queue(self, aps: ApsFrame) -> None:
        """Send, as soon as the stack has room."""
        error = self.stack.send(aps, lambda _: None)
        assert error in (None, SendError.BUSY)
        if error is SendError.BUSY:
            asyncio.get_running_loop().call_later(0.01, self._queue, aps)

    def send_zdo(self, cluster: int, payload: bytes) -> None:
        assert self.device.nwk is not None
        aps = ApsFrame(0, self.device.nwk, 0, cluster, 0, 0, 7, payload)
        assert self.stack.send(aps, lambda _: None) is None

    def command(self, command: int, payload: bytes, **how: Any) -> None:
        """A command of the OTA server that nobody asked for."""
        self.send_zcl(ZclFrame(99, command, payload, True, True, how.pop("quiet", True)), **how)

    async def ask(self, frame: ZclFrame, cluster: int = 0x0019, **how: Any) -> ZclFrame | None:
        """Send a ZCL frame; what comes back with its sequence number within 20 s."""
        mark = len(self.heard)
        self.send_zcl(frame, cluster=cluster, **how)
        for _ in range(200):
            await asyncio.sleep(0.1)
            for _, heard in self.heard[mark:]:
                if heard.profile and heard.cluster == cluster and zcl.decode(heard.payload).tsn == frame.tsn:
                    return zcl.decode(heard.payload)
        return None

    async def ask_zdo(self, cluster: int, payload: bytes) -> bytes | None:
        mark = len(self.heard)
        self.send_zdo(cluster, payload)
        await asyncio.sleep(20)
        return next((f.payload for _, f in self.heard[mark:] if f.profile == 0 and f.cluster == cluster | 0x8000), None)

    async def attribute(self, attribute: int) -> int:
        """One of the OTA client's numeric attributes."""
        answer = await self.ask(ZclFrame(200, zcl.READ_ATTRIBUTES, struct.pack("<H", attribute), to_client=True))
        assert answer is not None and answer.payload[2] == 0
        return int.from_bytes(answer.payload[4:], "little")

    async def until(self, state: OtaState, timeout: float = 20_000) -> float:
        """Wait until the client enters a state, counted from the last such wait; seconds it took, to 10 ms."""
        entered = f"ota: {state.value}"
        took = await self.wait_for(lambda: entered in self.events[self._seen :], timeout)
        self._seen = self.events.index(entered, self._seen) + 1
        return took

    async def wait_for(self, condition: Callable[[], bool], timeout: float = 20_000) -> float:
        began = self.now
        while not condition():
            assert self.now - began < timeout, f"not within {timeout} s; {self.events[-5:]}"
            await asyncio.sleep(0.01 if self.now - began < 60 else 0.5)
        return self.now - began

    def requests(self, command: int) -> list[tuple[float, bytes]]:
        """Times and payloads of the OTA requests heard of one command."""
        return [(t, z.payload) for t, z in self._ota() if z.cluster_specific and z.command == command]

    def default_responses(self, command: int) -> list[int]:
        """Statuses of the Default Responses heard to one of our OTA commands."""
        return [
            z.payload[1]
            for _, z in self._ota()
            if not z.cluster_specific and z.command == zcl.DEFAULT_RESPONSE and z.payload[0] == command
        ]

    def _ota(self) -> list[tuple[float, ZclFrame]]:
        return [(t, zcl.decode(f.payload)) for t, f in self.heard if f.profile and f.cluster == 0x0019]

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()
