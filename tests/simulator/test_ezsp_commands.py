"""EZSP commands, frame by frame, against the stack and the flash file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import bellows.types as t
import pytest
from ezsp_support import BOOT_WAIT_S, DONGLE, NETWORK_KEY, NODE, BareHost, Rig, TinyNode, form, rig
from hypothesis import given, settings
from hypothesis import strategies as st

from hanctl.base import virtual
from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.simulator.dongle import SimulatorError
from hanctl.simulator.ezsp import PROTOCOL_VERSIONS
from hanctl.simulator.ezsp.ash_frames import ResetCode, RstAck
from hanctl.simulator.ezsp.tokens import COUNTER_STEP
from hanctl.simulator.network.trust_centre import JoinPolicy

KEY = bytes(range(100, 116))
Body = Callable[[Rig, BareHost], Awaitable[None]]
versions = pytest.mark.parametrize("version", [13, 14, 18, 19])


def eui(address: Eui64) -> t.EUI64:
    return t.EUI64.deserialize(to_bytes(address))[0]


def run(body: Body, *, version: int = 13, formed: bool = True, path: Path | None = None, **kw: Any) -> None:
    async def main() -> None:
        bench = rig(path, version=version, **kw)
        host = BareHost(bench.dongle, version)
        host.reset()
        await asyncio.sleep(BOOT_WAIT_S)
        host.negotiate()
        if formed:
            form(host)
        await body(bench, host)
        assert not bench.dongle.faults

    virtual.run(main())


def unicast(host: BareHost, nwk: int, payload: bytes, *, tag: int = 5, options: int = 0x40) -> Any:
    aps = t.EmberApsFrame(
        profileId=0x0109,
        clusterId=0x0019,
        sourceEndpoint=1,
        destinationEndpoint=1,
        options=options,
        groupId=0,
        sequence=0,
    )
    if host.version >= 14:
        return host.call("sendUnicast", message_type=0, nwk=nwk, aps_frame=aps, message_tag=tag, message=payload)
    return host.call(
        "sendUnicast", type=0, indexOrDestination=nwk, apsFrame=aps, messageTag=tag, messageContents=payload
    )


def transient(host: BareHost, address: Eui64, key: bytes) -> None:
    host.call("importTransientKey", eui64=eui(address), plaintext_key=t.KeyData(key), flags=0)


def import_key(host: BareHost, index: int, address: Eui64, key: bytes = KEY) -> int:
    return int(host.call("importLinkKey", index=index, address=eui(address), key=t.KeyData(key))[0])


def address(number: int) -> Eui64:
    return Eui64(f"00:0d:6f:00:0c:00:00:{number:02x}")


@pytest.mark.parametrize("version", PROTOCOL_VERSIONS)
def test_version_is_agreed_in_both_header_forms(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        assert [type(f) for f in host.frames[:1]] == [RstAck]
        assert host.frames[0] == RstAck(ResetCode.SOFTWARE)
        assert host.call("version", desiredProtocolVersion=version)[:2] == (version, 2)

    run(body, version=version, formed=False)


def test_an_unknown_version_is_refused_by_name() -> None:
    with pytest.raises(SimulatorError, match="12"):
        rig(version=12)


def test_commands_before_the_version_and_unknown_ones_are_faults() -> None:
    async def main() -> None:
        bench = rig()
        host = BareHost(bench.dongle)
        with pytest.raises(LookupError):
            host.call("nop")
        assert bench.dongle.faults == {"ezsp-version": 1}
        host.negotiate()
        host.send_frame(bytes([9, 0, 1, 0x77, 0x66]))
        assert bench.dongle.faults == {"ezsp-version": 1, "ezsp-frame": 1}
        with pytest.raises(LookupError):
            host.call("customFrame", payload=b"\0\0\0")
        assert bench.dongle.faults == {"ezsp-version": 1, "ezsp-frame": 1}

    virtual.run(main())


@versions
def test_network_up_comes_after_the_reply_with_the_answered_sequence(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        (reply, _), (callback, is_callback) = host.sequences[-2:]
        assert is_callback
        assert callback == reply
        expected = 0x90 if version < 14 else t.sl_Status.NETWORK_UP
        assert host.take_callbacks("stackStatusHandler") == [{"status": expected}]

    run(body, version=version)


@versions
def test_a_network_survives_power_and_comes_up_only_when_asked(version: int, tmp_path: Path) -> None:
    path = tmp_path / "flash.json"

    async def first(bench: Rig, host: BareHost) -> None:
        import_key(host, 0xFF, NODE)

    async def second(bench: Rig, host: BareHost) -> None:
        assert host.call("networkState") == (0,)
        assert host.call("getNetworkParameters")[0] != 0
        assert host.call("networkInit", networkInitBitmask=0)[0] == 0
        status, kind, parameters = host.call("getNetworkParameters")
        assert (status, kind) == (0, t.EmberNodeType.COORDINATOR)
        assert (parameters.panId, parameters.radioChannel) == (0x1A62, 15)
        assert bench.stack.network is not None
        assert bench.stack.network.key == NETWORK_KEY
        assert host.call("findKeyTableEntry", address=eui(NODE), linkKey=True) == (0,)

    run(first, version=version, path=path)
    assert path.stat().st_mode & 0o777 == 0o600
    run(second, version=version, formed=False, path=path)


def test_a_reset_forgets_what_is_volatile_and_keeps_the_network() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        host.call("setPolicy", policyId=0, decisionId=0x10)
        assert bench.stack.policy == JoinPolicy(allow_joins=False, install_codes_only=True)
        host.reset()
        await asyncio.sleep(BOOT_WAIT_S)
        assert not bench.stack.up
        assert not bench.stack.endpoints
        assert bench.stack.policy == JoinPolicy()
        host.negotiate()
        assert host.call("networkInit", networkInitBitmask=0)[0] == 0
        assert bench.stack.up

    run(body)


def test_the_frame_counter_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "flash.json"
    used: list[int] = []

    async def body(bench: Rig, host: BareHost) -> None:
        host.call("networkInit", networkInitBitmask=0)
        assert bench.stack.network is not None
        for _ in range(COUNTER_STEP + 3):
            bench.stack.network.frame_counter += 1
            bench.dongle.note_counter()
        assert not used or bench.stack.network.frame_counter - COUNTER_STEP - 3 >= used[-1]
        used.append(bench.stack.network.frame_counter)

    run(body, path=path)
    run(body, path=path, formed=False)
    run(body, path=path, formed=False)


def test_the_aps_counter_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "flash.json"
    used = [0]

    async def body(bench: Rig, host: BareHost) -> None:
        counter = bench.dongle.tokens.aps_counter
        assert counter >= used[-1]
        for _ in range(3):
            bench.dongle.note_counter(encrypted=True)
        used.append(counter + 3)

    for _ in range(3):
        run(body, path=path, formed=False)


def test_removing_a_device_asks_it_to_leave() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node = _joined(bench, host)
        host.call("removeDevice", destShort=node.nwk, destLong=eui(NODE), targetLong=eui(NODE))
        await asyncio.sleep(0.1)
        (leave,) = node.heard
        assert (leave.cluster, leave.payload[1:9]) == (0x0034, to_bytes(NODE))

    run(body)


def test_asking_for_callbacks_on_a_uart_gets_none() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        with pytest.raises(LookupError, match="noCallbacks"):
            host.call("callback")

    run(body)


@versions
def test_a_full_key_table_is_an_error(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        for number in range(3):
            assert import_key(host, 0xFF, address(number)) == 0
        assert import_key(host, 0xFF, address(9)) == t.sl_Status.FULL
        assert import_key(host, 0xFF, address(1), bytes(16)) == 0
        assert bench.stack.key_table[address(1)] == bytes(16)
        assert import_key(host, 3, address(9)) == t.sl_Status.INVALID_INDEX
        assert host.call("eraseKeyTableEntry", index=1)[0] == 0
        assert host.call("findKeyTableEntry", address=eui(address(1)), linkKey=True) == (0xFF,)
        assert import_key(host, 0xFF, address(9)) == 0
        assert host.call("findKeyTableEntry", address=eui(address(9)), linkKey=True) == (1,)
        assert import_key(host, 1, address(8)) == 0
        assert set(bench.stack.key_table) == {address(0), address(8), address(2)}
        host.call("clearKeyTable")
        assert bench.stack.key_table == {}

    run(body, version=version, key_table_size=3)


def test_link_keys_are_exported_by_index_and_address() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        import_key(host, 2, NODE)
        status, context, key, _ = host.call("exportLinkKeyByIndex", index=2)
        assert (status, context.eui64, bytes(key.serialize())) == (0, eui(NODE), KEY)
        assert host.call("exportLinkKeyByIndex", index=0)[0] == t.sl_Status.NOT_FOUND
        assert host.call("exportLinkKeyByEui", eui64=eui(NODE))[0] == 0
        assert host.call("exportLinkKeyByEui", eui64=eui(DONGLE))[0] == t.sl_Status.NOT_FOUND

    run(body, version=14)


@versions
def test_a_device_joins_with_its_transient_key_and_the_host_hears(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node = TinyNode(bench.medium, bench.stack)
        assert not node.join(KEY)
        transient(host, NODE, KEY)
        assert host.call("permitJoining", duration=60)[0] == 0
        assert node.join(KEY)
        (joined,) = host.take_callbacks("trustCenterJoinHandler")
        assert joined["newNodeId"] == node.nwk
        assert joined["newNodeEui64"] == eui(NODE)
        assert joined["status"] == t.EmberDeviceUpdate.STANDARD_SECURITY_UNSECURED_JOIN
        await asyncio.sleep(61)
        assert not bench.stack.permitting
        closed = 0x9D if version < 14 else t.sl_Status.ZIGBEE_NETWORK_CLOSED
        assert host.take_callbacks("stackStatusHandler")[-1]["status"] == closed

    run(body, version=version)


def test_install_code_policy_denies_the_wildcard_key() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        transient(host, Eui64("ff:ff:ff:ff:ff:ff:ff:ff"), b"ZigBeeAlliance09")
        host.call("setPolicy", policyId=0, decisionId=0x11)
        host.call("permitJoining", duration=60)
        assert not TinyNode(bench.medium, bench.stack).join()
        (denied,) = host.take_callbacks("trustCenterJoinHandler")
        assert denied["policyDecision"] == t.EmberJoinDecision.DENY_JOIN

    run(body)


@versions
def test_unicast_is_reported_with_its_tag_after_the_reply(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node = _joined(bench, host)
        status, sequence = unicast(host, node.nwk or 0, b"hello", tag=0x42)
        assert status == 0
        assert not host.take_callbacks("messageSentHandler")
        await asyncio.sleep(0.1)
        (sent,) = host.take_callbacks("messageSentHandler")
        tag, aps = ("messageTag", "apsFrame") if version < 14 else ("message_tag", "aps_frame")
        assert (sent["status"], sent[tag], sent[aps].sequence) == (0, 0x42, sequence)
        assert [(f.payload, f.counter) for f in node.heard] == [(b"hello", sequence)]

    run(body, version=version)


@versions
def test_undelivered_and_refused_messages(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node = _joined(bench, host)
        node.powered = False
        unicast(host, node.nwk or 0, b"hello")
        await asyncio.sleep(20)
        (sent,) = host.take_callbacks("messageSentHandler")
        assert sent["status"] == (0x66 if version < 14 else t.sl_Status.ZIGBEE_DELIVERY_FAILED)
        no_key = 0xA6 if version < 14 else t.sl_Status.ZIGBEE_APS_ENCRYPTION_ERROR
        assert unicast(host, 0x4321, b"hello", options=0x60)[0] == no_key
        too_long = 0x74 if version < 14 else t.sl_Status.MESSAGE_TOO_LONG
        assert unicast(host, node.nwk or 0, bytes(90))[0] == too_long
        assert not host.take_callbacks("messageSentHandler")

    run(body, version=version)


@versions
def test_incoming_messages_say_who_how_and_under_what_security(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node = _joined(bench, host)
        node.say(b"secret", encrypted=True)
        node.say(b"nowhere", endpoint=77)
        await asyncio.sleep(0.1)
        (got,) = host.take_callbacks("incomingMessageHandler")
        sender, payload, aps = (
            ("sender", "messageContents", "apsFrame") if version < 14 else ("nwk", "message", "aps_frame")
        )
        assert (got[sender], got[payload]) == (node.nwk, b"secret")
        assert got[aps].options & t.EmberApsOption.APS_OPTION_ENCRYPTION
        assert got["rssi" if version >= 14 else "lastHopRssi"] == node.link.rssi

    run(body, version=version)


@pytest.mark.parametrize(("flags", "heard"), [(0, []), (1, [0x0006]), (2, [0x0031]), (3, [0x0006, 0x0031])])
def test_zdo_requests_reach_the_host_as_configured(flags: int, heard: list[int]) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        host.call("setConfigurationValue", configId=t.EzspConfigId.CONFIG_APPLICATION_ZDO_FLAGS, value=flags)
        node = _joined(bench, host)
        match = bytes.fromhex("01 0000 0901 01 1900 00")
        node.say(match, profile=0, cluster=0x0006, endpoint=0)
        node.say(bytes(2), profile=0, cluster=0x0031, endpoint=0)
        node.say(bytes(12), profile=0, cluster=0x0013, endpoint=0, destination=0xFFFD)
        await asyncio.sleep(0.1)
        clusters = [m["apsFrame"].clusterId for m in host.take_callbacks("incomingMessageHandler")]
        assert sorted(clusters) == sorted([*heard, 0x0013])
        answers = {f.cluster: f.payload for f in node.heard}
        assert answers[0x8006] == bytes.fromhex("01 00 0000 01 01")

    run(body)


def test_the_dongle_answers_zdo_to_itself() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        aps = t.EmberApsFrame(
            profileId=0, clusterId=5, sourceEndpoint=0, destinationEndpoint=0, options=0, groupId=0, sequence=0
        )
        host.call("sendUnicast", type=0, indexOrDestination=0, apsFrame=aps, messageTag=1, messageContents=b"\x01\0\0")
        await asyncio.sleep(0.01)
        (got,) = host.take_callbacks("incomingMessageHandler")
        assert got["apsFrame"].clusterId == 0x8005
        assert got["messageContents"] == bytes.fromhex("01 00 0000 01 01")

    run(body)


def test_configuration_values_have_limits_and_tables_are_fixed_once_up() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        def put(identifier: int, value: int) -> int:
            return int(host.call("setConfigurationValue", configId=identifier, value=value)[0])

        key_table = t.EzspConfigId.CONFIG_KEY_TABLE_SIZE
        assert host.call("getConfigurationValue", configId=key_table) == (0, 12)
        assert put(key_table, 13) == t.EzspStatus.ERROR_OUT_OF_MEMORY
        assert put(key_table, 4) == 0
        assert bench.stack.key_table_size == 4
        assert put(0xEE, 1) == t.EzspStatus.ERROR_INVALID_ID
        assert put(t.EzspConfigId.CONFIG_INDIRECT_TRANSMISSION_TIMEOUT, 5000) == 0
        assert bench.medium.indirect_timeout_s == 5.0
        form(host)
        assert put(key_table, 8) == t.EzspStatus.ERROR_INVALID_CALL

    run(body, formed=False)


@versions
def test_an_unregistered_endpoint_is_refused_with_two_bytes(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        status, value = host.call("getExtendedValue", valueId=0, characteristics=9)
        assert status != 0
        assert len(value) == 2
        assert host.call("getExtendedValue", valueId=0, characteristics=1) == (0, b"\x01\x00")

    run(body, version=version)


def test_a_restored_eui64_is_used_after_the_next_reset() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        token = t.NV3KeyId.CREATOR_STACK_RESTORED_EUI64
        assert host.call("getTokenData", token=token, index=0).value == b"\xff" * 8
        assert host.call("setTokenData", token=token, index=0, token_data=to_bytes(NODE))[0] == 0
        assert host.call("getEui64") == (eui(DONGLE),)
        host.reset()
        await asyncio.sleep(BOOT_WAIT_S)
        host.negotiate()
        assert host.call("getEui64") == (eui(NODE),)

    run(body, formed=False)


def test_an_energy_scan_tells_of_every_channel_and_ends() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        mask = 1 << 11 | 1 << 15 | 1 << 26
        assert host.call("startScan", scanType=0, channelMask=mask, duration=3) == (0,)
        await asyncio.sleep(1)
        assert [r["channel"] for r in host.take_callbacks("energyScanResultHandler")] == [11, 15, 26]
        assert len(host.take_callbacks("scanCompleteHandler")) == 1

    run(body)


def test_a_hung_dongle_needs_its_power_cycled_and_a_spontaneous_reset_is_told() -> None:
    async def main() -> None:
        bench = rig()
        host = BareHost(bench.dongle)
        bench.dongle.hang()
        host.reset()
        await asyncio.sleep(5)
        assert host.frames == []
        bench.dongle.power_off()
        bench.dongle.power_on()
        host = BareHost(bench.dongle)
        bench.dongle.reset(ResetCode.WATCHDOG)
        await asyncio.sleep(BOOT_WAIT_S)
        assert host.frames == [RstAck(ResetCode.WATCHDOG)]

    virtual.run(main())


def test_anothers_flash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flash.json"
    path.write_text(json.dumps({"dongle": "znp"}))
    with pytest.raises(SimulatorError, match="znp"):
        rig(path)


Commands = list[tuple[int, bytes]]
any_version = st.sampled_from([13, 14, 18])
any_commands = st.lists(st.tuples(st.integers(0, 0x200), st.binary(max_size=60)), max_size=8)


@settings(max_examples=120, deadline=None)
@given(any_version, any_commands)
def test_no_command_however_malformed_stops_the_dongle(version: int, commands: Commands) -> None:
    _survives(version, commands)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(any_version, any_commands)
def test_nor_does_any_of_many_more(version: int, commands: Commands) -> None:
    _survives(version, commands)


def _survives(version: int, commands: Commands) -> None:
    async def main() -> None:
        bench = rig(version=version)
        host = BareHost(bench.dongle, version)
        host.negotiate()
        form(host)
        for identifier, payload in commands:
            host.dongle.link.noise.drop = 1.0
            bench.dongle.frame_received(bytes([1, 0, 1]) + identifier.to_bytes(2, "little") + payload)
        host.dongle.link.noise.drop = 0.0
        await asyncio.sleep(1)
        host.reset()
        await asyncio.sleep(BOOT_WAIT_S)
        host.negotiate()
        bench.dongle.power_off()

    virtual.run(main())


@pytest.mark.parametrize("version", [13, 18])
def test_every_command_the_schema_knows_is_safe_with_zeros(version: int) -> None:
    async def main() -> None:
        bench = rig(version=version)
        host = BareHost(bench.dongle, version)
        host.negotiate()
        form(host)
        for identifier, _, _ in host.commands.values():
            for length in range(60):
                bench.dongle.frame_received(bytes([1, 0, 1]) + identifier.to_bytes(2, "little") + bytes(length))
        bench.dongle.power_off()

    virtual.run(main())


def _joined(bench: Rig, host: BareHost) -> TinyNode:
    node = TinyNode(bench.medium, bench.stack)
    transient(host, NODE, KEY)
    host.call("permitJoining", duration=60)
    assert node.join(KEY)
    return node
