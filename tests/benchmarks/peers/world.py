"""The far side of a peer benchmark, in a process of its own: a simulated dongle on a TCP port, and displays.

``python world.py '{"radio": "ezsp", "displays": 16, ...}'`` says what happens, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from hanctl.simulator.device.device import SimulatedDevice
from hanctl.simulator.device.event import SimulatedDeviceEvent
from hanctl.simulator.device.ota import frames as ota_frames
from hanctl.simulator.device.ota.frames import ImageId
from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.dongle import Flash
from hanctl.simulator.network.medium import ApsFrame, Done, Medium, Node
from hanctl.simulator.network.stack import Stack
from hanctl.simulator.ports import TcpPort
from hanctl.simulator.world import DONGLE_EUI64, World, dongle_maker
from hanctl.simulator.zcl import ZclFrame

LINK_S = 0.0005
"""One way, and so the least time that a confirmation takes is twice as long."""
OTA = 0x0019
STRANGE_TSN = 0xEE
CODE = "83FED3407A939723A5C639B26916D505C3B5"


@dataclass
class Plan:
    """What is wanted; ``special`` overrides the spec of every display."""

    radio: Any = "ezsp"
    displays: int = 1
    confirm_s: float = 0.001
    turn_around_s: float = 0.03
    profile: int = 0x0109
    image: str = ""
    faults: list[str] = field(default_factory=list)
    """"lost end response": the first one of each display; "unsolicited": once told to, displays miss every frame that
    does not answer their last request."""
    special: dict[str, Any] = field(default_factory=dict)


class Air(Medium):
    """A medium whose dongle takes its time to confirm what arrived long ago, with faults as planned."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(random.Random(0))
        self.plan = plan
        self.armed = False
        self.waits = 0
        self.ends: list[tuple[int, int]] = []
        """Current time and upgrade time of every Upgrade End Response."""
        self.asked: dict[int, list[float]] = {}
        """When each display asked for a block it had not asked for before."""
        self.answers: dict[int, list[str]] = {}
        """What came back for requests under a number that no client uses."""
        self._offsets: set[tuple[int, bytes]] = set()
        self._last: dict[int, int] = {}
        self._ends_lost: set[int] = set()

    def from_coordinator(self, frame: ApsFrame, done: Done) -> None:
        more = self.plan.confirm_s - 2 * LINK_S

        def later(delivered: bool) -> None:
            if more > 0:
                asyncio.get_running_loop().call_later(more, done, delivered)
            else:
                done(delivered)

        if frame.cluster == OTA and frame.profile and self._note(frame):
            asyncio.get_running_loop().call_later(LINK_S, later, True)
            return
        if self.armed and frame.profile and frame.payload[1] != self._last.get(frame.destination):
            asyncio.get_running_loop().call_later(7.68, later, False)
            return
        super().from_coordinator(frame, later)

    def _note(self, frame: ApsFrame) -> bool:
        """Whether the frame is to be lost."""
        specific, tsn, command, payload = frame.payload[0] & 1, frame.payload[1], frame.payload[2], frame.payload[3:]
        if tsn == STRANGE_TSN:
            self.answers.setdefault(frame.destination, []).append(frame.payload.hex())
        if not specific:
            return False
        self.waits += command == 5 and payload[0] == 0x97
        if command == 7:
            self.ends.append((int.from_bytes(payload[8:12], "little"), int.from_bytes(payload[12:16], "little")))
            if "lost end response" in self.plan.faults and frame.destination not in self._ends_lost:
                self._ends_lost.add(frame.destination)
                return True
        return False

    def to_coordinator(self, node: Node, frame: ApsFrame, done: Done) -> None:
        if frame.cluster == OTA and frame.profile:
            self._last[frame.source] = frame.payload[1]
            offset = frame.source, frame.payload[12:16]
            if frame.payload[2] == 3 and frame.payload[0] & 1 and offset not in self._offsets:
                self._offsets.add(offset)
                self.asked.setdefault(frame.source, []).append(time.perf_counter())
        super().to_coordinator(node, frame, done)

    def spacing(self) -> float:
        """The least time between two new blocks of a display, the first few left out; seconds."""
        gaps = [b - a for times in self.asked.values() for a, b in pairwise(times[4:])]
        return min(gaps, default=0.0)


def spec(plan: Plan, number: int) -> DeviceSpec:
    ours = plan.profile == 0x0109
    values = {
        "name": f"display {number}",
        "eui64": f"00:0d:6f:00:0b:00:{number >> 8:02x}:{number & 0xFF:02x}",
        "type": "ppmid",
        "profile": plan.profile,
        "install_code": CODE if ours else "",
        "running_version": 1,
        "start_delay_s": 0.1 + 0.1 * number,
        "join_retry_s": 0.5,
        "boot_time_s": 0.3,
        "link": {"delay_s": LINK_S},
        "ota": {"think_time_s": plan.turn_around_s, **plan.special.get("ota", {})},
        "timings": {"start_delay_s": (0.5, 1.0), **plan.special.get("timings", {})},
    }
    rest = {key: value for key, value in plan.special.items() if key not in ("ota", "timings")}
    return DeviceSpec.model_validate(values | rest)


