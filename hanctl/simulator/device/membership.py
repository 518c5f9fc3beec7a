"""Let a simulated device join a network, rejoin it, notice its loss, and leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hanctl.simulator.device.spec import DeviceSpec
from hanctl.simulator.device.storage import DeviceStorage, Membership
from hanctl.simulator.device.timers import Timers
from hanctl.simulator.network.medium import Medium, Node
from hanctl.simulator.network.stack import Stack

SEARCH_S = 0.2
"""Beacon scan and association take about this long."""
WATCH_S = 120.0
"""How often a device checks that its parent still runs its network; stands for the keep-alive of comms_hub.md §6."""


@dataclass(slots=True)
class Joiner:
    """A device's way onto a network: a search until it has joined. ``on_network`` gets "joined" or "rejoined"."""

    node: Node
    spec: DeviceSpec
    storage: DeviceStorage
    stack: Stack
    medium: Medium
    timers: Timers
    on_network: Callable[[str], None]
    off_network: Callable[[str], None]

    def search(self, delay_s: float) -> None:
        """Begin to look for the network it was on, or for a new one."""
        self.timers.cancel("watch")
        self.timers.set("join", delay_s + SEARCH_S + 2 * self.spec.link.delay_s, self._try)

    def parent_is_ours(self) -> bool:
        """Tell whether the device has a network and the coordinator runs it, or is off."""
        member, network = self.storage.membership, self.stack.network
        if member is None:
            return False
        return not self.stack.hearing() or (network is not None and network.key == member.key)

    def check(self) -> bool:
        """Return ``parent_is_ours``; where that is False, let the device look for a network."""
        if self.parent_is_ours():
            return True
        if self.node.nwk is not None:
            self.node.nwk = None
            self.off_network("lost its network")
            self.search(0.0)
        return False

    def lose_network_key(self) -> None:
        """Forget the network's key but not the keys it has on it, as after a change of the network key."""
        member = self.storage.membership
        if member is not None:
            self.storage.set_membership(Membership(member.nwk, bytes(16)), keeps_keys=True)
            self.check()

    def move(self, nwk: int | None) -> None:
        """Take another short address by itself; any that nobody has where ``nwk`` is None."""
        member = self.storage.membership
        if member is not None and self.node.nwk is not None:
            self.node.nwk = self._free_address() if nwk is None else nwk
            self.storage.set_membership(Membership(self.node.nwk, member.key), keeps_keys=True)

    def _free_address(self) -> int:
        taken = {node.nwk for node in self.medium.nodes}
        while (nwk := self.medium.rng.randrange(0x0001, 0xFFF7)) in taken:
            pass
        return nwk

    def leave(self, *, rejoin: bool, new_address: bool = False) -> None:
        """Leave. Without ``rejoin``, forget the network and look for any that lets the device in."""
        if self.node.nwk is None:
            return
        self.timers.cancel("watch")
        if self.medium.observer is not None:
            self.medium.observer.leave(self.node, rejoin=rejoin)
        if new_address:
            self.move(None)
        if rejoin:
            self.node.nwk = None
        else:
            self.medium.leave(self.node)
            self.storage.set_membership(None)
        self.off_network("left")
        self.search(0.0 if rejoin else self.spec.join_retry_s)

    def _try(self) -> None:
        lost = self.medium.rng.random() < self.spec.link.loss
        if self.medium.observer is not None:
            self.medium.observer.scan(self.node, heard=not lost)
        if lost or not self._enter():
            self.timers.set("join", self.spec.join_retry_s, self._try)

    def _enter(self) -> bool:
        """Try the known network, without its key too, then any that permits joining with the pre-configured key."""
        member = self.storage.membership
        nwk = self.stack.readmit(self.node, member.key, member.nwk) if member is not None else None
        if nwk is not None:
            self._entered(nwk, "rejoined")
            return True
        own = self.storage.link_key
        nwk = self.stack.rejoin_trust_centre(self.node, own) if member is not None and own is not None else None
        if nwk is not None:
            self._entered(nwk, "rejoined through the trust centre", keeps_keys=True)
            return True
        nwk = self.stack.admit(self.node, self.spec.link_key)
        if nwk is not None:
            self._entered(nwk, "joined")
        return nwk is not None

    def _entered(self, nwk: int, how: str, *, keeps_keys: bool = False) -> None:
        assert self.stack.network is not None
        self.node.nwk = nwk
        self.storage.set_membership(Membership(nwk, self.stack.network.key), keeps_keys=keeps_keys)
        self.timers.set("watch", WATCH_S, self._watch)
        self.on_network(how)

    def _watch(self) -> None:
        if self.check():
            self.timers.set("watch", WATCH_S, self._watch)
