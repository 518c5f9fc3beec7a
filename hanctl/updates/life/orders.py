"""Judge orders: what a service user asks for, and what it does to each device. Pure, so a dry run is the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from hanctl.base.errors import InvalidInput
from hanctl.base.eui64 import Eui64
from hanctl.model.records import Activation, Device, DeviceType, Image, Priority, Update
from hanctl.updates.life import gates, pathways, power
from hanctl.updates.life.gates import OUT_OF_BAND, Rules
from hanctl.updates.life.windows import parse_window

HASH_CHECKED: frozenset[DeviceType] = frozenset({"hcalcs"})
"""Types that are activated only by a command with the manufacturer image hash (F4; gbcs.md, addendum)."""

SUPERSEDABLE = frozenset({"ordered", "notified", "transferring", "verifying", "holding"})


@dataclass(frozen=True, slots=True)
class Order:
    """An order of updates for any number of devices. ``image``: a file_sha256 or a prefix of it.

    ``requires``: running versions, in place of the image's own. The other fields are those of ``Update``.
    """

    image: str
    activation: Activation = "now"
    activate_at: datetime | None = None
    window: str | None = None
    transfer_window: str | None = None
    priority: Priority = "normal"
    allow_downgrade: bool = False
    allow_reinstall: bool = False
    ignore_power: bool = False
    supersede: bool = False
    requires: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """Select all devices that fit every condition given; versions are inclusive."""

    device_type: DeviceType | None = None
    manufacturer_code: int | None = None
    lowest_version: int | None = None
    highest_version: int | None = None

    def takes(self, device: Device) -> bool:
        """Tell whether the device matches. A device with an unknown version matches no range."""
        if self.device_type not in (None, device.device_type):
            return False
        if self.manufacturer_code not in (None, device.manufacturer_code):
            return False
        if self.lowest_version is None and self.highest_version is None:
            return True
        running = device.current_version
        if running is None:
            return False
        lowest, highest = self.lowest_version or 0, self.highest_version
        return lowest <= running and (highest is None or running <= highest)


@dataclass(frozen=True, slots=True)
class OrderVerdict:
    """Effect of an order on one device. ``reason``: what happens, or why nothing does; ``hint``: what to do then.

    ``steps``: the images to be applied, one after the other. ``supersedes``: the update that it ends. ``remarks``: what
    a person should know beforehand.
    """

    device: Eui64
    accepted: bool
    reason: str
    hint: str = ""
    steps: tuple[Image, ...] = ()
    supersedes: int | None = None
    remarks: tuple[str, ...] = ()


class _No(Exception):
    def __init__(self, reason: str, hint: str) -> None:
        self.reason = reason
        self.hint = hint


def check(order: Order, now: datetime) -> None:
    """Raise InvalidInput if the order is incomplete or contradicts itself."""
    if order.activation not in get_args(Activation):
        raise InvalidInput("there is no such way to activate", f"give {', '.join(get_args(Activation))}")
    if (order.activation == "at") != (order.activate_at is not None):
        raise InvalidInput(
            "a time and activation at a time belong together", "give --activate at and a time, or neither"
        )
    if order.activate_at is not None and order.activate_at <= now:
        raise InvalidInput("the time of activation has passed", "give a time ahead, or --activate now")
    for window in (order.window, order.transfer_window):
        if window is not None:
            parse_window(window)


def judge(
    order: Order,
    image: Image,
    device: Device,
    *,
    current: Update | None,
    store: Iterable[Image],
    now: datetime,
    rules: Rules,
) -> OrderVerdict:
    """Return what the order does to this device, whose open update is ``current``."""
    try:
        _check_presence(device)
        supersedes = _check_current(device, current, order)
        _check_fit(device, image)
        _check_version(device, image, order)
        _check_activation(device, image, order)
        steps = _plan(device, image, order, store)
    except _No as no:
        return OrderVerdict(device.eui64, False, no.reason, no.hint)
    return OrderVerdict(
        device.eui64,
        True,
        _promise(order, device, steps, rules),
        steps=tuple(steps),
        supersedes=supersedes,
        remarks=tuple(_remarks(order, device, steps, now, rules)),
    )


def _check_presence(device: Device) -> None:
    if device.state not in {"joined", "interviewed"}:
        raise _No(
            f"device {device.eui64} is {device.state}: it is not on the network",
            f"let it join first: hanctl join --eui {device.eui64}",
        )


def _check_current(device: Device, current: Update | None, order: Order) -> int | None:
    if current is None:
        return None
    what = f"device {device.eui64} already has update {current.id}, which is {current.state}"
    if not order.supersede:
        raise _No(what, f"wait for it, cancel it (hanctl update cancel {current.id}), or order with --supersede")
    if current.state not in SUPERSEDABLE or current.release_tried_at is not None:
        raise _No(
            f"{what}: the device was told to activate it, and nothing can take its place",
            f"wait for it: hanctl update wait {current.id}",
        )
    return current.id


def _check_fit(device: Device, image: Image) -> None:
    """Check that the image fits the device, as far as the device is known."""
    see = "see: hanctl device show, hanctl firmware show"
    if image.destination is not None and image.destination != device.eui64:
        raise _No(f"the image is for device {image.destination} alone", see)
    if device.manufacturer_code is not None and device.manufacturer_code != image.manufacturer_code:
        raise _No(
            f"the image is of manufacturer 0x{image.manufacturer_code:04x},"
            f" the device of 0x{device.manufacturer_code:04x}",
            see,
        )
    if device.image_type is not None and device.image_type != image.image_type:
        raise _No(f"the image has type 0x{image.image_type:04x}, the device takes 0x{device.image_type:04x}", see)
    if not image.takes_hardware(device.hardware_version):
        raise _No(
            f"the image is for hardware 0x{image.hardware_min:04x} to 0x{image.hardware_max:04x},"
            f" the device has 0x{device.hardware_version:04x}",
            see,
        )


def _check_version(device: Device, image: Image, order: Order) -> None:
    running = device.current_version
    if running is None or image.file_version > running:
        return
    runs = f"the device runs 0x{running:08x}"
    if image.file_version == running and not order.allow_reinstall:
        raise _No(f"{runs}, which is this image", "order another image, or this one again with --allow-reinstall")
    if image.file_version < running and not order.allow_downgrade:
        raise _No(
            f"{runs}, newer than this image, 0x{image.file_version:08x}",
            "order an image with a higher file version, or go back with --allow-downgrade",
        )


def _check_activation(device: Device, image: Image, order: Order) -> None:
    by_device = order.activation == "by-device"
    if by_device and device.activation_policy != OUT_OF_BAND:
        raise _No(
            "the device did not say that it decides itself when it activates (UpgradeActivationPolicy is not 1)",
            "order with --activate now, hold or at",
        )
    if not by_device and device.activation_policy == OUT_OF_BAND:
        raise _No(
            "the device decides itself when it activates (UpgradeActivationPolicy is 1), the hub may not tell it",
            "order with --activate by-device",
        )
    if device.device_type in HASH_CHECKED and not by_device:
        if order.activation != "hold":
            raise _No(
                "a load control switch is activated by a command with the image's hash alone",
                "order with --activate hold, then: hanctl update activate ID --manufacturer-image-sha256 HASH",
            )
        if image.manufacturer_image_sha256 is None:
            raise _No(
                "the image has no one manufacturer image whose hash could be checked", "see: hanctl firmware show"
            )


def _plan(device: Device, image: Image, order: Order, store: Iterable[Image]) -> list[Image]:
    steps = pathways.plan(device, image, order.requires, store)
    if steps is None:
        wanted = " or ".join(f"0x{version:08x}" for version in order.requires or image.requires)
        raise _No(
            f"the image is for devices that run {wanted}; this one runs 0x{device.current_version or 0:08x},"
            " and no images in the store lead there",
            "add the images between: hanctl firmware add FILE --requires VERSION",
        )
    return steps


def _promise(order: Order, device: Device, steps: list[Image], rules: Rules) -> str:
    running = "its version" if device.current_version is None else f"0x{device.current_version:08x}"
    way = " to ".join([running, *(f"0x{image.file_version:08x}" for image in steps)])
    match order.activation:
        case "now":
            when = "activated at once"
        case "hold":
            when = "activated on command"
        case "by-device":
            when = "activated by the device"
        case "at":
            assert order.activate_at is not None
            when = f"activated at {gates.local_text(order.activate_at, rules.zone)}"
    inside = "" if order.window is None else f", between {order.window}"
    return f"from {way}, {when}{inside}"


def _remarks(order: Order, device: Device, steps: list[Image], now: datetime, rules: Rules) -> Iterable[str]:
    wait = gates.transfer(_as_ordered(order, device, steps[0], now), device, now, rules)
    if wait is not None:
        yield f"waits for {wait.text}"
    elif not order.ignore_power and power.power_of(device, rules.battery_percent) == "unknown":
        yield f"{power.in_words(device)}: treated as on mains"
    if device.current_version is None:
        yield "the running version is not known: the device tells it when it asks"
    if device.last_seen is None:
        yield "the device was never heard"


def _as_ordered(order: Order, device: Device, image: Image, now: datetime) -> Update:
    """Return the update that would be made, with the fields that decide what it waits for."""
    return Update(
        id=0,
        device=device.eui64,
        file_sha256=image.file_sha256,
        manufacturer_image_sha256=image.manufacturer_image_sha256,
        manufacturer_code=image.manufacturer_code,
        image_type=image.image_type,
        file_version=image.file_version,
        size=image.size,
        activation=order.activation,
        ordered_at=now,
        activate_at=order.activate_at,
        window=order.window,
        transfer_window=order.transfer_window,
        ignore_power=order.ignore_power,
    )
