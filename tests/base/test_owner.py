"""Work as the owner of a directory: what root is asked to do there, the owner does, and can do no more."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hanctl.base.errors import ConfigError, Refused
from hanctl.base.owner import Account, as_owner, as_user, owner_of

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
HUB, GROUP = 64001, 64002
SCRIPT = """
import json, os, pathlib, shutil, sys
from hanctl.base.errors import ConfigError, Refused
from hanctl.base.owner import as_owner

directory = pathlib.Path(sys.argv[1])

def who():
    (directory / "made").touch()
    print("told by the child", flush=False)
    return [os.getresuid(), os.getresgid(), os.getgroups()]

def refused():
    raise Refused("it was refused", "do something else")

def climb():
    os.setuid(0)

def read():
    return pathlib.Path("/etc/shadow").read_text()

def leave():
    os.kill(os.getpid(), 9)

for work in (who, refused, climb, read, leave):
    try:
        print(json.dumps(as_owner(directory, work)))
    except Exception as error:
        print(f"{type(error).__name__} {getattr(error, 'code', '-')}: {error}; {getattr(error, 'hint', '-')}")
print(os.geteuid())
"""


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A directory of a user that is not root, where every user may go."""
    with TemporaryDirectory(prefix="hanctl-test-") as directory:
        Path(directory).chmod(0o755)
        theirs = Path(directory) / "theirs"
        theirs.mkdir(0o700)
        os.chown(theirs, HUB, GROUP)
        yield theirs


@ROOT
def test_root_becomes_the_owner_for_the_work_and_stays_root_after_it(theirs: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(theirs)], capture_output=True, text=True, check=True)
    said, who, refused, climb, read, left, after = done.stdout.splitlines()
    assert said == "told by the child"
    assert who == f"[[{HUB}, {HUB}, {HUB}], [{GROUP}, {GROUP}, {GROUP}], [{GROUP}]]"
    assert refused == "FailedAsOwner refused: it was refused; do something else"
    assert "PermissionError" in climb and "PermissionError" in read
    # A fault is told by its place: its own text may hold what was given.
    assert "shadow" not in read
    assert "ended with code -9" in left
    assert after == "0"
    made = (theirs / "made").stat()
    assert (made.st_uid, made.st_gid) == (HUB, GROUP)


@ROOT
def test_who_has_put_a_link_on_the_way_is_whose_work_it_is(theirs: Path) -> None:
    public = theirs.parent
    (public / "roots").mkdir()
    (public / "by-root").symlink_to("roots")
    (public / "by-hub").symlink_to("roots")
    os.chown(public / "by-hub", HUB, GROUP, follow_symlinks=False)
    (public / "by-both").symlink_to("by-hub/deep")
    (theirs / "up").symlink_to("../roots")
    os.chown(theirs / "up", HUB, GROUP, follow_symlinks=False)
    (public / "round").symlink_to("round")
    owners = {
        "roots": 0,
        "roots/not/there": 0,
        "by-root/not": 0,
        "by-hub": HUB,
        "by-hub/not": HUB,
        "by-both/x": HUB,
        "theirs": HUB,
        "theirs/not": HUB,
        "theirs/up": HUB,
        "theirs/up/x": HUB,
        "theirs/../roots": 0,
    }
    assert {name: owner_of(public / name).uid for name in owners} == owners
    with pytest.raises(ConfigError, match="lead to no end"):
        owner_of(public / "round" / "x")


def test_everybody_else_works_as_they_are(tmp_path: Path) -> None:
    account = owner_of(tmp_path / "not" / "there")
    assert (account.uid, account.gid) == (tmp_path.stat().st_uid, tmp_path.stat().st_gid)

    def work() -> int:
        (tmp_path / "made").touch()
        return os.getpid()

    if os.geteuid() != 0:
        assert as_user(Account(HUB, GROUP, "somebody"), work) == os.getpid()
    assert as_owner(tmp_path, work) == os.getpid()

    def refuse() -> None:
        raise Refused("no")

    with pytest.raises(Refused):
        as_owner(tmp_path, refuse)
    assert stat.S_ISREG((tmp_path / "made").stat().st_mode)
