"""MT UTIL: what the chip knows of itself, of its children and of their link keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from zigpy_znp.types.nvids import OsalNvIds

from hanctl.base.eui64 import Eui64, from_bytes, to_bytes
from hanctl.simulator.network.addresses import Child
from hanctl.simulator.znp.codec import c, not_in_this_build, pack, srsp, t
from hanctl.simulator.znp.firmware import ZnpFirmware
from hanctl.simulator.znp.network import association
from hanctl.simulator.znp.nvram import EMPTY_DEVICE

_UNKNOWN_NWK = 0xFFFE
_NO_KEY_ID = 0xFFFF
_OK = t.Status.SUCCESS


def _associated(dongle: ZnpFirmware) -> list[Child]:
    return [child for eui64, child in dongle.stack.children.items() if eui64 not in dongle.dropped_children]


def _device_info(dongle: ZnpFirmware, request: Any) -> Any:
    up = dongle.stack.up
    return c.UTIL.GetDeviceInfo.Rsp(
        Status=_OK,
        IEEE=t.EUI64.deserialize(to_bytes(dongle.stack.eui64))[0],
        NWK=0x0000 if up else _UNKNOWN_NWK,
        DeviceType=t.DeviceTypeCapabilities(0x07),
        DeviceState=t.DeviceState.StartedAsCoordinator if up else t.DeviceState.InitializedNotStarted,
        AssociatedDevices=t.NWKList([t.NWK(child.nwk) for child in _associated(dongle)]),
    )


def _nv_info(dongle: ZnpFirmware, request: Any) -> Any:
    nvram = dongle.nvram
    return c.UTIL.GetNVInfo.Rsp(
        Status=_OK,
        IEEE=t.EUI64.deserialize(nvram.item(OsalNvIds.EXTADDR))[0],
        ScanChannels=int.from_bytes(nvram.item(OsalNvIds.CHANLIST), "big"),
        PanId=t.PanId(int.from_bytes(nvram.item(OsalNvIds.PANID), "little")),
        SecurityLevel=nvram.item(OsalNvIds.SECURITY_LEVEL)[0],
        PreConfigKey=t.KeyData(nvram.item(OsalNvIds.PRECFGKEY)),
    )


def _time_alive(dongle: ZnpFirmware, request: Any) -> Any:
    return c.UTIL.TimeAlive.Rsp(Seconds=int(asyncio.get_running_loop().time()) & 0xFFFFFFFF)


def _loopback(dongle: ZnpFirmware, request: Any) -> Any:
    return c.UTIL.Loopback.Rsp(Data=t.Bytes(request.Data))


def _accepted(dongle: ZnpFirmware, request: Any) -> Any:
    return request.Rsp(Status=_OK)


# --- address manager and associations


def _nwk_of(dongle: ZnpFirmware, request: Any) -> Any:
    nwk = dongle.stack.nwk_of(from_bytes(request.IEEE.serialize()))
    return c.UTIL.AddrMgrExtAddrLookup.Rsp(NWK=_UNKNOWN_NWK if nwk is None else nwk)


def _ieee_of(dongle: ZnpFirmware, request: Any) -> Any:
    eui64 = dongle.stack.eui64_of(int(request.NWK))
    raw = bytes(8) if eui64 is None else to_bytes(eui64)
    return c.UTIL.AddrMgwNwkAddrLookUp.Rsp(IEEE=t.EUI64.deserialize(raw)[0])


def _assoc_count(dongle: ZnpFirmware, request: Any) -> Any:
    relations = [association(child, 0).nodeRelation for child in _associated(dongle)]
    counted = sum(request.StartRelation <= relation <= request.EndRelation for relation in relations)
    return c.UTIL.AssocCount.Rsp(Count=counted)


def _assoc_find(dongle: ZnpFirmware, request: Any) -> Any:
    """Answer the record as it lies in memory: 36 bytes, which is how hosts tell a 32-bit processor."""
    children = _associated(dongle)
    index = int(request.Index)
    record = pack(association(children[index], index)) if index < len(children) else EMPTY_DEVICE
    return c.UTIL.AssocFindDevice.Rsp(Device=t.Bytes(record))


def _assoc_get(dongle: ZnpFirmware, request: Any) -> Any:
    wanted = request.IEEE.serialize()
    eui64 = from_bytes(wanted) if any(wanted) else dongle.stack.eui64_of(int(request.NWK))
    child = next((x for x in _associated(dongle) if x.eui64 == eui64), None)
    index = list(dongle.stack.children).index(child.eui64) if child is not None else 0
    return srsp(c.UTIL.AssocGetWithAddress.Req, pack(association(child, index)))


def _assoc_remove(dongle: ZnpFirmware, request: Any) -> Any:
    eui64 = from_bytes(request.IEEE.serialize())
    if eui64 not in dongle.stack.children:
        return c.UTIL.AssocRemove.Rsp(Status=t.Status.FAILURE)
    dongle.dropped_children.add(eui64)
    return c.UTIL.AssocRemove.Rsp(Status=_OK)


def _assoc_add(dongle: ZnpFirmware, request: Any) -> Any:
    """Add an association, which writes the address manager too: the host's word on where a device is."""
    eui64 = from_bytes(request.IEEE.serialize())
    dongle.dropped_children.discard(eui64)
    dongle.stack.addresses.put(eui64, int(request.NWK))
    dongle.stack_changed()
    return c.UTIL.AssocAdd.Rsp(Status=_OK)


