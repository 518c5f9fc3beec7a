"""Simulate what a user sees and does: messages on the display, battery and mains plug.

Messaging client as the reference one: Display Message and Cancel Message alone. Source: comms_hub.md §3.4. The Power
Configuration cluster is the Zigbee Cluster Library's; the project's sources do not have it.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hanctl.simulator import zcl
from hanctl.simulator.device.spec import BatterySpec
from hanctl.simulator.zcl import Attribute, Attributes, ZclFrame

DISPLAY_MESSAGE, CANCEL_MESSAGE, MESSAGE_CONFIRMATION = 0x00, 0x01, 0x01
CONFIRMATION_REQUIRED = 0x80
_ON_BATTERY, _ON_MAINS_WITH_BATTERY = 0x03, 0x81


@dataclass(slots=True)
class Battery:
    """The battery: ``percent`` left; while ``plugged_in`` the device is on mains."""

    percent: float
    plugged_in: bool

    @property
    def power_source(self) -> int:
        """Basic's PowerSource."""
        return _ON_MAINS_WITH_BATTERY if self.plugged_in else _ON_BATTERY

    def attributes(self) -> Attributes:
        """Return the Power Configuration cluster's attribute: BatteryPercentageRemaining, in half percents."""
        return {0x0021: Attribute(zcl.UINT8, round(2 * self.percent))}


class Display:
    """The display and its user. ``shown``: the active messages by their numbers. ``battery``: None if there is none."""

    def __init__(self, spec: BatterySpec | None) -> None:
        self.battery = None if spec is None else Battery(spec.percent, spec.plugged_in)
        self.shown: dict[int, str] = {}
        self.confirmed: list[int] = []
        self._confirms_after_s = None if spec is None else spec.confirms_after_s

    def receive(self, command: ZclFrame, answer: Callable[[ZclFrame], None]) -> None:
        """Handle a command of the Messaging cluster; ``answer`` sends a frame back to where it came from."""
        status = zcl.UNSUP_COMMAND
        try:
            if command.command == DISPLAY_MESSAGE:
                status = self._show(command, answer)
            elif command.command == CANCEL_MESSAGE:
                (number,) = struct.unpack_from("<I", command.payload)
                status = zcl.NOT_FOUND if self.shown.pop(number, None) is None else zcl.SUCCESS
        except (struct.error, IndexError, UnicodeDecodeError):
            status = zcl.MALFORMED_COMMAND
        if status != zcl.SUCCESS or not command.no_default_response:
            answer(command.default_response(status))

    def _show(self, command: ZclFrame, answer: Callable[[ZclFrame], None]) -> int:
        number, control, _, _, length = struct.unpack_from("<IBIHB", command.payload)
        text = command.payload[12:]
        if len(text) < length:
            return zcl.MALFORMED_COMMAND
        again = number in self.shown
        self.shown[number] = text[:length].decode()
        if control & CONFIRMATION_REQUIRED and self._confirms_after_s is not None and not again:
            asyncio.get_running_loop().call_later(self._confirms_after_s, self._confirm, number, command.tsn, answer)
        return zcl.SUCCESS

    def _confirm(self, number: int, tsn: int, answer: Callable[[ZclFrame], None]) -> None:
        """Confirm a message that is still shown, as a user does who presses the button."""
        if number in self.shown:
            self.confirmed.append(number)
            payload = struct.pack("<II", number, 0)
            answer(ZclFrame((tsn + 1) & 0xFF, MESSAGE_CONFIRMATION, payload, cluster_specific=True))
