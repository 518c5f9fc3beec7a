"""The dongle's map of short addresses: what changes it, and the children in it.

EmberZNet keeps it in neighbour, child and address tables, Z-Stack in its address manager. By it the dongle chooses the
key of what it sends, and of what it receives without an EUI64 in the APS header.
"""

from __future__ import annotations

from collections import UserDict
from dataclasses import dataclass, field

from hanctl.base.eui64 import Eui64
from hanctl.simulator.network.frames import COORDINATOR, FIRST_BROADCAST

ROOM = 64
"""Nodes that it learns of by hearsay; those that joined, and those that the host names, always find room."""


@dataclass(slots=True)
class Child:
    """A device that joined. ``link_key`` is the one it joined with."""

    eui64: Eui64
    nwk: int
    sleepy: bool
    link_key: bytes = field(repr=False)


class AddressMap:
    """The map of short addresses: each EUI64 has one at most, and each short address one EUI64.

    ``ember``: whether claims are taken as EmberZNet takes them; else as Z-Stack does.
    """

    def __init__(self) -> None:
        self.ember = False
        self._nwk: dict[Eui64, int | None] = {}

    def nwk_of(self, eui64: Eui64) -> int | None:
        """Return the address of the node; None if it is not known."""
        return self._nwk.get(eui64)

    def eui64_of(self, nwk: int) -> Eui64 | None:
        """Return the node at the address; None if it is not known."""
        return next((eui64 for eui64, at in self._nwk.items() if at == nwk), None)

    def put(self, eui64: Eui64, nwk: int) -> None:
        """Set the address of a node; a node that had it before has none now."""
        if not COORDINATOR < nwk < FIRST_BROADCAST:
            return
        present = self.eui64_of(nwk)
        if present is not None:
            self._nwk[present] = None
        self._nwk[eui64] = nwk

    def know(self, eui64: Eui64) -> None:
        """Add a node without an address."""
        self._nwk.setdefault(eui64, None)

    def forget(self, eui64: Eui64) -> None:
        """Remove a node."""
        self._nwk.pop(eui64, None)

    def clear(self) -> None:
        """Remove all nodes."""
        self._nwk.clear()

    def announced(self, eui64: Eui64, nwk: int) -> bool:
        """Take a Device_annce, whoever sent it; tell whether the short address is another node's, an address conflict.

        Z-Stack then changes nothing, and otherwise moves whom it knows (TI, ZDO_ProcessDeviceAnnce). EmberZNet forgets
        who had the address, and otherwise takes whoever is announced (assumption, to be proven on silicon).
        """
        if nwk == COORDINATOR or self.eui64_of(nwk) not in (None, eui64):
            present = self.eui64_of(nwk)
            if self.ember and present is not None:
                self._nwk[present] = None
            return True
        if eui64 in self._nwk or (self.ember and len(self._nwk) < ROOM):
            self.put(eui64, nwk)
        return False

    def answered(self, eui64: Eui64, nwk: int) -> bool:
        """Take a NWK_addr_rsp or IEEE_addr_rsp, whoever sent it; as ``announced``.

        Z-Stack believes it whatever it knew (TI, ZDO_UpdateAddrManager).
        """
        if self.ember:
            return self.announced(eui64, nwk)
        if eui64 in self._nwk or len(self._nwk) < ROOM:
            self.put(eui64, nwk)
        return False


class Children(UserDict[Eui64, Child]):
    """The devices that joined, by EUI64. Whoever is added or removed is added to or removed from the map too."""

    def __init__(self, addresses: AddressMap) -> None:
        self._addresses = addresses
        super().__init__()

    def __setitem__(self, eui64: Eui64, child: Child) -> None:
        super().__setitem__(eui64, child)
        self._addresses.put(eui64, child.nwk)

    def __delitem__(self, eui64: Eui64) -> None:
        super().__delitem__(eui64)
        self._addresses.forget(eui64)
