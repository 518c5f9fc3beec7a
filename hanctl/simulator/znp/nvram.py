"""Non-volatile items of a Z-Stack 3.30+ chip, addressed by system, item and sub-item.

OSAL items are sub-items of the item "legacy". What differs from a factory-new chip goes to the flash file, in hex.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from zigpy_znp.types.nvids import ExNvIds, OsalNvIds

from hanctl.simulator.dongle import Flash
from hanctl.simulator.znp.codec import pack, t

ZSTACK = 1
LEGACY = int(ExNvIds.LEGACY)
# No host may write beyond, nor would the firmware answer for it.
LAST_OSAL_ID = 0x03FF

# Sizes as in TI's default coordinator build, to be proven on silicon; the link key table's is the stack's own.
ADDRESSES = 64
TC_KEYS = 64
SECURITY_MATERIALS = 4

NO_EUI64 = b"\xff" * 8
EMPTY_ADDRESS = b"\xff" * 12
EMPTY_TC_KEY = bytes(20)
EMPTY_IC_KEY = bytes(16)
EMPTY_MATERIAL = bytes(12)
EMPTY_APS_KEY = bytes(24)
EMPTY_DEVICE = b"\xff" * 36

CLEAR_CONFIG = 0x01
CLEAR_STATE = 0x02
CLEAR_FRAME_COUNTER = 0x80

Key = tuple[int, int, int]


def osal(item: int) -> Key:
    """Return the address of an OSAL item."""
    return (ZSTACK, LEGACY, int(item))


def table(item: int, index: int) -> Key:
    """Return the address of one entry of an extended table."""
    return (ZSTACK, int(item), index)


_CONFIG: dict[int, bytes] = {
    OsalNvIds.STARTUP_OPTION: b"\x00",
    OsalNvIds.START_DELAY: b"\x0a",
    OsalNvIds.STACK_PROFILE: b"\x02",
    OsalNvIds.EXTENDED_PAN_ID: bytes(8),
    OsalNvIds.BCAST_RETRIES: b"\x02",
    OsalNvIds.PASSIVE_ACK_TIMEOUT: b"\x05",
    OsalNvIds.BCAST_DELIVERY_TIME: b"\x1e",
    OsalNvIds.ROUTE_EXPIRY_TIME: b"\x1e",
    OsalNvIds.CONCENTRATOR_ENABLE: b"\x01",
    OsalNvIds.CONCENTRATOR_DISCOVERY: b"\x78",
    OsalNvIds.CONCENTRATOR_RADIUS: b"\x0a",
    OsalNvIds.CONCENTRATOR_RC: b"\x01",
    OsalNvIds.SRC_RTG_EXPIRY_TIME: b"\xff",
    OsalNvIds.NWK_CHILD_AGE_ENABLE: b"\x00",
    OsalNvIds.APS_FRAME_RETRIES: b"\x03",
    OsalNvIds.APS_ACK_WAIT_DURATION: b"\xb8\x0b",
    OsalNvIds.APS_USE_EXT_PANID: bytes(8),
    OsalNvIds.SECURITY_LEVEL: b"\x05",
    OsalNvIds.PRECFGKEY: bytes(16),
    OsalNvIds.PRECFGKEYS_ENABLE: b"\x00",
    OsalNvIds.USE_DEFAULT_TCLK: b"\x01",
    OsalNvIds.PANID: b"\xff\xff",
    OsalNvIds.CHANLIST: b"\x00\xf8\xff\x07",
    OsalNvIds.LOGICAL_TYPE: b"\x00",
    OsalNvIds.ZDO_DIRECT_CB: b"\x00",
}
_STATE: dict[int, bytes] = {
    OsalNvIds.NWK_ACTIVE_KEY_INFO: bytes(17),
    OsalNvIds.NWK_ALTERN_KEY_INFO: bytes(17),
    OsalNvIds.NWKKEY: bytes(24),
    OsalNvIds.BDBNODEISONANETWORK: b"\x00",
}


class Nvram:
    """The items, all in memory; changes reach the flash file before another event of the loop can see them."""

    def __init__(self, flash: Flash, hardware_eui64: bytes, key_table_size: int) -> None:
        self._flash = flash
        self._items: dict[Key, bytes] = {}
        self._pending: asyncio.Handle | None = None
        self._config = {osal(i): v for i, v in _CONFIG.items()} | {osal(OsalNvIds.EXTADDR): hardware_eui64}
        self._state = {osal(i): v for i, v in _STATE.items()} | self._tables(key_table_size)
        self._counters = {table(ExNvIds.NWK_SEC_MATERIAL_TABLE, i): EMPTY_MATERIAL for i in range(SECURITY_MATERIALS)}
        self._factory = self._config | self._state | self._counters

    def boot(self, random_bytes: Callable[[int], bytes]) -> None:
        """Load the flash, obey the startup options and create again whatever item is missing, as firmware does."""
        self.flush()
        saved = self._flash.load().get("nvram", {})
        self._items = self._factory | {_key(name): bytes.fromhex(value) for name, value in saved.items()}
        options = self._items[osal(OsalNvIds.STARTUP_OPTION)][0]
        if options & CLEAR_STATE:
            self._clear(self._state)
            self._items.pop(osal(OsalNvIds.NIB), None)
            self._items.pop(osal(OsalNvIds.TCLK_SEED), None)
        if options & CLEAR_CONFIG:
            self._clear(self._config, but=osal(OsalNvIds.EXTADDR))
        if options & CLEAR_FRAME_COUNTER:
            self._clear(self._counters)
        self._items[osal(OsalNvIds.STARTUP_OPTION)] = b"\x00"
        self._items.setdefault(osal(OsalNvIds.TCLK_SEED), random_bytes(16))
        self._save()

    def get(self, key: Key) -> bytes | None:
        return self._items.get(key)

    def item(self, item: int) -> bytes:
        """Return an OSAL item; empty if there is none."""
        return self._items.get(osal(item), b"")

    def entries(self, item: int) -> list[bytes]:
        """Return an extended table, up to its first missing entry."""
        found: list[bytes] = []
        while (value := self._items.get(table(item, len(found)))) is not None:
            found.append(value)
        return found

    def put(self, key: Key, value: bytes) -> None:
        if self._items.get(key) != value:
            self._items[key] = value
            self._save_soon()

    def put_item(self, item: int, value: bytes) -> None:
        """Write a whole OSAL item."""
        self.put(osal(item), value)

    def put_entries(self, item: int, values: list[bytes], empty: bytes) -> int:
        """Fill a table from its start and clear its rest. Returns how many values had no room."""
        size = len(self.entries(item))
        for index in range(size):
            self.put(table(item, index), values[index] if index < len(values) else empty)
        return max(0, len(values) - size)

    def delete(self, key: Key) -> bool:
        existed = self._items.pop(key, None) is not None
        if existed:
            self._save_soon()
        return existed

    def flush(self) -> None:
        """Write pending changes now."""
        if self._pending is not None:
            self._save()

    def _clear(self, defaults: dict[Key, bytes], but: Key | None = None) -> None:
        self._items.update({key: value for key, value in defaults.items() if key != but})

    def _save_soon(self) -> None:
        if self._pending is None:
            self._pending = asyncio.get_running_loop().call_soon(self._save)

    def _save(self) -> None:
        if self._pending is not None:
            self._pending.cancel()
            self._pending = None
        changed = {_name(k): v.hex() for k, v in sorted(self._items.items()) if self._factory.get(k) != v}
        self._flash.save({"radio": "znp", "nvram": changed})

    @staticmethod
    def _tables(key_table_size: int) -> dict[Key, bytes]:
        sizes: list[tuple[int, int, bytes]] = [
            (ExNvIds.ADDRMGR, ADDRESSES, EMPTY_ADDRESS),
            (ExNvIds.DEVICE_LIST, ADDRESSES, EMPTY_DEVICE),
            (ExNvIds.TCLK_TABLE, TC_KEYS, EMPTY_TC_KEY),
            (ExNvIds.TCLK_IC_TABLE, TC_KEYS, EMPTY_IC_KEY),
            (ExNvIds.APS_KEY_DATA_TABLE, key_table_size, EMPTY_APS_KEY),
        ]
        tables = {table(item, i): empty for item, size, empty in sizes for i in range(size)}
        return tables | {osal(OsalNvIds.APS_LINK_KEY_TABLE): link_key_table([], key_table_size)}


def link_key_table(entries: list[Any], size: int) -> bytes:
    """Return the APS link key table: a count, the entries, and room for the rest."""
    length = len(pack(t.APSLinkKeyTable([_blank_link()])))
    used = pack(t.APSLinkKeyTable(entries))
    return used.ljust(2 + size * (length - 2), b"\x00")


def _blank_link() -> Any:
    return t.APSLinkKeyTableEntry(AddressManagerIndex=0, LinkKeyNvId=0, AuthenticationState=0)


def _name(key: Key) -> str:
    return f"{key[0]:02x}:{key[1]:04x}:{key[2]:04x}"


def _key(name: str) -> Key:
    system, item, sub = (int(part, 16) for part in name.split(":"))
    return (system, item, sub)
