from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanctl.base.eui64 import Eui64
from hanctl.han import zdo
from hanctl.han.errors import MalformedZdo
from hanctl.model.records import EndpointRecord
from hanctl.radio.endpoints import HUB_ENDPOINTS


def test_requests() -> None:
    assert zdo.node_desc_req(1, 0x1234) == bytes.fromhex("01 3412")
    assert zdo.active_ep_req(2, 0x1234) == bytes.fromhex("02 3412")
    assert zdo.simple_desc_req(3, 0x1234, 9) == bytes.fromhex("03 3412 09")
    assert zdo.ieee_addr_req(4, 0x1234) == bytes.fromhex("04 3412 00 00")


@pytest.mark.parametrize(("capability", "sleepy"), [("80", True), ("8e", False)])
def test_node_descriptor(capability: str, sleepy: bool) -> None:
    node = zdo.parse_node_desc_rsp(bytes.fromhex(f"01 00 3412 01 40 {capability} 5f11 52 5200 002c 5200 00"))
    assert node == zdo.NodeDescriptor(manufacturer_code=0x115F, sleepy=sleepy)


def test_simple_descriptor() -> None:
    record = zdo.parse_simple_desc_rsp(
        bytes.fromhex("01 00 3412 0e 01 0901 0205 01 01 0000 02 1900 0507".replace(" ", ""))
    )
    assert record == EndpointRecord(1, 0x0109, 0x0502, (0x0000,), (0x0019, 0x0705))


def test_a_refusal_is_named() -> None:
    with pytest.raises(MalformedZdo, match="NOT_ACTIVE"):
        zdo.parse_simple_desc_rsp(bytes.fromhex("01 83 3412 00"))


def test_announcement() -> None:
    told = zdo.parse_device_annce(bytes.fromhex("07 3412 e769900a006f0d00 80"))
    assert told == zdo.Announcement(0x1234, Eui64("00:0d:6f:00:0a:90:69:e7"), sleepy=True)


@pytest.mark.parametrize(
    ("request_hex", "answer"),
    [
        # OTA server, as asked for by broadcast: nwk FFFD, profile 0109, one input cluster.
        ("21 fdff 0901 01 1900 00", "21 00 0000 01 01"),
        ("21 0000 0901 02 0107 0a00 00", "21 00 0000 01 01"),
        ("21 fdff 0901 01 0107 00", None),
        # The hub has no OTA client.
        ("21 fdff 0901 00 01 1900", None),
        # Home automation is not ours, nor is what is meant for another node.
        ("21 fdff 0401 01 1900 00", None),
        ("21 3412 0901 01 1900 00", None),
    ],
)
def test_match_desc(request_hex: str, answer: str | None) -> None:
    expected = None if answer is None else bytes.fromhex(answer)
    assert zdo.match_desc_rsp(bytes.fromhex(request_hex), HUB_ENDPOINTS) == expected


@given(st.binary(max_size=100))
def test_any_bytes_are_read_or_refused_by_name(data: bytes) -> None:
    for parse in (
        zdo.parse_node_desc_rsp,
        zdo.parse_active_ep_rsp,
        zdo.parse_simple_desc_rsp,
        zdo.parse_addr_rsp,
        zdo.parse_device_annce,
        lambda data: zdo.match_desc_rsp(data, HUB_ENDPOINTS),
    ):
        try:
            parse(data)
        except MalformedZdo:
            continue
