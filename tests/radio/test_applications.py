"""The two applications, without a serial line: what reaches the hub, and what is asked of the dongle."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import bellows.types as bt
import pytest
import zigpy.types as t
import zigpy.zdo.types as zdo_t
import zigpy_znp.commands
import zigpy_znp.types as zt
from zigpy_znp.exceptions import CommandNotRecognized

from hanctl.radio import DongleSettings
from hanctl.radio.application import HubApplication
from hanctl.radio.errors import ForeignNetwork, UnsupportedFirmware
from hanctl.radio.ezsp.application import application as ezsp_application
from hanctl.radio.frames import IncomingFrame
from hanctl.radio.znp.application import application as znp_application

c: Any = zigpy_znp.commands
z: Any = t
DEVICE = t.EUI64.convert("00:0d:6f:00:0a:90:69:e7")
KEY = bytes(range(16))


class Heard:
    def __init__(self) -> None:
        self.frames: list[IncomingFrame] = []
        self.joined: list[tuple[str, int]] = []
        self.left: list[tuple[str, int]] = []
        self.denied: list[tuple[str, str]] = []
        self.lost: list[str] = []

    def frame_received(self, frame: IncomingFrame) -> None:
        self.frames.append(frame)

    def node_joined(self, ieee: t.EUI64, nwk: int) -> None:
        self.joined.append((str(ieee), nwk))

    def node_left(self, ieee: t.EUI64, nwk: int) -> None:
        self.left.append((str(ieee), nwk))

    def address_conflict(self, nwk: int) -> None: ...

    def partner_key_asked(self, ieee: Any, given: bool, detail: str) -> None: ...

    def node_denied(self, ieee: t.EUI64, how: str) -> None:
        self.denied.append((str(ieee), how))

    def line_lost(self, reason: str) -> None:
        self.lost.append(reason)


class Ncp:
    """Takes every EZSP command, records it, and answers OK."""

    ezsp_version = 13

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.state = bt.EmberNetworkStatus.NO_NETWORK

    def __getattr__(self, name: str) -> Any:
        async def command(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, kwargs or {"args": args}))
            match name:
                case "networkState":
                    return (self.state,)
                case "add_transient_link_key":
                    return bt.sl_Status.OK
                case "lookupEui64ByNodeId":
                    return bt.EmberStatus.SUCCESS, DEVICE
            return (bt.EmberStatus.SUCCESS,)

        return command


class Znp:
    """Takes every MT request and records it."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    async def request(self, request: Any, **expected: Any) -> None:
        self.requests.append(request)

    async def request_callback_rsp(self, *, request: Any, callback: Any, **expected: Any) -> Any:
        self.requests.append(request)
        return c.AF.DataConfirm.Callback(Status=zt.Status.SUCCESS, Endpoint=1, TSN=1)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
async def ezsp(heard: Heard) -> Any:
    app: Any = ezsp_application(DongleSettings("ezsp", "/dev/null"), heard)
    app._ezsp = Ncp()
    app.state.node_info.nwk = z.NWK(0)
    return app


@pytest.fixture
async def znp(heard: Heard) -> Any:
    app: Any = znp_application(DongleSettings("znp", "/dev/null"), heard)
    app._znp = Znp()
    app.state.node_info.nwk = z.NWK(0)
    return app


@pytest.fixture(params=["ezsp", "znp"])
def app(request: pytest.FixtureRequest, ezsp: Any, znp: Any) -> Any:
    return ezsp if request.param == "ezsp" else znp


def packet(source: int, *, profile: int = 0x0109, endpoint: int = 1, broadcast: bool = False) -> t.ZigbeePacket:
    mode = t.AddrMode.Broadcast if broadcast else t.AddrMode.NWK
    return t.ZigbeePacket(
        src=t.AddrModeAddress(t.AddrMode.NWK, z.NWK(source)),
        src_ep=z.uint8_t(7 if endpoint else 0),
        dst=t.AddrModeAddress(mode, z.BroadcastAddress(0xFFFD) if broadcast else z.NWK(0)),
        dst_ep=z.uint8_t(endpoint),
        tsn=z.uint8_t(99),
        profile_id=z.uint16_t(profile),
        cluster_id=z.uint16_t(0x0019),
        data=t.SerializableBytes(b"\x01\x02\x03"),
        tx_options=t.TransmitOptions.APS_Encryption,
        lqi=z.uint8_t(200),
        rssi=z.int8s(-60),
    )


