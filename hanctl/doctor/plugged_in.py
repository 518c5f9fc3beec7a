"""Find the known sticks that are plugged in, by what the kernel read of them: no port is opened."""

from __future__ import annotations

from pathlib import Path

from hanctl.doctor.machine import Machine
from hanctl.radio.finding import sticks
from hanctl.radio.settings import DongleSettings

_ABOVE = 6
"""A serial port is at most so many levels below its USB device in sysfs."""


def plugged_in(machine: Machine) -> list[DongleSettings]:
    """Return their settings, with stable names; a stick sold with either radio counts as EZSP at first."""
    found = []
    for port in sorted((machine.root / "sys" / "class" / "tty").glob("tty[UA][SC][BM]*")):
        stick = _stick((port / "device").resolve())
        if stick is None:
            continue
        device = machine.root / "dev" / port.name
        names = machine.links_to(device)
        path = str(names[0] if names else device)
        found.append(
            DongleSettings(stick.radio or "ezsp", path, baudrate=stick.baudrate, flow_control=stick.flow_control)
        )
    return found


def _stick(port: Path) -> sticks.Stick | None:
    """Return the known stick of the port with this sysfs directory, if any."""
    interface = None
    for directory in [port, *port.parents][:_ABOVE]:
        interface = interface or _read(directory / "bInterfaceNumber")
        vendor, product = _read(directory / "idVendor"), _read(directory / "idProduct")
        if vendor is None or product is None:
            continue
        told = (_read(directory / "manufacturer") or "", _read(directory / "product") or "")
        stick = sticks.find(int(vendor, 16), int(product, 16), *told)
        if stick is None or stick.interface in (None, int(interface or "0", 16)):
            return stick
        return None
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
