from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import DefaultReply, LaterReply, Reply, Request, ServedAttribute, Status
from hanctl.han.dispatcher import Dispatcher
from hanctl.han.zcl import parse_frame
from hanctl.radio.frames import SMART_ENERGY, IncomingFrame, OutgoingFrame

DEVICE = Eui64("00:0d:6f:00:0a:90:69:e7")
CLUSTER = 0x0019


class Echo:
    """Command 0 is answered with command 1 and its payload, 1 with SUCCESS, any other with INVALID_FIELD."""

    cluster = CLUSTER
    endpoint = 1

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def attributes(self) -> Mapping[int, ServedAttribute]:
        return {
            0: ServedAttribute(0x20, b"\x07"),
            1: ServedAttribute(0x42, b"\x3f" + b"x" * 63),
            2: ServedAttribute(0x21, b"\x34\x12"),
        }

    def handle(self, request: Request) -> Reply | DefaultReply:
        self.requests.append(request)
        if request.command == 0:
            return Reply(1, request.payload)
        return DefaultReply(Status.SUCCESS if request.command == 1 else Status.INVALID_FIELD)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def dispatcher(echo: Echo) -> Dispatcher:
    dispatcher = Dispatcher()
    dispatcher.register(echo)
    return dispatcher


def incoming(
    payload: str, *, cluster: int = CLUSTER, endpoint: int = 1, broadcast: bool = False, encrypted: bool = True
) -> IncomingFrame:
    return IncomingFrame(
        source_nwk=0x1234,
        source_endpoint=7,
        destination_endpoint=endpoint,
        profile=SMART_ENERGY,
        cluster=cluster,
        payload=bytes.fromhex(payload),
        aps_counter=1,
        aps_encrypted=encrypted,
        broadcast=broadcast,
    )


def handle(dispatcher: Dispatcher, frame: IncomingFrame, now: float = 0.0) -> OutgoingFrame | None:
    answers = dispatcher.handle(frame, parse_frame(frame.payload), DEVICE, now)
    assert len(answers) < 2
    return answers[0] if answers else None


TABLE = [
    # A cluster's answer: its command, the request's TSN, server to client, no Default Response wanted.
    ("01 2a 00 aabb", "19 2a 01 aabb"),
    # SUCCESS is told only to who wants it; an error always.
    ("01 2a 01", "18 2a 0b 01 00"),
    ("11 2a 01", None),
    ("11 2a 02", "18 2a 0b 02 85"),
    # The hub has no client side here, and knows no manufacturer's commands.
    ("09 2a 00", "10 2a 0b 00 81"),
    ("05 5f11 2a 00", "1c 5f11 2a 0b 00 81"),
    # Read Attributes: known, unknown, too long to fit with the rest, of a manufacturer.
    ("00 2a 00 0000 0900", "18 2a 01 0000 00 20 07 0900 86"),
    ("00 2a 00 0000 0100 0200", "18 2a 01 0000 00 20 07 0100 89 0200 00 21 3412"),
    ("04 5f11 2a 00 0000", "1c 5f11 2a 01 0000 86"),
    ("00 2a 00 00", "18 2a 0b 00 80"),
    # Write Attributes, its variants, and with a value that is cut short.
    ("00 2a 02 0000 20 01 0900 20 01", "18 2a 04 88 0000 86 0900"),
    ("00 2a 03 0000 20 01", "18 2a 04 88 0000"),
    ("00 2a 05 0000 20 01", None),
    ("00 2a 02 0000 21 01", "18 2a 0b 02 80"),
    # Discover Attributes.
    ("00 2a 0c 0100 01", "18 2a 0d 00 0100 42"),
    ("00 2a 0c 0000 ff", "18 2a 0d 01 0000 20 0100 42 0200 21"),
    # A foundation command nobody knows, and a report to a hub that takes none.
    ("00 2a 33", "18 2a 0b 33 81"),
    ("18 2a 0a 0000 20 01", "10 2a 0b 0a 81"),
]


@pytest.mark.parametrize(("request_hex", "answer"), TABLE)
def test_answers(dispatcher: Dispatcher, request_hex: str, answer: str | None) -> None:
    outgoing = handle(dispatcher, incoming(request_hex))
    assert (outgoing and outgoing.payload) == (None if answer is None else bytes.fromhex(answer))


def test_addresses_of_an_answer(dispatcher: Dispatcher) -> None:
    outgoing = handle(dispatcher, incoming("01 2a 00"))
    assert outgoing == OutgoingFrame(
        destination_nwk=0x1234,
        destination_endpoint=7,
        source_endpoint=1,
        profile=SMART_ENERGY,
        cluster=CLUSTER,
        payload=bytes.fromhex("19 2a 01"),
        aps_encrypted=True,
    )


def test_what_comes_in_clear_is_refused_in_clear_and_not_run(dispatcher: Dispatcher, echo: Echo) -> None:
    outgoing = handle(dispatcher, incoming("11 2a 00", encrypted=False))
    assert outgoing is not None
    assert outgoing.payload == bytes.fromhex("18 2a 0b 00 01")
    assert not outgoing.aps_encrypted
    assert echo.requests == []