async def test_frames_of_nodes_reach_the_hub_and_not_zigpy(app: HubApplication, heard: Heard) -> None:
    app.packet_received(packet(0x1234))
    app.packet_received(packet(0x1234, profile=0, endpoint=0, broadcast=True))
    assert heard.frames[0] == IncomingFrame(
        source_nwk=0x1234,
        source_endpoint=7,
        destination_endpoint=1,
        profile=0x0109,
        cluster=0x0019,
        payload=b"\x01\x02\x03",
        aps_counter=99,
        aps_encrypted=True,
        broadcast=False,
        lqi=200,
        rssi=-60,
    )
    assert (heard.frames[1].profile, heard.frames[1].broadcast) == (0, True)
    assert app.devices == {}


async def test_joins_and_leaves_make_no_zigpy_device(app: HubApplication, heard: Heard) -> None:
    app.handle_join(z.NWK(0x1234), DEVICE, None)
    app.handle_leave(z.NWK(0x1234), DEVICE)
    app.handle_relays(z.NWK(0x1234), [])
    assert heard.joined == heard.left == [(str(DEVICE), 0x1234)]
    assert app.devices == {}


async def test_a_lost_line_is_told(app: HubApplication, heard: Heard) -> None:
    app.connection_lost(None)
    app.connection_lost(OSError(5, "Input/output error"))
    assert heard.lost == ["the serial line was closed", "OSError: [Errno 5] Input/output error"]


async def test_another_network_is_not_started(app: HubApplication) -> None:
    app.state.node_info.logical_type = zdo_t.LogicalType.Router
    with pytest.raises(ForeignNetwork):
        await app.start_network()


async def test_ezsp_does_not_form_over_a_running_network(ezsp: Any) -> None:
    ezsp._ezsp.state = bt.EmberNetworkStatus.JOINED_NETWORK
    with pytest.raises(ForeignNetwork):
        await ezsp.form_network()
    assert [name for name, _ in ezsp._ezsp.calls] == ["networkState"]


async def test_ezsp_opens_for_one_key_and_closes(ezsp: Any) -> None:
    await ezsp.open_network(DEVICE, KEY, 60)
    await ezsp.close_network()
    assert ezsp._ezsp.calls == [
        ("add_transient_link_key", {"args": (DEVICE, bt.KeyData(KEY))}),
        ("setPolicy", {"policyId": bt.EzspPolicyId.TRUST_CENTER_POLICY, "decisionId": 0x13}),
        ("permitJoining", {"args": (60,)}),
        ("permitJoining", {"args": (0,)}),
        ("setPolicy", {"policyId": bt.EzspPolicyId.TRUST_CENTER_POLICY, "decisionId": 0x02}),
    ]


async def test_ezsp_gives_no_well_known_key_at_start(ezsp: Any) -> None:
    await ezsp.permit(0)
    assert {name for name, _ in ezsp._ezsp.calls} == {"permitJoining", "setPolicy"}


async def test_ezsp_tells_the_stack_once_that_a_destination_sleeps(ezsp: Any) -> None:
    await ezsp.prepare_sleepy(0x1234)
    await ezsp.prepare_sleepy(0x1234)
    assert [name for name, _ in ezsp._ezsp.calls] == ["lookupEui64ByNodeId", "set_extended_timeout"]


async def test_ezsp_callbacks(ezsp: Any, heard: Heard) -> None:
    ezsp.ezsp_callback_handler(
        "trustCenterJoinHandler",
        [0x1234, DEVICE, bt.EmberDeviceUpdate.DEVICE_LEFT, bt.EmberJoinDecision.NO_ACTION, 0],
    )
    ezsp.ezsp_callback_handler(
        "trustCenterJoinHandler",
        [
            0x1235,
            DEVICE,
            bt.EmberDeviceUpdate.STANDARD_SECURITY_SECURED_REJOIN,
            bt.EmberJoinDecision.NO_ACTION,
            0,
        ],
    )
    ezsp.ezsp_callback_handler("stackStatusHandler", [bt.EmberStatus.NETWORK_DOWN])
    assert heard.left == [(str(DEVICE), 0x1234)]
    assert heard.joined == [(str(DEVICE), 0x1235)]
    assert heard.lost == ["the dongle's network went down"]


