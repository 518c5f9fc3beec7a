"""Files with secrets: who may read them, and that the command in a hint mends what it is the hint of."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanctl.base.private_file import fault_of

HUB, GROUP, STRANGER = 64001, 64002, 64003
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
ASK = """
import json, os, pathlib, sys
from hanctl.base.private_file import fault_of
uid, gid, path = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
os.setgroups([]); os.setresgid(gid, gid, gid); os.setresuid(uid, uid, uid)
print(json.dumps(fault_of(path, "a secret")))
"""


def as_user(uid: int, gid: int, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK, str(uid), str(gid), str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@given(mode=st.integers(0, 0o777))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_file_of_ones_own_is_for_oneself_alone_whatever_the_bits(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.touch()
    path.chmod(mode)
    fault = fault_of(path, "a secret")
    spared = 0o040 if os.geteuid() == 0 else 0
    if mode & 0o077 & ~spared:
        assert fault is not None and "others may read" in fault[0]
        subprocess.run(shlex.split(fault[1].removeprefix("run: ")), check=True)
        assert fault_of(path, "a secret") is None
    elif mode & 0o400 or os.geteuid() == 0:
        assert fault is None


def test_a_file_that_is_not_there_has_no_fault_of_this_kind(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "none", "a secret") is None


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own."""
    with TemporaryDirectory(prefix="hanctl-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@ROOT
@pytest.mark.parametrize(
    ("owner", "group", "mode", "taken"),
    [
        (0, GROUP, 0o640, True),
        (0, GROUP, 0o440, True),
        (HUB, GROUP, 0o600, True),
        (HUB, GROUP, 0o640, False),
        (0, GROUP, 0o660, False),
        (0, GROUP, 0o644, False),
        (0, 0, 0o600, False),
        (0, 0, 0o640, False),
        (STRANGER, GROUP, 0o640, False),
        (STRANGER, GROUP, 0o600, False),
    ],
)
def test_the_hubs_user_takes_what_root_lets_its_group_read_and_a_hint_leads_there(
    owner: int, group: int, mode: int, taken: bool, public: Path
) -> None:
    path = public / "secret"
    path.write_text("0123")
    os.chown(path, owner, group)
    path.chmod(mode)
    told = as_user(HUB, GROUP, path)
    if taken:
        assert told == "null"
        return
    command = re.search(r"run: ([^\"]+)", told)
    assert command is not None, told
    # As root, for whom sudo changes nothing.
    subprocess.run(command[1].replace("sudo ", ""), shell=True, check=True)
    assert as_user(HUB, GROUP, path) == "null"


@ROOT
def test_a_directory_that_may_not_be_entered_is_named(public: Path) -> None:
    closed = public / "closed"
    closed.mkdir(0o700)
    (closed / "secret").write_text("0123")
    assert f"may not enter {closed}" in as_user(HUB, GROUP, closed / "secret")
