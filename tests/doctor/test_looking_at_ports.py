"""The port, looked at without opening it: each line, in each of its outcomes."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hanctl.doctor.finding import Finding
from hanctl.doctor.machine import Machine, Process
from hanctl.doctor.port import PortFacts, judge_port, port_facts

WELL = PortFacts("/dev/serial/by-id/usb-dongle", user="pi")
ZIGBEE2MQTT = Process(812, "node")
HUB = Process(700, "hanctl")


def line(check: str, hub: int | None = None, /, **facts: Any) -> Finding:
    (found,) = [each for each in judge_port(replace(WELL, **facts), hub) if each.check == check]
    return found


def test_a_port_that_is_well_has_no_hints() -> None:
    findings = judge_port(WELL)
    assert [each.check for each in findings] == ["port", "port name", "permission", "in use", "interference"]
    assert {each.status for each in findings} == {"ok"}
    assert {each.hint for each in findings} == {""}


def test_nothing_more_is_said_of_a_port_that_is_not_there_or_no_device() -> None:
    (absent,) = judge_port(PortFacts("/dev/ttyUSB0", exists=False))
    assert absent.status == "fail" and "does not exist" in absent.message and "by-id" in absent.hint
    (file,) = judge_port(PortFacts("/tmp/file", character_device=False))
    assert file.status == "fail" and "not a device" in file.message


def test_a_name_that_changes_is_warned_of_with_the_one_that_stays() -> None:
    named = line("port name", path="/dev/ttyUSB0", stable_names=("/dev/serial/by-id/usb-dongle",))
    assert named.status == "warn" and "/dev/serial/by-id/usb-dongle" in named.hint
    assert line("port name", path="/dev/ttyACM3").status == "warn"
    # A port on the board has no other name, and keeps it.
    assert line("port name", path="/dev/ttyAMA0").status == "ok"


def test_who_may_not_open_it_is_told_why() -> None:
    stranger = line("permission", allowed=False, member=False, logged_in_as_member=False)
    assert stranger.status == "fail" and "usermod --append --groups dialout pi" in stranger.hint
    too_early = line("permission", allowed=False, logged_in_as_member=False)
    assert too_early.status == "fail" and "log out" in too_early.hint
    closed = line("permission", allowed=False, group_may=False)
    assert closed.status == "fail" and "udev rule" in closed.hint


def test_who_has_it_open_is_named_and_the_hub_may() -> None:
    other = line("in use", holders=(ZIGBEE2MQTT,))
    assert other.status == "fail" and "node (process 812)" in other.message
    assert line("in use", HUB.pid, holders=(HUB,)).status == "ok"
    both = line("in use", HUB.pid, holders=(HUB, ZIGBEE2MQTT))
    assert both.status == "fail" and "hanctl" not in both.message


def test_programs_that_meddle() -> None:
    modem = line("interference", meddlers=("ModemManager",))
    assert modem.status == "warn" and "ID_MM_DEVICE_IGNORE" in modem.hint
    braille = line("interference", meddlers=("brltty",))
    assert braille.status == "warn" and "brltty" in braille.hint
    assert [each.check for each in judge_port(replace(WELL, meddlers=("ModemManager", "brltty")))][-2:] == [
        "interference",
        "interference",
    ]


# --- how the facts are found


@contextmanager
def terminal() -> Iterator[Path]:
    manager, port = pty.openpty()
    try:
        yield Path(os.ttyname(port))
    finally:
        os.close(manager)
        os.close(port)


def machine(root: Path, *processes: Process) -> Machine:
    for process in processes:
        directory = root / "proc" / str(process.pid)
        (directory / "fd").mkdir(parents=True)
        (directory / "comm").write_text(process.name + "\n")
    return Machine(root)


def udev(root: Path, port: Path, *properties: str) -> None:
    number = port.stat().st_rdev
    path = root / "run" / "udev" / "data" / f"c{os.major(number)}:{os.minor(number)}"
    path.parent.mkdir(parents=True)
    path.write_text("I:12345\n" + "".join(f"E:{each}\n" for each in properties))


def test_a_port_is_seen_through_its_stable_name(tmp_path: Path) -> None:
    with terminal() as port:
        link = tmp_path / "dev" / "serial" / "by-id" / "usb-dongle"
        link.parent.mkdir(parents=True)
        link.symlink_to(port)
        facts = port_facts(str(link), machine(tmp_path))
        assert facts.exists and facts.character_device and facts.allowed
        assert facts.stable_names == (str(link),)
        assert port_facts(str(port), machine(tmp_path)).stable_names == (str(link),)


def test_what_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not port_facts(str(tmp_path / "file"), machine(tmp_path)).character_device
    assert not port_facts(str(tmp_path / "none"), machine(tmp_path)).exists


def test_who_has_a_device_open_is_read_from_the_kernel(tmp_path: Path) -> None:
    here = machine(tmp_path, ZIGBEE2MQTT, HUB)
    (tmp_path / "proc" / "812" / "fd" / "20").symlink_to("/dev/null")
    (tmp_path / "proc" / "700" / "fd" / "3").symlink_to("socket:[1]")
    assert here.holders(Path("/dev/null")) == [ZIGBEE2MQTT]
    assert port_facts("/dev/null", here).holders == (ZIGBEE2MQTT,)


def test_this_process_is_not_told_of_itself() -> None:
    with Path("/dev/zero").open("rb"):
        assert os.getpid() not in {process.pid for process in Machine().holders(Path("/dev/zero"))}


@pytest.mark.parametrize(
    ("properties", "meddlers"),
    [
        ((), ("ModemManager",)),
        (("ID_MM_CANDIDATE=1",), ("ModemManager",)),
        (("ID_MM_DEVICE_IGNORE=1",), ()),
        (("ID_MM_PORT_IGNORE=1",), ()),
        (("ID_MM_DEVICE_IGNORE=0",), ("ModemManager",)),
    ],
)
def test_modem_manager_may_have_been_told_to_keep_off(
    properties: tuple[str, ...], meddlers: tuple[str, ...], tmp_path: Path
) -> None:
    with terminal() as port:
        udev(tmp_path, port, *properties)
        assert port_facts(str(port), machine(tmp_path, Process(5, "ModemManager"))).meddlers == meddlers


def test_the_holder_of_a_lock_is_read_from_the_kernel(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("708\n")
    locks = tmp_path / "proc" / "locks"
    locks.parent.mkdir()
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE 708 00:2c:{lock.stat().st_ino} 0 EOF\n")
    assert Machine(tmp_path).lock_holder(lock) == 708
    locks.write_text("1: FLOCK  ADVISORY  WRITE 708 00:2c:1 0 EOF\n")
    assert Machine(tmp_path).lock_holder(lock) is None
    assert Machine(tmp_path).lock_holder(tmp_path / "none") is None
