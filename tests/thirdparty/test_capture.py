"""What tshark makes of the hub's own capture: every frame well formed, readable with its keys, and none missing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from test_tshark import DISPLAY, Rig
from tshark_peer import Dissection, require_tshark

from hanctl.api.frame_log import FrameLog
from hanctl.base import virtual
from hanctl.base.eui64 import Eui64
from hanctl.han.security import RULES
from hanctl.radio.frames import IncomingFrame, OutgoingFrame
from hanctl.wireshark.capture_file import CaptureFile
from hanctl.wireshark.files import create_private, key_line
from hanctl.wireshark.hub_frames import Encoder

pytestmark = [pytest.mark.thirdparty, pytest.mark.timeout(180)]

NOT_WELL = "_ws.malformed || _ws.expert.severity >= 0x00400000 || wpan.fcs_ok == 0 || zbee_sec.encrypted_payload"
LONG = bytes.fromhex("1107021234") + bytes(240)
"""Transfer Data of the Tunneling cluster, longer than any frame on the air."""


class Recording:
    """A capture as the command makes it, in one process with the hub; and what the hub says itself, counted."""

    def __init__(self, rig: Rig, pcapng: Path) -> None:
        self.hub = rig.bench.hub
        assert self.hub is not None and self.hub.network is not None
        network = self.hub.network
        self.said: Counter[str] = Counter()
        self._log = FrameLog(self.hub.clock, self._name, most=1_000_000)
        encoder = Encoder(network.dongle_eui64, network.pan_id)
        with create_private(pcapng.with_name(pcapng.name + ".keys")) as keys:
            keys.write(b"".join(key_line(key, name) for key, name in encoder.keys))
        self._out = create_private(pcapng)
        told = {"version": "1", "time": "2026-01-01T00:00:00Z", "channel": network.channel}
        self.file = CaptureFile(self._out, told | {"dongle_eui64": network.dongle_eui64}, encoder)
        self.hub.tap.listen(self._log)
        self.hub.tap.listen(self)

    def end(self) -> None:
        for record in self._log.take():
            self.file.take(record)
        self.file.close()
        self._out.close()

    def received(self, frame: IncomingFrame) -> None:
        self.said["in"] += 1

    def sent(self, number: int, frame: OutgoingFrame) -> None:
        self.said["out"] += 1

    def ended(self, number: int, outcome: str) -> None:
        self.said[outcome] += 1

    def _name(self, nwk: int) -> Eui64 | None:
        assert self.hub is not None
        device = self.hub.ledger.devices.by_nwk(nwk)
        return None if device is None else device.eui64


async def play(rig: Rig, pcapng: Path) -> Recording:
    rig.bench.world.plug()
    hub = await rig.bench.start()
    recording = Recording(rig, pcapng)
    await rig.play_on(hub)
    display = hub.ledger.devices.get(DISPLAY)
    assert display is not None and display.nwk is not None
    # A message that goes in blocks is one frame in the capture.
    hub.tap.received(IncomingFrame(display.nwk, 9, 1, 0x0109, 0x0704, LONG, 1, True, False))
    recording.end()
    return recording


@pytest.fixture(scope="module", params=["ezsp", "znp"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recording]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    found: list[Any] = []

    async def main() -> None:
        rig = Rig(directory, request.param)
        try:
            found.append(await play(rig, directory / "hub.pcapng"))
        finally:
            await rig.bench.close()

    virtual.run(main())
    return directory / "hub.pcapng", found[0]


def test_every_frame_is_there_well_formed_and_readable(recorded: tuple[Path, Recording]) -> None:
    require_tshark()
    pcapng, recording = recorded
    seen = Dissection(pcapng)
    assert seen.told(NOT_WELL) == []
    never_sent = recording.said["dropped"]
    assert seen.count("frame") == recording.file.frames == recording.said["in"] + recording.said["out"] - never_sent
    assert seen.count("frame.packet_flags_direction == 1") == recording.said["in"]
    assert seen.count("frame.packet_flags_direction == 2") == recording.said["out"] - never_sent
    assert recording.said["delivered"] > 50
    # What was given up later than the file waits for is written as not confirmed yet.
    failed, open_ = seen.count('frame.comment == "failed"'), seen.count('frame.comment contains "not confirmed yet"')
    assert failed <= recording.said["failed"] <= failed + open_
    times = [float(time) for (time,) in seen.rows("frame", "frame.time_epoch")]
    assert times == sorted(times)


def test_smart_energy_is_called_by_its_name_and_is_under_aps_security(recorded: tuple[Path, Recording]) -> None:
    require_tshark()
    seen = Dissection(recorded[0])
    clusters = ", ".join(f"0x{cluster:04x}" for cluster in RULES)
    secured = f"zbee_aps.profile == 0x0109 && zbee_aps.delivery == 0 && zbee_aps.cluster in {{{clusters}}}"
    names = seen.told(secured)
    assert names and all(name.startswith("ZCL") and "Unknown" not in name for name in names)
    assert seen.told(f"{secured} && !(zbee_aps.security == 1)") == []
    told = " ".join(seen.told("zbee_aps"))
    for expected in ("Device Announcement", "Confirm Key Data", "Image Notify", "Image Block", "Upgrade End Response"):
        assert expected in told


def test_without_its_keys_nothing_of_it_is_readable_and_the_hans_own_are_not_in_it(
    recorded: tuple[Path, Recording],
) -> None:
    require_tshark()
    pcapng, _ = recorded
    closed = Dissection(pcapng, without_keys=True)
    assert closed.count("zbee_zcl || zbee_zdp") == 0
    assert closed.count("zbee_sec.encrypted_payload") == closed.count("frame")
    keys = pcapng.with_name(pcapng.name + ".keys").read_text().splitlines()
    assert len(keys) == 2


def test_a_long_message_is_whole(recorded: tuple[Path, Recording]) -> None:
    require_tshark()
    seen = Dissection(recorded[0])
    assert [name.split(",")[0] for name in seen.told("frame.len > 127")] == ["ZCL Tunneling: Transfer Data"]
