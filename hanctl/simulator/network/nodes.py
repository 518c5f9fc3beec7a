"""Interfaces of the nodes on the medium (devices and dongle), and the frame counters of devices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from hanctl.base.eui64 import Eui64
from hanctl.simulator.network.frames import COORDINATOR, ApsFrame, Link


class Node(Protocol):
    """Anything with a radio. ``nwk`` is None while it is on no network."""

    eui64: Eui64
    nwk: int | None
    powered: bool
    sleepy: bool
    link: Link

    def takes(self, frame: ApsFrame) -> bool:
        """Tell whether its stack can decrypt a frame addressed to it; if not, it does not acknowledge."""

    def receive(self, frame: ApsFrame) -> None:
        """Take a frame addressed to this node."""


@runtime_checkable
class Counting(Protocol):
    """A node that keeps its outgoing frame counter itself, over its power cuts."""

    def next_security_counter(self) -> int: ...


@runtime_checkable
class Movable(Protocol):
    """A node that can take another short address."""

    link: Link

    def move(self) -> None: ...


class Coordinator(Protocol):
    """The dongle's end of every link."""

    def takes_from(self, node: Node, frame: ApsFrame) -> bool:
        """Tell whether the dongle accepts the frame; as ``Node.takes``."""

    def believes_anybody(self, frame: ApsFrame) -> bool:
        """Tell whether an acknowledgement in clear, from anybody, counts for this frame."""

    def receive_from(self, node: Node, frame: ApsFrame) -> None: ...

    def hearing(self) -> bool:
        """Tell whether the coordinator is powered and its network is up."""

    def child_left(self, node: Node) -> None: ...


@dataclass(slots=True)
class FrameNumbers:
    """The last frame counter that each device used. The dongle's own are not simulated."""

    _last: Counter[Eui64] = field(default_factory=Counter)

    def numbered(self, node: Node, frame: ApsFrame) -> tuple[ApsFrame, bool]:
        """Return a device's frame, and whether it is on air for the first time.

        It is under its sender's next counter, unless it names one: so each repeat is under a counter of its own, and
        what was recorded and is sent again stays as it was.
        """
        if not frame.secured:
            return frame, False
        sender = frame.secured_by or node.eui64
        counter = frame.security_counter
        if counter is None:
            counter = node.next_security_counter() if isinstance(node, Counting) else self._last[node.eui64] + 1
        fresh = counter > self._last[sender]
        self._last[sender] = max(counter, self._last[sender])
        return replace(frame, security_counter=counter), fresh

    def again(self, node: Node, frame: ApsFrame) -> ApsFrame:
        """Return a repeat of the frame by its own sender."""
        return self.numbered(node, replace(frame, security_counter=None))[0]

    def acknowledgement(self, node: Node, frame: ApsFrame) -> ApsFrame | None:
        """Return a device's answer to an encrypted frame of the dongle, under the same key; None for other frames."""
        if not frame.from_coordinator or not frame.secured:
            return None
        answer = replace(frame, source=frame.destination, destination=COORDINATOR, payload=b"", block=None)
        return self.again(node, replace(answer, extended_nonce=False))
