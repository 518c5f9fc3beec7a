"""What ``hanctl capture`` writes: block by block, in order, and nothing of the household in clear."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from pcapng_reader import Block, read

from hanctl.base.eui64 import Eui64, to_bytes
from hanctl.wireshark.capture_file import CaptureFile
from hanctl.wireshark.hub_frames import Encoder, HubFrame
from hanctl.wireshark.mac import frame_check_sequence

HUB, DISPLAY, METER = (Eui64(f"00:0d:6f:00:0b:00:00:0{n}") for n in (1, 2, 3))
NETWORK = {
    "kind": "network",
    "time": "2026-03-01T00:00:00.000000Z",
    "version": "1.2.3",
    "dongle_eui64": HUB,
    "channel": 15,
    "pan_id": 0x1A62,
}
SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
BIRTHDAY_US = 1772323200 * 1_000_000
"""2026-03-01T00:00:00Z."""


def record(at_s: float = 0.0, **fields: Any) -> dict[str, Any]:
    """A frame from the display, unless said otherwise."""
    whole = {
        "kind": "frame",
        "time": f"2026-03-01T00:00:{at_s:09.6f}Z",
        "direction": "in",
        "number": None,
        "nwk": 0x1234,
        "eui64": DISPLAY,
        "device_endpoint": 1,
        "hub_endpoint": 3,
        "profile": 0x0109,
        "cluster": 0x0702,
        "payload": "0102030405",
        "aps_encrypted": False,
        "aps_counter": 77,
        "aps_ack": None,
        "broadcast": False,
        "lqi": 200,
        "rssi": -40,
    }
    return whole | fields


def sent(number: int, at_s: float = 0.0, **fields: Any) -> dict[str, Any]:
    out = {"direction": "out", "number": number, "aps_counter": None, "aps_ack": True, "lqi": None, "rssi": None}
    return record(at_s, **out | fields)


def outcome(number: int, what: str) -> dict[str, Any]:
    return {"kind": "outcome", "number": number, "outcome": what}


def capture(*records: dict[str, Any], end: bool = True) -> list[Block]:
    out = io.BytesIO()
    file = CaptureFile(out, NETWORK, Encoder(HUB, 0x1A62))
    for each in records:
        file.take(each)
    if end:
        file.close()
    return read(out.getvalue())


def packets(blocks: list[Block]) -> list[Block]:
    return [block for block in blocks if block.kind == PACKET]


def test_the_file_says_what_it_is() -> None:
    section, interface, statistics = capture()
    assert (section.kind, interface.kind, statistics.kind) == (SECTION, INTERFACE, STATISTICS)
    assert struct.unpack("<IHH", section.head[:8]) == (0x1A2B3C4D, 1, 0)
    assert section.option(4) == b"hanctl 1.2.3"
    assert "made up" in section.comment
    # IEEE 802.15.4 with its check sequence, in microseconds.
    assert struct.unpack("<H", interface.head[:2]) == (195,)
    assert interface.option(9) == bytes([6])
    assert HUB in (interface.option(3) or b"").decode() and "made up" in (interface.option(3) or b"").decode()


def test_a_frame_has_its_time_its_direction_and_how_well_it_was_heard() -> None:
    (packet,) = packets(capture(record(1.5)))
    assert packet.time_us == BIRTHDAY_US + 1_500_000
    assert packet.option(2) == bytes([1, 0, 0, 0])
    assert packet.comment == "LQI 200, RSSI -40 dBm"
    assert frame_check_sequence(packet.data[:-2]) == packet.data[-2:]


def test_what_was_sent_says_what_became_of_it() -> None:
    first, second = packets(capture(sent(1), outcome(1, "delivered"), sent(2), outcome(2, "failed")))
    assert (first.comment, second.comment) == ("delivered", "failed")
    assert first.option(2) == bytes([2, 0, 0, 0])


def test_frames_are_in_the_order_of_their_times_whenever_their_outcome_is_known() -> None:
    blocks = capture(sent(1, 0.0), record(0.1), sent(2, 0.2), outcome(2, "delivered"), outcome(1, "failed"))
    assert [block.time_us - BIRTHDAY_US for block in packets(blocks)] == [0, 100_000, 200_000]
    assert [block.comment for block in packets(blocks)] == ["failed", "LQI 200, RSSI -40 dBm", "delivered"]


def test_a_frame_whose_outcome_is_long_in_coming_holds_nothing_up() -> None:
    waiting = [sent(1, 0.0), record(1.9)]
    assert packets(capture(*waiting, end=False)) == []
    late = packets(capture(*waiting, record(2.0), end=False))
    assert [block.comment.split(",")[0] for block in late] == ["not confirmed yet when this was written"] + 2 * [
        "LQI 200"
    ]
    assert len(packets(capture(*waiting, record(2.0), outcome(1, "delivered")))) == 3


def test_what_never_left_the_hub_is_not_in_the_file() -> None:
    blocks = capture(sent(1), sent(2), outcome(1, "dropped"), outcome(2, "delivered"))
    assert [block.comment for block in packets(blocks)] == ["delivered"]
    assert struct.unpack("<Q", blocks[-1].option(4) or b"") == (1,)


def test_what_was_lost_is_counted_where_it_is_missing_and_at_the_end() -> None:
    blocks = capture(record(), {"kind": "lost", "frames": 7}, record(1.0), record(2.0))
    assert [block.option(4) for block in packets(blocks)] == [None, struct.pack("<Q", 7), None]
    given, dropped = blocks[-1].option(4), blocks[-1].option(5)
    assert (given, dropped) == (struct.pack("<Q", 10), struct.pack("<Q", 7))


# --- the frames themselves, opened with another implementation of CCM


def opened(encoder: Encoder, frame: bytes, sender: Eui64) -> tuple[bytes, bytes]:
    """The network header, and what it carries: auxiliary header and payload under security level 5."""
    network = frame[9:-2]
    header, auxiliary, sealed = network[:8], network[8:22], network[22:]
    counter, source = auxiliary[1:5], auxiliary[5:13]
    assert source == to_bytes(sender)
    nonce = source + counter + bytes([auxiliary[0] | 5])
    known = header + bytes([auxiliary[0] | 5]) + auxiliary[1:]
    return header, AESCCM(encoder.keys[0][0], tag_length=4).decrypt(nonce, sealed, known)


def opened_aps(encoder: Encoder, apdu: bytes, sender: Eui64) -> bytes:
    header, auxiliary, sealed = apdu[:8], apdu[8:13], apdu[13:]
    nonce = to_bytes(sender) + auxiliary[1:5] + bytes([auxiliary[0] | 5])
    known = header + bytes([auxiliary[0] | 5]) + auxiliary[1:]
    return AESCCM(encoder.keys[1][0], tag_length=4).decrypt(nonce, sealed, known)


def test_addresses_endpoints_and_payload_are_true_both_ways() -> None:
    encoder = Encoder(HUB, 0x1A62)
    up = encoder.encode(HubFrame.from_record(record()))
    assert struct.unpack("<HHH", up[3:9]) == (0x1A62, 0x0000, 0x1234)
    header, apdu = opened(encoder, up, DISPLAY)
    assert struct.unpack("<HH", header[2:6]) == (0x0000, 0x1234)
    assert struct.unpack("<BBHHBB", apdu[:8]) == (0x00, 3, 0x0702, 0x0109, 1, 77)
    assert apdu[8:] == bytes([1, 2, 3, 4, 5])

    header, apdu = opened(encoder, encoder.encode(HubFrame.from_record(sent(1))), HUB)
    assert struct.unpack("<HH", header[2:6]) == (0x1234, 0x0000)
    # It asks for an acknowledgement.
    assert struct.unpack("<BBHHB", apdu[:7]) == (0x40, 1, 0x0702, 0x0109, 3)


def test_what_was_under_aps_security_is_under_a_second_key() -> None:
    encoder = Encoder(HUB, 0x1A62)
    _, apdu = opened(encoder, encoder.encode(HubFrame.from_record(record(aps_encrypted=True))), DISPLAY)
    assert apdu[0] == 0x20
    assert opened_aps(encoder, apdu, DISPLAY) == bytes([1, 2, 3, 4, 5])


@pytest.mark.parametrize("encrypted", [False, True])
def test_no_payload_is_in_the_file_in_clear(encrypted: bool) -> None:
    secret = "4d6964736f6d657220436f757274"
    for each in (record(payload=secret, aps_encrypted=encrypted), sent(1, payload=secret, aps_encrypted=encrypted)):
        (packet,) = packets(capture(each))
        assert bytes.fromhex(secret) not in packet.data


def test_no_counter_comes_twice_for_a_sender_and_no_key_in_two_captures() -> None:
    encoder = Encoder(HUB, 0x1A62)
    nonces = set()
    frames = [sent(n, eui64=(DISPLAY, METER)[n % 2], nwk=n, aps_encrypted=True) for n in range(20)]
    for each in frames:
        frame = encoder.encode(HubFrame.from_record(each))
        _, apdu = opened(encoder, frame, HUB)
        nonces |= {("network", frame[18:22]), ("link", apdu[9:13])}
    assert len(nonces) == 40
    assert not {key for key, _ in encoder.keys} & {key for key, _ in Encoder(HUB, 0x1A62).keys}
    assert len({key for key, _ in encoder.keys}) == 2


def test_a_device_without_a_known_address_gets_one_that_ends_in_its_short_one() -> None:
    encoder = Encoder(HUB, 0x1A62)
    frame = encoder.encode(HubFrame.from_record(record(eui64=None)))
    opened(encoder, frame, Eui64("00:00:00:00:00:00:12:34"))


def test_broadcasts() -> None:
    encoder = Encoder(HUB, 0x1A62)
    heard = encoder.encode(HubFrame.from_record(record(broadcast=True)))
    header, apdu = opened(encoder, heard, DISPLAY)
    assert struct.unpack("<H", heard[5:7]) == (0xFFFF,)
    assert (struct.unpack("<H", header[2:4]), apdu[0]) == ((0xFFFD,), 0x08)
    told = encoder.encode(HubFrame.from_record(sent(1, nwk=0xFFFC, broadcast=True, eui64=None, aps_encrypted=True)))
    header, apdu = opened(encoder, told, HUB)
    assert (struct.unpack("<H", header[2:4]), apdu[0]) == ((0xFFFC,), 0x08)
