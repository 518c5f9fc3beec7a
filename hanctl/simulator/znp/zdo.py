"""MT ZDO: requests to other nodes (and to oneself), and what comes back: a typed message, and a generic one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zigpy_znp.types.nvids import OsalNvIds

from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.simulator.network.medium import BROADCAST_RX_ON, COORDINATOR, FIRST_BROADCAST, ApsFrame
from hanctl.simulator.network.stack import SendError
from hanctl.simulator.network.trust_centre import JoinKind
from hanctl.simulator.znp import zdo_own
from hanctl.simulator.znp.codec import c, t
from hanctl.simulator.znp.firmware import ZnpFirmware
from hanctl.simulator.znp.mt import MtFrame

ALL_CLUSTERS = 0xFFFF
DEVICE_ANNCE = 0x0013
NWK_ADDR_RSP = 0x8000
IEEE_ADDR_RSP = 0x8001
PERMIT_JOIN_REQ = 0x0036
NWK_UPDATE_REQ = 0x0038
_ZDO_AREQ = 0x45
_END_DEVICE_ANNCE_IND = 0xC1
_TYPED_RESPONSES = frozenset(
    {*range(0x8000, 0x8009), 0x800A, 0x8020, 0x8021, 0x8022, *range(0x8030, 0x8037), NWK_UPDATE_REQ | 0x8000}
)

SEND_STATUS = {
    SendError.NETWORK_DOWN: t.Status.NWK_INVALID_REQUEST,
    SendError.TOO_LONG: t.Status.INVALID_PARAMETER,
    SendError.BUSY: t.Status.MEM_ERROR,
    SendError.NO_LINK_KEY: t.Status.SEC_NO_KEY,
}


def send(dongle: ZnpFirmware, destination: int, cluster: int, payload: bytes, *, ack: bool = False) -> Any:
    """Send a ZDO frame, sequence number first in ``payload``; a request to oneself is answered by oneself."""
    if destination == COORDINATOR:
        answer = zdo_own.answer(dongle, cluster, payload)
        if answer is not None:
            dongle.later(lambda: _loop_back(dongle, *answer))
            return t.Status.SUCCESS
    frame = ApsFrame(COORDINATOR, destination, 0, cluster, 0, 0, dongle.stack.next_counter(), payload, ack_request=ack)
    error = dongle.stack.send(frame, lambda _: None)
    if error is not None:
        return SEND_STATUS[error]
    dongle.counter_used()
    return t.Status.SUCCESS


def _loop_back(dongle: ZnpFirmware, cluster: int, payload: bytes) -> None:
    incoming(dongle, ApsFrame(COORDINATOR, COORDINATOR, 0, cluster, 0, 0, dongle.stack.next_counter(), payload))


def incoming(dongle: ZnpFirmware, frame: ApsFrame) -> None:
    """Report a ZDO frame to the host, in the forms it asked for."""
    if not frame.payload:
        return
    sequence, body = frame.payload[0], frame.payload[1:]
    if dongle.nvram.item(OsalNvIds.ZDO_DIRECT_CB) == b"\x01":
        typed = _typed(frame, body)
        if typed is not None:
            dongle.notify(typed)
    if ALL_CLUSTERS in dongle.zdo_callbacks or frame.cluster in dongle.zdo_callbacks:
        dongle.notify(
            c.ZDO.MsgCbIncoming.Callback(
                Src=frame.source,
                IsBroadcast=t.Bool(frame.broadcast),
                ClusterId=frame.cluster,
                SecurityUse=int(frame.encrypted),
                TSN=sequence,
                MacDst=0xFFFF if frame.broadcast else COORDINATOR,
                Data=t.Bytes(body),
            )
        )


def _typed(frame: ApsFrame, body: bytes) -> MtFrame | None:
    source = frame.source.to_bytes(2, "little")
    if frame.cluster == DEVICE_ANNCE:
        return MtFrame(_ZDO_AREQ, _END_DEVICE_ANNCE_IND, source + body)
    if frame.cluster not in _TYPED_RESPONSES:
        return None
    command = 0x80 + (frame.cluster & 0x7F)
    if frame.cluster in (NWK_ADDR_RSP, IEEE_ADDR_RSP):
        # No source address here, and the list's start comes before its length.
        head, rest = body[:11], body[11:]
        counts = bytes([rest[1], rest[0]]) + rest[2:] if len(rest) >= 2 else b"\x00\x00"
        return MtFrame(_ZDO_AREQ, command, head + counts)
    return MtFrame(_ZDO_AREQ, command, source + body)


def join_event(dongle: ZnpFirmware, eui64: Eui64, nwk: int, kind: JoinKind) -> None:
    """Report to the host that a device came or went."""
    ieee = t.EUI64.deserialize(to_bytes(eui64))[0]
    if kind is JoinKind.LEFT:
        no = t.Bool.false
        dongle.notify(c.ZDO.LeaveInd.Callback(NWK=nwk, IEEE=ieee, Request=no, Remove=no, Rejoin=no))
    else:
        dongle.dropped_children.discard(eui64)
        dongle.notify(c.ZDO.TCDevInd.Callback(SrcNwk=nwk, SrcIEEE=ieee, ParentNwk=COORDINATOR))


# --- requests


def _request(dongle: ZnpFirmware, request: Any, destination: int, cluster: int, body: bytes) -> Any:
    dongle.zdo_sequence = (dongle.zdo_sequence + 1) & 0xFF
    return request.Rsp(Status=send(dongle, destination, cluster, bytes([dongle.zdo_sequence]) + body))


def _plain(cluster: int, destination: str, *fields: str) -> Callable[[ZnpFirmware, Any], Any]:
    """Return the handler of a request whose body is its remaining fields, as they are."""

    def handle(dongle: ZnpFirmware, request: Any) -> Any:
        body = b"".join(getattr(request, name).serialize() for name in fields)
        return _request(dongle, request, int(getattr(request, destination)), cluster, body)

    return handle


def _nwk_addr(dongle: ZnpFirmware, request: Any) -> Any:
    ieee = request.IEEE.serialize()
    body = ieee + bytes([request.RequestType, request.StartIndex])
    own = ieee == to_bytes(dongle.stack.eui64)
    return _request(dongle, request, COORDINATOR if own else BROADCAST_RX_ON, 0x0000, body)


def _permit_join(dongle: ZnpFirmware, request: Any) -> Any:
    body = bytes([request.Duration, request.TCSignificance])
    destination = int(request.Dst)
    if destination >= FIRST_BROADCAST:
        # The coordinator takes part in its own broadcast, and answers it.
        status = _request(dongle, request, destination, PERMIT_JOIN_REQ, body)
        send(dongle, COORDINATOR, PERMIT_JOIN_REQ, bytes([dongle.zdo_sequence]) + body)
        return status
    return _request(dongle, request, destination, PERMIT_JOIN_REQ, body)


def _nwk_update(dongle: ZnpFirmware, request: Any) -> Any:
    body = request.Channels.serialize() + bytes([request.ScanDuration])
    if request.ScanDuration == zdo_own.CHANGE_CHANNEL:
        running = dongle.stack.network
        body += bytes([(running.update_id + 1) & 0xFF if running is not None else 0])
    elif request.ScanDuration == zdo_own.CHANGE_MANAGER:
        body += b"\x00" + request.NwkManagerAddr.serialize()
    else:
        body += bytes([request.ScanCount])
    return _request(dongle, request, int(request.Dst), NWK_UPDATE_REQ, body)


def _register(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.zdo_callbacks.add(int(request.ClusterId))
    return c.ZDO.MsgCallbackRegister.Rsp(Status=t.Status.SUCCESS)


def _unregister(dongle: ZnpFirmware, request: Any) -> Any:
    dongle.zdo_callbacks.discard(int(request.ClusterId))
    return c.ZDO.MsgCallbackRemove.Rsp(Status=t.Status.SUCCESS)


_BINDING = ("Src", "SrcEndpoint", "ClusterId", "Address")
_MATCH = ("NWKAddrOfInterest", "ProfileId", "InputClusters", "OutputClusters")

HANDLERS: dict[Any, Callable[[ZnpFirmware, Any], Any]] = {
    c.ZDO.NwkAddrReq.Req: _nwk_addr,
    c.ZDO.IEEEAddrReq.Req: _plain(0x0001, "NWK", "NWK", "RequestType", "StartIndex"),
    c.ZDO.NodeDescReq.Req: _plain(0x0002, "DstAddr", "NWKAddrOfInterest"),
    c.ZDO.PowerDescReq.Req: _plain(0x0003, "DstAddr", "NWKAddrOfInterest"),
    c.ZDO.SimpleDescReq.Req: _plain(0x0004, "DstAddr", "NWKAddrOfInterest", "Endpoint"),
    c.ZDO.ActiveEpReq.Req: _plain(0x0005, "DstAddr", "NWKAddrOfInterest"),
    c.ZDO.MatchDescReq.Req: _plain(0x0006, "DstAddr", *_MATCH),
    c.ZDO.BindReq.Req: _plain(0x0021, "Dst", *_BINDING),
    c.ZDO.UnBindReq.Req: _plain(0x0022, "Dst", *_BINDING),
    c.ZDO.MgmtLqiReq.Req: _plain(0x0031, "Dst", "StartIndex"),
    c.ZDO.MgmtRtgReq.Req: _plain(0x0032, "Dst", "StartIndex"),
    c.ZDO.MgmtBindReq.Req: _plain(0x0033, "Dst", "StartIndex"),
    c.ZDO.MgmtLeaveReq.Req: _plain(0x0034, "DstAddr", "IEEE", "RemoveChildren_Rejoin"),
    c.ZDO.MgmtPermitJoinReq.Req: _permit_join,
    c.ZDO.MgmtNWKUpdateReq.Req: _nwk_update,
    c.ZDO.MsgCallbackRegister.Req: _register,
    c.ZDO.MsgCallbackRemove.Req: _unregister,
}
