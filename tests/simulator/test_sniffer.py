"""What a capture holds of what happened: each transmission, who received it, its security, and the keys beside it."""

from __future__ import annotations

import asyncio
import logging
import struct
from pathlib import Path
from typing import Any

import pytest
from simulator_hub import CODE, NETWORK_KEY, FakeHub, in_virtual_time, spec

from hanctl.base import virtual
from hanctl.crypto.install_code import parse_install_code
from hanctl.simulator.device.ota.types import OtaState
from hanctl.simulator.dongle import SimulatorError
from hanctl.simulator.network.medium import BROADCAST_ALL, ApsFrame
from hanctl.simulator.sniffer.capture import Capture

EPOCH = 1_700_000_000
DATA, ACK, COMMAND = 1, 2, 3


def frames(pcap: Path) -> list[tuple[float, bytes]]:
    """Times in seconds and frames of the file, which must end with a whole one."""
    content = pcap.read_bytes()
    assert struct.unpack_from("<IHHiIII", content) == (0xA1B2C3D4, 2, 4, 0, 0, 65535, 195)
    found, at = [], 24
    while at < len(content):
        seconds, microseconds, length, original = struct.unpack_from("<IIII", content, at)
        assert length == original and at + 16 + length <= len(content)
        found.append((seconds + microseconds / 1e6, content[at + 16 : at + 16 + length]))
        at += 16 + length
    times = [time for time, _ in found]
    assert times == sorted(set(times))
    return found


def kinds(pcap: Path, since: int = 0) -> list[int]:
    return [frame[0] & 0x07 for _, frame in frames(pcap)[since:]]


def capture(hub: FakeHub, directory: Path) -> Capture:
    return Capture(
        hub.stack, directory / "air.pcap", directory / "air.keys", lambda: EPOCH + asyncio.get_running_loop().time()
    )


async def joined(hub: FakeHub) -> None:
    hub.start()
    await hub.wait_for(lambda: hub.device.online)
    await asyncio.sleep(5)


def quiet(**fields: Any) -> FakeHub:
    """A device whose OTA client says nothing."""
    return FakeHub(spec(timings={"start_delay_s": [1e6, 1e6]}, **fields))


async def send(hub: FakeHub, payload: bytes, *, encrypted: bool) -> bool:
    """Send to an endpoint that the device has not: it acknowledges, and says nothing."""
    sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    nwk, counter = hub.device.nwk or 0, hub.stack.next_counter()
    frame = ApsFrame(0, nwk, 0x0109, 0x0800, 1, 9, counter, payload, encrypted=encrypted)
    assert hub.stack.send(frame, sent.set_result) is None
    return await sent


@in_virtual_time
async def test_who_received_a_frame_has_acknowledged_it(tmp_path: Path) -> None:
    hub = quiet()
    capture(hub, tmp_path)
    await joined(hub)
    pcap = tmp_path / "air.pcap"
    began, before = asyncio.get_running_loop().time(), len(frames(pcap))
    assert await send(hub, b"hello", encrypted=True)
    # The frame, and its APS acknowledgement: each with its acknowledgement by the MAC.
    assert kinds(pcap, before) == [DATA, ACK, DATA, ACK]
    delay = hub.device.link.delay_s
    times = [time - EPOCH - began for time, _ in frames(pcap)[before:]]
    assert times == pytest.approx([0, 0, delay, delay], abs=1e-4)

    before = len(frames(pcap))
    hub.stack.import_link_key(hub.device.eui64, bytes(16))
    assert not await send(hub, b"under a key that it has not", encrypted=True)
    assert kinds(pcap, before) == [DATA, ACK] * 4

    before = len(frames(pcap))
    hub.device.power_off()
    assert not await send(hub, b"is anybody there", encrypted=False)
    assert kinds(pcap, before) == [DATA] * 4

    before = len(frames(pcap))
    waiting = asyncio.ensure_future(send(hub, b"without power nothing is sent", encrypted=False))
    await asyncio.sleep(0.1)
    hub.stack.power_off()
    await asyncio.sleep(20)
    assert kinds(pcap, before) == [DATA]
    waiting.cancel()


@in_virtual_time
async def test_a_sleepy_child_polls_for_each_frame(tmp_path: Path) -> None:
    hub = quiet(sleepy=True, poll_interval_s=2.0)
    capture(hub, tmp_path)
    await joined(hub)
    pcap = tmp_path / "air.pcap"
    before = len(frames(pcap))
    assert await send(hub, b"hello", encrypted=True)
    await asyncio.sleep(0.3)
    # The poll, the frame, its APS acknowledgement, and a poll for which there is nothing.
    assert kinds(pcap, before) == [COMMAND, ACK, DATA, ACK, DATA, ACK, COMMAND, ACK]
    pending = [bool(frame[0] & 0x10) for _, frame in frames(pcap)[before:] if frame[0] & 0x07 == ACK]
    assert pending == [True, False, False, False]


