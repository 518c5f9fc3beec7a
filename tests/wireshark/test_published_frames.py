"""Frames against published ones: sniffed on real networks, with the keys known.

Source: zigbee-on-host, test/data.ts, where most check sequences are not the frames' own and are left out; the
acknowledgement is the example that IEEE 802.15.4 gives of a check sequence.
"""

from __future__ import annotations

import pytest

from hanctl.base.eui64 import from_bytes, parse_eui64
from hanctl.simulator.network.medium import ApsFrame
from hanctl.simulator.network.trust_centre import WELL_KNOWN_KEY
from hanctl.wireshark import aps, mac, nwk
from hanctl.wireshark.security import Auxiliary, KeyId, key_of, secured

NETWORK_KEY = bytes.fromhex("01030507090b0d0f00020406080a0c0d")
PAN = 0x1A64
HUB = parse_eui64("80:4b:50:ff:fe:05:99:f9")
DEVICE = parse_eui64("a4:c1:38:6d:9b:28:0f:df")
ADDRESS = 0xA18F

WHOLE = [
    "02006a e479",
    "4188 59 621affff0000 0912 fcff 0000 1e 60 10be77feff8d79e0 28 a40ad007 10be77feff8d79e0 00 4f28760b33a3"
    "50010fe8 2ab8",
    "6188 59 621a0000ba96 091a 0000 ba96 1e 8e 10be77feff8d79e0 73b9a4feff504b80 28 71c0bf03 73b9a4feff504b80 00 8b21"
    "928be9ea 3e70",
    "6188 22 621a0000d291 091a 0000 d291 1e 2b 10be77feff8d79e0 584ad0feff08ac70 28 f8e59403 584ad0feff08ac70 00 7eda"
    "8d4e6241 6fb0",
]


@pytest.mark.parametrize("text", WHOLE)
def test_the_check_sequence_is_that_of_real_frames(text: str) -> None:
    frame = bytes.fromhex(text)
    assert mac.frame_check_sequence(frame[:-2]) == frame[-2:]


def check(frame: bytes, published: str) -> None:
    assert frame[:-2] == bytes.fromhex(published)
    assert mac.frame_check_sequence(frame[:-2]) == frame[-2:]


def test_a_device_joins() -> None:
    check(mac.beacon_request(0x64), "030864ffffffff07")
    payload = nwk.beacon_payload(bytes([0xDD] * 8), 0)
    check(mac.beacon(PAN, 0, 0xBA, payload, permits=True), "0080ba641a0000ffcf0000 00 2284 dddddddddddddddd ffffff 00")
    check(mac.association_request(PAN, 0, DEVICE, 0x74, 0x8E), "23c874641a0000ffff df0f289b6d38c1a4 01 8e")
    check(mac.data_request(PAN, 0, DEVICE, 0x75), "63c875641a0000 df0f289b6d38c1a4 04")
    check(
        mac.association_response(PAN, DEVICE, HUB, 0xBB, ADDRESS),
        "63ccbb641a df0f289b6d38c1a4 f99905feff504b80 02 8fa1 00",
    )


def test_the_network_key_is_transported() -> None:
    # The derived key is published too.
    key = key_of(WELL_KNOWN_KEY, KeyId.KEY_TRANSPORT)
    assert key == bytes.fromhex("4bab0f173e1434a2d572e1c1ef478782")
    command = secured(
        aps.command_header(0x6A),
        aps.transport_network_key(NETWORK_KEY, 0, DEVICE, HUB),
        key,
        Auxiliary(KeyId.KEY_TRANSPORT, 86022, HUB),
    )
    check(
        mac.data(PAN, ADDRESS, 0, 0xBD, nwk.Header(ADDRESS, 0, 0xA1, secure=False).pack() + command),
        "6188bd641a8fa10000 0800 8fa1 0000 1e a1 21 6a 30 06500100 f99905feff504b80"
        "de473c64b569cac62c72ac2ffd682f57590baa2b6f1e0306f824a5a90358b26c8e68e6 e8a75aff",
    )


def under_network_key(header: nwk.Header, payload: bytes, counter: int, source: str = DEVICE) -> bytes:
    auxiliary = Auxiliary(KeyId.NETWORK, counter, parse_eui64(source), sequence=0)
    return secured(header.pack(), payload, NETWORK_KEY, auxiliary)


