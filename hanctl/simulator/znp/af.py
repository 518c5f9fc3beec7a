"""MT AF: endpoints, outgoing data with its confirmation, incoming data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hanctl.base.eui64 import from_bytes
from hanctl.simulator.network.medium import BROADCAST_RX_ON, COORDINATOR, FIRST_BROADCAST, ApsFrame, Node
from hanctl.simulator.zdo import Endpoint
from hanctl.simulator.znp import zdo
from hanctl.simulator.znp.codec import c, encode, t
from hanctl.simulator.znp.firmware import ZnpFirmware
from hanctl.simulator.znp.mt import MtFrame

ALL_ENDPOINTS = 0xFF
_WILDCARD_PROFILE = 0xFFFF
_OK = t.Status.SUCCESS
_LARGEST_INLINE = 220
_HUGE_KEPT_S = 15.0
"""How long the host has to fetch a message that no serial frame holds."""
_RADIUS = 29
_TIMESTAMP_UNIT_S = 0.00032
_NO_ROUTE_S = 0.05


def _register(dongle: ZnpFirmware, request: Any) -> Any:
    number = int(request.Endpoint)
    if not 1 <= number <= 0xFE:
        return c.AF.Register.Rsp(Status=t.Status.INVALID_PARAMETER)
    if number in dongle.stack.endpoints:
        return c.AF.Register.Rsp(Status=t.Status.APS_DUPLICATE_ENTRY)
    dongle.stack.endpoints[number] = Endpoint(
        number,
        int(request.ProfileId),
        int(request.DeviceId),
        int(request.DeviceVersion),
        tuple(int(x) for x in request.InputClusters),
        tuple(int(x) for x in request.OutputClusters),
    )
    return c.AF.Register.Rsp(Status=_OK)


def _delete(dongle: ZnpFirmware, request: Any) -> Any:
    known = dongle.stack.endpoints.pop(int(request.Endpoint), None) is not None
    return c.AF.Delete.Rsp(Status=_OK if known else t.Status.INVALID_PARAMETER)


# --- outgoing


def _data_request(dongle: ZnpFirmware, request: Any) -> Any:
    return request.Rsp(Status=_send(dongle, request, int(request.DstAddr), None))


def _data_request_ext(dongle: ZnpFirmware, request: Any) -> Any:
    mode, address = request.DstAddrModeAddress.mode, request.DstAddrModeAddress.address
    destination: int | None
    group: int | None = None
    if mode == t.AddrMode.IEEE:
        destination = dongle.stack.nwk_of(from_bytes(address.serialize()))
    elif mode == t.AddrMode.Group:
        destination, group = BROADCAST_RX_ON, int(address)
    else:
        destination = int(address)
    if destination is None:
        return request.Rsp(Status=t.Status.NWK_UNKNOWN_DEVICE)
    return request.Rsp(Status=_send(dongle, request, destination, group))


def _send(dongle: ZnpFirmware, request: Any, destination: int, group: int | None) -> Any:
    """Hand a frame to the stack. Its profile is that of the source endpoint: the command has no field for one."""
    source = int(request.SrcEndpoint)
    options = request.Options
    acknowledged = c.af.TransmitOptions.ACK_REQUEST in options and destination < FIRST_BROADCAST
    data = bytes(request.Data)
    if source == 0:
        return zdo.send(dongle, destination, int(request.ClusterId), data, ack=acknowledged)
    endpoint = dongle.stack.endpoints.get(source)
    if endpoint is None:
        return t.Status.INVALID_PARAMETER
    sequence = int(request.TSN)
    if dongle.stack.eui64_of(destination) in dongle.dropped_children:
        dongle.later(lambda: _confirm(dongle, t.Status.NWK_NO_ROUTE, source, sequence), _NO_ROUTE_S)
        return _OK
    wildcard = c.af.TransmitOptions.WILDCARD_PROFILEID in options
    frame = ApsFrame(
        COORDINATOR,
        destination,
        _WILDCARD_PROFILE if wildcard else endpoint.profile,
        int(request.ClusterId),
        source,
        int(request.DstEndpoint),
        dongle.stack.next_counter(),
        data,
        ack_request=acknowledged,
        encrypted=c.af.TransmitOptions.ENABLE_SECURITY in options,
        group=group,
    )

    def done(delivered: bool) -> None:
        # Hosts know that a broadcast is not confirmed; a groupcast is.
        if not frame.broadcast or group is not None:
            _confirm(dongle, _OK if delivered else _failure(dongle, frame), source, sequence)

    error = dongle.stack.send(frame, dongle.guard(done))
    if error is not None:
        return zdo.SEND_STATUS[error]
    dongle.counter_used()
    return _OK


def _confirm(dongle: ZnpFirmware, status: Any, endpoint: int, sequence: int) -> None:
    dongle.notify(c.AF.DataConfirm.Callback(Status=status, Endpoint=endpoint, TSN=sequence))


def _failure(dongle: ZnpFirmware, frame: ApsFrame) -> Any:
    """Return why a frame was not delivered, with the status of the layer that gave up."""
    node = dongle.stack.medium.node_at(frame.destination)
    if node is None and dongle.stack.eui64_of(frame.destination) is None:
        return t.Status.NWK_NO_ROUTE
    if node is not None and node.sleepy:
        return t.Status.MAC_TRANSACTION_EXPIRED
    return t.Status.APS_NO_ACK if frame.ack_request else t.Status.MAC_NO_ACK


# --- incoming


def incoming(dongle: ZnpFirmware, frame: ApsFrame, node: Node | None) -> None:
    """Report a frame for one of its endpoints to the host."""
    if frame.destination_endpoint == ALL_ENDPOINTS:
        targets = [e.endpoint for e in dongle.stack.endpoints.values() if frame.profile in (e.profile, 0xFFFF)]
    else:
        # This build gives a frame to its endpoint whatever the profile.
        targets = [frame.destination_endpoint] if frame.destination_endpoint in dongle.stack.endpoints else []
    if frame.group is not None:
        targets = [e for e in dongle.stack.endpoints if (e, frame.group) in dongle.groups]
    for endpoint in sorted(targets):
        fields = {
            "GroupId": frame.group or 0,
            "ClusterId": frame.cluster,
            "SrcEndpoint": frame.source_endpoint,
            "DstEndpoint": endpoint,
            "WasBroadcast": t.Bool(frame.broadcast),
            "LQI": node.link.lqi if node is not None else 0xFF,
            "TimeStamp": int(asyncio.get_running_loop().time() / _TIMESTAMP_UNIT_S) & 0xFFFFFFFF,
            "TSN": frame.counter,
            "MacSrcAddr": frame.source,
            "MsgResultRadius": _RADIUS,
        }
        if len(frame.payload) <= _LARGEST_INLINE:
            dongle.notify(
                c.AF.IncomingMsg.Callback(
                    **fields,
                    SrcAddr=frame.source,
                    SecurityUse=t.Bool(frame.encrypted),
                    Data=t.ShortBytes(frame.payload),
                )
            )
        else:
            dongle.notify(_huge(dongle, frame, fields))


def _huge(dongle: ZnpFirmware, frame: ApsFrame, fields: dict[str, Any]) -> MtFrame:
    """Announce a message that exceeds one serial frame: the host fetches its data with DataRetrieve."""
    while fields["TimeStamp"] in dongle.huge_messages:
        fields["TimeStamp"] = (fields["TimeStamp"] + 1) & 0xFFFFFFFF
    stamp = fields["TimeStamp"]
    dongle.huge_messages[stamp] = frame.payload

    def forget() -> None:
        dongle.huge_messages.pop(stamp, None)

    dongle.later(forget, _HUGE_KEPT_S)
    announced = encode(
        c.AF.IncomingMsgExt.Callback(
            **{**fields, "TSN": 0},
            SrcAddrModeAddress=t.AddrModeAddress(mode=t.AddrMode.NWK, address=frame.source),
            SrcPanId=0,
            SecurityUse=int(frame.encrypted),
            Data=t.LongBytes(b""),
        )
    )
    length = len(frame.payload).to_bytes(2, "little")
    return MtFrame(announced.cmd0, announced.cmd1, announced.data[:-5] + length + announced.data[-3:])


def _retrieve(dongle: ZnpFirmware, request: Any) -> Any:
    data = dongle.huge_messages.get(int(request.TimeStamp))
    if data is None:
        return c.AF.DataRetrieve.Rsp(Status=t.Status.FAILURE, Data=t.ShortBytes(b""))
    if request.Length == 0:
        del dongle.huge_messages[int(request.TimeStamp)]
        return c.AF.DataRetrieve.Rsp(Status=_OK, Data=t.ShortBytes(b""))
    part = data[request.Index : request.Index + min(request.Length, 248)]
    return c.AF.DataRetrieve.Rsp(Status=_OK, Data=t.ShortBytes(part))


def _fragmentation(dongle: ZnpFirmware, request: Any) -> Any:
    """Set the pause between blocks, the only setting that is simulated: a window is always one block."""
    fragmenter = dongle.stack.fragmenter
    if int(request.Endpoint) not in dongle.stack.endpoints or request.WindowSize != 1 or fragmenter is None:
        return request.Rsp(Status=t.Status.INVALID_PARAMETER)
    fragmenter.spacing_s = request.FrameDelay / 1000
    return request.Rsp(Status=_OK)


def _accepted(dongle: ZnpFirmware, request: Any) -> Any:
    """Accept Inter-PAN settings, which change nothing: the medium has one network."""
    return request.Rsp(Status=_OK)


HANDLERS: dict[Any, Callable[[ZnpFirmware, Any], Any]] = {
    c.AF.Register.Req: _register,
    c.AF.Delete.Req: _delete,
    c.AF.DataRequest.Req: _data_request,
    c.AF.DataRequestExt.Req: _data_request_ext,
    c.AF.DataRequestSrcRtg.Req: _data_request,
    c.AF.DataRetrieve.Req: _retrieve,
    c.AF.APSFConfigSet.Req: _fragmentation,
    c.AF.InterPanCtl.Req: _accepted,
}
