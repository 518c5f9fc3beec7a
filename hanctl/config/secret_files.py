"""Read secrets from files that only the hub can read."""

from __future__ import annotations

from pathlib import Path

from hanctl.base.errors import ConfigError
from hanctl.base.plain_files import read_plain
from hanctl.base.private_file import fault_of

MOST_BYTES = 64 * 1024


def read_secret_file(path: Path, what: str, where: str) -> str:
    """Read the text of a secret file, without white space around it.

    ``what`` the file holds and ``where`` it is named go into errors. Raises ConfigError.
    """
    fault = fault_of(path, what)
    if fault is not None:
        raise ConfigError(*fault)
    try:
        return read_plain(path, MOST_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ConfigError(f"{what} file cannot be read: {reason}", f"check {where}") from error


def how_to_make(path: Path) -> str:
    """Return a shell command that makes such a file."""
    return f"make one: (umask 077; openssl rand -hex 32 > {path})"
