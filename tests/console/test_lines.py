"""Bytes of a console become lines that may be kept, however they arrive."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanctl.console.lines import CUT, LONGEST, MOST_BYTES, LineSplitter, Redactor, clean

EUI64 = "00:0d:6f:00:0a:90:69:e7"


def split(data: bytes, sizes: list[int] | None = None) -> list[bytes]:
    """The whole lines of these bytes, fed in pieces of these sizes."""
    splitter, found = LineSplitter(), []
    for size in [*(sizes or []), len(data)]:
        piece, data = data[:size], data[size:]
        found += [line for line, _ in splitter.feed(piece)]
    return found


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b"\n\r"])
def test_lines_end_with_any_of_the_usual_ends(end: bytes) -> None:
    assert split(b"one" + end + b"two" + end + b"thr") == [b"one", b"two"]


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), max_size=20))
def test_lines_do_not_depend_on_how_they_arrive(data: bytes, sizes: list[int]) -> None:
    assert split(data, sizes) == split(data)
    assert split(data + b"\n") == [line for line in re.split(rb"[\r\n]+", data) if line]


def test_of_a_line_without_end_no_more_is_kept_than_it_may_have() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * 1000) == []
    ((line, too_long),) = splitter.feed(b"\nnext")
    assert (len(line), too_long) == (MOST_BYTES, True)
    assert splitter.feed(b" line\n") == [(b"next line", False)]


@pytest.mark.parametrize(
    ("text", "waits"),
    [(b"login: ", True), (b"ota> ", True), (b"# ", True), (b"key: 0011", False), (b"00:11:", False), (b"", False)],
)
def test_a_prompt_is_told_without_waiting_for_its_end_and_half_a_line_is_not(text: bytes, waits: bool) -> None:
    splitter = LineSplitter()
    splitter.feed(text)
    assert splitter.prompt() == ((text, False) if waits else None)
    assert splitter.rest() == (None if waits or not text else (text, True))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b[1;32mOK\x1b[0m done", "OK done"),
        (b"\x1b]0;title\x07boot", "boot"),
        (b"bell\x07 null\x00 back\x08", "bell null back"),
        (b"a\tb", "a    b"),
        ("23 °C – ok".encode(), "23 °C – ok"),
        (b"noise \xff\xfe", r"noise \xff\xfe"),
        (b"trailing  ", "trailing"),
        ("line\u2028two".encode(), "linetwo"),
    ],
)
def test_what_is_kept_is_readable(raw: bytes, text: str) -> None:
    assert clean(raw) == text


@given(st.binary(max_size=200))
def test_nothing_that_is_kept_moves_a_cursor_or_ends_a_line(raw: bytes) -> None:
    text = Redactor().line(raw)
    assert len(text.splitlines()) <= 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", text)


# --- what must not be kept


def written(key: bytes, separator: str, prefix: str, upper: bool) -> str:
    text = separator.join(prefix + f"{byte:02x}" for byte in key)
    return text.upper().replace("X", "x") if upper else text


words = st.text(alphabet="GHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwyz=. ", max_size=30)


@given(
    key=st.binary(min_size=16, max_size=18),
    separator=st.sampled_from(["", " ", ":", "-", ", ", ","]),
    prefix=st.sampled_from(["", "0x"]),
    upper=st.booleans(),
    before=words,
    after=words,
)
def test_a_key_is_not_kept_however_it_is_written(
    key: bytes, separator: str, prefix: str, upper: bool, before: str, after: str
) -> None:
    line = f"{before}{written(key, separator, prefix, upper)}{after}"
    kept = Redactor().line(line.encode())
    assert "[redacted]" in kept
    # Not even four bytes of it in a row.
    digits = re.sub(r"0x|[^0-9a-f]", "", kept.lower().replace("[redacted]", "|"))
    assert not any(key[n : n + 4].hex() in digits for n in range(len(key) - 3))


@given(key=st.binary(min_size=16, max_size=16), at=st.integers(MOST_BYTES - 60, MOST_BYTES + 5))
def test_a_key_at_the_end_of_what_is_kept_is_not_kept_by_halves(key: bytes, at: int) -> None:
    # What is before it takes no room in what is kept in the end: redaction comes before the cut to that.
    for dump in (key.hex(), key.hex(" "), key.hex(":"), key.hex(" ", 4)):
        splitter = LineSplitter()
        ((raw, too_long),) = splitter.feed(b"\x00" * (at - 5) + b" key " + dump.encode() + b"\n")
        assert dump[:8] not in Redactor().line(raw, too_long)


@pytest.mark.parametrize(
    "text", ["=" * 5000, "a " * 2500, "0" * 5000, "0g" * 2500, "00 " * 1700, "x" * 4000 + " " * 1000, "0x" * 2500]
)
def test_no_line_keeps_the_hub_busy(text: str) -> None:
    began = time.process_time()
    Redactor().line(text.encode(), too_long=True)
    assert time.process_time() - began < 0.1


def test_what_may_be_kept_is_kept() -> None:
    for line in (f"joined {EUI64}", "000d6f000a9069e7", "PAN 0x1a62 channel 15", "2026-03-01 12:00:00 boot", "v1.2.3"):
        assert Redactor().line(line.encode()) == line


def test_patterns_of_ones_own() -> None:
    redactor = Redactor([r"PIN \d+", r"(?i)balance: \S+"])
    assert redactor.line(b"PIN 1234, Balance: 12.34 GBP") == "[redacted], [redacted] GBP"


def test_a_colour_within_a_key_hides_it_not() -> None:
    assert Redactor().line(b"00112233\x1b[0m445566778899aabbccddeeff") == "[redacted]"


def test_a_long_line_is_redacted_before_it_is_cut() -> None:
    key = bytes(range(16)).hex()
    line = ("x" * (LONGEST - 5) + key).encode()
    kept = Redactor().line(line)
    assert kept.startswith("x" * (LONGEST - 5)) and kept.endswith(CUT) and key[:8] not in kept
