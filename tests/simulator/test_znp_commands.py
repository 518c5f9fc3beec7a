"""MT commands of the simulated Z-Stack dongle, frame by frame."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from znp_bench import DEVICE, DONGLE, SMART_ENERGY, MtHost, TinyNode, c, make_dongle, t

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.crypto.install_code import parse_install_code
from hanctl.simulator.zdo import device_annce
from hanctl.simulator.znp import ZnpDongle
from hanctl.simulator.znp.mt import MtFrame

CODE = parse_install_code("83FED3407A939723A5C639B26916D505C3B5")
OK = t.Status.SUCCESS
Story = Callable[[ZnpDongle, MtHost], Awaitable[None]]


def on_network(story: Story, *, key_table_size: int = 12) -> None:
    """Tell a story to a dongle on a network, with endpoint 1 in the Smart Energy profile."""

    async def main() -> None:
        dongle = make_dongle(key_table_size=key_table_size)
        dongle.power_on()
        host = MtHost(dongle)
        await asyncio.sleep(1)
        await host.form()
        await story(dongle, host)

    virtual.run(main())


async def joined(dongle: ZnpDongle, host: MtHost, **traits: Any) -> TinyNode:
    node = TinyNode(**traits)
    host.permit(60)
    await asyncio.sleep(0.1)
    assert node.join(dongle.stack)
    await asyncio.sleep(0.1)
    return node


# --- the line


def test_a_reset_forgets_what_is_not_in_nvram() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        host.permit(255)
        await asyncio.sleep(0.1)
        assert dongle.stack.permitting
        await host.reset()
        assert [x.Reason for x in host.seen(c.SYS.ResetInd.Callback)][-1] == t.ResetReason.PowerUp
        assert not dongle.stack.up
        assert not dongle.stack.permitting
        assert host.data(0x1234, b"x") == t.Status.INVALID_PARAMETER
        assert host.ask(c.UTIL.GetDeviceInfo.Req()).DeviceState == t.DeviceState.InitializedNotStarted
        await host.start()
        notes = host.seen(c.AppConfig.BDBCommissioningNotification.Callback)
        assert notes[-1].RemainingModes == c.app_config.BDBCommissioningMode.NONE
        assert host.ask(c.UTIL.GetDeviceInfo.Req()).DeviceState == t.DeviceState.StartedAsCoordinator

    on_network(story)


def test_an_unknown_command_is_answered_with_rpc_error_and_counted() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        dongle.data_received(MtFrame(0x21, 0x7F).encode())
        assert host.frames[-1] == MtFrame(0x60, 0x00, b"\x02\x21\x7f")
        dongle.data_received(MtFrame(0x3E, 0x01).encode())
        assert host.frames[-1] == MtFrame(0x60, 0x00, b"\x01\x3e\x01")
        dongle.data_received(MtFrame(0x21, 0x08, b"\x01").encode())
        assert host.frames[-1] == MtFrame(0x60, 0x00, b"\x04\x21\x08")
        assert dongle.faults["command"] == 3

    on_network(story)


def test_bad_frames_are_counted_and_the_good_one_behind_is_answered() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        before = len(host.frames)
        dongle.data_received(b"\xfe\x00\x21\x01\x21" + MtFrame(0x21, 0x01).encode())
        assert [f.cmd0 for f in host.frames[before:]] == [0x61]
        assert dongle.faults == {"fcs": 1}

    on_network(story)


def test_bootloader_bytes_are_no_fault() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        dongle.data_received(b"\xef" + b"\x07" * 256)
        assert host.ask(c.SYS.Ping.Req()).Capabilities & t.MTCapabilities.APP_CNF
        assert not dongle.faults

    on_network(story)


def test_requests_are_answered_in_order() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        before = len(host.frames)
        dongle.data_received(b"".join(MtFrame(0x21, n).encode() for n in (2, 1, 4, 1)))
        assert [(f.cmd0, f.cmd1) for f in host.frames[before:]] == [(0x61, 2), (0x61, 1), (0x61, 4), (0x61, 1)]

    on_network(story)


def test_a_hung_dongle_says_nothing_until_it_is_reset() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        dongle.hang()
        before = len(host.frames)
        host.send(c.SYS.Ping.Req())
        await asyncio.sleep(60)
        assert len(host.frames) == before
        dongle.crash()
        await asyncio.sleep(1)
        assert host.seen(c.SYS.ResetInd.Callback)[-1].Reason == t.ResetReason.Watchdog
        assert host.ask(c.SYS.Ping.Req())

    on_network(story)


def test_a_bad_line_spoils_bytes_both_ways() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        answers: list[bytes] = []
        dongle.detach()
        dongle.attach(answers.append)
        dongle.line.corrupt = dongle.line.drop = 0.05
        ping = MtFrame(0x21, 0x01).encode()
        for _ in range(300):
            dongle.data_received(ping)
        good = sum(a == bytes.fromhex("fe02610179071c") for a in answers)
        assert 50 < good < len(answers) < 300
        assert dongle.faults

    on_network(story)


def test_the_structure_that_shows_the_processors_word_size() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        assert len(host.ask(c.UTIL.AssocFindDevice.Req(Index=0)).Device) == 36
        node = await joined(dongle, host)
        record = host.ask(c.UTIL.AssocFindDevice.Req(Index=0)).Device
        assert len(record) == 36
        assert int.from_bytes(record[:2], "little") == node.nwk
        relation = c.util.NodeRelation
        counted = host.ask(c.UTIL.AssocCount.Req(StartRelation=relation.PARENT, EndRelation=relation.OTHER))
        assert counted.Count == 1

    on_network(story)


# --- data


def test_the_profile_is_that_of_the_source_endpoint() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        assert host.register(2, 0x0104) == OK
        assert host.register(2, 0x0104) == t.Status.APS_DUPLICATE_ENTRY
        node = await joined(dongle, host)
        assert node.nwk is not None
        assert host.data(node.nwk, b"one", endpoint=1, options=0) == OK
        assert host.data(node.nwk, b"two", endpoint=2, options=0x50) == OK
        assert host.data(node.nwk, b"three", endpoint=3) == t.Status.INVALID_PARAMETER
        await asyncio.sleep(1)
        assert [(f.profile, f.source_endpoint, f.payload) for f in node.heard] == [
            (SMART_ENERGY, 1, b"one"),
            (0x0104, 2, b"two"),
        ]
        assert [(f.encrypted, f.ack_request) for f in node.heard] == [(False, False), (True, True)]

    on_network(story)


@pytest.mark.parametrize(
    ("traits", "options", "status"),
    [
        ({"powered": False}, 0x10, t.Status.APS_NO_ACK),
        ({"powered": False}, 0x00, t.Status.MAC_NO_ACK),
        ({"sleepy": True}, 0x10, t.Status.MAC_TRANSACTION_EXPIRED),
        ({}, 0x10, t.Status.SUCCESS),
    ],
)
def test_each_way_of_not_delivering_has_its_status(traits: dict[str, Any], options: int, status: Any) -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host)
        for name, value in traits.items():
            setattr(node, name, value)
        assert node.nwk is not None
        assert host.data(node.nwk, b"hello", options=options, tsn=99) == OK
        await asyncio.sleep(20)
        confirms = host.seen(c.AF.DataConfirm.Callback)
        assert [(x.Status, x.Endpoint, x.TSN) for x in confirms] == [(status, 1, 99)]

    on_network(story)


def test_a_sleepy_child_gets_its_frame_when_it_polls() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host, sleepy=True)
        assert node.nwk is not None
        assert host.data(node.nwk, b"hello") == OK
        await asyncio.sleep(5)
        assert not node.heard
        assert not host.seen(c.AF.DataConfirm.Callback)
        dongle.stack.medium.poll(node)
        await asyncio.sleep(1)
        assert [f.payload for f in node.heard] == [b"hello"]
        assert [x.Status for x in host.seen(c.AF.DataConfirm.Callback)] == [OK]

    on_network(story)


def test_nobody_has_the_address() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        assert host.data(0x4242, b"hello") == OK
        await asyncio.sleep(20)
        assert host.seen(c.AF.DataConfirm.Callback)[0].Status == t.Status.NWK_NO_ROUTE
        check = c.ZDO.ExtRouteChk.Req(Dst=0x4242, RtStatus=c.zdo.RouteStatus.ACTIVE, Options=c.zdo.RouteOptions(0))
        assert host.ask(check).Status != OK

    on_network(story)


def test_without_a_network_nothing_is_sent() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        await host.reset()
        host.register(1, SMART_ENERGY)
        assert host.data(0x4242, b"hello") == t.Status.NWK_INVALID_REQUEST
        assert not host.seen(c.AF.DataConfirm.Callback)

    on_network(story)


def test_more_than_the_stack_holds_is_refused() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host)
        assert node.nwk is not None
        taken = [host.data(node.nwk, b"x", tsn=n) for n in range(40)]
        assert taken.count(t.Status.MEM_ERROR) > 0
        await asyncio.sleep(5)
        assert len(host.seen(c.AF.DataConfirm.Callback)) == taken.count(OK)

    on_network(story)


def test_a_confirmation_does_not_outlive_a_reset() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host)
        node.powered = False
        assert node.nwk is not None
        assert host.data(node.nwk, b"hello") == OK
        await host.reset()
        await host.start()
        await asyncio.sleep(20)
        assert not host.seen(c.AF.DataConfirm.Callback)

    on_network(story)


def test_an_incoming_message_shows_its_security() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host)
        node.say(dongle.stack, b"plain")
        node.say(dongle.stack, b"secret", encrypted=True)
        await asyncio.sleep(1)
        messages = host.seen(c.AF.IncomingMsg.Callback)
        assert [(bytes(m.Data), bool(m.SecurityUse)) for m in messages] == [(b"plain", False), (b"secret", True)]
        assert {(m.SrcAddr, m.MacSrcAddr, m.DstEndpoint, m.TSN) for m in messages} == {(node.nwk, node.nwk, 1, 33)}

    on_network(story)


def test_a_huge_message_is_fetched_in_parts() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host)
        data = bytes(n & 0xFF for n in range(600))
        node.say(dongle.stack, data)
        await asyncio.sleep(1)
        (announced,) = [f for f in host.frames if (f.cmd0, f.cmd1) == (0x44, 0x82)]
        # Group, cluster, mode, address, endpoint, PAN, endpoint, broadcast, quality, security: 20 bytes.
        stamp = int.from_bytes(announced.data[20:24], "little")
        assert int.from_bytes(announced.data[25:27], "little") == len(data)
        assert len(announced.data) == 30
        parts = [
            bytes(host.ask(c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=at, Length=240)).Data) for at in (0, 240, 480)
        ]
        assert b"".join(parts) == data
        assert host.ask(c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=0, Length=0)).Status == OK
        assert host.ask(c.AF.DataRetrieve.Req(TimeStamp=stamp, Index=0, Length=9)).Status == t.Status.FAILURE

    on_network(story)


# --- ZDO


def test_an_announcement_comes_typed_or_generic_as_asked() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host)
        assert node.nwk is not None
        payload = device_annce(5, node.eui64, node.nwk, 0x8E)
        node.say(dongle.stack, payload, profile=0, cluster=0x0013)
        await asyncio.sleep(1)
        assert not host.seen(c.ZDO.EndDeviceAnnceInd.Callback)
        host.ask(c.SYS.OSALNVWriteExt.Req(Id=0x8F, Offset=0, Value=t.LongBytes(b"\x01")))
        host.ask(c.ZDO.MsgCallbackRegister.Req(ClusterId=0x0013))
        node.say(dongle.stack, payload, profile=0, cluster=0x0013)
        await asyncio.sleep(1)
        (typed,) = host.seen(c.ZDO.EndDeviceAnnceInd.Callback)
        assert (typed.NWK, typed.IEEE.serialize()) == (node.nwk, to_bytes(node.eui64))
        (generic,) = host.seen(c.ZDO.MsgCbIncoming.Callback)
        assert (generic.Src, generic.TSN, bytes(generic.Data)) == (node.nwk, 5, payload[1:])

    on_network(story)


def test_the_dongle_describes_itself() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        host.ask(c.SYS.OSALNVWriteExt.Req(Id=0x8F, Offset=0, Value=t.LongBytes(b"\x01")))
        host.ask(c.ZDO.ActiveEpReq.Req(DstAddr=0, NWKAddrOfInterest=0))
        host.ask(c.ZDO.SimpleDescReq.Req(DstAddr=0, NWKAddrOfInterest=0, Endpoint=1))
        host.ask(c.ZDO.NodeDescReq.Req(DstAddr=0, NWKAddrOfInterest=0))
        await asyncio.sleep(1)
        assert list(host.seen(c.ZDO.ActiveEpRsp.Callback)[0].ActiveEndpoints) == [1]
        assert host.seen(c.ZDO.SimpleDescRsp.Callback)[0].SimpleDescriptor.profile == SMART_ENERGY
        assert host.seen(c.ZDO.NodeDescRsp.Callback)[0].NodeDescriptor.logical_type == 0

    on_network(story)


def test_a_device_that_comes_and_goes_is_reported() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        node = await joined(dongle, host)
        (came,) = host.seen(c.ZDO.TCDevInd.Callback)
        assert (came.SrcNwk, came.SrcIEEE.serialize()) == (node.nwk, to_bytes(DEVICE))
        nwk = node.nwk
        dongle.stack.medium.leave(node)
        (went,) = host.seen(c.ZDO.LeaveInd.Callback)
        assert (went.NWK, went.IEEE.serialize()) == (nwk, to_bytes(DEVICE))

    on_network(story)


@pytest.mark.parametrize("destination", [0x0000, 0xFFFC])
def test_permission_to_join_runs_out(destination: int) -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        host.ask(c.SYS.OSALNVWriteExt.Req(Id=0x8F, Offset=0, Value=t.LongBytes(b"\x01")))
        assert host.permit(30, destination) == OK
        await asyncio.sleep(1)
        assert [x.Src for x in host.seen(c.ZDO.MgmtPermitJoinRsp.Callback)] == [0x0000]
        assert dongle.stack.permitting
        await asyncio.sleep(30)
        assert not dongle.stack.permitting

    on_network(story)


def test_the_network_moves_to_another_channel_for_good() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        request = c.ZDO.MgmtNWKUpdateReq.Req(
            Dst=0,
            DstAddrMode=t.AddrMode.NWK,
            Channels=t.Channels.CHANNEL_25,
            ScanDuration=0xFE,
            ScanCount=0,
            NwkManagerAddr=0,
        )
        assert host.ask(request).Status == OK
        await asyncio.sleep(1)
        await host.reset()
        await host.start()
        network = dongle.stack.network
        assert network is not None
        assert (network.channel, network.update_id) == (25, 1)

    on_network(story)


# --- joining and keys


def test_install_codes_in_both_forms() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        formats = c.app_config.InstallCodeFormat
        ieee = t.EUI64.deserialize(to_bytes(DEVICE))[0]

        def add(kind: Any, data: bytes) -> Any:
            request = c.AppConfig.BDBAddInstallCode.Req(InstallCodeFormat=kind, IEEE=ieee, InstallCode=t.Bytes(data))
            return host.ask(request).Status

        assert add(formats.InstallCodeAndCRC, CODE.with_crc[:-1] + b"\x00") == t.Status.INVALID_PARAMETER
        assert add(formats.InstallCodeAndCRC, CODE.code) == t.Status.INVALID_PARAMETER
        assert dongle.stack.transient_key(DEVICE) is None
        assert add(formats.InstallCodeAndCRC, CODE.with_crc) == OK
        assert dongle.stack.transient_key(DEVICE) == CODE.link_key
        dongle.stack.clear_transient_keys()
        assert add(formats.KeyDerivedFromInstallCode, CODE.link_key) == OK
        assert dongle.stack.transient_key(DEVICE) == CODE.link_key

    on_network(story)


def test_without_install_codes_required_the_well_known_key_opens() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        host.ask(c.AppConfig.BDBSetJoinUsesInstallCodeKey.Req(BdbJoinUsesInstallCodeKey=True))
        host.permit(60)
        await asyncio.sleep(1)
        node = TinyNode()
        assert not node.join(dongle.stack)
        host.ask(c.AppConfig.BDBSetJoinUsesInstallCodeKey.Req(BdbJoinUsesInstallCodeKey=False))
        assert node.join(dongle.stack)

    on_network(story)


def test_a_full_link_key_table_is_an_error() -> None:
    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        ieees = [t.EUI64.deserialize(to_bytes(Eui64(f"70:b3:d5:00:00:00:00:0{n}")))[0] for n in range(4)]

        def put(ieee: Any) -> Any:
            return host.ask(c.ZDO.SetLinkKey.Req(NWK=0xFFFE, IEEE=ieee, LinkKeyData=t.KeyData(b"K" * 16))).Status

        assert [put(ieee) for ieee in ieees] == [OK, OK, OK, t.Status.NWK_TABLE_FULL]
        assert bytes(host.ask(c.UTIL.APSMELinkKeyDataGet.Req(IEEE=ieees[1])).SecKey.serialize()) == b"K" * 16
        assert host.ask(c.UTIL.APSMELinkKeyDataGet.Req(IEEE=ieees[3])).Status == t.Status.FAILURE
        assert host.ask(c.ZDO.RemoveLinkKey.Req(IEEE=ieees[0])).Status == OK
        assert host.ask(c.ZDO.RemoveLinkKey.Req(IEEE=ieees[0])).Status == t.Status.NWK_UNKNOWN_DEVICE
        assert put(ieees[3]) == OK
        await host.reset()
        assert host.ask(c.ZDO.GetLinkKey.Req(IEEE=ieees[3])).Status == OK
        assert host.ask(c.SYS.GetExtAddr.Req()).ExtAddr.serialize() == to_bytes(DONGLE)

    on_network(story, key_table_size=3)


# --- whatever comes


_scripts = st.lists(st.one_of(st.binary(max_size=80), st.integers(0, 2**32 - 1)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(_scripts)
def test_no_bytes_bring_the_firmware_down(script: list[bytes | int]) -> None:
    _torment(script)


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(_scripts)
def test_no_bytes_bring_the_firmware_down_for_long(script: list[bytes | int]) -> None:
    _torment(script)


def _torment(script: list[bytes | int]) -> None:
    """Raw bytes, and well-formed frames of every known command with random contents; then it still answers."""
    headers = sorted(int(h) for h, cls in c.COMMANDS_BY_ID.items() if cls is cls.Req)

    async def story(dongle: ZnpDongle, host: MtHost) -> None:
        dongle.detach()
        written: list[bytes] = []
        dongle.attach(written.append)
        for step in script:
            if isinstance(step, bytes):
                dongle.data_received(step)
            else:
                rng = random.Random(step)
                header = rng.choice(headers)
                data = rng.randbytes(rng.choice((0, 1, 2, 3, 5, 9, 11, 13, 20, 30, 60)))
                dongle.data_received(MtFrame(header & 0xFF, header >> 8, data).encode())
            await asyncio.sleep(0.05)
        await asyncio.sleep(400)
        dongle.data_received(bytes(256))
        del written[:]
        dongle.data_received(MtFrame(0x21, 0x01).encode())
        assert written == [bytes.fromhex("fe02610179071c")]

    on_network(story)
