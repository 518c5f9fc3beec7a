"""Known sticks, by what real ones tell over USB, and what udev makes of them by the rules that are shipped."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from udev_rules import rules

from hanctl.radio.finding.sticks import STICKS, find

FILE = Path(__file__).parents[2] / "systemd" / "60-hanctl.rules"

TOLD = [
    # Names of links and lines of kernel logs, as people posted them.
    (0x1A86, 0x55D4, "ITEAD", "SONOFF Zigbee 3.0 USB Dongle Plus V2", "sonoff-dongle-e"),
    (0x10C4, 0xEA60, "Itead", "Sonoff Zigbee 3.0 USB Dongle Plus V2", "sonoff-dongle-e"),
    (0x10C4, 0xEA60, "ITead", "Sonoff Zigbee 3.0 USB Dongle Plus", "sonoff-dongle-p"),
    (0x10C4, 0xEA60, "Silicon Labs", "Sonoff Zigbee 3.0 USB Dongle Plus", "sonoff-dongle-p"),
    (0x10C4, 0xEA60, "SONOFF", "SONOFF Dongle Max MG24", "sonoff-dongle-max"),
    (0x10C4, 0xEA60, "SONOFF", "SONOFF Dongle Plus MG24", "sonoff-dongle-plus-mg24"),
    (0x10C4, 0xEA60, "SONOFF", "SONOFF Dongle Plus CC2674P10", "sonoff-dongle-plus-cc2674p10"),
    (0x10C4, 0xEA60, "SONOFF", "SONOFF Dongle Lite MG21", "sonoff-dongle-lite-mg21"),
    (0x10C4, 0xEA60, "Nabu Casa", "SkyConnect v1.0", "skyconnect"),
    (0x10C4, 0xEA60, "Nabu Casa", "Home Assistant Connect ZBT-1", "zbt-1"),
    (0x303A, 0x4001, "Nabu Casa", "ZBT-2", "zbt-2"),
    (0x303A, 0x831A, "Nabu Casa", "ZBT-2", "zbt-2"),
    (0x10C4, 0xEA60, "SMLIGHT", "SMLIGHT SLZB-07", "slzb-07"),
    (0x10C4, 0xEA60, "SMLIGHT", "SMLIGHT SLZB-07Mg24", "slzb-07mg24"),
    (0x10C4, 0xEA60, "SMLIGHT", "SMLIGHT SLZB-07p7", "slzb-07p7"),
    (0x10C4, 0xEA60, "SMLIGHT", "SMLIGHT SLZB-06p10", "slzb-06p10"),
    (0x10C4, 0xEA60, "Silicon Labs", "slae.sh cc2652rb stick - slaesh's iot stuff", "slaesh-cc2652rb"),
    (0x0451, 0x16A8, "Texas Instruments", "TI CC2531 USB CDC", "cc2531"),
    (0x0451, 0x16C8, "Texas Instruments", "CC2538 USB CDC", "cc2538"),
    (0x0451, 0xBEF3, "Texas Instruments", "XDS110 (03.00.00.29) Embed with CMSIS-DAP", "ti-launchpad"),
    # Not ours: what any bridge tells, a display's console perhaps; another protocol's stick; a Z-Wave one.
    (0x10C4, 0xEA60, "Silicon Labs", "CP2102N USB to UART Bridge Controller", None),
    (0x10C4, 0xEA60, "Silicon Labs", "CP2102 USB to UART Bridge Controller", None),
    (0x1A86, 0x7523, "QinHeng Electronics", "USB Serial", None),
    (0x1A86, 0x55D4, "QinHeng Electronics", "USB Single Serial", None),
    (0x0403, 0x6015, "FTDI", "FT230X Basic UART", None),
    (0x0403, 0x6015, "dresden elektronik", "ConBee III", None),
    (0x1CF1, 0x0030, "dresden elektronik ingenieurtechnik GmbH", "ConBee II", None),
    (0x303A, 0x4001, "Nabu Casa", "ZWA-2", None),
]


@dataclass
class Device:
    """One event of udev: what the device is, and what the rules made of it."""

    vendor: int
    product: int
    manufacturer: str
    name: str
    serial: str = ""
    path: str = "platform-usb-0:1.3:1.0"
    interface: str = "00"
    subsystem: str = "tty"
    links: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    group: str = ""

    def value(self, key: str) -> str:
        attributes = {
            "SUBSYSTEM": self.subsystem,
            "SUBSYSTEMS": "usb",
            "ACTION": "add",
            "ATTRS{idVendor}": f"{self.vendor:04x}",
            "ATTRS{idProduct}": f"{self.product:04x}",
            "ATTRS{manufacturer}": self.manufacturer,
            "ATTRS{product}": self.name,
            "ENV{DEVTYPE}": "usb_device" if self.subsystem == "usb" else "",
        }
        if key.startswith("ENV{") and key != "ENV{DEVTYPE}":
            return self.environment.get(key[4:-1], "")
        return attributes[key]


TOKEN = re.compile(r'([A-Z]+(?:\{\w+\})?)(==|!=|\+=|=)"([^"]*)"(?:, )?')


def play(device: Device, text: str) -> Device:
    """A small reader of udev(7), for the keys that the rules use."""
    goal = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        tokens = TOKEN.findall(line)
        assert "".join(f'{key}{operator}"{value}", ' for key, operator, value in tokens)[:-2] == line
        if goal is not None:
            if tokens == [("LABEL", "=", goal)]:
                goal = None
            continue
        for key, operator, value in tokens:
            if operator in ("==", "!="):
                fits = any(fnmatchcase(device.value(key), pattern) for pattern in value.split("|"))
                if fits != (operator == "=="):
                    break
                continue
            filled = re.sub(r"\$env\{(\w+)\}", lambda found: device.environment.get(found[1], ""), value)
            if key == "GOTO":
                goal = value
            elif key == "SYMLINK":
                device.links.append(filled)
            elif key == "GROUP":
                device.group = value
            elif key == "IMPORT{builtin}":
                made = {"ID_SERIAL_SHORT": device.serial, "ID_USB_INTERFACE_NUM": device.interface}
                device.environment |= made if value == "usb_id" else {"ID_PATH": device.path}
            elif key.startswith("ENV"):
                device.environment[key[4:-1]] = filled
            else:
                assert key in {"LABEL", "MODE"}
    assert goal is None, f"no label {goal} follows"
    return device


@pytest.mark.parametrize(("vendor", "product", "maker", "name", "stick"), TOLD)
def test_a_stick_is_known_by_what_it_tells(vendor: int, product: int, maker: str, name: str, stick: str | None) -> None:
    found = find(vendor, product, maker, name)
    assert (found.name if found else None) == stick
    device = play(Device(vendor, product, maker, name, serial="20240122184111"), FILE.read_text())
    expected = [] if stick is None else ["hanctl/by-path/platform-usb-0:1.3:1.0", f"hanctl/{stick}-20240122184111"]
    assert device.links == expected
    assert (device.environment.get("ID_MM_DEVICE_IGNORE") == "1", device.group == "dialout") == (bool(stick),) * 2


def test_no_two_models_claim_the_same_device() -> None:
    for vendor, product, maker, name, stick in TOLD:
        claims = {each.name for each in STICKS if each.is_it(vendor, product, maker, name)}
        assert claims == ({stick} if stick else set())


def test_the_radio_is_known_and_its_speed() -> None:
    found = {stick.name: (stick.radio, stick.baudrate, stick.flow_control) for stick in STICKS}
    assert found["sonoff-dongle-e"] == ("ezsp", 115200, "none")
    assert found["sonoff-dongle-p"] == ("znp", 115200, "none")
    assert found["zbt-2"] == ("ezsp", 460800, "hardware")


def test_two_identical_sticks_have_different_links() -> None:
    first, second = (
        play(Device(0x10C4, 0xEA60, "ITead", "Sonoff Zigbee 3.0 USB Dongle Plus", serial, path), FILE.read_text())
        for serial, path in (("b8b49abd", "usb-0:1.1:1.0"), ("c3d27e11", "usb-0:1.2:1.0"))
    )
    assert set(first.links) & set(second.links) == set()


@pytest.mark.parametrize("serial", ["", "0001", "0", "0123456789"])
def test_a_serial_number_that_is_none_makes_no_link(serial: str) -> None:
    stick = Device(0x10C4, 0xEA60, "Silicon Labs", "Sonoff Zigbee 3.0 USB Dongle Plus", serial)
    assert play(stick, FILE.read_text()).links == ["hanctl/by-path/platform-usb-0:1.3:1.0"]


def test_of_two_ports_the_radios_alone_is_linked() -> None:
    name = "XDS110 (03.00.00.29) Embed with CMSIS-DAP"
    ports = [
        play(Device(0x0451, 0xBEF3, "Texas Instruments", name, "L201A07F", interface=interface), FILE.read_text())
        for interface in ("00", "03")
    ]
    assert [len(port.links) for port in ports] == [2, 0]
    assert [port.environment["ID_MM_DEVICE_IGNORE"] for port in ports] == ["1", "1"]


def test_modem_manager_is_told_of_the_usb_device_too() -> None:
    device = Device(0x303A, 0x4001, "Nabu Casa", "ZBT-2", "9C139EAC09F0", subsystem="usb")
    play(device, FILE.read_text())
    assert (device.environment["ID_MM_DEVICE_IGNORE"], device.links, device.group) == ("1", [], "")


def test_the_rules_are_made_from_the_table() -> None:
    assert FILE.read_text() == rules(), "python tests/service/udev_rules.py > systemd/60-hanctl.rules"


@pytest.mark.thirdparty
def test_udev_takes_the_rules() -> None:
    help_text = "" if shutil.which("udevadm") is None else subprocess.getoutput("udevadm --help")
    if " verify " not in help_text:
        pytest.skip("udevadm verify is there from systemd 254 on")
    subprocess.run(["udevadm", "verify", str(FILE)], check=True)
