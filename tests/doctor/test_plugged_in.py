"""Known sticks are found by what the kernel read of them; everything else is left alone."""

from __future__ import annotations

from pathlib import Path

from hanctl.doctor.machine import Machine
from hanctl.doctor.plugged_in import plugged_in
from hanctl.radio.finding.sticks import STICKS, Stick


def plug(root: Path, port: str, *, strings: tuple[str, str], ids: tuple[int, int], interface: int = 0) -> None:
    """As sysfs has it: the port below the interface, and that below the device."""
    device = root / "sys" / "devices" / "usb1" / port
    below = device / f"1-1:1.{interface}"
    tty = below / port if port.startswith("ttyUSB") else below
    tty.mkdir(parents=True)
    (below / "bInterfaceNumber").write_text(f"{interface:02x}\n")
    for name, text in zip(("idVendor", "idProduct"), ids, strict=True):
        (device / name).write_text(f"{text:04x}\n")
    for name, told in zip(("manufacturer", "product"), strings, strict=True):
        (device / name).write_text(told + "\n")
    entry = root / "sys" / "class" / "tty" / port
    entry.mkdir(parents=True)
    (entry / "device").symlink_to(tty)
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / port).touch()


def one(name: str) -> Stick:
    return next(stick for stick in STICKS if stick.name == name)


def test_a_known_stick_is_found_with_its_settings_and_its_stable_name(tmp_path: Path) -> None:
    stick = one("skyconnect")
    plug(tmp_path, "ttyUSB0", strings=("Nabu Casa", "SkyConnect v1.0"), ids=(stick.vendor_id, stick.product_id))
    (found,) = plugged_in(Machine(tmp_path))
    assert (found.radio, found.path) == ("ezsp", str(tmp_path / "dev" / "ttyUSB0"))
    assert (found.baudrate, found.flow_control) == (stick.baudrate, stick.flow_control)
    link = tmp_path / "dev" / "serial" / "by-id" / "usb-Nabu_Casa_SkyConnect"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "dev" / "ttyUSB0")
    (found,) = plugged_in(Machine(tmp_path))
    assert found.path == str(link)


def test_a_bridge_that_is_not_known_by_its_name_may_be_a_displays_console(tmp_path: Path) -> None:
    stick = one("skyconnect")
    plug(tmp_path, "ttyUSB0", strings=("Silicon Labs", "CP2102N"), ids=(stick.vendor_id, stick.product_id))
    plug(tmp_path, "ttyACM0", strings=("Arduino", "Uno"), ids=(0x2341, 0x0043))
    assert plugged_in(Machine(tmp_path)) == []


def test_of_a_stick_with_two_ports_the_radios_is_taken(tmp_path: Path) -> None:
    stick = one("ti-launchpad")
    strings, ids = ("Texas Instruments", "XDS110 (03.00.00.05)"), (stick.vendor_id, stick.product_id)
    plug(tmp_path, "ttyACM0", strings=strings, ids=ids, interface=0)
    plug(tmp_path, "ttyACM1", strings=strings, ids=ids, interface=3)
    assert [Path(found.path).name for found in plugged_in(Machine(tmp_path))] == ["ttyACM0"]


def test_a_machine_without_serial_ports(tmp_path: Path) -> None:
    assert plugged_in(Machine(tmp_path)) == []
