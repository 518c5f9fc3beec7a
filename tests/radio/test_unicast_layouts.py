"""The short way's own packing and unpacking, against the schemas of the radio libraries."""

from __future__ import annotations

from typing import Any

import bellows.types as bt
import pytest
import zigpy_znp.commands
import zigpy_znp.types
from bellows.ezsp import EZSP
from zigpy_znp.frames import GeneralFrame

from hanctl.radio.ezsp import unicasts as ezsp_unicasts
from hanctl.radio.znp import unicasts as znp_unicasts

c: Any = zigpy_znp.commands
zt: Any = zigpy_znp.types
VERSIONS = [version for version in EZSP._BY_VERSION if version >= ezsp_unicasts.FIRST_VERSION]
APS = (0x0109, 0x0019, 3, 4, 0x0160, 0x0506, 7)


def aps() -> Any:
    names = ("profileId", "clusterId", "sourceEndpoint", "destinationEndpoint", "options", "groupId", "sequence")
    return bt.EmberApsFrame(**dict(zip(names, APS, strict=True)))


def layout(version: int) -> ezsp_unicasts.Layout:
    return ezsp_unicasts.BEFORE_14 if version < 14 else ezsp_unicasts.SINCE_14


def schema(version: int, name: str, which: int) -> dict[str, Any]:
    commands: Any = EZSP._BY_VERSION[version].COMMANDS
    return dict(commands[name][which])


def packed(version: int, name: str, which: int, values: dict[str, Any]) -> bytes:
    """As the library serializes what it calls by one of these names."""
    fields = schema(version, name, which)
    data = b""
    for field, kind in fields.items():
        (value,) = [value for names, value in values.items() if field in names.split()]
        data += kind(value).serialize()
    return data


@pytest.mark.parametrize("version", VERSIONS)
def test_a_command_to_send(version: int) -> None:
    frame = layout(version).request.pack(0, 0x1234, *APS, 9, 3) + b"abc"
    values = {
        "type message_type": 0,
        "indexOrDestination nwk": 0x1234,
        "apsFrame aps_frame": aps(),
        "messageTag message_tag": 9,
        "messageContents message": b"abc",
    }
    assert frame == packed(version, "sendUnicast", 1, values)


@pytest.mark.parametrize("version", VERSIONS)
def test_its_response(version: int) -> None:
    data = packed(version, "sendUnicast", 2, {"status": 0x70, "sequence": 5})
    assert layout(version).response.unpack(data) == (0x70, 5)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_became_of_it(version: int) -> None:
    values = {
        "type message_type": 0,
        "indexOrDestination nwk": 0x1234,
        "apsFrame aps_frame": aps(),
        "messageTag message_tag": 9,
        "status": 0x66,
        "messageContents message": b"",
    }
    here = layout(version)
    fields = here.sent.unpack(packed(version, "messageSentHandler", 2, values))
    assert [fields[index] for index in here.sent_fields] == [0x1234, 9, 0x66]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_message(version: int) -> None:
    values = {
        "type message_type": 0,
        "apsFrame aps_frame": aps(),
        "lastHopLqi lqi": 200,
        "lastHopRssi rssi": -48,
        "sender nwk": 0x1234,
        "eui64": bt.EUI64.convert("00:0d:6f:00:0a:90:69:e7"),
        "bindingIndex binding_index": 255,
        "addressIndex address_index": 254,
        "timestamp": 5,
        "messageContents message": b"abc",
    }
    here = layout(version)
    data = packed(version, "incomingMessageHandler", 2, values)
    fields = here.incoming.unpack_from(data)
    assert fields[1:8] == APS
    assert [fields[index] for index in here.incoming_fields] == [0x1234, 200, -48]
    assert data[here.incoming.size :] == b"abc"
    assert fields[-1] == 3


def test_a_request_to_z_stack() -> None:
    request = c.AF.DataRequest.Req(
        DstAddr=0x1234,
        DstEndpoint=4,
        SrcEndpoint=3,
        ClusterId=0x19,
        TSN=9,
        Options=c.af.TransmitOptions(0x70),
        Radius=0,
        Data=b"abc",
    )
    frame = znp_unicasts.REQUEST.pack(0x1234, 4, 3, 0x19, 9, 0x70, 0, 3) + b"abc"
    assert request.to_frame(align=False) == GeneralFrame(c.AF.DataRequest.Req.header, zt.Bytes(frame))


def test_a_message_of_z_stack() -> None:
    message = c.AF.IncomingMsg.Callback(
        GroupId=0,
        ClusterId=0x19,
        SrcAddr=0x1234,
        SrcEndpoint=4,
        DstEndpoint=3,
        WasBroadcast=zt.Bool.false,
        LQI=200,
        SecurityUse=zt.Bool.true,
        TimeStamp=0x01020304,
        TSN=9,
        Data=b"abc",
        MacSrcAddr=0x1234,
        MsgResultRadius=29,
    )
    data = message.to_frame(align=False).data
    fields = znp_unicasts.INCOMING.unpack_from(data)
    assert fields == (0, 0x19, 0x1234, 4, 3, 0, 200, 1, 0x01020304, 9, 3)
    assert len(data) == znp_unicasts.INCOMING.size + 3 + znp_unicasts.INCOMING_TAIL
