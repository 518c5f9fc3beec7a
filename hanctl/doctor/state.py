"""Check the state directory, its ledger, the disks and the clock."""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from hanctl.doctor.finding import Finding, fail, ok, warn
from hanctl.ledger.files.inspection import LedgerFacts

LOW = 200 * 1024 * 1024
"""Bytes: room for some thousand images' blocks of evidence, and for the ledger to be compacted."""
FULL = 16 * 1024 * 1024
CLOCK_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class DirectoryFacts:
    """A directory that the hub writes to, or its nearest parent if it does not exist yet."""

    path: str
    exists: bool
    owner: str
    mine: bool
    mode: int
    writable: bool
    read_only: bool
    free: int


def directory_facts(path: Path) -> DirectoryFacts:
    """Read a directory's facts, or those of its nearest parent that exists and may be read."""
    there = next(each for each in (path, *path.parents) if _is_there(each))
    status, system = there.stat(), os.statvfs(there)
    try:
        owner = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        owner = str(status.st_uid)
    return DirectoryFacts(
        str(path),
        exists=there == path,
        owner=owner,
        mine=status.st_uid == os.geteuid(),
        mode=stat.S_IMODE(status.st_mode),
        writable=os.access(there, os.W_OK | os.X_OK),
        read_only=bool(system.f_flag & os.ST_RDONLY),
        free=system.f_bavail * system.f_frsize,
    )


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def judge_state_directory(facts: DirectoryFacts, holder: int | None, hub: int | None) -> Finding:
    """Judge the state directory. ``holder``: process that holds its lock; ``hub``: that of the hub that answers."""
    path = facts.path
    if not facts.writable and not facts.read_only and hub is None:
        return fail(
            "state",
            f"you may not write to {path}: it belongs to {facts.owner}",
            f"look again as its owner (sudo -u {facts.owner} hanctl doctor ...), or give another ([hub] state_dir)",
        )
    if not facts.exists:
        return ok("state", f"{path} is made when the hub starts")
    if holder is not None and holder != hub:
        return warn(
            "state",
            f"a hub (process {holder}) holds {path}, but does not answer on the socket",
            "is it starting, or has it another socket ([hub] socket)?",
        )
    if facts.mode & (stat.S_IRWXG | stat.S_IRWXO):
        return warn("state", f"others may look into {path}, which holds household data", f"chmod 700 {path}")
    if not facts.mine and hub is None:
        return warn(
            "state",
            f"{path} belongs to {facts.owner}, and you are not {facts.owner}",
            f"a hub that you start would leave files there that {facts.owner} cannot use: run it as {facts.owner}",
        )
    return ok("state", f"{path}, " + (f"held by the hub (process {hub})" if hub is not None else "not in use"))


def judge_disk(check: str, facts: DirectoryFacts) -> Finding:
    if facts.read_only:
        return fail(
            check,
            f"the file system of {facts.path} is mounted read-only",
            "a failing SD card does that: look in 'dmesg', and run fsck",
        )
    free = f"{facts.free // (1024 * 1024)} MiB free for {facts.path}"
    if facts.free < FULL:
        return fail(check, free, "make room: with a full disk nothing is recorded, and updates wait")
    if facts.free < LOW:
        return warn(check, free, "make room soon: with a full disk updates wait")
    return ok(check, free)


def judge_ledger(facts: LedgerFacts | None) -> Finding:
    """Judge the ledger. ``facts`` None: there is no ledger yet."""
    if facts is None:
        return ok("ledger", "none yet: it is made when the hub starts")
    if facts.unreadable:
        return warn("ledger", "you may not read it", "look again as its owner, or as root")
    if facts.foreign:
        return fail(
            "ledger", "ledger.sqlite is a database of another program", "give hanctl a state directory of its own"
        )
    if facts.damage is not None:
        return fail(
            "ledger",
            f"it cannot be used: {facts.damage}",
            "restore it from a backup, or move it away to begin a new one (devices then have to join again)",
        )
    if facts.newer:
        return fail(
            "ledger",
            "it was written by a newer hanctl",
            "install that version again, or start with another state directory",
        )
    if not facts.checked:
        return warn("ledger", "it is too large to be checked here", "the hub checks it whenever it starts")
    if facts.behind:
        return ok("ledger", "sound; the hub brings it to the present schema when it starts")
    return ok("ledger", "sound")


def judge_clock(now: datetime, synchronised: bool | None, ledger: LedgerFacts | None) -> Finding:
    """Judge the clock. ``synchronised`` None: the kernel did not say."""
    told = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    last = None if ledger is None else ledger.last_event_at
    if last is not None and now + CLOCK_SLACK < last:
        return fail(
            "clock",
            f"{told} is before the ledger's last event, of {last:%Y-%m-%d %H:%M:%S}",
            "set the clock: without it, dates of updates and changes come at the wrong time",
        )
    if synchronised:
        return ok("clock", f"{told}, synchronised")
    return warn(
        "clock",
        f"{told}, " + ("not synchronised" if synchronised is False else "and whether it is right is not known"),
        "sudo timedatectl set-ntp true; a Raspberry Pi has no clock of its own while it is off",
    )
