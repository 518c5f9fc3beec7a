"""Which port is opened when the dongle comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from hanctl.radio.errors import PortAbsent
from hanctl.radio.finding.port import Port

STICK = "usb-ITead_Sonoff_Zigbee_Dongle_0001-if00-port0"
CONSOLE = "usb-FTDI_FT232R_A50285BI-if00-port0"


class Machine:
    """/dev of a machine with udev."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.by_id = root / "by-id"
        self.by_id.mkdir()

    def plug(self, tty: str, name: str) -> str:
        path = self.root / tty
        path.touch()
        (self.by_id / name).symlink_to(path)
        return str(path)

    def unplug(self, tty: str, name: str) -> None:
        (self.root / tty).unlink()
        (self.by_id / name).unlink()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def resolved(port: Port) -> str:
    return str(Path(port.current()).resolve())


def test_a_stick_that_comes_back_under_another_name_is_found_and_what_took_its_name_is_left_alone(
    machine: Machine,
) -> None:
    path = machine.plug("ttyUSB0", STICK)
    port = Port(path, machine.by_id)
    assert port.current() == path
    port.opened()
    machine.unplug("ttyUSB0", STICK)
    machine.plug("ttyUSB0", CONSOLE)
    with pytest.raises(PortAbsent, match=r"ttyUSB0.*is not plugged in.*Sonoff"):
        port.current()
    elsewhere = machine.plug("ttyUSB1", STICK)
    assert resolved(port) == elsewhere


def test_before_it_answered_once_nothing_is_known_of_it(machine: Machine) -> None:
    path = machine.plug("ttyUSB0", STICK)
    port = Port(path, machine.by_id)
    machine.unplug("ttyUSB0", STICK)
    assert port.current() == path


def test_a_stable_name_is_kept_as_it_was_given(machine: Machine) -> None:
    machine.plug("ttyUSB0", STICK)
    given = str(machine.by_id / STICK)
    port = Port(given, machine.by_id)
    port.opened()
    machine.unplug("ttyUSB0", STICK)
    assert port.current() == given


@pytest.mark.parametrize("path", ["tcp://rig:6638", "/dev/ttyAMA0"])
def test_what_udev_does_not_name_is_opened_as_configured(path: str, tmp_path: Path) -> None:
    port = Port(path, tmp_path / "absent")
    port.opened()
    assert port.current() == path
