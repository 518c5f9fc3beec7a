"""Decide whether a device has enough power for an update (F5), from what it reported."""

from __future__ import annotations

from typing import Literal

from hanctl.model.records import Device

Power = Literal["mains", "battery", "low", "unknown"]


def power_of(device: Device, wanted_percent: float) -> Power:
    """Classify power. ``battery``: at least ``wanted_percent`` left; ``low``: less.

    ``unknown``: the device does not report its power source or battery level.
    """
    source = device.power_source
    if source is None or source.startswith("unknown"):
        return "unknown"
    if not source.startswith("battery"):
        return "mains"
    if device.battery_percent is None:
        return "unknown"
    return "battery" if device.battery_percent >= wanted_percent else "low"


def in_words(device: Device) -> str:
    """Describe the device's power for a sentence, e.g. "on battery, 30 %"."""
    if device.power_source is None:
        return "its power source is unknown"
    level = "" if device.battery_percent is None else f", {device.battery_percent:g} %"
    return f"on {device.power_source}{level}"
