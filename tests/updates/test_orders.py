"""What an order does to a device, and why not: the judgement that a dry run shows; and upgrade pathways."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from firmware_fakes import DISPLAY, IMAGE_TYPE, MANUFACTURER, NEW, OLD, OTHER, START, make_device

from hanctl.base.errors import InvalidInput
from hanctl.model.records import Device, Image, Update
from hanctl.model.update_states import OPEN_STATES
from hanctl.updates.life import orders
from hanctl.updates.life.gates import Rules
from hanctl.updates.life.orders import Match, Order, OrderVerdict
from hanctl.updates.life.pathways import plan


def image(version: int = NEW, **fields: Any) -> Image:
    values: dict[str, Any] = {
        "file_sha256": f"{version:064x}",
        "manufacturer_image_sha256": f"{version + 1:064x}",
        "form": "zigbee",
        "name": "display.ota",
        "manufacturer_code": MANUFACTURER,
        "image_type": IMAGE_TYPE,
        "file_version": version,
        "stack_version": 2,
        "header_string": "",
        "size": 1000,
        "trailing_bytes": 0,
        "added_at": START,
        **fields,
    }
    return Image(**values)


def judge(
    device: Device | None = None,
    target: Image | None = None,
    *,
    current: Update | None = None,
    store: tuple[Image, ...] = (),
    **order: Any,
) -> OrderVerdict:
    return orders.judge(
        Order("", **order),
        target or image(),
        device or make_device(),
        current=current,
        store=store,
        now=START,
        rules=Rules(),
    )


def update(state: str, **fields: Any) -> Update:
    return Update(3, DISPLAY, "", None, MANUFACTURER, IMAGE_TYPE, NEW, 1000, "hold", START, state=state, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "target", "order", "reason"),
    [
        ({"state": "left"}, {}, {}, "is left"),
        ({"state": "expected"}, {}, {}, "not on the network"),
        ({"manufacturer_code": 9}, {}, {}, "of manufacturer"),
        ({"image_type": 9}, {}, {}, "has type"),
        ({"hardware_version": 9}, {"hardware_min": 1, "hardware_max": 2}, {}, "for hardware"),
        ({}, {"destination": OTHER}, {}, "alone"),
        ({"current_version": NEW}, {}, {"allow_downgrade": True}, "which is this image"),
        ({"current_version": NEW + 1}, {}, {"allow_reinstall": True}, "newer than this image"),
        ({}, {}, {"activation": "by-device"}, "did not say that it decides itself"),
        ({"activation_policy": 0}, {}, {"activation": "by-device"}, "did not say that it decides itself"),
        *[({"activation_policy": 1}, {}, {"activation": way}, "may not tell it") for way in ("now", "hold")],
        ({"device_type": "hcalcs"}, {}, {}, "with the image's hash alone"),
        ({"device_type": "hcalcs"}, {"manufacturer_image_sha256": None}, {"activation": "hold"}, "no one manufacturer"),
        ({}, {"requires": (7,)}, {}, "no images in the store lead there"),
        ({}, {}, {"requires": (7,)}, "no images in the store lead there"),
    ],
)
def test_why_not(device: dict[str, Any], target: dict[str, Any], order: dict[str, Any], reason: str) -> None:
    verdict = judge(make_device(**device), image(**target), **order)
    assert not verdict.accepted
    assert reason in verdict.reason
    assert verdict.hint
    assert verdict.steps == ()


@pytest.mark.parametrize(
    ("device", "target", "order", "promise"),
    [
        ({}, {}, {}, "0x00000001 to 0x00000002, activated at once"),
        ({}, {}, {"activation": "hold", "window": "01:00-05:00"}, "on command, between 01:00-05:00"),
        ({"current_version": NEW}, {}, {"allow_reinstall": True}, "0x00000002 to 0x00000002"),
        ({"current_version": NEW + 1}, {}, {"allow_downgrade": True}, "0x00000003 to 0x00000002"),
        ({"activation_policy": 1}, {}, {"activation": "by-device"}, "by the device"),
        ({"device_type": "hcalcs"}, {}, {"activation": "hold"}, "on command"),
        ({}, {"requires": (7,)}, {"requires": (OLD,)}, "0x00000001 to 0x00000002"),
        ({"current_version": None}, {"requires": (7,)}, {}, "its version"),
    ],
)
def test_what_would_happen(device: dict[str, Any], target: dict[str, Any], order: dict[str, Any], promise: str) -> None:
    verdict = judge(make_device(**device), image(**target), **order)
    assert verdict.accepted, verdict.reason
    assert promise in verdict.reason


@pytest.mark.parametrize("state", sorted(OPEN_STATES))
@pytest.mark.parametrize("released", [False, True])
def test_a_second_order(state: str, released: bool) -> None:
    current = update(state, release_tried_at=START if released else None)
    refused = judge(current=current)
    assert not refused.accepted and "already has update 3" in refused.reason
    verdict = judge(current=current, supersede=True)
    told = state in {"activating", "in_doubt"} or released
    assert verdict.accepted == (not told)
    assert verdict.supersedes == (None if told else 3)


@pytest.mark.parametrize(
    ("power", "level", "ignore", "remark"),
    [
        ("battery", 30, False, "waits for mains power"),
        ("battery", 30, True, None),
        ("battery", 50, False, None),
        ("battery", None, False, "treated as on mains"),
        ("mains, with backup battery", 10, False, None),
        (None, None, False, "treated as on mains"),
        ("unknown", None, False, "treated as on mains"),
    ],
)
def test_what_is_said_of_power(power: str | None, level: float | None, ignore: bool, remark: str | None) -> None:
    device = make_device(power_source=power, battery_percent=level, last_seen=START)
    remarks = judge(device, ignore_power=ignore).remarks
    assert (remark is None) == (remarks == ())
    assert remark is None or remark in remarks[0]


def test_an_order_that_contradicts_itself() -> None:
    later = START + timedelta(days=1)
    for order in (
        Order("", "at"),
        Order("", "now", later),
        Order("", "at", START),
        Order("", window="25:00-26:00"),
        Order("", transfer_window="noon"),
        Order("", "later"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInput):
            orders.check(order, START)
    orders.check(Order("", "at", later, window="22:00-05:00"), START)


def test_which_devices_match() -> None:
    device = make_device(current_version=0x10)
    for match, fits in (
        (Match(), True),
        (Match("ppmid", MANUFACTURER, 0x10, 0x10), True),
        (Match("ihd"), False),
        (Match(manufacturer_code=9), False),
        (Match(lowest_version=0x11), False),
        (Match(highest_version=0x0F), False),
    ):
        assert match.takes(device) == fits
    unknown = replace(device, current_version=None)
    assert Match("ppmid").takes(unknown) and not Match(lowest_version=0).takes(unknown)


# --- pathways


def way(running: int | None, target: Image, *store: Image, requires: tuple[int, ...] = ()) -> list[int] | None:
    steps = plan(make_device(current_version=running, hardware_version=1), target, requires, store)
    return None if steps is None else [step.file_version for step in steps]


def test_pathways() -> None:
    target = image(9, requires=(7, 8))
    assert way(8, target) == [9]
    assert way(None, target) == [9]
    assert way(1, target) is None
    assert way(1, target, image(8)) == [8, 9]
    assert way(1, target, image(8, requires=(5,)), image(5)) == [5, 8, 9]
    assert way(1, target, image(7, requires=(3,)), image(3), image(8, requires=(2,))) == [3, 7, 9], "the one that leads"
    assert way(1, target, image(8), image(7, requires=(1,)), image(4)) == [8, 9], "the shortest"
    assert way(1, target, image(6)) is None
    assert way(8, image(9, requires=(1,)), image(1)) is None, "no step goes back"
    assert way(1, image(9), image(8), requires=(8,)) == [8, 9], "the order's word counts"
    assert way(1, target, image(8, manufacturer_code=9)) is None
    assert way(1, target, image(8, image_type=9)) is None
    assert way(1, target, image(8, destination=OTHER)) is None
    assert way(1, target, image(8, hardware_min=2, hardware_max=3)) is None
    assert way(1, target, image(2, requires=(3,)), image(3, requires=(2,))) is None, "a circle leads nowhere"
