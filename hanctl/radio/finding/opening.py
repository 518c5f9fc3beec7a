"""Explain in one line why a dongle did not open, and what to do."""

from __future__ import annotations

import errno

from hanctl.base.errors import DongleError
from hanctl.radio.errors import NotADongle, PortAbsent, PortBusy, PortForbidden, PortUnreachable
from hanctl.radio.settings import DongleSettings, RadioKind

_OTHER: dict[RadioKind, RadioKind] = {"ezsp": "znp", "znp": "ezsp"}


def opening_error(error: BaseException, settings: DongleSettings, *, hung_up: bool = False) -> DongleError:
    """Return the named error for an exception while connecting; ``hung_up``: the other end closed the line."""
    if isinstance(error, DongleError):
        return error
    path = settings.path
    known = _port_error(error, path)
    if known is not None:
        return known
    if hung_up and "://" in path:
        # What a serial server does to a second client.
        return PortBusy(
            f"{path} closed the connection at once",
            "stop the other program that is connected to it; or it is no dongle's serial server",
        )
    return NotADongle(
        f"nothing at {path} answers as {_article(settings.radio)} dongle",
        f'check that it is the right port, that radio = "{settings.radio}" is right (and not '
        f'"{_OTHER[settings.radio]}"), and the baud rate ({settings.baudrate} is set; 115200 is usual), '
        "and that no other program is connected to it",
    )


def _port_error(error: BaseException, path: str) -> DongleError | None:
    number = error.errno if isinstance(error, OSError) else None
    cause = error.__cause__
    # zigpy turns a locked port into a PermissionError, with the true cause behind it.
    if number == errno.EBUSY or (isinstance(cause, OSError) and cause.errno == errno.EBUSY):
        return PortBusy(
            f"{path} is in use by another program",
            "stop it (zigbee2mqtt, ZHA, another hanctl?); 'lsof' or 'fuser' on the path names it",
        )
    if number == errno.ENOENT:
        return PortAbsent(
            f"{path} does not exist",
            "plug the dongle in, and look in /dev/serial/by-id/ for its name",
        )
    if isinstance(error, PermissionError):
        return PortForbidden(
            f"no permission to open {path}",
            "add the user to the group that owns it (often 'dialout'), then log in again",
        )
    if number in (errno.ENXIO, errno.ENODEV, errno.EIO):
        return PortAbsent(f"{path} has no device behind it", "unplug the dongle and plug it in again")
    if number in (errno.ENOTTY, errno.EINVAL, errno.EISDIR):
        return NotADongle(f"{path} is not a serial port", "give the path of the dongle's serial port")
    if isinstance(error, ConnectionRefusedError):
        return PortUnreachable(
            f"{path} refuses the connection", "check host and port, and that the serial server runs there"
        )
    if isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionError):
        return PortUnreachable(f"{path} cannot be opened: {error.strerror or error}", "check the path or the address")
    return None


def _article(radio: RadioKind) -> str:
    return "an EZSP" if radio == "ezsp" else "a ZNP"
