"""Fragmentation in the simulated stacks: what the dongles' firmware does, and what it leaves to the host."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import bellows.types as t
import pytest
import znp_bench as znp
from ezsp_support import BOOT_WAIT_S, BareHost, Rig, TinyNode, form, rig
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_hub import in_virtual_time

from hanctl.base import virtual
from hanctl.simulator.network.fragmentation import Fragmenter, fragmenter_of, room, split
from hanctl.simulator.network.medium import ApsFrame, BlockId, Done, ExtendedHeader, Medium

OPTIONS = 0x8000 | 0x40 | 0x100


def frame(payload: bytes, *, encrypted: bool = False, source: int = 0, counter: int = 5) -> ApsFrame:
    return ApsFrame(source, 0x1234, 0x0109, 0x0704, 1, 1, counter, payload, encrypted=encrypted)


def test_what_is_cut_and_where() -> None:
    assert [len(part.payload) for part in split(frame(bytes(200)))] == [80, 80, 40]
    secret = split(frame(bytes(150), encrypted=True))
    assert [len(part.payload) for part in secret] == [71, 71, 8]
    assert [part.block for part in secret] == [ExtendedHeader(0, 3), ExtendedHeader(1), ExtendedHeader(2)]
    assert all(len(part.payload) <= room(part) and part.ack_request for part in secret)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_stack_never_makes_another_message_of_its_blocks(data: st.DataObject) -> None:
    async def body() -> None:
        acknowledged: list[ApsFrame] = []

        def transmit(_: ApsFrame, done: Done) -> None:
            raise AssertionError

        fragmenter = Fragmenter(transmit, acknowledged.append)
        messages = [
            frame(data.draw(st.binary(min_size=83, max_size=400)), encrypted=e, source=source, counter=counter)
            for source in (1, 2)
            for counter in (5, 6)
            for e in (False, True)
        ]
        for _ in range(data.draw(st.integers(0, 50))):
            message = data.draw(st.sampled_from(messages))
            whole = fragmenter.receive(data.draw(st.sampled_from(split(message))))
            if whole is not None:
                assert (whole.payload, whole.source, whole.counter, whole.encrypted, whole.block) == (
                    message.payload,
                    message.source,
                    message.counter,
                    message.encrypted,
                    None,
                )
            await asyncio.sleep(data.draw(st.sampled_from([0.0, 5.0, 40.0])))

    virtual.run(body())


@in_virtual_time
async def test_an_unacknowledged_block_is_sent_four_times() -> None:
    medium = Medium(random.Random(1))
    bench = rig()
    node = TinyNode(medium, bench.stack)
    node.nwk = 0x1234
    medium.coordinator = bench.stack
    bench.stack.up = True
    outcomes: list[bool] = []
    (first, *_) = split(frame(bytes(200)))
    medium.from_coordinator(first, outcomes.append)
    await asyncio.sleep(60)
    assert len(node.heard) == 4
    assert outcomes == [False]
    medium.acknowledge(node, BlockId(node.eui64, True, first.counter, 0))
    medium.from_coordinator(first, outcomes.append)
    await asyncio.sleep(0.1)
    medium.acknowledge(node, BlockId(node.eui64, True, first.counter, 0))
    await asyncio.sleep(60)
    assert (len(node.heard), outcomes) == (5, [False, True])


def on_ncp(version: int, story: Any) -> None:
    async def body() -> None:
        bench = rig(version=version)
        host = BareHost(bench.dongle, version)
        host.reset()
        await asyncio.sleep(BOOT_WAIT_S)
        host.negotiate()
        form(host)
        await asyncio.sleep(1)
        host.callbacks.clear()
        host.call("permitJoining", duration=255)
        node = TinyNode(bench.medium, bench.stack)
        bench.stack.add_transient_key(node.eui64, bytes(16))
        assert node.join(bytes(16))
        await story(bench, host, node)
        assert not bench.dongle.faults

    virtual.run(body())


def incoming(host: BareHost) -> list[tuple[Any, bytes]]:
    names = ("apsFrame", "messageContents") if host.version < 14 else ("aps_frame", "message")
    return [(values[names[0]], bytes(values[names[1]])) for values in host.take_callbacks("incomingMessageHandler")]


def aps(*, group: int, options: int = OPTIONS, sequence: int = 0) -> Any:
    return t.EmberApsFrame(
        profileId=0x0109,
        clusterId=0x0704,
        sourceEndpoint=1,
        destinationEndpoint=1,
        options=options,
        groupId=group,
        sequence=sequence,
    )


def unicast(host: BareHost, nwk: int, header: Any, payload: bytes) -> tuple[int, int]:
    kind = t.EmberOutgoingMessageType.OUTGOING_DIRECT
    if host.version < 14:
        status, sequence = host.call(
            "sendUnicast", type=kind, indexOrDestination=nwk, apsFrame=header, messageTag=1, messageContents=payload
        )
    else:
        status, sequence = host.call(
            "sendUnicast", message_type=kind, nwk=nwk, aps_frame=header, message_tag=1, message=payload
        )
    return int(status), int(sequence)


@pytest.mark.parametrize("version", [13, 14, 18])
def test_the_ncp_hands_on_blocks_and_leaves_their_acknowledgement_to_the_host(version: int) -> None:
    async def story(bench: Rig, host: BareHost, node: TinyNode) -> None:
        outcomes: list[bool] = []
        sender = fragmenter_of(node, bench.medium)
        message = frame(bytes(range(200)), source=node.nwk or 0, counter=0x21)
        sender.send(ApsFrame(node.nwk or 0, 0, 0x0109, 0x0704, 1, 1, 0x21, message.payload), outcomes.append)
        got = []
        for index in range(3):
            await asyncio.sleep(2)
            blocks = incoming(host)
            # Not yet acknowledged, it has come twice.
            assert len(blocks) == 2
            header, payload = blocks[0]
            assert (header.options & 0x8000, header.sequence) == (0x8000, 0x21)
            assert header.groupId == (0x0300 if index == 0 else index)
            got.append(payload)
            # What acknowledges nothing, another block or another message is no acknowledgement.
            for group, sequence in ((index, 0x21), (0xFF00 | index + 1, 0x21), (0xFF00 | index, 0x22)):
                reply = aps(group=group, sequence=sequence)
                host.call("sendReply", sender=node.nwk, apsFrame=reply, messageContents=b"")
            await asyncio.sleep(0.5)
            assert not incoming(host) and not outcomes
            host.call(
                "sendReply", sender=node.nwk, apsFrame=aps(group=0xFF00 | index, sequence=0x21), messageContents=b""
            )
        await asyncio.sleep(1)
        assert b"".join(got) == message.payload
        assert outcomes == [True]

    on_ncp(version, story)


@pytest.mark.parametrize("version", [13, 14, 18])
def test_the_ncp_sends_blocks_as_it_is_told(version: int) -> None:
    async def story(bench: Rig, host: BareHost, node: TinyNode) -> None:
        nwk = node.nwk or 0
        status, sequence = unicast(host, nwk, aps(group=0x0200), bytes(80))
        assert status == 0
        await asyncio.sleep(0.1)
        assert not host.take_callbacks("messageSentHandler")
        bench.medium.acknowledge(node, BlockId(node.eui64, True, sequence, 0))
        await asyncio.sleep(0.1)
        (sent,) = host.take_callbacks("messageSentHandler")
        assert int(sent["status"]) == 0
        assert unicast(host, nwk, aps(group=0x0201, sequence=sequence), bytes(9)) == (0, sequence)
        await asyncio.sleep(20)
        (sent,) = host.take_callbacks("messageSentHandler")
        assert int(sent["status"]) == (0x66 if version < 14 else t.sl_Status.ZIGBEE_DELIVERY_FAILED)
        assert node.heard[0].block == ExtendedHeader(0, 2)
        assert {(f.block, f.counter) for f in node.heard} == {
            (ExtendedHeader(0, 2), sequence),
            (ExtendedHeader(1), sequence),
        }
        too_long = 0x74 if version < 14 else t.sl_Status.MESSAGE_TOO_LONG
        assert unicast(host, nwk, aps(group=0x0200), bytes(81))[0] == too_long
        assert unicast(host, nwk, aps(group=0x0200, options=OPTIONS | 0x20), bytes(72))[0] == too_long
        for group, options in ((0x0000, OPTIONS), (0x0202, OPTIONS), (0x0200, OPTIONS & ~0x40)):
            assert unicast(host, nwk, aps(group=group, options=options), bytes(9))[0] != 0

    on_ncp(version, story)


@in_virtual_time
async def test_z_stack_cuts_and_reassembles_by_itself() -> None:
    dongle = znp.make_dongle()
    dongle.power_on()
    host = znp.MtHost(dongle)
    await asyncio.sleep(1)
    await host.form()
    node = znp.TinyNode()
    host.permit(60)
    await asyncio.sleep(0.1)
    assert node.join(dongle.stack) and node.nwk is not None
    device = fragmenter_of(node, dongle.stack.medium)
    # Whether the host asks for an acknowledgement or not: blocks have one.
    assert host.data(node.nwk, bytes(200), options=0) == znp.t.Status.SUCCESS
    for _ in range(3):
        await asyncio.sleep(0.3)
        device.receive(node.heard[-1])
        assert not host.seen(znp.c.AF.DataConfirm.Callback)
    await asyncio.sleep(1)
    assert [f.block for f in node.heard] == [ExtendedHeader(0, 3), ExtendedHeader(1), ExtendedHeader(2)]
    assert [x.Status for x in host.seen(znp.c.AF.DataConfirm.Callback)] == [znp.t.Status.SUCCESS]

    outcomes: list[bool] = []
    for size in (220, 221):
        device.send(ApsFrame(node.nwk, 0, 0x0109, 0x0704, 1, 1, size & 0xFF, bytes(size)), outcomes.append)
        await asyncio.sleep(2)
    assert outcomes == [True, True]
    (message,) = host.seen(znp.c.AF.IncomingMsg.Callback)
    assert len(message.Data) == 220
    # The longer one is only announced, and kept for a while.
    assert [f.cmd1 for f in host.frames if f.cmd0 == 0x44][-1] == 0x82
    assert len(dongle.huge_messages) == 1
    await asyncio.sleep(20)
    assert not dongle.huge_messages
    assert not dongle.faults


@in_virtual_time
async def test_z_stack_is_told_how_long_to_wait_between_blocks() -> None:
    dongle = znp.make_dongle()
    dongle.power_on()
    host = znp.MtHost(dongle)
    await asyncio.sleep(1)
    await host.form()
    fragmenter = dongle.stack.fragmenter
    assert fragmenter is not None and fragmenter.spacing_s == 0.05
    ask = znp.c.AF.APSFConfigSet.Req
    assert host.ask(ask(Endpoint=1, FrameDelay=80, WindowSize=1)).Status == znp.t.Status.SUCCESS
    assert fragmenter.spacing_s == 0.08
    assert host.ask(ask(Endpoint=9, FrameDelay=80, WindowSize=1)).Status != znp.t.Status.SUCCESS
