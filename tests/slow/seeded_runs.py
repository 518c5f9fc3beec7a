"""Where seeded runs have their files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def in_memory() -> Iterator[Path]:
    """A directory that costs no disk: what is written is synced, and much is written."""
    shared = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="hanctl-", dir=shared if shared.is_dir() else None))
    yield directory
    shutil.rmtree(directory)
