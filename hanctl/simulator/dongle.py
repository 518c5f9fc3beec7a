"""Base of simulated dongles: power, one serial line, a file for memory that survives a power cut, and fault counts."""

from __future__ import annotations

import json
import logging
import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hanctl.base.errors import ExitCode, HanctlError
from hanctl.simulator.air.uart import Uart
from hanctl.simulator.network.stack import Stack

LOGGER = logging.getLogger(__name__)

Write = Callable[[bytes], None]


class SimulatorError(HanctlError):
    """The simulator cannot do what was asked of it."""

    code = "simulator"
    exit_code = ExitCode.USAGE


class Flash:
    """The non-volatile memory: a JSON file (0600, replaced atomically), or RAM alone where ``path`` is None."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._content: dict[str, Any] = {}

    def load(self) -> dict[str, Any]:
        """Return what was last saved; empty for new flash. Raises SimulatorError if the file is another program's."""
        if self.path is not None and self.path.exists():
            try:
                content = json.loads(self.path.read_text())
            except (ValueError, OSError) as error:
                raise SimulatorError(
                    f"{self.path} does not hold a simulated dongle's state: {error}", "name another file, or remove it"
                ) from error
            if not isinstance(content, dict):
                raise SimulatorError(
                    f"{self.path} does not hold a simulated dongle's state", "name another file, or remove it"
                )
            self._content = content
        return json.loads(json.dumps(self._content))  # type: ignore[no-any-return]

    def save(self, content: dict[str, Any]) -> None:
        """Replace the content as a whole."""
        self._content = json.loads(json.dumps(content))
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(self.path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(self._content, file, indent=1)
        temporary.replace(self.path)


class Dongle(ABC):
    """A dongle on a serial line. A port attaches a ``write`` function and feeds ``from_host``.

    ``faults`` counts, by reason, every serial frame that was malformed or unknown; each is also logged.
    """

    def __init__(self, stack: Stack, flash: Flash) -> None:
        self.stack = stack
        self.flash = flash
        self.faults: Counter[str] = Counter()
        self.powered = False
        self.power_listeners: list[Callable[[bool], None]] = []
        self.uart: Uart | None = None
        """The speed of the line; None: at once."""
        self._write: Write | None = None

    def power_on(self) -> None:
        """Plug in: boot from flash."""
        if self.powered:
            return
        self.powered = True
        self.stack.power_on()
        self.boot()
        for listener in list(self.power_listeners):
            listener(True)

    def power_off(self) -> None:
        """Unplug the dongle: everything that is not in flash is lost, and the port disappears."""
        if not self.powered:
            return
        self.shut_down()
        self.powered = False
        self.stack.power_off()
        for listener in list(self.power_listeners):
            listener(False)
        self._close_line()

    def attach(self, write: Write) -> None:
        """Attach a host that opened the port."""
        self._write = write
        self.line_opened()

    def detach(self) -> None:
        """Detach the host that closed the port; the dongle keeps running."""
        self._close_line()
        self.line_closed()

    def fault(self, reason: str, detail: str) -> None:
        """Count and log a serial frame that a dongle could not make sense of."""
        self.faults[reason] += 1
        LOGGER.warning("serial fault: %s: %s", reason, detail)

    def write(self, data: bytes) -> None:
        """Send bytes to the host; they are lost if no host has the port open."""
        if self.uart is None:
            self._to_host(data)
        elif self._write is not None:
            self.uart.to_host.carry(data, self._to_host)

    def from_host(self, data: bytes) -> None:
        """Take bytes that the host sends."""
        if self.uart is None:
            self.data_received(data)
        else:
            self.uart.to_dongle.carry(data, self.data_received)

    def _to_host(self, data: bytes) -> None:
        if self._write is not None:
            self._write(data)

    def _close_line(self) -> None:
        self._write = None
        if self.uart is not None:
            self.uart.clear()

    @abstractmethod
    def boot(self) -> None:
        """Start the firmware: load flash."""

    @abstractmethod
    def shut_down(self) -> None:
        """Cancel timers as power fails. Nothing may be saved here that a real dongle would lose."""

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Handle bytes from the host."""

    def line_opened(self) -> None:  # noqa: B027 - most firmware does not notice
        """Handle the opening of the serial line by the host."""

    def line_closed(self) -> None:  # noqa: B027
        """Handle the closing of the serial line by the host."""
