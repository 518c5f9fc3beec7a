"""What an EZSP host sees of who speaks: its tables and the stack's map, counters of keys, conflicts, long addresses."""

from __future__ import annotations

import asyncio
from typing import Any

import bellows.types as t
import pytest
from ezsp_support import BOOT_WAIT_S, NODE, BareHost, Rig, TinyNode
from test_ezsp_commands import KEY, address, eui, import_key, run, transient

from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.simulator import zdo
from hanctl.simulator.network.medium import BROADCAST_RX_ON, ApsFrame
from hanctl.simulator.quirks import Quirks

OTHER = address(2)
FRESH, UNUSED, UNKNOWN = 0x7777, 0xFFFF, 0xFFFD
SECRET = 0x40 | 0x20
versions = pytest.mark.parametrize("version", [13, 14, 16, 17, 18, 19])


def joined(bench: Rig, host: BareHost, *addresses: Eui64) -> list[TinyNode]:
    """Nodes on the network, each with a link key in the table."""
    host.call("permitJoining", duration=60)
    nodes = []
    for each in addresses:
        transient(host, each, KEY)
        node = TinyNode(bench.medium, bench.stack, each)
        assert node.join(KEY)
        assert import_key(host, 0xFF, each, to_bytes(each) * 2) == 0
        nodes.append(node)
    return nodes


def announce(bench: Rig, node: TinyNode, eui64: Eui64, nwk: int) -> None:
    payload = zdo.device_annce(1, eui64, nwk, 0x8E)
    frame = ApsFrame(node.nwk or 0, BROADCAST_RX_ON, 0, zdo.DEVICE_ANNCE, 0, 0, 1, payload)
    bench.medium.to_coordinator(node, frame, lambda _: None)


def counter(host: BareHost, eui64: Eui64) -> tuple[int, int]:
    """Status and incoming frame counter, of the metadata alone."""
    context = t.SecurityManagerContextV13(
        core_key_type=t.SecurityManagerKeyType.APP_LINK,
        key_index=0,
        derived_type=t.SecurityManagerDerivedKeyTypeV13.NONE,
        eui64=eui(eui64),
        multi_network_index=0,
        flags=t.SecurityManagerContextFlags.EUI_IS_VALID,
        psa_key_alg_permission=0,
    )
    reply = host.call("getApsKeyInfo", context_in=context)
    (data,) = (each for each in reply if isinstance(each, t.SecurityManagerAPSKeyMetadata))
    (status,) = (each for each in reply if isinstance(each, t.sl_Status))
    return int(status), int(data.incoming_frame_counter)


def write_entry(host: BareHost, index: int, eui64: Eui64, nwk: int) -> None:
    """Rewrite an entry of the address table, as each version has it."""
    if host.version >= 14:
        assert host.call("setAddressTableInfo", index=index, eui64=eui(eui64), nwk=nwk)[0] == 0
    else:
        assert host.call("setAddressTableRemoteEui64", addressTableIndex=index, eui64=eui(eui64))[0] == 0
        host.call("setAddressTableRemoteNodeId", addressTableIndex=index, id=nwk)


def read_entry(host: BareHost, index: int) -> int:
    if host.version >= 14:
        return int(host.call("getAddressTableInfo", index=index)[1])
    return int(host.call("getAddressTableRemoteNodeId", addressTableIndex=index)[0])


def looked_up(host: BareHost, eui64: Eui64) -> int:
    return int(host.call("lookupNodeIdByEui64", eui64=eui(eui64))[-1])


def via_table(host: BareHost, index: int, payload: bytes) -> int:
    aps = t.EmberApsFrame(
        profileId=0x0109,
        clusterId=0x0019,
        sourceEndpoint=1,
        destinationEndpoint=1,
        options=SECRET,
        groupId=0,
        sequence=0,
    )
    kind = t.EmberOutgoingMessageType.OUTGOING_VIA_ADDRESS_TABLE
    values = (kind, index, aps, 1, payload)
    names = ("message_type", "nwk", "aps_frame", "message_tag", "message")
    if host.version < 14:
        names = ("type", "indexOrDestination", "apsFrame", "messageTag", "messageContents")
    return int(host.call("sendUnicast", **dict(zip(names, values, strict=True)))[0])


