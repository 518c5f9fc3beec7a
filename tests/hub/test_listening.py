"""Whoever captures hears every frame of the HAN, and what became of each; where nobody does, nothing is told."""

from __future__ import annotations

from collections import Counter

import pytest
from update_rig import Play, Rig

from hanctl.radio.frames import IncomingFrame, Outcome, OutgoingFrame
from hanctl.radio.tap import FrameTap
from hanctl.updates.serving import ota as wire


class Ears:
    """A listener that notes everything."""

    def __init__(self) -> None:
        self.heard: list[IncomingFrame] = []
        self.sent_frames: dict[int, OutgoingFrame] = {}
        self.ends: dict[int, Outcome] = {}

    def received(self, frame: IncomingFrame) -> None:
        self.heard.append(frame)

    def sent(self, number: int, frame: OutgoingFrame) -> None:
        assert number not in self.sent_frames
        self.sent_frames[number] = frame

    def ended(self, number: int, outcome: Outcome) -> None:
        assert number in self.sent_frames and number not in self.ends
        self.ends[number] = outcome


def test_an_update_is_heard_from_its_first_frame_to_its_last(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        ears = Ears()
        rig.hub.tap.listen(ears)
        await rig.check_confirmed(rig.order())
        blocks = len(rig.served[rig.device().eui64])
        ota = Counter(frame.payload[2] for frame in ears.sent_frames.values() if frame.cluster == wire.CLUSTER)
        asked = Counter(frame.payload[2] for frame in ears.heard if frame.cluster == wire.CLUSTER)
        assert ota[0x05] == asked[0x03] == blocks
        # The dongle acknowledged all of it.
        assert set(ears.ends) == set(ears.sent_frames)
        assert set(ears.ends.values()) == {"delivered"}

    play(scenario)


def test_a_frame_that_nobody_acknowledges_is_told_as_failed(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        ears = Ears()
        rig.device().power_off()
        rig.hub.tap.listen(ears)
        number = rig.order()
        await rig.until(lambda: "failed" in ears.ends.values())
        assert rig.update(number).state == "ordered"

    play(scenario)


def test_the_dongle_that_comes_back_is_heard_too(play: Play) -> None:
    async def scenario(rig: Rig) -> None:
        ears = Ears()
        rig.hub.tap.listen(ears)
        rig.bench.world.unplug()
        await rig.until(lambda: rig.hub.network is None)
        rig.bench.world.plug()
        await rig.until(lambda: rig.hub.network is not None)
        before = len(ears.sent_frames)
        await rig.check_confirmed(rig.order())
        assert len(ears.sent_frames) > before

    play(scenario)


def test_while_nobody_listens_nothing_is_told(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a frame was told to nobody")

    for name in ("received", "sent", "posted"):
        monkeypatch.setattr(FrameTap, name, never)

    async def scenario(rig: Rig) -> None:
        await rig.check_confirmed(rig.order())

    play(scenario)
