"""Tell whether a file with a secret is one that the hub can read, and nobody else who is not meant to.

It belongs to the hub's user, who alone may read it (0600), or to root, who may let one group read it (0640): so a
service reads what it cannot change. PostgreSQL holds its server's key to the same rule (its manual, "Secure TCP/IP
Connections with SSL").
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
from pathlib import Path

from hanctl.base.shown_path import shown

_ROOT = 0


def fault_of(path: Path, what: str) -> tuple[str, str] | None:
    """Return what is wrong with the permissions of a file, and one command that mends it for this process's user.

    ``what`` it holds goes into the words. None: nothing is wrong with them, or the file is not there.
    """
    me, name = os.geteuid(), shlex.quote(str(path))
    make_mine = f"run: sudo chown {user_name()} {name} && sudo chmod 600 {name}"
    try:
        status = path.stat()
    except PermissionError:
        closed = closed_above(path)
        file = shown(path, f"the file with {what}")
        return f"{user_name()} may not read {file}", f"{user_name()} may not enter {closed}: put the file elsewhere"
    except OSError:
        return None
    for_group = stat.S_IRGRP if status.st_uid == _ROOT else 0
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~for_group:
        if me == _ROOT:
            # Whose the file is, and which group may read it, somebody has decided already.
            mode = 640 if for_group and status.st_gid != _ROOT else 600
            return f"others may read {path}, which holds {what}", f"run: chmod {mode} {name}"
        mend = f"run: chmod 600 {name}" if status.st_uid == me else make_mine
        return f"others may read {path}, which holds {what}", mend
    if not os.access(path, os.R_OK):
        return f"{user_name()} may not read {path}", make_mine
    return None


def closed_above(path: Path) -> Path | None:
    """Return the directory on the way to a path that this process's user may not enter, if there is one."""
    closed = next((each for each in reversed(path.absolute().parents) if not os.access(each, os.X_OK)), None)
    return closed if closed is not None and os.access(closed, os.F_OK) else None


def user_name() -> str:
    """Return the name of this process's user, or its number if it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
