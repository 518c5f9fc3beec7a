"""The log: events of the ledger as lines, and everybody else's lines in the same form."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime
from typing import Literal

import pytest
import structlog

from hanctl.ledger.ledger import Recorded
from hanctl.logs.setup import log_event, set_up_logging
from hanctl.model.events import DeviceLeft

DEVICE = "00:0d:6f:00:0a:90:69:e7"
LEFT = Recorded(7, datetime(2026, 3, 1, 12, tzinfo=UTC), DeviceLeft(device=DEVICE))


def test_an_event_is_one_json_line_for_a_machine() -> None:
    stream = io.StringIO()
    set_up_logging("auto", stream)
    log_event(LEFT)
    assert json.loads(stream.getvalue()) == {
        "event": "device.left",
        "id": 7,
        "time": "2026-03-01T12:00:00.000000Z",
        "level": "warning",
        "device": "00:0d:6f:00:0a:90:69:e7",
    }


def test_an_event_is_one_readable_line_for_a_person() -> None:
    stream = io.StringIO()
    set_up_logging("pretty", stream)
    log_event(LEFT)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith("2026-03-01T12:00:00") and "warning" in line
    assert "device.left" in line and "device=00:0d:6f:00:0a:90:69:e7" in line


def test_lines_of_libraries_and_exceptions_are_json_too() -> None:
    stream = io.StringIO()
    set_up_logging("json", stream)
    logging.getLogger("bellows.uart").warning("odd frame %s", "x")
    logging.getLogger("bellows.uart").debug("a key")
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger("hanctl").exception("it broke")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["level"]) == ("odd frame x", "warning") and first["time"]
    assert second["event"] == "it broke" and "ValueError: why" in second["exception"]


KEY = bytes(range(0x10, 0x20))


@pytest.mark.parametrize("mode", ["json", "pretty"])
@pytest.mark.parametrize(
    "shown",
    [
        repr(KEY),
        repr(KEY + b"'"),
        KEY.hex(),
        str(KEY.hex().encode()),
        KEY.hex(":"),
        KEY.hex(" "),
        str(list(KEY)),
        ", ".join(f"0x{byte:02x}" for byte in KEY),
    ],
)
def test_a_frame_that_a_library_cannot_parse_is_not_shown(shown: str, mode: Literal["json", "pretty"]) -> None:
    stream = io.StringIO()
    set_up_logging(mode, stream)
    logging.getLogger("bellows.ezsp.protocol").warning("Failed to parse frame %s: %s", "exportKey", shown)
    logging.getLogger("bellows.ezsp.protocol").warning("The hub's key is %s", shown)
    try:
        raise ValueError(shown)
    except ValueError:
        logging.getLogger("zigpy_znp.uart").exception("Received an exception")
    log_event(LEFT)
    text = stream.getvalue()
    assert "Failed to parse frame exportKey" in text and "ValueError" in text and DEVICE in text
    assert not any(each in text for each in (shown[4:20], KEY.hex()[:16], "10:11:12:13", "10 11 12", "16, 17", "0x11"))
    assert text.count("(bytes)") == 3
