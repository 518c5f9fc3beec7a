"""Generate the udev rules of the known sticks: ``python -m hanctl.install.udev > systemd/60-hanctl.rules``."""

from __future__ import annotations

from hanctl.radio.finding.sticks import STICKS, Stick

PLACEHOLDER_SERIALS = ("", "0", "1", "0001", "00000000", "0123456789")
"""What bridge chips tell that nobody gave a number: two sticks may have the same."""

HEAD = """\
# Sticks with an EZSP or ZNP radio that hanctl knows; made from hanctl/radio/finding/sticks.py, see docs/service.md.
#   /dev/hanctl/by-path/PATH     the stick in this USB port, whichever it is
#   /dev/hanctl/NAME-SERIAL      this very stick, in whichever port; only where it has a serial number of its own

ACTION=="remove", GOTO="hanctl_end"
SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", GOTO="hanctl_sticks"
SUBSYSTEM=="tty", SUBSYSTEMS=="usb", GOTO="hanctl_sticks"
GOTO="hanctl_end"

LABEL="hanctl_sticks"
"""

TAIL = """\
ENV{{HANCTL_STICK}}=="", GOTO="hanctl_end"

# ModemManager takes any serial port for a modem's, and talks to it.
ENV{{ID_MM_DEVICE_IGNORE}}="1"
SUBSYSTEM!="tty", GOTO="hanctl_end"

# The group that serial ports have anyway on Debian; the hub's user is in it.
GROUP="dialout", MODE="0660"
IMPORT{{builtin}}="usb_id"
IMPORT{{builtin}}="path_id"
# Of several ports, the radio's alone.
{interfaces}
ENV{{ID_PATH}}=="?*", SYMLINK+="hanctl/by-path/$env{{ID_PATH}}"
# Serial numbers that chips have from their maker, before anybody gives them one: two sticks may have the same.
ENV{{ID_SERIAL_SHORT}}=="{placeholders}", GOTO="hanctl_end"
SYMLINK+="hanctl/$env{{HANCTL_STICK}}-$env{{ID_SERIAL_SHORT}}"

LABEL="hanctl_end"
"""


def rules() -> str:
    """Return the whole file."""
    interfaces = "\n".join(
        f'ENV{{HANCTL_STICK}}=="{stick.name}", ENV{{ID_USB_INTERFACE_NUM}}!="{stick.interface:02x}", GOTO="hanctl_end"'
        for stick in STICKS
        if stick.interface is not None
    )
    tail = TAIL.format(interfaces=interfaces, placeholders="|".join(PLACEHOLDER_SERIALS))
    return HEAD + "".join(map(_stick, STICKS)) + tail


def _stick(stick: Stick) -> str:
    made_by = "" if stick.manufacturer == "*" else f', ATTRS{{manufacturer}}=="{stick.manufacturer}"'
    product = "" if stick.product == "*" else f', ATTRS{{product}}=="{stick.product}"'
    usb = f'ATTRS{{idVendor}}=="{stick.vendor_id:04x}", ATTRS{{idProduct}}=="{stick.product_id:04x}"'
    return f'{usb}{made_by}{product}, ENV{{HANCTL_STICK}}="{stick.name}"\n'


if __name__ == "__main__":
    print(rules(), end="")
