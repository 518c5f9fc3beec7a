"""Lines that somebody else causes by the hundred: the first are written, the others counted."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from hanctl.logs import crowd
from hanctl.logs.journal import EVENTS
from hanctl.logs.setup import set_up_logging


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    set_up_logging("json", stream)
    yield stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_thousand_malformed_frames_are_twenty_lines_and_other_lines_are_all_there(out: io.StringIO) -> None:
    log = structlog.get_logger("hanctl.han")
    for number in range(1000):
        log.warning("malformed ZCL frame", device=f"{number}")
        if number % 100 == 0:
            log.warning(f"another kind {number}")
    texts = [line["event"] for line in lines(out)]
    assert texts.count("malformed ZCL frame") == crowd.IN_FULL
    assert len(texts) == crowd.IN_FULL + 10


def test_the_next_line_after_a_minute_tells_how_many_there_were(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = structlog.get_logger("hanctl.han")
    for _ in range(100):
        log.warning("malformed ZCL frame")
        logging.getLogger("a.library").warning("strange bytes of %s", "a device")
    monkeypatch.setattr(crowd, "PERIOD_S", 0.0)
    log.warning("malformed ZCL frame")
    logging.getLogger("a.library").warning("strange bytes of %s", "a device")
    ours, theirs = lines(out)[-2:]
    assert ours["left_out"] == 100 - crowd.IN_FULL
    assert theirs["event"] == "strange bytes of a device (80 such lines before it were left out)"


def test_no_event_of_the_ledger_is_left_out(out: io.StringIO) -> None:
    events = structlog.get_logger(EVENTS)
    for number in range(100):
        events.warning("device.left", id=number)
    assert len(lines(out)) == 100


def test_kinds_without_end_take_no_memory_without_end() -> None:
    guard = crowd.Crowd()
    for number in range(10 * crowd.MOST_KINDS):
        assert guard.filter(logging.LogRecord("x", logging.INFO, "", 0, f"text {number}", None, None))
    assert len(guard._kinds) == crowd.MOST_KINDS
