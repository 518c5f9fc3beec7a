"""The trust centre inside a simulated dongle: admission to the network, join keys, and the link key table.

Assumption, to be proven on silicon: the key a device joined with stays usable for APS encryption without taking an
entry of the link key table; only keys that the host imports take entries.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal, Protocol

from hanctl.base.eui64 import Eui64
from hanctl.simulator.network.addresses import AddressMap, Child, Children
from hanctl.simulator.network.key_counters import KeyCounters
from hanctl.simulator.network.medium import COORDINATOR, FIRST_BROADCAST, ApsFrame, Medium, Node

WELL_KNOWN_KEY = b"ZigBeeAlliance09"
WILDCARD = Eui64("ff:ff:ff:ff:ff:ff:ff:ff")
TRANSIENT_KEY_S = 300.0


@dataclass(slots=True)
class Network:
    """Parameters of the network that the dongle runs."""

    channel: int
    pan_id: int
    extended_pan_id: bytes
    key: bytes = field(repr=False)
    key_sequence: int = 0
    frame_counter: int = 0
    update_id: int = 0


@dataclass(slots=True)
class JoinPolicy:
    """Which devices the trust centre admits while joining is permitted."""

    allow_joins: bool = True
    install_codes_only: bool = False
    trust_centre_rejoins: bool = False
    """Whether a device without the network key is given it under the link key that the dongle has for it."""
    partner_keys: bool = False
    """Whether two devices are given a link key of their own when one asks."""


class JoinKind(Enum):
    """How a device came, as reported to the host."""

    UNSECURED_JOIN = "join"
    SECURED_REJOIN = "rejoin"
    UNSECURED_REJOIN = "trust centre rejoin"
    LEFT = "left"


PartnerKeyOutcome = Literal["sent", "no key", "denied"]


class StackListener(Protocol):
    """Interface of the personality (EZSP or ZNP) above the stack."""

    def incoming(self, frame: ApsFrame, node: Node | None) -> None:
        """Take a frame for the host. ``node`` is None for the dongle's own loopback."""

    def join_event(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None: ...

    def partner_key_event(self, requester: Eui64, outcome: PartnerKeyOutcome) -> None:
        """Take note that a device asked for a link key with another."""

    def stack_changed(self) -> None:
        """Take note that something changed that must survive a power cut (children, keys, network)."""


class TrustCentre:
    """The part of a stack that decides who belongs to its network; the stack sets ``up`` and ``powered``."""

    def __init__(self, eui64: Eui64, medium: Medium, key_table_size: int) -> None:
        self.eui64 = eui64
        self.medium = medium
        self.key_table_size = key_table_size
        self.listener: StackListener | None = None
        self.network: Network | None = None
        self.up = False
        self.powered = False
        self.addresses = AddressMap()
        self.children = Children(self.addresses)
        self.counters = KeyCounters()
        self.key_table: dict[Eui64, bytes] = {}
        self.policy = JoinPolicy()
        self.global_link_key: bytes | None = None
        self._transient: dict[Eui64, tuple[bytes, float]] = {}
        self._permit_until = 0.0

    def hearing(self) -> bool:
        """Tell whether it has power and its network is up."""
        return self.powered and self.up

    def reset(self) -> None:
        """Reset volatile state as the firmware starts."""
        self._transient.clear()
        self._permit_until = 0.0
        self.policy = JoinPolicy()

    def permit(self, seconds: float) -> None:
        """Open for joining for ``seconds``; 0 closes, 255 and more stays open."""
        if seconds <= 0:
            self._permit_until = 0.0
        elif seconds >= 255:
            self._permit_until = float("inf")
        else:
            self._permit_until = self._now() + seconds

    @property
    def permitting(self) -> bool:
        return self._now() < self._permit_until

    def add_transient_key(self, eui64: Eui64, key: bytes, seconds: float = TRANSIENT_KEY_S) -> None:
        """Add a key for one device (or the wildcard) to join with, for a while."""
        self._transient[eui64] = (key, self._now() + seconds)

    def transient_key(self, eui64: Eui64) -> bytes | None:
        entry = self._transient.get(eui64)
        return entry[0] if entry is not None and self._now() < entry[1] else None

    def transient_keys(self) -> dict[Eui64, bytes]:
        return {e: k for e, (k, expiry) in self._transient.items() if self._now() < expiry}

    def clear_transient_keys(self) -> None:
        self._transient.clear()

    def import_link_key(self, eui64: Eui64, key: bytes) -> bool:
        """Put a link key in the table, replacing the device's last. Returns False if the table is full."""
        if eui64 not in self.key_table and len(self.key_table) >= self.key_table_size:
            return False
        self.key_table[eui64] = key
        self.counters.begin(eui64)
        self.addresses.know(eui64)
        self._changed()
        return True

    def erase_link_key(self, eui64: Eui64) -> bool:
        found = self.key_table.pop(eui64, None) is not None
        if found:
            self.counters.begin(eui64)
            self._changed()
        return found

    def link_key(self, eui64: Eui64) -> bytes | None:
        """Return the key for APS encryption with this device."""
        child = self.children.get(eui64)
        return self.key_table.get(eui64) or (child.link_key if child else None) or None

    def admit(self, node: Node, link_key: bytes) -> int | None:
        """Handle a join with a pre-configured key. Returns the new address, or None.

        A device whose key is not the one the trust centre used is reported to the host as joined, as on silicon, but
        cannot read the network key and so gets no address here.
        """
        if not (self.hearing() and self.permitting and self.policy.allow_joins):
            return None
        offered = self._key_offered_to(node.eui64)
        nwk = self._new_address()
        if self.medium.observer is not None:
            self.medium.observer.association(node, nwk, offered)
        if offered is None:
            self._tell_join(node.eui64, nwk, JoinKind.UNSECURED_JOIN, denied=True)
            return None
        if offered != link_key:
            # Association comes before any key: whoever says it is this device is at that address to the stack.
            self.addresses.put(node.eui64, nwk)
            self._tell_join(node.eui64, nwk, JoinKind.UNSECURED_JOIN, denied=False)
            return None
        self.children[node.eui64] = Child(node.eui64, nwk, node.sleepy, link_key)
        self.counters.begin(node.eui64)
        self._changed()
        self._tell_join(node.eui64, nwk, JoinKind.UNSECURED_JOIN, denied=False)
        return nwk

    def readmit(self, node: Node, network_key: bytes, nwk: int | None = None) -> int | None:
        """Handle a rejoin with the network key. Returns the address, or None.

        ``nwk`` is the address that it comes with, which it keeps unless another has it; None: where it was before.
        """
        child = self.children.get(node.eui64)
        if not self.hearing() or self.network is None or child is None or network_key != self.network.key:
            return None
        nwk = child.nwk if nwk is None else nwk
        if self.addresses.eui64_of(nwk) not in (None, node.eui64) or not COORDINATOR < nwk < FIRST_BROADCAST:
            nwk = self._new_address()
        if self.medium.observer is not None:
            self.medium.observer.rejoin(node, nwk)
        moved = self.addresses.nwk_of(node.eui64) != nwk
        self.children[node.eui64] = replace(child, nwk=nwk)
        if moved:
            self._changed()
        self._tell_join(node.eui64, nwk, JoinKind.SECURED_REJOIN, denied=False)
        return nwk

    def rejoin_trust_centre(self, node: Node, link_key: bytes) -> int | None:
        """Handle a trust centre rejoin, with a link key only. Returns the address, or None.

        Assumption, to be proven on silicon: only keys in the link key table count, not the one a device joined with.
        """
        if not self.hearing():
            return None
        child = self.children.get(node.eui64)
        nwk = child.nwk if child is not None else self._new_address()
        allowed = self.policy.trust_centre_rejoins and self.key_table.get(node.eui64) == link_key
        if self.medium.observer is not None:
            self.medium.observer.trust_centre_rejoin(node, nwk, link_key if allowed else None)
        self._tell_join(node.eui64, nwk, JoinKind.UNSECURED_REJOIN, denied=not allowed)
        if not allowed:
            return None
        if child is None or self.addresses.nwk_of(node.eui64) != nwk:
            self.children[node.eui64] = child or Child(node.eui64, nwk, node.sleepy, link_key)
            self._changed()
        return nwk

    def child_left(self, node: Node) -> None:
        child = self.children.pop(node.eui64, None)
        if child is not None:
            self._changed()
            self._tell_join(child.eui64, child.nwk, JoinKind.LEFT, denied=False)

    def eui64_of(self, nwk: int) -> Eui64 | None:
        """Return the EUI64 that the dongle has at this address."""
        return self.eui64 if nwk == COORDINATOR else self.addresses.eui64_of(nwk)

    def nwk_of(self, eui64: Eui64) -> int | None:
        """Return the address that the dongle has for this node."""
        return COORDINATOR if eui64 == self.eui64 else self.addresses.nwk_of(eui64)

    def _key_offered_to(self, eui64: Eui64) -> bytes | None:
        own = self.transient_key(eui64)
        if own is not None or self.policy.install_codes_only:
            return own
        return self.transient_key(WILDCARD) or self.global_link_key

    def _new_address(self) -> int:
        rng: random.Random = self.medium.rng
        taken = {c.nwk for c in self.children.values()}
        while True:
            nwk = rng.randrange(0x0001, 0xFFF7)
            if nwk not in taken and self.addresses.eui64_of(nwk) is None:
                return nwk

    def _tell_join(self, eui64: Eui64, nwk: int, kind: JoinKind, *, denied: bool) -> None:
        if self.listener is not None:
            self.listener.join_event(eui64, nwk, kind, denied=denied)

    def _changed(self) -> None:
        if self.listener is not None:
            self.listener.stack_changed()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
