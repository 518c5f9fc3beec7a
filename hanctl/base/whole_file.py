"""Write a file completely or not at all, and find out before long work whether that will be possible."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: str | bytes, mode: int = 0o600) -> None:
    """Replace the file at ``path`` with the content, synced. Raises OSError; then the file is as before."""
    # mkstemp makes the file with mode 0600: at no time can others read what is for its owner alone.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def try_place(path: Path) -> None:
    """Find out whether a file can be written to ``path``, and leave nothing there. Raises OSError: it cannot."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if _is_stream(path):
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return
    with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent):
        pass


def write_result(path: Path, content: str | bytes) -> None:
    """Write what a command made, for others to read, whole or not at all. Raises OSError."""
    if _is_stream(path):
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        write_whole(path, content, 0o644)


def _is_stream(path: Path) -> bool:
    """Tell whether it is a terminal, a pipe or /dev/null, which is written to and never replaced."""
    return path.exists() and not path.is_file()
