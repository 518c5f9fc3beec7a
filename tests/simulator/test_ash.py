"""The ASH codec and the dongle's end of the link."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from bellows import ash as bellows_ash
from hypothesis import given, settings
from hypothesis import strategies as st

from hanctl.base import virtual
from hanctl.simulator.ezsp import ash_frames as ash
from hanctl.simulator.ezsp.ash import T_RX_ACK_INIT, WINDOW, AshLink, LineNoise, LinkState
from hanctl.simulator.ezsp.ash_frames import Ack, AshError, Data, Error, Frame, Nak, Rst, RstAck, Splitter

numbers = st.integers(0, 7)
frames = st.one_of(
    st.builds(Data, numbers, numbers, st.binary(min_size=3, max_size=ash.MAX_DATA), st.booleans()),
    st.builds(Ack, numbers, st.booleans()),
    st.builds(Nak, numbers, st.booleans()),
    st.builds(Rst),
    st.builds(RstAck, st.integers(0, 255)),
    st.builds(Error, st.integers(0, 255)),
)


class User:
    """Above the link: echoes what it is told to, and remembers."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.faults: list[str] = []
        self.resets = self.failures = 0
        self.reply: Callable[[bytes], None] = lambda _: None

    def frame_received(self, payload: bytes) -> None:
        self.got.append(payload)
        self.reply(payload)

    def reset_requested(self) -> None:
        self.resets += 1

    def link_failed(self) -> None:
        self.failures += 1

    def fault(self, reason: str, detail: str) -> None:
        self.faults.append(reason)


class Bench:
    """A connected link and what it put on the line."""

    def __init__(self) -> None:
        self.user = User()
        self.line = bytearray()
        self.link = AshLink(self.user, self.line.extend, LineNoise(random.Random(1)))
        self.link.start()

    def sent(self) -> list[Frame]:
        frames = [ash.decode(piece) for piece in Splitter().feed(bytes(self.line)) if isinstance(piece, bytes)]
        self.line.clear()
        return frames

    def give(self, *frames: Frame) -> None:
        for frame in frames:
            self.link.data_received(ash.encode(frame))


def on_bench(test: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        await test(Bench())

    virtual.run(main())


def test_frames_are_those_of_the_line() -> None:
    assert ash.encode(Rst()) == bytes.fromhex("c038bc7e")
    assert ash.encode(RstAck(0x0B)) == bytes.fromhex("c1020b0a527e")


@given(frames)
def test_every_frame_survives_the_line(frame: Frame) -> None:
    assert ash.decode(ash.encode(frame)[:-1]) == frame


@given(st.builds(Data, numbers, numbers, st.binary(min_size=3, max_size=ash.MAX_DATA), st.booleans()))
def test_data_frames_are_read_alike_by_bellows(frame: Data) -> None:
    read: Any = bellows_ash.parse_frame(bytes(bellows_ash.AshProtocol._unstuff_bytes(ash.encode(frame)[:-1])))
    assert (read.frm_num, read.ack_num, read.ezsp_frame, bool(read.re_tx)) == (
        frame.number,
        frame.ack,
        frame.payload,
        frame.retransmitted,
    )


@given(st.lists(frames, max_size=5), st.lists(st.integers(0, 400), max_size=6))
def test_reads_may_be_cut_anywhere(sent: list[Frame], cuts: list[int]) -> None:
    line = b"".join(ash.encode(f) for f in sent)
    splitter, got, at = Splitter(), [], 0
    for cut in [*sorted(cuts), len(line)]:
        got += list(splitter.feed(line[at:cut]))
        at = max(at, min(cut, len(line)))
    assert [ash.decode(piece) for piece in got if isinstance(piece, bytes)] == sent


@given(st.binary(max_size=300))
def test_noise_raises_nothing_but_ash_errors(noise: bytes) -> None:
    for piece in Splitter().feed(noise + b"\x7e"):
        if isinstance(piece, bytes):
            try:
                ash.decode(piece)
            except AshError:
                continue


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=60), frames.map(ash.encode)), max_size=12))
def test_the_link_survives_anything_and_resets(pieces: list[bytes]) -> None:
    async def test(bench: Bench) -> None:
        bench.user.reply = bench.link.send
        for piece in pieces:
            bench.link.data_received(piece)
        before = bench.user.resets
        bench.link.data_received(b"\x1a" * 32 + ash.encode(Rst()))
        assert bench.user.resets == before + 1

    on_bench(test)


