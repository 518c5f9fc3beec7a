"""Do file work as the owner of a directory, where root asks for it.

What root writes into a hub's directory belongs to root, and the hub cannot use it; and a name there may be a link that
the directory's owner has put in root's way. So the work is done in a child process that has become the owner for good:
it can do there what the hub can do, and nothing else anywhere. Nothing is given away afterwards (chown).
"""

from __future__ import annotations

import json
import os
import pwd
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from hanctl.base.errors import ConfigError, ExitCode, HanctlError, raised_at

T = TypeVar("T")
_ROOT = 0
_MOST_LINKS = 40
_OUR_FAULT = "this is a fault of hanctl; please report it"


@dataclass(frozen=True, slots=True)
class Account:
    """A user and its main group, by their numbers; ``name``: the user's, or its number if it has none."""

    uid: int
    gid: int
    name: str


class FailedAsOwner(HanctlError):
    """The work failed in the child process, with this error."""

    def __init__(self, message: str, hint: str, code: str, exit_code: int) -> None:
        super().__init__(message, hint)
        self.code = code
        self.exit_code = ExitCode(exit_code)


def owner_of(path: Path) -> Account:
    """Return the owner of a file or directory, or of its nearest parent that exists.

    Where the way there leads over a link that is not root's, it is the link's owner: nobody comes to what is root's
    by a link of somebody else's. For root alone, who may look everywhere. Raises ConfigError for links without an end.
    """
    status = Path("/").stat()
    way = path.absolute()
    for _ in range(_MOST_LINKS):
        link = None
        for each in reversed((way, *way.parents)):
            try:
                status = each.lstat()
            except (FileNotFoundError, NotADirectoryError):
                break
            if stat.S_ISLNK(status.st_mode):
                link = each
                break
        if link is None or status.st_uid != _ROOT:
            return Account(status.st_uid, status.st_gid, _name(status.st_uid))
        way = link.parent / link.readlink() / way.relative_to(link)
    raise ConfigError(f"{path} cannot be used: its links lead to no end", "give the path of a directory")


def user_called(name: str) -> Account | None:
    """Return the user with this name, if the system has one."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid, name)


def as_owner(path: Path, work: Callable[[], T]) -> T:
    """Do ``work`` as the owner of ``path``, if this is root's process and ``path`` is not root's; else simply do it.

    See ``as_user``.
    """
    return as_user(owner_of(path), work) if os.geteuid() == _ROOT else work()


def as_user(account: Account, work: Callable[[], T]) -> T:
    """Do ``work`` as a user, if this is root's process and the user is not root; else simply do it.

    As another user it runs in a child process, with absolute paths and modules that are imported already, and what it
    returns has to be JSON. Raises what ``work`` raises: a HanctlError as FailedAsOwner.
    """
    if os.geteuid() != _ROOT or (account.uid, account.gid) == (_ROOT, _ROOT):
        return work()
    groups = os.getgrouplist(account.name, account.gid) if account.uid == _uid(account.name) else [account.gid]
    reading, writing = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work_and_leave(account, groups, work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return cast("T", _outcome(told, account, os.waitstatus_to_exitcode(status)))


def _work_and_leave(account: Account, groups: list[int], work: Callable[[], Any], pipe: int) -> NoReturn:
    """Become the user, work, tell what came of it, and end the process without anything of the parent's."""
    try:
        told = _work(account, groups, work)
        with os.fdopen(pipe, "wb") as out:
            out.write(json.dumps(told).encode())
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(0)


def _work(account: Account, groups: list[int], work: Callable[[], Any]) -> dict[str, Any]:
    try:
        os.setgroups(groups)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
        # The present directory may be one that the user may not enter.
        os.chdir("/")
        return {"value": work()}
    except HanctlError as error:
        return {"error": [str(error), error.hint, error.code, int(error.exit_code)]}
    except KeyboardInterrupt:
        return {"interrupted": True}
    except ImportError as error:
        return {"unreadable": str(error)}
    except BaseException as error:
        return {
            "error": [
                f"unexpected {type(error).__name__} {raised_at(error)}",
                _OUR_FAULT,
                HanctlError.code,
                ExitCode.INTERNAL,
            ]
        }


def _outcome(told: bytes, account: Account, code: int) -> Any:
    """Return the value that the child told. Raises what it told of instead, and HanctlError if it told nothing."""
    try:
        found = json.loads(told)
    except ValueError:
        raise HanctlError(
            f"what was to be done as {account.name} ended with code {code}", "see the system's log, and try again"
        ) from None
    if "error" in found:
        raise FailedAsOwner(*found["error"])
    if "interrupted" in found:
        raise KeyboardInterrupt
    if "unreadable" in found:
        raise HanctlError(
            f"{account.name}, whose files these are, cannot read hanctl itself: {found['unreadable']}",
            "install hanctl where every user can read it: python3 -m venv /opt/hanctl (docs/service.md)",
        )
    return found["value"]


def _uid(name: str) -> int | None:
    account = user_called(name)
    return None if account is None else account.uid


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
