"""Frames of cluster 0x0800."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trust_bench import published_value

from hanctl.crypto.suites import SUITE_1, SUITE_2, SUITES, Suite
from hanctl.trust.establishment.messages import (
    Confirm,
    Ephemeral,
    EstablishmentCommand,
    Initiate,
    Message,
    MessageError,
    SuiteUnsupported,
    Terminate,
    command_of,
    decode,
    encode,
)

CAPTURED = bytes.fromhex(
    "01000B10030686 1705EC70578BDEE50A439E9A188FCE404B0863 EEEEEEEEEEEEEEEE 5445535453454341 0109000F000000000000"
)
"""An Initiate Response from the air. Source: comms_hub.md §7.7."""


def test_a_captured_initiate() -> None:
    message = decode(0, CAPTURED)
    assert isinstance(message, Initiate)
    assert (message.suite, message.ephemeral_seconds, message.confirm_seconds) == (SUITE_1, 11, 16)
    assert message.certificate == CAPTURED[4:]
    assert encode(message) == CAPTURED


def test_the_published_initiate() -> None:
    message = Initiate(SUITE_1, 3, 6, published_value(SUITE_1, "certU"))
    assert encode(message).hex() == "01000306" + published_value(SUITE_1, "certU").hex()


@pytest.mark.parametrize(
    ("suite", "command", "size"),
    [
        (SUITE_1, 0, 52),
        (SUITE_2, 0, 78),
        (SUITE_1, 1, 22),
        (SUITE_2, 1, 37),
        (SUITE_1, 2, 16),
        (SUITE_2, 2, 16),
        (SUITE_1, 3, 4),
        (SUITE_2, 3, 4),
    ],
)
def test_only_the_exact_length_is_read(suite: Suite, command: int, size: int) -> None:
    head = suite.bit.to_bytes(2, "little") if command == 0 else b""
    message = decode(command, head.ljust(size, b"\x01"), suite)
    assert command_of(message) == command
    assert len(encode(message)) == size
    for wrong in (size - 1, size + 1, 0):
        with pytest.raises(MessageError):
            decode(command, head.ljust(wrong, b"\x01")[:wrong], suite)


def test_an_ephemeral_key_of_the_other_suite() -> None:
    with pytest.raises(MessageError):
        decode(1, bytes(22), SUITE_2)
    with pytest.raises(MessageError):
        decode(1, bytes(22))


@pytest.mark.parametrize("bits", [0, 3, 4, 0x0102])
def test_an_initiate_for_no_one_suite(bits: int) -> None:
    with pytest.raises(SuiteUnsupported):
        decode(0, bits.to_bytes(2, "little") + bytes(76))


def test_terminate() -> None:
    assert decode(3, bytes.fromhex("061e0200")) == Terminate(6, 30, 2)
    assert encode(Terminate(1, 30, 3)).hex() == "011e0300"


def test_a_code_is_not_shown() -> None:
    assert "17" not in repr(Confirm(b"\x17" * 16))


messages: st.SearchStrategy[Message] = st.one_of(
    st.sampled_from(SUITES).flatmap(
        lambda suite: st.builds(
            Initiate,
            st.just(suite),
            st.integers(0, 255),
            st.integers(0, 255),
            st.binary(min_size=suite.certificate_size, max_size=suite.certificate_size),
        )
    ),
    st.builds(Ephemeral, st.binary(min_size=37, max_size=37)),
    st.builds(Confirm, st.binary(min_size=16, max_size=16)),
    st.builds(Terminate, st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535)),
)


@given(messages)
def test_what_is_written_reads_the_same(message: Message) -> None:
    assert decode(command_of(message), encode(message), SUITE_2) == message


@given(st.integers(0, 255), st.binary(max_size=90), st.sampled_from([None, *SUITES]))
def test_any_bytes_are_a_message_or_the_named_error(command: int, payload: bytes, suite: Suite | None) -> None:
    try:
        message = decode(command, payload, suite)
    except MessageError:
        return
    assert command_of(message) is EstablishmentCommand(command)
    assert encode(message) == payload
