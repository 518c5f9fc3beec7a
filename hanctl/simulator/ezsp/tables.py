"""Tables: addresses, multicast groups, children, neighbours, routes, extended timeouts."""

from __future__ import annotations

from dataclasses import dataclass

import bellows.types as t

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.simulator.ezsp.commands import Arguments, Values, command
from hanctl.simulator.ezsp.configuration import Configuration
from hanctl.simulator.ezsp.firmware import EzspFirmware
from hanctl.simulator.ezsp.status import Outcome
from hanctl.simulator.network.addresses import Child
from hanctl.simulator.network.medium import FIRST_BROADCAST

UNUSED, UNKNOWN = 0xFFFF, 0xFFFD
"""Of an entry: that it is not in use, and that the stack does not know where its node is."""
NO_INDEX = 0xFF
BLANK = bytes(8)


@dataclass(slots=True)
class AddressEntry:
    """An entry of the address table, as the host wrote it; ``node_id`` 0xFFFF where it is not in use."""

    eui64: bytes = BLANK
    node_id: int = UNUSED


class Tables:
    """Handlers of the commands for tables that the host sees or fills; volatile but for the children."""

    def __init__(self, ncp: EzspFirmware, configuration: Configuration) -> None:
        self._ncp = ncp
        self._configuration = configuration
        self._addresses: dict[int, AddressEntry] = {}
        self._groups: dict[int, tuple[int, int]] = {}
        self._extended: set[Eui64] = set()

    # --- address table

    @property
    def _address_count(self) -> int:
        return self._configuration[t.EzspConfigId.CONFIG_ADDRESS_TABLE_SIZE]

    def _address(self, index: int) -> AddressEntry | None:
        if index >= self._address_count:
            return None
        return self._addresses.setdefault(index, AddressEntry())

    def _node_id(self, entry: AddressEntry) -> int:
        """Return where the stack has the entry's node now; the host wrote only the last address that it knew."""
        if entry.node_id == UNUSED or entry.eui64 == BLANK:
            return entry.node_id
        nwk = self._ncp.stack.nwk_of(from_bytes(entry.eui64))
        return UNKNOWN if nwk is None else nwk

    def _set(self, entry: AddressEntry, eui64: bytes, node_id: int) -> None:
        """Write an entry for the host: the stack takes the address as true until it learns another."""
        entry.eui64, entry.node_id = eui64, node_id
        if eui64 != BLANK and node_id < FIRST_BROADCAST:
            self._ncp.stack.addresses.put(from_bytes(eui64), node_id)
            self._ncp.save()

    def node_id_at(self, index: int) -> int | None:
        """Return the network address behind an entry of the address table; None where it has none."""
        entry = self._addresses.get(index)
        node_id = UNUSED if entry is None else self._node_id(entry)
        return node_id if node_id < FIRST_BROADCAST else None

    def index_of(self, node_id: int) -> int:
        """Return the index of the entry that has this network address, 0xFF where none has."""
        return next((i for i, e in self._addresses.items() if self._node_id(e) == node_id and i < NO_INDEX), NO_INDEX)

    @command("replaceAddressTableEntry")
    def replace_address_table_entry(self, a: Arguments) -> Values:
        entry = self._address(int(a["addressTableIndex"]))
        if entry is None:
            return _replaced(Outcome.INVALID_INDEX, AddressEntry(), extended=False)
        old, old_extended = AddressEntry(entry.eui64, self._node_id(entry)), from_bytes(entry.eui64) in self._extended
        self._set(entry, bytes(a["newEui64"].serialize()), int(a["newId"]))
        self._extend(from_bytes(entry.eui64), on=bool(a["newExtendedTimeout"]))
        return _replaced(Outcome.OK, old, extended=old_extended)

    @command("setAddressTableInfo")
    def set_address_table_info(self, a: Arguments) -> Values:
        entry = self._address(int(a["index"]))
        if entry is None:
            return {"status": Outcome.INVALID_INDEX}
        self._set(entry, bytes(a["eui64"].serialize()), int(a["nodeId"]))
        return {"status": Outcome.OK}

    @command("getAddressTableInfo")
    def get_address_table_info(self, a: Arguments) -> Values:
        entry = self._address(int(a["index"]))
        shown = entry or AddressEntry()
        return {
            "status": Outcome.INVALID_INDEX if entry is None else Outcome.OK,
            "nodeId": self._node_id(shown),
            "eui64": _eui(shown.eui64),
        }

    @command("setAddressTableRemoteEui64")
    def set_address_table_remote_eui64(self, a: Arguments) -> Values:
        entry = self._address(int(a["addressTableIndex"]))
        if entry is None:
            return {"status": Outcome.INVALID_INDEX}
        self._set(entry, bytes(a["eui64"].serialize()), UNKNOWN)
        return {"status": Outcome.OK}

    @command("setAddressTableRemoteNodeId")
    def set_address_table_remote_node_id(self, a: Arguments) -> Values:
        entry = self._address(int(a["addressTableIndex"]))
        if entry is not None:
            self._set(entry, entry.eui64, int(a["id"]))
        return {}

    @command("getAddressTableRemoteEui64")
    def get_address_table_remote_eui64(self, a: Arguments) -> Values:
        entry = self._address(int(a["addressTableIndex"]))
        return {"eui64": _eui(entry.eui64 if entry is not None else BLANK)}

    @command("getAddressTableRemoteNodeId")
    def get_address_table_remote_node_id(self, a: Arguments) -> Values:
        entry = self._address(int(a["addressTableIndex"]))
        return {"nodeId": self._node_id(entry) if entry is not None else UNUSED}

    @command("addressTableEntryIsActive")
    def address_table_entry_is_active(self, a: Arguments) -> Values:
        return {"active": self.node_id_at(int(a["addressTableIndex"])) is not None}

    @command("lookupNodeIdByEui64")
    def lookup_node_id_by_eui64(self, a: Arguments) -> Values:
        node_id = self._ncp.stack.nwk_of(from_bytes(a["eui64"].serialize()))
        return {
            "status": Outcome.NOT_FOUND if node_id is None else Outcome.OK,
            "nodeId": UNUSED if node_id is None else node_id,
        }

    @command("lookupEui64ByNodeId")
    def lookup_eui64_by_node_id(self, a: Arguments) -> Values:
        known = self._ncp.stack.eui64_of(int(a["nodeId"]))
        raw = BLANK if known is None else to_bytes(known)
        return {"status": Outcome.NOT_FOUND if known is None else Outcome.OK, "eui64": _eui(raw)}

    # --- extended timeouts

    def _extend(self, eui64: Eui64, *, on: bool) -> None:
        if on:
            self._extended.add(eui64)
        else:
            self._extended.discard(eui64)

    @command("setExtendedTimeout")
    def set_extended_timeout(self, a: Arguments) -> Values:
        self._extend(from_bytes(a["remoteEui64"].serialize()), on=bool(a["extendedTimeout"]))
        return {"status": Outcome.OK}

    @command("getExtendedTimeout")
    def get_extended_timeout(self, a: Arguments) -> Values:
        extended = from_bytes(a["remoteEui64"].serialize()) in self._extended
        return {"status": Outcome.OK if extended else Outcome.FAIL, "extendedTimeout": extended}

    # --- multicast table

    @property
    def _group_count(self) -> int:
        return self._configuration[t.EzspConfigId.CONFIG_MULTICAST_TABLE_SIZE]

    @command("getMulticastTableEntry")
    def get_multicast_table_entry(self, a: Arguments) -> Values:
        index = int(a["index"])
        group, endpoint = self._groups.get(index, (0, 0))
        return {
            "status": Outcome.OK if index < self._group_count else Outcome.INVALID_INDEX,
            "value": t.EmberMulticastTableEntry(multicastId=group, endpoint=endpoint, networkIndex=0),
        }

    @command("setMulticastTableEntry")
    def set_multicast_table_entry(self, a: Arguments) -> Values:
        index, value = int(a["index"]), a["value"]
        if index >= self._group_count:
            return {"status": Outcome.INVALID_INDEX}
        self._groups[index] = (int(value.multicastId), int(value.endpoint))
        return {"status": Outcome.OK}

    # --- children and neighbours: only sleepy devices are children, the others route

    def _by_kind(self, *, sleepy: bool) -> list[Child]:
        return [c for c in self._ncp.stack.children.values() if c.sleepy is sleepy]

    @command("getChildData")
    def get_child_data(self, a: Arguments) -> Values:
        children, index = self._by_kind(sleepy=True), int(a["index"])
        child = children[index] if index < len(children) else None
        node_type = t.EmberNodeType.SLEEPY_END_DEVICE if child else t.EmberNodeType.UNKNOWN_DEVICE
        return {
            "status": Outcome.OK if child else Outcome.NOT_JOINED,
            "child_data": t.EmberChildDataV10(
                eui64=_eui(to_bytes(child.eui64) if child else BLANK),
                type=node_type,
                id=child.nwk if child else UNUSED,
                phy=0,
                power=0,
                timeout=8 if child else 0,
                timeout_remaining=0,
            ),
        }

    @command("setChildData")
    def set_child_data(self, a: Arguments) -> Values:
        data = a["child_data"]
        if int(a["index"]) >= self._configuration[t.EzspConfigId.CONFIG_MAX_END_DEVICE_CHILDREN]:
            return {"status": Outcome.INVALID_INDEX}
        eui64 = from_bytes(data.eui64.serialize())
        # A restored child's own key is not part of its entry: it stands in the link key table, if anywhere.
        self._ncp.stack.children[eui64] = Child(eui64, int(data.id), sleepy=True, link_key=b"")
        self._ncp.save()
        return {"status": Outcome.OK}

    @command("childId")
    def child_id(self, a: Arguments) -> Values:
        children, index = self._by_kind(sleepy=True), int(a["childIndex"])
        return {"childId": children[index].nwk if index < len(children) else UNUSED}

    @command("neighborCount")
    def neighbour_count(self, a: Arguments) -> Values:
        return {"value": len(self._by_kind(sleepy=False))}

    @command("getNeighbor")
    def get_neighbour(self, a: Arguments) -> Values:
        neighbours, index = self._by_kind(sleepy=False), int(a["index"])
        found = neighbours[index] if index < len(neighbours) else None
        return {
            "status": Outcome.OK if found else Outcome.INVALID_INDEX,
            "value": t.EmberNeighborTableEntry(
                shortId=found.nwk if found else UNUSED,
                averageLqi=220 if found else 0,
                inCost=1,
                outCost=1,
                age=3,
                longId=_eui(to_bytes(found.eui64) if found else BLANK),
            ),
        }

    @command("getSourceRouteTableTotalSize")
    def get_source_route_table_total_size(self, a: Arguments) -> Values:
        return {"sourceRouteTableTotalSize": self._configuration[t.EzspConfigId.CONFIG_SOURCE_ROUTE_TABLE_SIZE]}

    @command("getSourceRouteTableFilledSize")
    def get_source_route_table_filled_size(self, a: Arguments) -> Values:
        return {"sourceRouteTableFilledSize": 0}

    @command("setSourceRoute")
    def set_source_route(self, a: Arguments) -> Values:
        return {"status": Outcome.OK}


def _replaced(outcome: Outcome, old: AddressEntry, *, extended: bool) -> Values:
    return {
        "status": outcome,
        "oldEui64": _eui(old.eui64),
        "oldId": old.node_id,
        "oldExtendedTimeout": extended,
    }


def _eui(raw: bytes) -> t.EUI64:
    return t.EUI64.deserialize(raw)[0]
