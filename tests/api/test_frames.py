"""Frames told from the hub's inside to whoever captures: all of them, in bounds, and at no cost while nobody does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commands import Command
from hub_fakes import PPMID, FakeRadio, configure, running

from hanctl.api.frame_log import FrameLog
from hanctl.base.clock import LoopClock, SystemClock
from hanctl.base.errors import ExitCode
from hanctl.base.eui64 import Eui64
from hanctl.hub.daemon import Daemon
from hanctl.model.records import Device
from hanctl.radio.frames import IncomingFrame, OutgoingFrame
from hanctl.radio.tap import FrameTap

OTHER = Eui64("00:0d:6f:00:0a:90:69:e8")
NAMES = {1: PPMID, 2: OTHER}
HEARD = IncomingFrame(1, 1, 3, 0x0109, 0x0702, b"\x01\x02", 77, True, False, lqi=200, rssi=-40)
TOLD = OutgoingFrame(1, 1, 3, 0x0109, 0x0702, b"\x03", aps_encrypted=True)


def log(**options: Any) -> FrameLog:
    return FrameLog(SystemClock(), NAMES.get, **options)


def listening(frame_log: FrameLog) -> FrameTap:
    tap = FrameTap()
    tap.listen(frame_log)
    return tap


async def test_a_frame_is_told_with_all_that_the_dongle_says() -> None:
    clock = LoopClock(asyncio.get_running_loop(), datetime(2026, 3, 1, tzinfo=UTC))
    frame_log = FrameLog(clock, NAMES.get)
    tap = listening(frame_log)
    tap.received(HEARD)
    tap.posted(TOLD)
    heard, told = frame_log.take()
    assert heard["time"].startswith("2026-03-01T00:00:0")
    assert heard | {"time": ""} == {
        "kind": "frame", "time": "", "direction": "in", "number": None, "nwk": 1, "eui64": PPMID,
        "device_endpoint": 1, "hub_endpoint": 3, "profile": 0x0109, "cluster": 0x0702, "payload": "0102",
        "aps_encrypted": True, "aps_counter": 77, "aps_ack": None, "broadcast": False, "lqi": 200, "rssi": -40,
    }  # fmt: skip
    assert (told["direction"], told["number"], told["aps_ack"], told["payload"]) == ("out", 1, True, "03")
    assert set(told) == set(heard)


async def test_what_became_of_a_frame_is_told_and_to_its_sender_too() -> None:
    frame_log = log()
    ends: list[str] = []
    posted = listening(frame_log).posted(OutgoingFrame(1, 1, 3, 0x0109, 0x0702, b"", outcome=ends.append))
    frame_log.take()
    assert posted.outcome is not None
    posted.outcome("failed")
    assert frame_log.take() == [{"kind": "outcome", "number": 1, "outcome": "failed"}]
    assert ends == ["failed"]


async def test_of_one_device_alone() -> None:
    frame_log = log(only=OTHER)
    tap = listening(frame_log)
    tap.received(HEARD)
    tap.sent(TOLD)("delivered")
    tap.sent(OutgoingFrame(2, 1, 3, 0x0109, 0x0702, b""))("delivered")
    assert [(each["kind"], each.get("eui64")) for each in frame_log.take()] == [("frame", OTHER), ("outcome", None)]


async def test_a_slow_reader_loses_frames_and_is_told_how_many() -> None:
    frame_log = log(most=3)
    tap = listening(frame_log)
    ends = [tap.sent(TOLD) for _ in range(5)]
    for end in ends:
        end("delivered")
    told = frame_log.take()
    assert [each["kind"] for each in told] == ["frame"] * 3 + ["outcome"] * 3 + ["lost"]
    assert told[-1] == {"kind": "lost", "frames": 2}
    tap.received(HEARD)
    assert [each["kind"] for each in frame_log.take()] == ["frame"]


async def test_who_stops_listening_hears_no_more() -> None:
    tap, frame_log = FrameTap(), log()
    stop = tap.listen(frame_log)
    end = tap.sent(TOLD)
    stop()
    end("delivered")
    assert [each["kind"] for each in frame_log.take()] == ["frame"]
    assert tap.listeners == []


# --- over the socket


async def command(daemon: Daemon, *arguments: str) -> Command:
    return await Command.start("capture", "--socket", str(daemon.config.hub.socket), *arguments)


async def listened(daemon: Daemon) -> None:
    async with asyncio.timeout(30):
        while not daemon.tap.listeners:
            await asyncio.sleep(0.01)


async def test_the_command_writes_frames_and_keys_for_their_owner_alone_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    file, keys = tmp_path / "han.pcapng", tmp_path / "han.pcapng.keys"
    async with running(configure(tmp_path), FakeRadio(), serve=True) as daemon:
        daemon.ledger.devices.put(Device(PPMID, datetime(2026, 1, 1, tzinfo=UTC), state="interviewed", nwk=1))
        process = await command(daemon, "-o", str(file))
        await listened(daemon)
        daemon.tap.received(HEARD)
        daemon.tap.sent(TOLD)("delivered")
        async with asyncio.timeout(10):
            while not file.exists() or b"delivered" not in file.read_bytes():
                await asyncio.sleep(0.01)
        process.send_signal(2)
        out, err = await process.communicate()
        assert (process.returncode, err) == (ExitCode.INTERRUPTED, b"capturing; Ctrl-C ends\n")
        assert out.decode() == f"2 frames in {file}, keys in {keys}\n"
        async with asyncio.timeout(10):
            while daemon.tap.listeners:
                await asyncio.sleep(0.01)
    assert {path.stat().st_mode & 0o777 for path in (file, keys)} == {0o600}
    # The interface's statistics end it.
    assert file.read_bytes()[-8:-4] == bytes(4)
    assert [line.split(",")[1] for line in keys.read_text().splitlines()] == ['"Normal"'] * 2
    key = bytes.fromhex(keys.read_text().split('"')[1].replace(":", ""))
    assert key not in file.read_bytes()


async def test_it_ends_after_a_time_and_with_the_hub(tmp_path: Path) -> None:
    async with running(configure(tmp_path), FakeRadio(), serve=True) as daemon:
        timed = await command(daemon, "-o", "-", "--keys", str(tmp_path / "keys"), "--duration", "1s")
        out, err = await timed.communicate()
        assert timed.returncode == 0 and out[:4] == b"\x0a\x0d\x0d\x0a"
        assert b"0 frames on standard output" in err

        other = await command(daemon, "-o", str(tmp_path / "x.pcapng"))
        await listened(daemon)
    out, _ = await other.communicate()
    assert other.returncode == 0 and b"0 frames" in out


async def test_a_hub_without_its_dongle_and_files_that_cannot_be_written(tmp_path: Path) -> None:
    async with running(configure(tmp_path), FakeRadio(), serve=True) as daemon:
        for arguments, code in (
            (("-o", "-"), ExitCode.USAGE),
            (("-o", str(tmp_path / "none" / "x.pcapng")), ExitCode.STATE),
            (("-o", str(tmp_path / "x"), "--keys", str(tmp_path / "x")), ExitCode.USAGE),
        ):
            process = await command(daemon, *arguments)
            _, err = await process.communicate()
            assert process.returncode == code and err.startswith(b"error: ")
        assert daemon._supervisor is not None
        daemon._supervisor.network = None
        process = await command(daemon, "-o", str(tmp_path / "x.pcapng"))
        _, err = await process.communicate()
        assert process.returncode == ExitCode.DONGLE and not (tmp_path / "x.pcapng").exists()
