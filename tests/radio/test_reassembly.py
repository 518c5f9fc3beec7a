"""Cutting and reassembling, without a radio: nothing but what was sent comes out, whatever comes in."""

from __future__ import annotations

import asyncio
import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import zigpy_znp.commands
import zigpy_znp.types as zt
from hypothesis import given, settings
from hypothesis import strategies as st
from zigpy_znp.frames import GeneralFrame

from hanctl.radio import DongleSettings
from hanctl.radio.ezsp.application import application
from hanctl.radio.frames import IncomingFrame
from hanctl.radio.sending.fragmentation import (
    MOST_MESSAGES,
    REASSEMBLY_S,
    REFUSED,
    REMEMBERED_S,
    REPEATED,
    MessageId,
    Reassembly,
    cut,
    room,
)
from hanctl.radio.znp.application import application as znp_application

c: Any = zigpy_znp.commands


def message_id(source: int = 1, counter: int = 9, *, encrypted: bool = False) -> MessageId:
    return MessageId(source, counter, 0x0109, 0x0704, 1, 1, encrypted)


A, B = message_id(1), message_id(2)


def test_what_a_frame_has_room_for() -> None:
    assert room(82, encrypted=False) == 82
    assert room(82, encrypted=True) == 73
    assert [len(block) for block in cut(bytes(200), 82, encrypted=True)] == [71, 71, 58]
    assert [len(block) for block in cut(bytes(160), 82, encrypted=False)] == [80, 80]


def test_blocks_in_order_make_the_message_once() -> None:
    reassembly = Reassembly()
    assert reassembly.take(A, 0, 3, b"one", 0) == REPEATED
    assert reassembly.take(A, 1, 0, b"two", 1) == REPEATED
    assert reassembly.take(A, 1, 0, b"two", 2) == REPEATED
    last = reassembly.take(A, 2, 0, b"3", 3)
    assert (last.acknowledge, last.message) == (True, b"onetwo3")
    assert reassembly.take(A, 2, 0, b"3", 4) == REPEATED
    assert len(reassembly) == 0


def test_what_does_not_come_in_turn_is_refused() -> None:
    reassembly = Reassembly()
    assert reassembly.take(A, 1, 3, b"two", 0) == REFUSED
    assert reassembly.take(A, 0, 0, b"one", 0) == REFUSED
    reassembly.take(A, 0, 3, b"one", 0)
    assert reassembly.take(A, 2, 3, b"thr", 0) == REFUSED
    assert reassembly.take(A, 3, 3, b"for", 0) == REFUSED
    assert reassembly.take(B, 1, 3, b"two", 0) == REFUSED
    assert reassembly.take(message_id(1, 9, encrypted=True), 1, 3, b"two", 0) == REFUSED


def test_a_block_of_another_size_is_refused_unless_it_is_the_last() -> None:
    reassembly = Reassembly()
    reassembly.take(A, 0, 3, b"one", 0)
    assert reassembly.take(A, 1, 0, b"tw", 0) == REFUSED
    assert reassembly.take(A, 1, 0, b"twoo", 0) == REFUSED
    assert reassembly.take(A, 1, 0, b"two", 0) == REPEATED
    assert reassembly.take(A, 2, 0, b"long", 0) == REFUSED
    assert reassembly.take(A, 2, 0, b"", 0).message == b"onetwo"


def test_the_next_block_is_waited_for_so_long_and_no_longer() -> None:
    reassembly = Reassembly()
    reassembly.take(A, 0, 3, b"one", 0)
    assert reassembly.take(A, 1, 0, b"two", REASSEMBLY_S - 1) == REPEATED
    assert reassembly.take(A, 2, 0, b"3", 2 * REASSEMBLY_S - 1) == REFUSED
    assert len(reassembly) == 0


def test_a_counter_may_be_used_again_for_another_message() -> None:
    reassembly = Reassembly()
    reassembly.take(A, 0, 2, b"one", 0)
    reassembly.take(A, 1, 0, b"two", 0)
    assert reassembly.take(A, 0, 2, b"ONE", 1) == REPEATED
    assert reassembly.take(A, 1, 0, b"TWO", 1).message == b"ONETWO"
    # Under the same beginning: what follows is of the new message, or nothing.
    assert reassembly.take(A, 0, 2, b"ONE", 2) == REPEATED
    assert reassembly.take(A, 1, 0, b"2", 2).message == b"ONE2"
    assert reassembly.take(A, 1, 0, b"2", 2 + REMEMBERED_S) == REFUSED


