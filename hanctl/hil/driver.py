"""What tests need of a bench, be it simulated or a rig: the hub's API, the device's plugs, its console and the air."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hanctl.hil.api_client import ApiClient
from hanctl.hil.under_test import DeviceUnderTest

T = TypeVar("T")


class Driver(ABC):
    """One bench. ``device``: the device under test; ``description``: what it is, for a report.

    ``switches_power``, ``switches_mains``: whether it can do so. ``lasting``: the next test finds
    what one leaves behind.
    """

    device: DeviceUnderTest
    api: ApiClient
    description: str
    switches_power = False
    switches_mains = False
    lasting = True

    @abstractmethod
    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it to its end on the bench's own event loop, in the bench's own time."""

    @abstractmethod
    async def power(self, *, on: bool) -> None:
        """Give the device power, or take it."""

    @abstractmethod
    async def mains(self, *, on: bool) -> None:
        """Plug a battery device into the mains, or unplug it."""

    @abstractmethod
    def begin(self) -> None:
        """Take note that a test begins."""

    @abstractmethod
    def console_lines(self) -> list[str]:
        """Return what the device said on its console since the test began, oldest first; empty if none is attached."""

    @abstractmethod
    def start_capture(self, path: Path) -> bool:
        """Record to this file from now on what is on the air, or what the hub hears of it; False where that fails."""

    @abstractmethod
    def stop_capture(self) -> None:
        """End the capture, where there is one."""

    @abstractmethod
    def close(self) -> None:
        """Stop what was started here."""
