"""Decide what an update waits for: window, date, command or power. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from hanctl.han.clusters.time import LOCAL_ZONE
from hanctl.model.records import Device, Update
from hanctl.updates.life import power
from hanctl.updates.life.windows import parse_window

OUT_OF_BAND = 1
"""UpgradeActivationPolicy of a device that the hub may not activate (comms_hub.md §1.4)."""

SERVER_ACTIVATES = 0
"""UpgradeActivationPolicy of a device that may be told. It answers NOT_AUTHORIZED while it does not know its server: it
restarted, and seeks it (comms_hub.md §1.7)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Configured rules: local time zone, and the least battery level for an update without mains.

    ``clock_doubtful``: the clock may be wrong, so no window counts as open.
    """

    zone: tzinfo = field(default_factory=lambda: ZoneInfo(LOCAL_ZONE))
    battery_percent: float = 50.0
    clock_doubtful: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class WaitReason:
    """Reason to wait, which completes "waits for"; ``until``: when it ends by itself."""

    kind: Literal["window", "date", "clock", "command", "device", "power", "doubt"]
    text: str
    until: datetime | None = None


def transfer(update: Update, device: Device | None, now: datetime, rules: Rules) -> WaitReason | None:
    """Say why the device may not fetch the image now; None: it may. Low power does not stop a transfer."""
    begun = update.state not in {"ordered", "notified"}
    if not begun and not update.ignore_power and (low := _low(device, rules)):
        return low
    return _closed(update.transfer_window, "transfer", now, rules)


def release(update: Update, device: Device | None, now: datetime, rules: Rules) -> WaitReason | None:
    """Say why the device may not be told to activate the image now; None: it may."""
    if update.cancel_asked_at is not None:
        return WaitReason(
            "doubt", "the device: whether it took the activation command, before the update was cancelled"
        )
    if update.activation == "by-device" or (device is not None and device.activation_policy == OUT_OF_BAND):
        return WaitReason(
            "device", "the device to activate the image: it does so by itself, or somebody has to do it there"
        )
    if update.released_at is None:
        if update.activation == "hold":
            return WaitReason("command", f"the activation command: hanctl update activate {update.id}")
        if update.activation == "at" and update.activate_at is not None and now < update.activate_at:
            return WaitReason("date", f"its date, {local_text(update.activate_at, rules.zone)}", update.activate_at)
    if not update.ignore_power and (low := _low(device, rules)):
        return low
    return _closed(update.window, "activation", now, rules)


def due_cause(update: Update) -> str:
    """Say why the device is told to activate now, when nothing prevents it."""
    if update.activation == "now":
        return "it was ordered to be activated at once"
    return "its date has come" if update.activation == "at" else "by command"


def local_text(moment: datetime, zone: tzinfo) -> str:
    """Format a time in local time, to the minute."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def _closed(window: str | None, what: str, now: datetime, rules: Rules) -> WaitReason | None:
    if window is None:
        return None
    opens = parse_window(window).opens(now, rules.zone)
    if opens > now:
        return WaitReason("window", f"its {what} window, {window}: it opens {local_text(opens, rules.zone)}", opens)
    if rules.clock_doubtful():
        return WaitReason("clock", f"the clock to be set: whether its {what} window, {window}, is open cannot be known")
    return None


def _low(device: Device | None, rules: Rules) -> WaitReason | None:
    if device is None or power.power_of(device, rules.battery_percent) != "low":
        return None
    wanted = f"{rules.battery_percent:g} %"
    return WaitReason("power", f"mains power: the device is {power.in_words(device)}, and {wanted} is wanted")