def test_a_broadcast_in_clear_is_neither_served_nor_answered(dispatcher: Dispatcher, echo: Echo) -> None:
    assert handle(dispatcher, incoming("01 2a 00", encrypted=False, broadcast=True)) is None
    assert echo.requests == []


def test_a_device_without_a_key_is_refused_under_the_security_it_used(echo: Echo) -> None:
    told: list[tuple[Eui64, int, str]] = []
    dispatcher = Dispatcher(lambda *refused: told.append(refused))
    dispatcher.register(echo)
    frame = incoming("11 2a 00")
    (outgoing,) = dispatcher.handle(frame, parse_frame(frame.payload), DEVICE, 0.0, keyed=False)
    assert outgoing.payload == bytes.fromhex("18 2a 0b 00 7e")
    assert outgoing.aps_encrypted
    assert echo.requests == []
    assert told == [(DEVICE, CLUSTER, "no key established")]


class Late(Echo):
    cluster = 0x0800

    def handle(self, request: Request) -> LaterReply:  # type: ignore[override]
        self.requests.append(request)
        return LaterReply()


def test_who_answers_later_hears_of_every_repetition_and_of_both_sides() -> None:
    late = Late()
    dispatcher = Dispatcher()
    dispatcher.register(late, both_sides=True)
    for command in ("01 2a 00", "01 2a 00", "09 2b 00"):
        frame = incoming(command, cluster=0x0800, encrypted=False)
        assert dispatcher.handle(frame, parse_frame(frame.payload), DEVICE, 0.0, keyed=False) == ()
    assert [request.from_server for request in late.requests] == [False, False, True]


def test_a_cluster_nobody_serves(dispatcher: Dispatcher) -> None:
    outgoing = handle(dispatcher, incoming("11 2a 00", cluster=0x0700))
    assert outgoing is not None
    assert outgoing.payload == bytes.fromhex("18 2a 0b 00 c3")


def test_an_endpoint_that_is_not_ours_is_silent(dispatcher: Dispatcher) -> None:
    assert handle(dispatcher, incoming("01 2a 00", endpoint=9)) is None


def test_all_endpoints_means_the_one_that_serves(dispatcher: Dispatcher) -> None:
    outgoing = handle(dispatcher, incoming("01 2a 00", endpoint=0xFF, broadcast=True))
    assert outgoing is not None
    assert outgoing.source_endpoint == 1
    assert handle(dispatcher, incoming("01 2a 00", endpoint=0xFF, cluster=0x0700)) is None


@pytest.mark.parametrize("request_hex", ["01 2a 01", "01 2a 02", "00 2a 33", "05 5f11 2a 00"])
def test_a_broadcast_gets_no_default_response(dispatcher: Dispatcher, request_hex: str) -> None:
    assert handle(dispatcher, incoming(request_hex, broadcast=True)) is None


def test_a_repeat_is_answered_again_and_not_run_again(dispatcher: Dispatcher, echo: Echo) -> None:
    first = handle(dispatcher, incoming("01 2a 00 aa"), now=100.0)
    assert handle(dispatcher, incoming("01 2a 00 aa"), now=109.9) == first
    assert len(echo.requests) == 1
    handle(dispatcher, incoming("01 2b 00 aa"), now=109.9)
    handle(dispatcher, incoming("01 2a 00 aa"), now=111.0)
    assert len(echo.requests) == 3


def test_a_device_that_started_again_is_a_new_asker(dispatcher: Dispatcher, echo: Echo) -> None:
    handle(dispatcher, incoming("01 01 00"), now=0.0)
    dispatcher.forget(DEVICE)
    handle(dispatcher, incoming("01 01 00"), now=1.0)
    assert len(echo.requests) == 2


def test_what_is_remembered_stays_small(dispatcher: Dispatcher) -> None:
    for number in range(5000):
        handle(dispatcher, incoming(f"01 {number & 255:02x} 00 {number:08x}"), now=0.0)
    assert len(dispatcher._answered) <= 1024


def test_what_is_too_old_to_matter_is_forgotten(dispatcher: Dispatcher) -> None:
    for number in range(100):
        handle(dispatcher, incoming(f"01 {number:02x} 00"), now=0.0)
    handle(dispatcher, incoming("01 ff 00"), now=11.0)
    assert len(dispatcher._answered) == 1


def test_two_endpoints_of_a_device_are_two_askers(dispatcher: Dispatcher, echo: Echo) -> None:
    frame = incoming("01 2a 00 aa")
    answers = [handle(dispatcher, replace(frame, source_endpoint=endpoint)) for endpoint in (7, 8)]
    assert [answer.destination_endpoint for answer in answers if answer is not None] == [7, 8]
    assert len(echo.requests) == 2


def test_a_cluster_is_served_once(dispatcher: Dispatcher) -> None:
    with pytest.raises(ValueError, match="0x0019"):
        dispatcher.register(Echo())
