"""Show a path that somebody gave, unless it may be a secret in the place of a path."""

from __future__ import annotations

from pathlib import Path


def shown(path: Path, otherwise: str = "what was given") -> str:
    """Return the path where something has that name, and ``otherwise`` where nothing has."""
    try:
        path.lstat()
    except (OSError, ValueError):
        return otherwise
    return str(path)