def test_memory_has_a_limit_and_the_stalest_goes_first() -> None:
    reassembly = Reassembly()
    for source in range(MOST_MESSAGES + 1):
        reassembly.take(message_id(source), 0, 2, b"one", float(source) / 10)
    assert len(reassembly) == MOST_MESSAGES
    assert reassembly.take(message_id(0), 1, 0, b"two", 5) == REFUSED
    assert reassembly.take(message_id(1), 1, 0, b"two", 5).message == b"onetwo"
    assert reassembly.take(A, 0, 25, bytes(80), 6) == REPEATED
    accepted = [reassembly.take(A, index, 0, bytes(80), 6).acknowledge for index in range(1, 25)]
    assert accepted == [True] * 17 + [False] * 7


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_blocks_lost_repeated_and_mixed_never_make_another_message(data: st.DataObject) -> None:
    ids = [message_id(source, counter, encrypted=e) for source in (1, 2) for counter in (7, 8) for e in (False, True)]
    payloads = {one: data.draw(st.binary(min_size=1, max_size=400)) for one in ids}
    blocks = {one: cut(payload, 82, encrypted=one.encrypted) for one, payload in payloads.items()}
    reassembly, now = Reassembly(), 0.0
    for _ in range(data.draw(st.integers(0, 60))):
        one = data.draw(st.sampled_from(ids))
        index = data.draw(st.integers(0, len(blocks[one]) - 1))
        now += data.draw(st.sampled_from([0.0, 0.1, 8.0, 40.0]))
        taken = reassembly.take(one, index, 0 if index else len(blocks[one]), blocks[one][index], now)
        assert taken.message in (None, payloads[one])
        assert taken.acknowledge or taken.message is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=90), st.floats(0, 1e6)
        ),
        max_size=80,
    )
)
@settings(max_examples=200, deadline=None)
def test_noise_is_harmless(noise: list[tuple[int, int, int, bytes, float]]) -> None:
    reassembly, sent = Reassembly(), set()
    for counter, index, total, payload, now in noise:
        sent.add(payload)
        taken = reassembly.take(message_id(1, counter), index, total, payload, now)
        assert taken.message is None or len(taken.message) <= 1500
        assert len(reassembly) <= MOST_MESSAGES


class Heard:
    """Keeps the frames it gets."""

    def __init__(self) -> None:
        self.frames: list[IncomingFrame] = []

    def frame_received(self, frame: IncomingFrame) -> None:
        self.frames.append(frame)

    def node_joined(self, ieee: Any, nwk: int) -> None: ...

    def node_left(self, ieee: Any, nwk: int) -> None: ...

    def address_conflict(self, nwk: int) -> None: ...

    def partner_key_asked(self, ieee: Any, given: bool, detail: str) -> None: ...

    def node_denied(self, ieee: Any, how: str) -> None: ...

    def line_lost(self, reason: str) -> None: ...


def on_line(version: int) -> tuple[Any, Any]:
    """The application, and what it has of bellows while connected."""
    app: Any = application(DongleSettings("ezsp", "/dev/null"), Heard())
    passed: list[bytes] = []
    acknowledged: list[Any] = []
    callbacks: list[Any] = []

    async def send_reply(*arguments: Any) -> None:
        acknowledged.append(arguments)

    commands = importlib.import_module(f"bellows.ezsp.v{version}.commands").COMMANDS
    ezsp = SimpleNamespace(
        frame_received=passed.append,
        _protocol=SimpleNamespace(COMMANDS=commands),
        handle_callback=lambda *arguments: callbacks.append(arguments),
        sendReply=send_reply,
        passed=passed,
        acknowledged=acknowledged,
        callbacks=callbacks,
    )
    app._take_blocks_first(ezsp)
    return app, ezsp