def test_a_broadcast() -> None:
    frame = ApsFrame(ADDRESS, 0xFFFD, 0, 0x0013, 0, 0, 123, bytes.fromhex("00 8fa1 df0f289b6d38c1a4 8e"))
    apdu = aps.data_header(frame, secure=False) + frame.payload
    check(
        mac.data(PAN, mac.BROADCAST, ADDRESS, 0x76, under_network_key(nwk.Header(0xFFFD, ADDRESS, 27), apdu, 33484)),
        "418876641affff8fa1 0802 fdff 8fa1 1e 1b 28 cc820000 df0f289b6d38c1a4 00"
        "64f9f0b0bbdc55e02482917e903855baba56d579 337383aa",
    )


def test_a_unicast() -> None:
    frame = ApsFrame(ADDRESS, 0, 0, 0x0002, 0, 0, 130, bytes.fromhex("01 0000"))
    apdu = aps.data_header(frame, secure=False) + frame.payload
    header = nwk.Header(0, ADDRESS, 37, discover_route=True)
    check(
        mac.data(PAN, 0, ADDRESS, 0x80, under_network_key(header, apdu, 33494)),
        "618880641a00008fa1 4802 0000 8fa1 1e 25 28 d6820000 df0f289b6d38c1a4 00 5b29ffc373ccdb318c921e 6dcba80f",
    )


def test_an_acknowledgement() -> None:
    source = "80:4b:50:ff:fe:a4:b9:73"
    acknowledged = ApsFrame(0, 0x96BA, 0x0104, 0xEF00, 1, 1, 51, b"anything")
    header = nwk.Header(0, 0x96BA, 151, discover_route=True)
    apdu = aps.acknowledgement_header(acknowledged, secure=False)
    check(
        mac.data(0x1A62, 0, 0x96BA, 191, under_network_key(header, apdu, 45318893, source)),
        "6188bf621a0000ba96 4802 0000 ba96 1e 97 28 ed82b302 73b9a4feff504b80 00 249091d59cff06da 74295ed5",
    )


def test_security_under_a_link_key() -> None:
    # A command, so that its source is in the header; and what it asks for is the trust centre's key, not a partner's.
    header = nwk.Header(0, ADDRESS, 39, discover_route=True)
    auxiliary = Auxiliary(KeyId.LINK, 33496, DEVICE)
    apdu = secured(aps.command_header(131), b"\x08\x04", key_of(WELL_KNOWN_KEY, KeyId.LINK), auxiliary)
    check(
        mac.data(PAN, 0, ADDRESS, 130, under_network_key(header, apdu, 33497)),
        "618882641a00008fa1 4802 0000 8fa1 1e 27 28 d9820000 df0f289b6d38c1a4 00"
        "1b039492f4e4ec13a5a35b0878af468e70a8e97dfe 61efed10",
    )


def test_a_link_key_is_transported() -> None:
    key = key_of(WELL_KNOWN_KEY, KeyId.KEY_LOAD)
    assert key == bytes.fromhex("c5a47035c332ccbf251571d8baded188")
    # The trust centre's own key here: the same but for what follows it.
    command = b"\x05\x04" + WELL_KNOWN_KEY + bytes.fromhex("df0f289b6d38c1a4 f99905feff504b80")
    apdu = secured(aps.command_header(114), command, key, Auxiliary(KeyId.KEY_LOAD, 86023, HUB))
    check(
        mac.data(PAN, ADDRESS, 0, 0xCF, under_network_key(nwk.Header(ADDRESS, 0, 0xB9), apdu, 422014, HUB)),
        "6188cf641a8fa10000 0802 8fa1 0000 1e b9 28 7e700600 f99905feff504b80 00"
        "a3093b4f0492e2a147b808b8dd9749a8c9e0b6f2572f2e7eafa37f1d6592ee3371338fd72a7512f69254612cd0d62c2b500e90c9dc"
        "c1559100",
    )


def test_a_device_leaves() -> None:
    header = nwk.Header(0xFFFD, ADDRESS, 195, radius=1, command=True, long_source=DEVICE)
    check(
        mac.data(PAN, mac.BROADCAST, ADDRESS, 0xED, under_network_key(header, nwk.leave(rejoin=False), 33483)),
        "4188ed641affff8fa1 0912 fdff 8fa1 01 c3 df0f289b6d38c1a4 28 cb820000 df0f289b6d38c1a4 00 51cb 508ebdc6",
    )


def test_a_command_to_a_neighbour_has_both_long_addresses() -> None:
    hub, router = from_bytes(bytes.fromhex("10be77feff8d79e0")), from_bytes(bytes.fromhex("73b9a4feff504b80"))
    header = nwk.Header(0, 0x96BA, 142, command=True, long_destination=hub, long_source=router)
    assert mac.data(0x1A62, 0, 0x96BA, 89, under_network_key(header, b"\x05\x00", 62898289, router)) == bytes.fromhex(
        WHOLE[2]
    )
