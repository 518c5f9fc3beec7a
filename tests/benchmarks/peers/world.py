"""The far side of a peer benchmark, in a process of its own: a simulated dongle on a TCP port, and displays.

``python world.py '{"radio": "ezsp", "displays": 16, ...}'`` says what happens, one JSON object a line.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hanctl.simulator.device import SimulatedDevice
from hanctl.simulator.device_event import DeviceEvent
from hanctl.simulator.device_spec import DeviceSpec
from hanctl.simulator.dongle import Flash
from hanctl.simulator.medium import ApsFrame, Done, Medium
from hanctl.simulator.ports import TcpPort
from hanctl.simulator.stack import Stack
from hanctl.simulator.world import DONGLE_EUI64, World, dongle_maker

LINK_S = 0.0005
"""One way, and so the least time that a confirmation takes is twice as long."""
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
    ends: bool = True
    """Whether the process ends once all displays run the image."""
    special: dict[str, Any] = field(default_factory=dict)


class SlowConfirmations(Medium):
    """A medium whose dongle takes its time to confirm what arrived long ago."""

    confirm_s = 0.0

    def from_coordinator(self, frame: ApsFrame, done: Done) -> None:
        more = self.confirm_s - 2 * LINK_S

        def later(delivered: bool) -> None:
            if more > 0:
                asyncio.get_running_loop().call_later(more, done, delivered)
            else:
                done(delivered)

        super().from_coordinator(frame, later)


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

    def happened(self, event: DeviceEvent) -> None:
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
                if self.plan.ends:
                    self.over.set()
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


async def main(plan: Plan) -> None:
    medium = SlowConfirmations(random.Random(0))
    medium.confirm_s = plan.confirm_s
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

    def command() -> None:
        """One a line: what a person does with displays and dongle."""
        match sys.stdin.readline().split():
            case ["power"]:
                for device in world.devices:
                    device.power_on()
            case ["result"]:
                say(
                    "result",
                    **watch.result(),
                    versions=[d.running_version for d in world.devices],
                    states=[d.ota_state.value for d in world.devices],
                    offsets=[d.storage.offset for d in world.devices],
                )
            case []:
                watch.over.set()

    loop.add_reader(sys.stdin, command)
    await watch.over.wait()
    await asyncio.sleep(0.2)
    world.stop()
    await port.close()


if __name__ == "__main__":
    asyncio.run(main(Plan(**json.loads(sys.argv[1]))))
