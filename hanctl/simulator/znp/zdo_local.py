"""MT ZDO: commands that concern the chip alone: start-up, link keys, routes, groups."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from hanctl.base.eui64 import from_bytes
from hanctl.simulator.network.medium import FIRST_BROADCAST
from hanctl.simulator.znp import network
from hanctl.simulator.znp.app_cnf import state_change
from hanctl.simulator.znp.codec import c, srsp, t
from hanctl.simulator.znp.firmware import ZnpFirmware

_OK = t.Status.SUCCESS


def _startup(dongle: ZnpFirmware, request: Any) -> Any:
    if network.stored_network(dongle.nvram) is None:
        return request.Rsp(State=c.zdo.StartupState.NotStarted)

    def start() -> None:
        dongle.resume()
        dongle.notify(state_change(t.DeviceState.StartedAsCoordinator))

    dongle.later(start, request.StartDelay / 1000)
    return request.Rsp(State=c.zdo.StartupState.RestoredNetworkState)


def _network_info(dongle: ZnpFirmware, request: Any) -> Any:
    """Answer short address, state, PAN, parent, extended PAN, parent's EUI64, channel: 1 byte more than published."""
    running = dongle.stack.network if dongle.stack.up else None
    if running is None:
        data = struct.pack("<HBHH", 0xFFFE, 0, 0xFFFF, 0xFFFE) + bytes(17)
    else:
        state = int(t.DeviceState.StartedAsCoordinator)
        data = struct.pack("<HBHH", 0, state, running.pan_id, 0)
        data += running.extended_pan_id + bytes(8) + bytes([running.channel])
    return srsp(type(request), data)


# --- link keys


def _set_link_key(dongle: ZnpFirmware, request: Any) -> Any:
    """Import a device's key; the table has its real size."""
    eui64 = from_bytes(request.IEEE.serialize())
    stored = dongle.stack.import_link_key(eui64, request.LinkKeyData.serialize())
    return request.Rsp(Status=_OK if stored else t.Status.NWK_TABLE_FULL)


def _remove_link_key(dongle: ZnpFirmware, request: Any) -> Any:
    found = dongle.stack.erase_link_key(from_bytes(request.IEEE.serialize()))
    return c.ZDO.RemoveLinkKey.Rsp(Status=_OK if found else t.Status.NWK_UNKNOWN_DEVICE)


def _get_link_key(dongle: ZnpFirmware, request: Any) -> Any:
    key = dongle.stack.key_table.get(from_bytes(request.IEEE.serialize()))
    return c.ZDO.GetLinkKey.Rsp(
        Status=t.Status.NWK_UNKNOWN_DEVICE if key is None else _OK,
        IEEE=request.IEEE,
        LinkKeyData=t.KeyData(key or bytes(16)),
    )


# --- routes


def _route_check(dongle: ZnpFirmware, request: Any) -> Any:
    destination = int(request.Dst)
    eui64 = dongle.stack.eui64_of(destination)
    known = destination >= FIRST_BROADCAST or (eui64 is not None and eui64 not in dongle.dropped_children)
    status = c.zdo.RoutingStatus.SUCCESS if known else c.zdo.RoutingStatus.NO_ENTRY
    return c.ZDO.ExtRouteChk.Rsp(Status=status)


def _accepted(dongle: ZnpFirmware, request: Any) -> Any:
    """Route discovery and the like: the medium is a star."""
    return request.Rsp(Status=_OK)


# --- groups of the chip's own endpoints


def _find_group(dongle: ZnpFirmware, request: Any) -> Any:
    """Answer status, group and an empty name."""
    found = (int(request.Endpoint), int(request.GroupId)) in dongle.groups
    return srsp(type(request), struct.pack("<BHB", 0 if found else 1, request.GroupId if found else 0, 0))


def _add_group(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.groups.add((int(request.Endpoint), int(request.GroupId)))
    return c.ZDO.ExtAddGroup.Rsp(Status=_OK)


def _remove_group(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.groups.discard((int(request.Endpoint), int(request.GroupId)))
    return c.ZDO.ExtRemoveGroup.Rsp(Status=_OK)


def _remove_groups(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.groups = {(e, g) for e, g in dongle.groups if e != request.Endpoint}
    return c.ZDO.ExtRemoveAllGroups.Rsp(Status=_OK)


def _count_groups(dongle: ZnpFirmware, request: Any) -> Any:
    return c.ZDO.ExtCountAllGroups.Rsp(GroupCount=len(dongle.groups))


HANDLERS: dict[Any, Callable[[ZnpFirmware, Any], Any]] = {
    c.ZDO.StartupFromApp.Req: _startup,
    c.ZDO.StartupFromAppExt.Req: _startup,
    c.ZDO.ExtNwkInfo.Req: _network_info,
    c.ZDO.SetLinkKey.Req: _set_link_key,
    c.ZDO.SecAddLinkKey.Req: _set_link_key,
    c.ZDO.RemoveLinkKey.Req: _remove_link_key,
    c.ZDO.GetLinkKey.Req: _get_link_key,
    c.ZDO.ExtRouteChk.Req: _route_check,
    c.ZDO.ExtRouteDisc.Req: _accepted,
    c.ZDO.ExtSetParams.Req: _accepted,
    c.ZDO.ExtRxIdle.Req: _accepted,
    c.ZDO.ExtFindGroup.Req: _find_group,
    c.ZDO.ExtAddGroup.Req: _add_group,
    c.ZDO.ExtRemoveGroup.Req: _remove_group,
    c.ZDO.ExtRemoveAllGroups.Req: _remove_groups,
    c.ZDO.ExtCountAllGroups.Req: _count_groups,
}
