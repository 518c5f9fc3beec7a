"""Under systemd the log is entries of the journal with fields: read here as the protocol's description has it."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import pytest
import structlog

from hanctl.ledger.ledger import Recorded
from hanctl.logs import journal
from hanctl.logs.setup import log_event, set_up_logging
from hanctl.model.events import DeviceLeft, DongleReopening

DEVICE = "00:0d:6f:00:0a:90:69:e7"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = bytes(range(0x10, 0x20))


class Journald:
    """Its native socket: one datagram is one entry, or one that is empty and passes a file with it."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(5)

    def entry(self) -> dict[str, str]:
        data, descriptors, _, _ = socket.recv_fds(self._socket, 1 << 20, 1)
        for descriptor in descriptors:
            with os.fdopen(descriptor, "rb") as file:
                file.seek(0)
                data = file.read()
        found: dict[str, str] = {}
        while data:
            head, _, data = data.partition(b"\n")
            name, is_short, value = head.partition(b"=")
            if not is_short:
                (length,) = struct.unpack("<Q", data[:8])
                value, data = data[8 : 8 + length], data[8 + length :]
                assert data[:1] == b"\n"
                data = data[1:]
            assert name.decode() not in found
            found[name.decode()] = value.decode()
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(journal, "SOCKET", str(tmp_path / "socket"))
    return tmp_path / "socket"


@pytest.fixture
def stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """Standard error as systemd connects it."""
    with (tmp_path / "stderr").open("w+") as file:
        status = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        yield file


@pytest.fixture
def journald(path: Path) -> Iterator[Journald]:
    stand_in = Journald(path)
    yield stand_in
    stand_in.close()


def written(stream: TextIO) -> str:
    stream.seek(0)
    return stream.read()


def test_an_event_is_one_entry_that_is_found_by_its_fields(journald: Journald, stream: TextIO) -> None:
    set_up_logging("auto", stream)
    log_event(Recorded(7, NOON, DeviceLeft(device=DEVICE)))
    assert journald.entry() == {
        "MESSAGE": f"device.left device={DEVICE}",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "hanctl",
        "LOGGER": "hanctl",
        "HANCTL_EVENT": "device.left",
        "HANCTL_TIME": "2026-03-01T12:00:00.000000Z",
        "HANCTL_ID": "7",
        "HANCTL_DEVICE": DEVICE,
    }
    assert written(stream) == ""


def test_numbers_and_line_ends_are_kept(journald: Journald, stream: TextIO) -> None:
    set_up_logging("auto", stream)
    log_event(Recorded(8, NOON, DongleReopening(attempt=3, delay_s=2.5, reason="two\nlines=\n1")))
    entry = journald.entry()
    assert (entry["HANCTL_ATTEMPT"], entry["HANCTL_DELAY_S"]) == ("3", "2.5")
    assert entry["HANCTL_REASON"] == "two\nlines=\n1"


def test_other_lines_and_exceptions_are_entries_too_and_no_events(journald: Journald, stream: TextIO) -> None:
    set_up_logging("auto", stream)
    logging.getLogger("uvicorn.error").error("it ends")
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger("hanctl.hub.daemon").exception("it broke", part="a", id=9)
    first, second = journald.entry(), journald.entry()
    assert (first["MESSAGE"], first["PRIORITY"], first["LOGGER"]) == ("it ends", "3", "uvicorn.error")
    assert second["MESSAGE"].startswith("it broke part=a\nTraceback") and "ValueError: why" in second["MESSAGE"]
    assert second["HANCTL_PART"] == "a"
    assert "HANCTL_EVENT" not in first.keys() | second.keys()


def test_an_entry_that_is_too_long_for_a_datagram_arrives(journald: Journald, stream: TextIO) -> None:
    set_up_logging("auto", stream)
    long = "so " * 200_000
    logging.getLogger("hanctl.x").warning(long)
    assert journald.entry()["MESSAGE"] == long


def test_a_frame_that_a_library_cannot_parse_is_not_in_the_journal(journald: Journald, stream: TextIO) -> None:
    set_up_logging("auto", stream)
    logging.getLogger("bellows.ezsp.protocol").warning("Failed to parse frame %s: %s", "exportKey", repr(KEY))
    logging.getLogger("zigpy_znp.uart").error(KEY.hex(), exc_info=ValueError(str(list(KEY))))
    assert journald.entry()["MESSAGE"] == "Failed to parse frame exportKey: (bytes)"
    assert journald.entry()["MESSAGE"].startswith("(bytes)\nValueError: [(bytes)]")


def test_what_the_journal_does_not_take_is_json_on_standard_error(path: Path, stream: TextIO) -> None:
    set_up_logging("auto", stream)
    log_event(Recorded(7, NOON, DeviceLeft(device=DEVICE)))
    assert '"event": "device.left"' in written(stream)
    # A journal that starts, or starts again with another socket, gets the next.
    for _ in range(2):
        journald = Journald(path)
        log_event(Recorded(8, NOON, DeviceLeft(device=DEVICE)))
        assert journald.entry()["HANCTL_ID"] == "8"
        journald.close()
        path.unlink()


@pytest.mark.parametrize("told", ["", "1:2", "nonsense"])
def test_a_stream_that_does_not_lead_to_the_journal_gets_json(
    told: str, journald: Journald, stream: TextIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As of a hub whose output was sent to a file, in a session of systemd.
    monkeypatch.setenv("JOURNAL_STREAM", told)
    set_up_logging("auto", stream)
    log_event(Recorded(7, NOON, DeviceLeft(device=DEVICE)))
    assert '"event": "device.left"' in written(stream)


def test_json_is_json_where_it_is_asked_for(journald: Journald, stream: TextIO) -> None:
    set_up_logging("json", stream)
    log_event(Recorded(7, NOON, DeviceLeft(device=DEVICE)))
    assert '"event": "device.left"' in written(stream)
