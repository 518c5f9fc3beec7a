"""Find the port of the dongle: as configured, or where the same dongle is after a replug."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from hanctl.radio.errors import PortAbsent

BY_ID = Path("/dev/serial/by-id")
"""udev's links, named after a stick's maker, product and serial number."""


class Port:
    """The port of one dongle.

    A stick that comes back may get another name, and its old one may go to something else, such as a display's console.
    So once it was open under a name that the kernel gives (/dev/ttyUSB0), it is found by udev's name for it.
    """

    def __init__(self, path: str, by_id: Path = BY_ID) -> None:
        self._path = path
        self._by_id = by_id
        self._stable: Path | None = None

    def current(self) -> str:
        """Return the port to open now. Raises PortAbsent if the dongle that was open is not plugged in."""
        if self._stable is None:
            return self._path
        if not self._stable.exists():
            raise PortAbsent(
                f"the dongle that was {self._path} is not plugged in ({self._stable})",
                "plug it in again, into any socket",
            )
        return str(self._stable)

    def opened(self) -> None:
        """Remember the dongle that answered on the port."""
        if self._stable is None and "://" not in self._path and not Path(self._path).is_symlink():
            self._stable = self._link()

    def _link(self) -> Path | None:
        with suppress(OSError):
            device = Path(self._path).resolve()
            return next((link for link in sorted(self._by_id.iterdir()) if link.resolve() == device), None)
        return None