@versions
def test_the_counter_of_each_key_rises_with_its_frames_and_falls_to_nothing_at_a_reset(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node, other = joined(bench, host, NODE, OTHER)
        assert counter(host, NODE) == counter(host, OTHER) == (0, 0)
        for _ in range(3):
            node.say(b"secret", encrypted=True)
        other.say(b"clear")
        await asyncio.sleep(1)
        assert (counter(host, NODE), counter(host, OTHER)) == ((0, 3), (0, 0))
        assert counter(host, address(9))[0] != 0
        exported = host.call("exportLinkKeyByEui", eui64=eui(NODE))
        assert [d.incoming_frame_counter for d in exported if isinstance(d, t.SecurityManagerAPSKeyMetadata)] == [3]
        assert import_key(host, 0xFF, NODE, to_bytes(NODE) * 2) == 0
        assert counter(host, NODE) == (0, 0)
        other.say(b"secret", encrypted=True)
        await asyncio.sleep(1)
        host.reset()
        await asyncio.sleep(BOOT_WAIT_S)
        host.negotiate()
        host.call("networkInit", networkInitBitmask=0)
        assert counter(host, OTHER) == (0, 0)

    run(body, version=version)


def test_a_recorded_frame_is_dropped_and_counted() -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        (node,) = joined(bench, host, NODE)
        for counter in (7, 7, 6, 8):
            frame = ApsFrame(
                node.nwk or 0,
                0,
                0x0109,
                0x0019,
                1,
                1,
                1,
                bytes([counter]),
                ack_request=False,
                encrypted=True,
                link_key=to_bytes(NODE) * 2,
                security_counter=counter,
            )
            bench.medium.to_coordinator(node, frame, lambda _: None)
            await asyncio.sleep(1)
        assert [m["messageContents"] for m in host.take_callbacks("incomingMessageHandler")] == [b"\x07", b"\x08"]
        failures = t.EmberCounterType.COUNTER_APS_FRAME_COUNTER_FAILURE
        assert host.call("readCounters")[0][failures] == 2
        assert host.call("readAndClearCounters")[0][failures] == 2
        assert host.call("readCounters")[0][failures] == 0

    run(body)


@pytest.mark.parametrize("told", ["zero", "unsupported"])
def test_a_build_may_tell_no_counters(told: Any) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        bench.stack.quirks = Quirks(counters=told)
        (node,) = joined(bench, host, NODE)
        node.say(b"secret", encrypted=True)
        await asyncio.sleep(1)
        if told == "zero":
            assert counter(host, NODE) == (0, 0)
        else:
            with pytest.raises(LookupError):
                counter(host, NODE)

    run(body)


@versions
def test_entries_follow_the_map_and_the_host_repairs_it_by_writing_one(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node, other = joined(bench, host, NODE, OTHER)
        write_entry(host, 0, NODE, node.nwk or 0)
        assert read_entry(host, 0) == looked_up(host, NODE) == node.nwk
        announce(bench, other, NODE, FRESH)
        await asyncio.sleep(1)
        assert read_entry(host, 0) == looked_up(host, NODE) == FRESH
        assert via_table(host, 0, b"lost") == 0
        assert looked_up(host, address(9)) == UNUSED
        write_entry(host, 0, NODE, node.nwk or 0)
        assert read_entry(host, 0) == looked_up(host, NODE) == node.nwk
        assert bytes(host.call("lookupEui64ByNodeId", nodeId=node.nwk)[-1].serialize()) == to_bytes(NODE)
        assert host.call("lookupEui64ByNodeId", nodeId=FRESH)[0] != 0
        assert via_table(host, 0, b"found") == 0
        await asyncio.sleep(1)
        assert [(f.payload, f.link_key) for f in node.heard if f.profile] == [(b"found", to_bytes(NODE) * 2)]

    run(body, version=version)


@versions
def test_an_entry_may_also_be_replaced_and_its_node_looked_for_by_the_stack(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        (node,) = joined(bench, host, NODE)
        assert via_table(host, 3, b"nobody") != 0

        def replace(nwk: int) -> Any:
            entry: dict[str, Any] = {"newEui64": eui(NODE), "newId": nwk, "newExtendedTimeout": False}
            return host.call("replaceAddressTableEntry", addressTableIndex=3, **entry)

        assert replace(UNKNOWN)[0] == 0 and read_entry(host, 3) == node.nwk
        assert via_table(host, 3, b"there") == 0
        reply = replace(FRESH)
        assert node.nwk in reply and looked_up(host, NODE) == FRESH

    run(body, version=version)


@versions
def test_a_conflict_takes_the_address_out_of_the_tables_and_is_told(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        node, other = joined(bench, host, NODE, OTHER)
        write_entry(host, 0, NODE, node.nwk or 0)
        announce(bench, other, OTHER, node.nwk or 0)
        await asyncio.sleep(1)
        assert [list(c.values()) for c in host.take_callbacks("idConflictHandler")] == [[node.nwk]]
        assert read_entry(host, 0) == UNKNOWN
        assert (looked_up(host, NODE), looked_up(host, OTHER)) == (UNUSED, other.nwk)
        assert via_table(host, 0, b"nowhere") != 0

    run(body, version=version)


@versions
def test_the_long_address_that_a_sender_wrote_is_passed_on_and_nothing_else(version: int) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        (node,) = joined(bench, host, NODE)
        host.take_callbacks("incomingMessageHandler")
        for source in (OTHER, None):
            frame = ApsFrame(node.nwk or 0, 0, 0x0109, 0x0019, 1, 1, 1, b"said", network_source=source)
            bench.medium.to_coordinator(node, frame, lambda _: None)
            await asyncio.sleep(1)
        first, second = host.take_callbacks("incomingMessageHandler")
        option = t.EmberApsOption.APS_OPTION_SOURCE_EUI64
        aps = "apsFrame" if version < 14 else "aps_frame"
        assert bool(first[aps].options & option) and not second[aps].options & option
        if version < 14:
            told = [c["senderEui64"] for c in host.take_callbacks("incomingSenderEui64Handler")]
            assert told == [eui(OTHER)]
        else:
            assert [m["eui64"] for m in (first, second)] == [eui(OTHER), t.EUI64.deserialize(bytes(8))[0]]

    run(body, version=version)


@pytest.mark.parametrize("survives", [True, False])
def test_after_a_reset_the_map_is_what_it_was_or_empty_until_somebody_speaks(survives: bool) -> None:
    async def body(bench: Rig, host: BareHost) -> None:
        bench.stack.quirks = Quirks(map_survives_reset=survives)
        node, _ = joined(bench, host, NODE, OTHER)
        announce(bench, node, NODE, FRESH)
        await asyncio.sleep(1)
        host.reset()
        await asyncio.sleep(BOOT_WAIT_S)
        host.negotiate()
        host.call("networkInit", networkInitBitmask=0)
        assert looked_up(host, NODE) == (FRESH if survives else UNUSED)
        announce(bench, node, NODE, FRESH)
        await asyncio.sleep(1)
        assert looked_up(host, NODE) == FRESH

    run(body)