def test_a_reply_carries_the_acknowledgement() -> None:
    async def test(bench: Bench) -> None:
        bench.user.reply = lambda p: bench.link.send(p[::-1])
        bench.give(Data(0, 0, b"abc"))
        assert bench.sent() == [Data(0, 1, b"cba")]

    on_bench(test)


def test_a_command_without_reply_is_acknowledged() -> None:
    async def test(bench: Bench) -> None:
        bench.give(Data(0, 0, b"abc"))
        assert bench.sent() == [Ack(1)]

    on_bench(test)


def test_a_copy_is_acknowledged_and_not_executed_again() -> None:
    async def test(bench: Bench) -> None:
        bench.give(Data(0, 0, b"abc"), Data(0, 0, b"abc", retransmitted=True))
        assert bench.user.got == [b"abc"]
        assert bench.sent() == [Ack(1), Ack(1)]
        assert not bench.user.faults

    on_bench(test)


@pytest.mark.parametrize("bad", [b"\x10" + bytes(5), bytes([0x25, 1, 2, 3, 4, 5, 6])])
def test_a_bad_data_frame_is_refused_once_and_counted(bad: bytes) -> None:
    async def test(bench: Bench) -> None:
        bench.link.data_received(bad + b"\x7e" + bad + b"\x7e")
        assert bench.sent() == [Nak(0)]
        assert bench.user.faults == ["ash-malformed"] * 2
        bench.give(Data(0, 0, b"abc"))
        assert bench.user.got == [b"abc"]

    on_bench(test)


def test_a_frame_out_of_sequence_is_refused() -> None:
    async def test(bench: Bench) -> None:
        bench.give(Data(3, 0, b"abc"))
        assert bench.sent() == [Nak(0)]
        assert bench.user.got == []

    on_bench(test)


def test_cancel_substitute_and_flow_control_bytes() -> None:
    async def test(bench: Bench) -> None:
        good = ash.encode(Data(0, 0, b"abc"))
        bench.link.data_received(b"\x01\x02\x1a" + good[:2] + b"\x11\x13" + good[2:])
        assert bench.user.got == [b"abc"]
        bench.link.data_received(good[:3] + b"\x18" + good[3:])
        assert bench.user.faults == ["ash-malformed"]

    on_bench(test)


def test_unacknowledged_frames_fill_the_window_and_come_again() -> None:
    async def test(bench: Bench) -> None:
        for i in range(WINDOW + 2):
            bench.link.send(bytes([i]) * 3)
        assert [f.number for f in bench.sent() if isinstance(f, Data)] == list(range(WINDOW))
        await asyncio.sleep(T_RX_ACK_INIT + 0.01)
        again = bench.sent()
        assert [(f.number, f.retransmitted) for f in again if isinstance(f, Data)] == [(n, True) for n in range(WINDOW)]
        bench.give(Ack(WINDOW))
        assert [f.number for f in bench.sent() if isinstance(f, Data)] == [WINDOW, WINDOW + 1]

    on_bench(test)


def test_a_nak_brings_frames_back_from_its_number() -> None:
    async def test(bench: Bench) -> None:
        for i in range(3):
            bench.link.send(bytes([i]) * 3)
        bench.sent()
        bench.give(Nak(1))
        assert bench.sent() == [Data(1, 0, b"\1\1\1", True), Data(2, 0, b"\2\2\2", True)]

    on_bench(test)


def test_a_host_that_never_acknowledges_makes_it_fail_until_reset() -> None:
    async def test(bench: Bench) -> None:
        bench.link.send(b"abc")
        await asyncio.sleep(30)
        assert bench.link.state is LinkState.FAILED
        assert bench.user.failures == 1
        assert bench.sent()[-1] == Error(0x51)
        bench.give(Data(0, 0, b"abc"))
        assert bench.sent() == [Error(0x51)]
        bench.give(Rst())
        bench.link.restart(0x0B)
        assert bench.sent() == [RstAck(0x0B)]
        assert bench.user.resets == 1

    on_bench(test)


def test_callbacks_wait_for_a_ready_host_and_replies_do_not() -> None:
    async def test(bench: Bench) -> None:
        bench.give(Ack(0, not_ready=True))
        bench.link.send(b"callback", callback=True)
        bench.link.send(b"reply")
        assert [f.payload for f in bench.sent() if isinstance(f, Data)] == [b"reply"]
        await asyncio.sleep(1.01)
        assert [f.payload for f in bench.sent() if isinstance(f, Data)] == [b"callback"]

    on_bench(test)