# --- link keys


def _key_index(dongle: ZnpFirmware, request: Any) -> tuple[Eui64, int | None]:
    eui64 = from_bytes(request.IEEE.serialize())
    keys = list(dongle.stack.key_table)
    return eui64, keys.index(eui64) if eui64 in keys else None


def _link_key_data(dongle: ZnpFirmware, request: Any) -> Any:
    stack = dongle.stack
    if stack.quirks.counters == "unsupported":
        return not_in_this_build(type(request))
    eui64, index = _key_index(dongle, request)
    key = stack.key_table.get(eui64, bytes(16))
    return c.UTIL.APSMELinkKeyDataGet.Rsp(
        Status=t.Status.FAILURE if index is None else _OK,
        SecKey=t.KeyData(key),
        TxFrmCntr=0,
        RxFrmCntr=stack.counter_told(eui64) if index is not None else 0,
    )


def _link_key_nv_id(dongle: ZnpFirmware, request: Any) -> Any:
    _, index = _key_index(dongle, request)
    return c.UTIL.APSMELinkKeyNvIdGet.Rsp(
        Status=t.Status.FAILURE if index is None else _OK, LinkKeyNvId=_NO_KEY_ID if index is None else index
    )


HANDLERS: dict[Any, Callable[[ZnpFirmware, Any], Any]] = {
    c.UTIL.GetDeviceInfo.Req: _device_info,
    c.UTIL.GetNVInfo.Req: _nv_info,
    c.UTIL.TimeAlive.Req: _time_alive,
    c.UTIL.LEDControl.Req: _accepted,
    c.UTIL.CallbackSubCmd.Req: _accepted,
    c.UTIL.Loopback.Req: _loopback,
    c.UTIL.AddrMgrExtAddrLookup.Req: _nwk_of,
    c.UTIL.AddrMgwNwkAddrLookUp.Req: _ieee_of,
    c.UTIL.AssocCount.Req: _assoc_count,
    c.UTIL.AssocFindDevice.Req: _assoc_find,
    c.UTIL.AssocGetWithAddress.Req: _assoc_get,
    c.UTIL.AssocRemove.Req: _assoc_remove,
    c.UTIL.AssocAdd.Req: _assoc_add,
    c.UTIL.APSMELinkKeyDataGet.Req: _link_key_data,
    c.UTIL.APSMELinkKeyNvIdGet.Req: _link_key_nv_id,
}