async def test_ezsp_lets_nobody_join_at_start_and_gives_no_trust_centre_key(ezsp: Any) -> None:
    policies = ezsp.config["ezsp_policies"]
    assert policies["TRUST_CENTER_POLICY"] == 0x02
    assert policies["TC_KEY_REQUEST_POLICY"] == 0x50
    # Keys for two devices with each other are the firmware's to give.
    assert policies["APP_KEY_REQUEST_POLICY"] == 0x61
    assert ezsp.config["ezsp_config"]["CONFIG_TC_REJOINS_USING_WELL_KNOWN_KEY_TIMEOUT_S"] == 0


@pytest.mark.parametrize(
    ("update", "how"),
    [
        (bt.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_JOIN, "join"),
        (bt.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_REJOIN, "rejoin"),
    ],
)
async def test_ezsp_tells_of_who_was_denied_and_leaves_its_key_alone(
    ezsp: Any, heard: Heard, update: bt.EmberDeviceUpdate, how: str
) -> None:
    ezsp.ezsp_callback_handler("trustCenterJoinHandler", [0x1234, DEVICE, update, bt.EmberJoinDecision.DENY_JOIN, 0])
    await asyncio.sleep(0)
    assert heard.denied == [(str(DEVICE), how)]
    assert heard.joined == []
    assert ezsp._ezsp.calls == []


async def test_znp_lets_nobody_rejoin_nor_removes_who_keeps_its_key(znp: Any) -> None:
    await znp._close_for_good()
    told = {type(request).__qualname__.split(".")[-2]: request for request in znp._znp.requests}
    assert told["BDBSetJoinUsesInstallCodeKey"].BdbJoinUsesInstallCodeKey
    assert told["SetAllowRejoinTCPolicy"].AllowRejoin
    assert not told["BDBSetTcRequireKeyExchange"].BdbTrustCenterRequireKeyExchange


async def test_znp_opens_for_one_key_and_does_not_sleep(znp: Any) -> None:
    await znp.open_network(DEVICE, KEY, 60)
    key, permit = znp._znp.requests
    assert (key.IEEE, bytes(key.InstallCode)) == (DEVICE, KEY)
    assert key.InstallCodeFormat == c.app_config.InstallCodeFormat.KeyDerivedFromInstallCode
    assert (permit.Dst, permit.Duration) == (0x0000, 60)


async def test_znp_does_not_repeat_the_key_in_an_error(znp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(request: Any, **expected: Any) -> None:
        raise CommandNotRecognized(f"Fatal request error in response to {request}")

    monkeypatch.setattr(znp._znp, "request", refuse)
    with pytest.raises(UnsupportedFirmware) as caught:
        await znp.open_network(DEVICE, KEY, 60)
    told = "".join(traceback.format_exception(caught.value)).replace(" ", "").lower()
    assert "installcode=" not in told
    assert KEY[:4].hex() not in told.replace("\\x", "")


@pytest.mark.parametrize("endpoint", [1, 2])
async def test_znp_sends_from_the_endpoint_it_is_told(znp: Any, endpoint: int) -> None:
    outgoing = t.ZigbeePacket(
        priority=t.PacketPriority.CRITICAL,
        src_ep=z.uint8_t(endpoint),
        dst=t.AddrModeAddress(t.AddrMode.NWK, z.NWK(0x1234)),
        dst_ep=z.uint8_t(7),
        tsn=z.uint8_t(1),
        profile_id=z.uint16_t(0x0109),
        cluster_id=z.uint16_t(0x0019),
        data=t.SerializableBytes(b"\x01\x02\x03"),
    )
    await znp.send_packet(outgoing)
    (request,) = znp._znp.requests
    assert (request.SrcEndpoint, request.DstEndpoint, request.TSN) == (endpoint, 7, 1)


async def test_znp_knows_no_other_profile_than_ours(znp: Any, heard: Heard) -> None:
    # The library says 0x0104 for an endpoint it does not know yet.
    znp.packet_received(packet(0x1234, profile=0x0104))
    znp.packet_received(packet(0x1234, profile=0x0000, endpoint=0))
    assert [frame.profile for frame in heard.frames] == [0x0109, 0x0000]
