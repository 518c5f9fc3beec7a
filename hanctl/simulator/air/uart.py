"""Simulate the serial line between host and dongle: a write arrives when its last byte does."""

from __future__ import annotations

from collections.abc import Callable

from hanctl.simulator.air.agenda import Agenda
from hanctl.simulator.air.constants import BAUD, UART_BITS_PER_BYTE


class _Direction:
    def __init__(self, agenda: Agenda, baud: int) -> None:
        self._agenda = agenda
        self._baud = baud
        self._free_at = 0
        self._run = 0

    def carry(self, data: bytes, deliver: Callable[[bytes], None]) -> None:
        run = self._run
        begins = max(self._free_at, self._agenda.now)
        self._free_at = begins + round(len(data) * UART_BITS_PER_BYTE * 1_000_000 / self._baud)

        def arrive() -> None:
            if run == self._run:
                deliver(data)

        self._agenda.at(self._free_at, arrive)

    def clear(self) -> None:
        self._run += 1
        self._free_at = 0


class Uart:
    """A full-duplex serial line: 8 bits, no parity, 1 stop bit; ``baud`` in bits per second."""

    def __init__(self, agenda: Agenda, baud: int = BAUD) -> None:
        self.to_dongle = _Direction(agenda, baud)
        self.to_host = _Direction(agenda, baud)

    def clear(self) -> None:
        """Drop bytes in flight, as the line is closed or the dongle has no power."""
        self.to_dongle.clear()
        self.to_host.clear()
