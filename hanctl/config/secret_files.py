"""Secrets that a person keeps in a file: readable for its owner alone, or not taken."""

from __future__ import annotations

import stat
from pathlib import Path

from hanctl.base.errors import ConfigError


def read_secret_file(path: Path, what: str, where: str) -> str:
    """The file's text without the white space around it.

    ``what`` it holds and ``where`` it is named are for the errors. Raises ConfigError.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ConfigError(f"{what} file {path} cannot be read: {reason}", f"check {where}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"others may read {what} file {path}", f"run: chmod 600 {path}")
    return text


def how_to_make(path: Path) -> str:
    """The command that makes such a file."""
    return f"make one: (umask 077; openssl rand -hex 32 > {path})"
