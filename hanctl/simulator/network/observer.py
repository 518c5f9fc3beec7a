"""Interface of observers that listen to the medium without being on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hanctl.base.eui64 import Eui64
    from hanctl.simulator.network.frames import ApsFrame
    from hanctl.simulator.network.nodes import Node


class Observer(Protocol):
    """Observer of everything on air. ``heard``: whether the receiver got it.

    ``node`` is the device at its end of the link; the coordinator's broadcasts have none.
    """

    def unicast(self, node: Node, frame: ApsFrame, *, heard: bool) -> None: ...

    def acknowledgement(self, node: Node, frame: ApsFrame, *, heard: bool) -> None:
        """Take note of the APS acknowledgement of ``frame``."""

    def broadcast(self, node: Node | None, frame: ApsFrame, *, heard: bool) -> None: ...

    def poll(self, node: Node, *, heard: bool) -> None:
        """Take note that a sleepy child asked, and nothing was held for it."""

    def scan(self, node: Node, *, heard: bool) -> None: ...

    def association(self, node: Node, address: int, link_key: bytes | None) -> None:
        """Take note that a device joins. ``link_key``: the trust centre's for the device; None where it has none."""

    def partner_key_request(self, node: Node, partner: Eui64, link_key: bytes) -> None:
        """Take note that a device asks for a key with another, under its own link key."""

    def partner_key(self, node: Node, partner: Eui64, key: bytes, link_key: bytes, *, asked: bool) -> None:
        """Take note that the trust centre gives a device a key with another; ``asked``: it is the one that asked."""

    def rejoin(self, node: Node, address: int) -> None: ...

    def trust_centre_rejoin(self, node: Node, address: int, link_key: bytes | None) -> None:
        """Take note of a rejoin without the network key, which the device is given under ``link_key`` (None: not)."""

    def leave(self, node: Node, *, rejoin: bool) -> None: ...

    # What the medium shows itself, each frame at its time; ``late_s``: how long ago that was, seconds. The frames are
    # None where there is no network to build them for.

    def unicast_frame(self, node: Node, frame: ApsFrame) -> bytes | None: ...

    def acknowledgement_frame(self, node: Node, frame: ApsFrame) -> bytes | None: ...

    def broadcast_frame(self, node: Node | None, frame: ApsFrame) -> bytes | None: ...

    def poll_frame(self, node: Node) -> bytes | None: ...

    def show(self, frame: bytes, late_s: float) -> None:
        """Show a frame that is on air, whether or not for the first time."""

    def show_acknowledgement(self, frame: bytes, late_s: float, *, pending: bool) -> None:
        """Show the acknowledgement of a frame by the MAC."""
