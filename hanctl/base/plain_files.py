"""Read files that may be anything, and make directories that nobody else may write to."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def read_plain(path: Path, most: int) -> bytes:
    """Read a regular file of at most ``most`` bytes, never waiting for it. Raises OSError: a pipe would have no end."""
    # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes", str(path))
    return data


def make_directory(path: Path, mode: int = 0o755) -> None:
    """Make a directory and its missing parents, which others can never write to, whatever the umask. Raises OSError."""
    for each in [*reversed(path.parents), path]:
        if each.is_dir():
            continue
        if os.path.lexists(each):
            # Another kind of file, or a link to a disk that is not there.
            reason = errno.ENOTDIR if each.exists() else errno.ENOENT
            raise OSError(reason, os.strerror(reason), str(each))
        each.mkdir(mode=mode if each == path else 0o755, exist_ok=True)


def printable(name: str) -> str:
    """Return a name from elsewhere as it can be shown and stored.

    What is not text (bytes of a file's name that are not UTF-8) or would move a terminal's cursor becomes U+FFFD.
    """
    return "".join(character if character.isprintable() else "\ufffd" for character in name)