@dataclass
class Watched:
    """One display's download: when it began and ended, and how long each answer took; seconds."""

    device: SimulatedDevice
    began: float | None = None
    ended: float | None = None
    updated: bool = False
    asked: float = 0.0
    answers: list[float] = field(default_factory=list)


class Watch:
    """Follows all displays, and says when the first begins, when the last has its image, and when the last runs it."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.plan = plan
        self.displays = {d.spec.name: Watched(d) for d in world.devices}
        self.over = asyncio.Event()
        self.online = 0
        world.listen(self.happened)

    def happened(self, event: SimulatedDeviceEvent) -> None:
        display, now = self.displays[event.device], time.perf_counter()
        if event.kind == "ota" and event.text == "download" and display.began is None:
            if all(d.began is None for d in self.displays.values()):
                say("first")
            display.began = display.asked = now
        elif event.kind == "block":
            display.answers.append(now - display.asked)
            display.asked = now + self.plan.turn_around_s
        elif event.kind == "ota" and event.text == "verify image":
            display.ended = now
            if all(d.ended is not None for d in self.displays.values()):
                say("downloaded", **self.result())
        elif event.kind == "version":
            display.updated = True
            if all(d.updated for d in self.displays.values()):
                say("updated", **self.result())
        elif event.kind == "network":
            say("network", display=event.device, text=event.text)

    def result(self) -> dict[str, Any]:
        everyone = list(self.displays.values())
        image = Path(self.plan.image).read_bytes()
        done = [d for d in everyone if d.began is not None and d.ended is not None]
        answers = sorted(a for d in everyone for a in d.answers)
        began = min((d.began for d in done if d.began is not None), default=0.0)
        ended = max((d.ended for d in done if d.ended is not None), default=0.0)
        each = [d.ended - d.began for d in done if d.began is not None and d.ended is not None]
        return {
            "downloaded": len(done),
            "intact": sum(d.device.flash_image() == image for d in done),
            "updated": sum(d.updated for d in everyone),
            "blocks": sum(d.device.counts.blocks for d in everyone),
            "retries": sum(d.device.counts.retries for d in everyone),
            "seconds": ended - began,
            "goodput": len(done) * len(image) / (ended - began) if ended > began else 0.0,
            "mean_s": statistics.mean(each) if each else 0.0,
            "slowest_to_fastest": max(each) / min(each) if each else 0.0,
            "p95_ms": 1000 * answers[int(0.95 * (len(answers) - 1))] if answers else 0.0,
            "world_cpu": time.process_time(),
        }


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def ask_for_another_maker(device: SimulatedDevice) -> None:
    """A block of the image that is being served, but under another manufacturer's code."""
    image = ImageId(0x5678, device.spec.image_type, 2)
    request = ZclFrame(STRANGE_TSN, 3, ota_frames.image_block_request(image, 0, 40, None, None), cluster_specific=True)
    endpoint, server = device.spec.endpoints[0].endpoint, device.client.server_endpoint
    device._send(0, device.spec.profile, OTA, endpoint, server, request.encode(), encrypted=device.spec.encrypts)


async def main(plan: Plan) -> None:
    medium = Air(plan)
    stack = Stack(DONGLE_EUI64[plan.radio], medium)
    dongle = dongle_maker(plan.radio)(stack, Flash())
    world = World(
        medium, stack, dongle, [SimulatedDevice(spec(plan, n + 1), medium, stack) for n in range(plan.displays)]
    )
    watch = Watch(world, plan)
    port = TcpPort(dongle)
    await port.open()
    world.plug()
    say("ready", url=port.url, displays=[d.eui64 for d in world.devices])
    loop = asyncio.get_running_loop()

    def commands() -> None:
        lines = os.read(sys.stdin.fileno(), 4096).decode().splitlines()
        for line in lines or [""]:
            command(line)

    def command(line: str) -> None:
        """What a person does with displays and dongle."""
        match line.split():
            case ["power"]:
                for device in world.devices:
                    device.power_on()
            case ["arm"]:
                medium.armed = True
            case ["strange"]:
                ask_for_another_maker(world.devices[0])
            case ["result"]:
                say(
                    "result",
                    **watch.result(),
                    versions=[d.running_version for d in world.devices],
                    states=[d.ota_state.value for d in world.devices],
                    offsets=[d.storage.offset for d in world.devices],
                    waits=medium.waits,
                    ends=medium.ends,
                    spacing=medium.spacing(),
                    strange=medium.answers.get(world.devices[0].nwk or 0, []),
                    unasked=sum(d.counts.applied_unasked for d in world.devices),
                )
            case []:
                watch.over.set()

    loop.add_reader(sys.stdin, commands)
    await watch.over.wait()
    await asyncio.sleep(0.2)
    world.stop()
    await port.close()


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(sys.argv[1]))))