@in_virtual_time
async def test_a_broadcast_held_for_a_sleepy_child_is_the_same_frame_again(tmp_path: Path) -> None:
    hub = quiet(sleepy=True, poll_interval_s=2.0)
    capture(hub, tmp_path)
    await joined(hub)
    pcap = tmp_path / "air.pcap"
    before = len(frames(pcap))
    everybody = ApsFrame(0, BROADCAST_ALL, 0x0109, 0x0800, 1, 9, 1, b"everybody")
    assert hub.stack.send(everybody, lambda _: None) is None
    await asyncio.sleep(3)
    to_all, to_child = [frame for _, frame in frames(pcap)[before:] if frame[0] & 0x07 == DATA]
    assert to_all[5:7] == b"\xff\xff" and to_child[5:7] == (hub.device.nwk or 0).to_bytes(2, "little")
    # The network header: addresses, radius and number.
    assert to_all[9:17] == to_child[9:17]


@pytest.mark.parametrize(("size", "encrypted", "length"), [(81, False, 126), (82, False, 127), (73, True, 127)])
@in_virtual_time
async def test_the_longest_payloads_fit_one_frame(tmp_path: Path, size: int, encrypted: bool, length: int) -> None:
    hub = quiet()
    capture(hub, tmp_path)
    await joined(hub)
    assert await send(hub, bytes(size), encrypted=encrypted)
    assert max(len(frame) for _, frame in frames(tmp_path / "air.pcap")) == length


@in_virtual_time
async def test_keys_are_in_their_own_file_before_they_are_needed_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("air.pcap", "air.keys"):
        (tmp_path / name).touch(0o644)
    hub = quiet()
    capture(hub, tmp_path)
    established = bytes(range(32, 48))
    await joined(hub)
    hub.stack.import_link_key(hub.device.eui64, established)
    marker = b"nobody may read this without a key"
    await send(hub, marker, encrypted=True)
    # Both are read while the capture goes on, as after a kill.
    air, keys = (tmp_path / "air.pcap").read_bytes(), (tmp_path / "air.keys").read_text().splitlines()
    secrets = [parse_install_code(CODE).link_key, NETWORK_KEY, established]
    names = [f"link key of {hub.device.eui64}", "network key 0", f"link key of {hub.device.eui64}"]
    expected = {f'"{key.hex(":")}","Normal","{name}"' for key, name in zip(secrets, names, strict=True)}
    assert len(keys) == 3 and set(keys) == expected
    assert frames(tmp_path / "air.pcap")
    assert not any(secret in air for secret in [*secrets, marker])
    assert not any(secret.hex() in caplog.text.replace(":", "") for secret in secrets)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


def test_a_capture_changes_nothing(tmp_path: Path) -> None:
    async def story(*, watched: bool) -> tuple[list[str], list[tuple[float, ApsFrame]]]:
        hub = FakeHub(spec(sleepy=True, link={"loss": 0.1}), seed=3)
        if watched:
            capture(hub, tmp_path)
        hub.start()
        await hub.until(OtaState.COUNTDOWN)
        hub.device.leave()
        hub.device.power_off()
        return hub.events, hub.heard

    assert virtual.run(story(watched=False)) == virtual.run(story(watched=True))
    assert len(frames(tmp_path / "air.pcap")) > 500


@in_virtual_time
async def test_a_full_disk_ends_the_capture_and_not_the_simulation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub = quiet()
    Capture(hub.stack, Path("/dev/full"), tmp_path / "air.keys", lambda: EPOCH)
    assert hub.medium.observer is None
    await joined(hub)
    assert hub.device.online
    assert [record.getMessage() for record in caplog.records if "capture" in record.getMessage()] == [
        "the capture ends here, as /dev/full cannot be written: No space left on device"
    ]


def test_files_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    stack = quiet().stack
    with pytest.raises(SimulatorError, match="No such file or directory"):
        Capture(stack, tmp_path / "none" / "air.pcap", tmp_path / "air.keys", lambda: EPOCH)
    with pytest.raises(SimulatorError, match="both frames and keys"):
        Capture(stack, tmp_path / "air", tmp_path / "air", lambda: EPOCH)
    assert stack.medium.observer is None