BLOCK = bytes.fromhex("00 0901 0407 05 06 6081 0003 2a")
"""Unicast, Smart Energy, Tunneling, from endpoint 5 to 6, encrypted; the first of 3 blocks, APS counter 42."""
SENDER = {13: bytes.fromhex("ff c4 3412 ff ff"), 14: bytes.fromhex("3412 0000000000000000 ff ff ff c4 00000000")}


@pytest.mark.parametrize("version", [13, 14])
async def test_a_block_is_acknowledged_to_whom_and_as_what_it_came(version: int) -> None:
    _, ezsp = on_line(version)
    ezsp.frame_received(b"\x07\x90\x01\x45\x00" + BLOCK + SENDER[version] + b"\x03abc")
    ezsp.frame_received(b"\x07\x90\x01\x45\x00" + BLOCK + SENDER[version] + b"\x09abc")
    await asyncio.sleep(0)
    ((nwk, aps, contents),) = ezsp.acknowledged
    assert (nwk, contents) == (0x1234, b"")
    assert (aps.profileId, aps.clusterId, aps.sourceEndpoint, aps.destinationEndpoint) == (0x0109, 0x0704, 6, 5)
    assert (aps.groupId, aps.sequence, int(aps.options)) == (0xFF00, 42, 0x8160)
    assert not ezsp.passed and not ezsp.callbacks


@pytest.mark.parametrize("version", [13, 14, 18, 19])
async def test_noise_from_the_serial_line_is_harmless_and_blocks_do_not_reach_the_library(version: int) -> None:
    _, ezsp = on_line(version)

    @given(st.binary(max_size=140), st.booleans(), st.booleans())
    @settings(max_examples=300, deadline=None)
    def fuzz(data: bytes, incoming: bool, block: bool) -> None:
        frame = bytearray(b"\x07\x90\x01" + (b"\x45\x00" if incoming else b"\x3f\x00") + data)
        is_block = False
        if len(frame) > 13:
            frame[13] = frame[13] | 0x80 if block else frame[13] & 0x7F
            is_block = incoming and block
        before = len(ezsp.passed)
        ezsp.frame_received(bytes(frame))
        assert len(ezsp.passed) == before + (not is_block)

    fuzz()


@pytest.mark.parametrize(("size", "inline"), [(300, False), (100, True)])
async def test_an_announced_message_is_fetched_where_it_does_not_come_along(size: int, inline: bool) -> None:
    message = bytes(n & 0xFF for n in range(size))
    requests: list[Any] = []

    async def request(req: Any, **expected: Any) -> Any:
        requests.append(req)
        return c.AF.DataRetrieve.Rsp(
            Status=zt.Status.SUCCESS, Data=zt.ShortBytes(message[req.Index : req.Index + req.Length])
        )

    heard = Heard()
    app: Any = znp_application(DongleSettings("znp", "/dev/null"), heard)
    app.state.node_info.nwk = 0
    passed: list[Any] = []
    znp: Any = SimpleNamespace(frame_received=passed.append, request=request)
    app._take_announcements_first(znp)
    announcement = bytes.fromhex("0000 0407 02 3412000000000000 05 0000 06 00 ff 01 78563412 00")
    data = announcement + size.to_bytes(2, "little") + (message if inline else b"") + bytes.fromhex("3412 1d")
    znp.frame_received(GeneralFrame(c.AF.IncomingMsgExt.Callback.header, zt.Bytes(data)))
    znp.frame_received(GeneralFrame(c.AF.IncomingMsgExt.Callback.header, zt.Bytes(data[:-9])))
    for _ in range(9):
        await asyncio.sleep(0)
    (frame,) = heard.frames
    assert (frame.payload, frame.source_nwk, frame.source_endpoint, frame.destination_endpoint) == (
        message,
        0x1234,
        5,
        6,
    )
    assert (frame.profile, frame.cluster, frame.aps_encrypted, frame.broadcast) == (0x0109, 0x0704, True, False)
    assert not passed
    # Fetched in parts, then freed.
    assert [(r.TimeStamp, r.Index, r.Length) for r in requests] == (
        [] if inline else [(0x12345678, 0, 240), (0x12345678, 240, 60), (0x12345678, 0, 0)]
    )
