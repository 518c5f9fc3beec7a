"""Read secrets from files that only their owner can read."""

from __future__ import annotations

import stat
from pathlib import Path

from hanctl.base.errors import ConfigError


def read_secret_file(path: Path, what: str, where: str) -> str:
    """Read the text of a secret file, without white space around it.

    ``what`` the file holds and ``where`` it is named go into errors. Raises ConfigError.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ConfigError(f"{what} file cannot be read: {reason}", f"check {where}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"others may read {what} file {path}", f"run: chmod 600 {path}")
    return text


def how_to_make(path: Path) -> str:
    """Return a shell command that makes such a file."""
    return f"make one: (umask 077; openssl rand -hex 32 > {path})"
