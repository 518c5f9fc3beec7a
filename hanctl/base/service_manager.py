"""Tell systemd the state of the hub by its notify protocol: ready, alive, reloading, stopping.

Each message is one datagram of lines ``NAME=value``. Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog

log = structlog.get_logger()

FEEDS_A_PERIOD = 3
"""The manager is told so often in the time after which it would kill the hub."""


class ServiceManager:
    """The service manager named in the environment; without one, nothing is sent."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        pid = environment.get("WATCHDOG_PID", "")
        ours = not pid or pid == str(os.getpid())
        microseconds = environment.get("WATCHDOG_USEC", "")
        self._watchdog_s = int(microseconds) / 1e6 if ours and microseconds.isdigit() else None

    def ready(self, status: str | None = None) -> None:
        """Report that the hub has started; ``systemctl status`` shows ``status``; None: unchanged."""
        self._tell("READY=1", *([] if status is None else [f"STATUS={status}"]))

    def reloading(self, monotonic: float) -> None:
        """Report a reload; call ``ready`` after it. ``monotonic``: CLOCK_MONOTONIC, seconds."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={monotonic * 1e6:.0f}")

    def stopping(self, reason: str) -> None:
        """Report that the hub begins to stop."""
        self._tell("STOPPING=1", f"STATUS={reason}")

    async def feed(self) -> None:
        """Report, until cancelled, that the event loop runs. If it blocks, systemd kills the hub."""
        if self._watchdog_s is None:
            await asyncio.Event().wait()
            return
        while True:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._watchdog_s / FEEDS_A_PERIOD)

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # An abstract address is written with an @.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.setblocking(False)
                out.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), address)
        except OSError as error:
            log.warning("the service manager was not told", message=lines[0], reason=str(error))
