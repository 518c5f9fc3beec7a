"""MT framing on the dongle's side of the line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from zigpy_znp.frames import GeneralFrame, TransportFrame
from zigpy_znp.types import Bytes, CommandHeader

from hanctl.simulator.znp.mt import BadBytes, MtFrame, MtReader

PING = bytes.fromhex("fe00210120")

frames = st.builds(MtFrame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=250))


def test_a_known_frame() -> None:
    assert MtFrame(0x21, 0x01).encode() == PING
    assert MtReader().feed(PING) == [MtFrame(0x21, 0x01)]


@given(frames)
def test_zigpy_znp_reads_what_is_written(frame: MtFrame) -> None:
    theirs, rest = TransportFrame.deserialize(frame.encode())
    assert not rest
    header = CommandHeader(frame.cmd0 | frame.cmd1 << 8)
    assert theirs.payload == GeneralFrame(header, Bytes(frame.data))


@given(st.lists(frames, max_size=5), st.integers(1, 40))
def test_frames_arrive_whole_however_they_are_cut(sent: list[MtFrame], piece: int) -> None:
    line = b"".join(f.encode() for f in sent)
    reader = MtReader()
    found = [item for at in range(0, len(line), piece) for item in reader.feed(line[at : at + piece])]
    assert found == sent


@given(st.binary(max_size=600), st.integers(1, 60))
def test_no_bytes_break_the_reader_and_none_is_unaccounted(line: bytes, piece: int) -> None:
    reader = MtReader()
    found = [item for at in range(0, len(line), piece) for item in reader.feed(line[at : at + piece])]
    accounted = sum(len(i.data) if isinstance(i, BadBytes) else len(i.encode()) for i in found)
    assert 0 <= len(line) - accounted < 256


def test_a_wrong_checksum_costs_only_its_frame() -> None:
    bad = bytes.fromhex("fe00210121")
    assert MtReader().feed(bad + PING) == [BadBytes("fcs", bad), MtFrame(0x21, 0x01)]


def test_noise_before_a_frame() -> None:
    assert MtReader().feed(b"\x00\x11" + PING) == [BadBytes("noise", b"\x00\x11"), MtFrame(0x21, 0x01)]


def test_a_length_that_cannot_be() -> None:
    assert MtReader().feed(b"\xfe\xfb" + PING) == [BadBytes("length", b"\xfe\xfb"), MtFrame(0x21, 0x01)]


def test_a_frame_that_swallowed_the_next_gives_it_back() -> None:
    """A lost byte makes a frame run into the one behind it: that one must not be lost too."""
    cut = bytes.fromhex("fe02210107")
    found = MtReader().feed(cut + PING)
    assert found[-1] == MtFrame(0x21, 0x01)


def test_half_a_frame_is_forgotten_when_the_line_is_opened_anew() -> None:
    reader = MtReader()
    reader.feed(PING[:3])
    reader.clear()
    assert reader.feed(PING) == [MtFrame(0x21, 0x01)]
