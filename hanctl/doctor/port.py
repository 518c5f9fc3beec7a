"""Check the serial port without opening it."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from hanctl.doctor.finding import Finding, fail, ok, warn
from hanctl.doctor.machine import Machine, Process

CHANGING_NAME = re.compile(r"/dev/tty(USB|ACM)\d+")
"""Names that the kernel gives in the order in which devices appear."""

MEDDLERS = ("ModemManager", "brltty")
"""ModemManager talks to new ports to see whether they are modems; brltty takes USB adapters (the CH340 among them) for
Braille displays."""


@dataclass(frozen=True, slots=True)
class PortFacts:
    """Facts about a port. ``exists`` False: the rest has no meaning."""

    path: str
    exists: bool = True
    character_device: bool = True
    allowed: bool = True
    """This user may read and write it."""
    group: str = "dialout"
    group_may: bool = True
    member: bool = True
    """The user is a member of the group, by the system's files."""
    logged_in_as_member: bool = True
    """This session knows of it."""
    user: str = ""
    stable_names: tuple[str, ...] = ()
    holders: tuple[Process, ...] = ()
    meddlers: tuple[str, ...] = ()
    """Programs that run and may touch the port uninvited, unless udev was told that they must not."""


def port_facts(path: str, machine: Machine) -> PortFacts:
    """Read the facts of a port without opening it."""
    real = Path(path).resolve()
    try:
        status = real.stat()
    except OSError:
        return PortFacts(path, exists=False)
    group, members, group_id = _group(status.st_gid)
    user, own_group = _user()
    ignored = machine.udev_properties(status.st_rdev)
    return PortFacts(
        path,
        character_device=stat.S_ISCHR(status.st_mode),
        allowed=os.access(real, os.R_OK | os.W_OK),
        group=group,
        group_may=bool(status.st_mode & stat.S_IRGRP and status.st_mode & stat.S_IWGRP),
        member=user in members or own_group == group_id,
        logged_in_as_member=group_id in {os.getegid(), *os.getgroups()},
        user=user,
        stable_names=tuple(str(link) for link in machine.links_to(real)),
        # Whoever serves a pseudo-terminal has its far end open too; a lock on it is met when it is opened.
        holders=() if real.is_relative_to("/dev/pts") else tuple(machine.holders(real)),
        meddlers=tuple(name for name in MEDDLERS if machine.running(name) and not _told_off(name, ignored)),
    )


def judge_port(facts: PortFacts, hub: int | None = None) -> list[Finding]:
    """Judge the port. ``hub``: process of the hub that this port belongs to, if it runs."""
    path = facts.path
    if not facts.exists:
        return [
            fail(
                "port",
                f"{path} does not exist",
                "plug the dongle in; 'ls -l /dev/serial/by-id/' shows what is there ([dongle] path)",
            )
        ]
    if not facts.character_device:
        return [fail("port", f"{path} is not a device", "give the path of the dongle's serial port ([dongle] path)")]
    return [ok("port", f"{path} is there"), _name(facts), _permission(facts), _in_use(facts, hub), *_meddlers(facts)]


def _name(facts: PortFacts) -> Finding:
    if not CHANGING_NAME.fullmatch(facts.path):
        return ok("port name", "stays the same when other devices are plugged in")
    better = f"use {facts.stable_names[0]}" if facts.stable_names else "see 'ls -l /dev/serial/by-id/'"
    return warn("port name", f"{facts.path} may be another device after a restart", f"{better} ([dongle] path)")


def _permission(facts: PortFacts) -> Finding:
    who = facts.user or "this user"
    if facts.allowed:
        return ok("permission", f"{who} may open it")
    if facts.group_may and facts.member and not facts.logged_in_as_member:
        return fail(
            "permission",
            f"{who} is a member of {facts.group}, but was not yet when logging in",
            "log out and in again, or restart the service",
        )
    if facts.group_may and not facts.member:
        return fail(
            "permission",
            f"{who} may not open it: it belongs to the group {facts.group}",
            f"sudo usermod --append --groups {facts.group} {facts.user or 'USER'}, then log in again",
        )
    return fail(
        "permission",
        f"{who} may not open it, and its group {facts.group} may not either",
        "a udev rule has to give it mode 0660 and a group",
    )


def _in_use(facts: PortFacts, hub: int | None) -> Finding:
    others = [process for process in facts.holders if process.pid != hub]
    if others:
        return fail(
            "in use",
            f"another program has it open: {', '.join(map(str, others))}",
            "stop that program: a dongle has one host",
        )
    if hub is not None:
        return ok("in use", f"by the hub (process {hub})")
    return ok("in use", "by no program that may be seen")


def _meddlers(facts: PortFacts) -> list[Finding]:
    if not facts.meddlers:
        return [ok("interference", "no program runs that tries serial ports")]
    return [_meddler(name) for name in facts.meddlers]


def _meddler(name: str) -> Finding:
    if name == "brltty":
        return warn(
            "interference",
            "brltty runs, and may take USB serial adapters for Braille displays",
            "where nobody needs it: sudo apt remove brltty",
        )
    return warn(
        "interference",
        "ModemManager runs, and may send its commands to the dongle",
        'a udev rule with ENV{ID_MM_DEVICE_IGNORE}="1" keeps it off; or: sudo systemctl disable --now ModemManager',
    )


def _told_off(name: str, properties: dict[str, str]) -> bool:
    return name == "ModemManager" and "1" in (
        properties.get("ID_MM_DEVICE_IGNORE"),
        properties.get("ID_MM_PORT_IGNORE"),
    )


def _group(number: int) -> tuple[str, list[str], int]:
    try:
        entry = grp.getgrgid(number)
    except KeyError:
        return str(number), [], number
    return entry.gr_name, entry.gr_mem, number


def _user() -> tuple[str, int]:
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        return str(os.geteuid()), os.getegid()
    return entry.pw_name, entry.pw_gid
