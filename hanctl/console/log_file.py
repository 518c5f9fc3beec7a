"""Write the console's lines to a file: readable only by its owner, and limited in size."""

from __future__ import annotations

import os
from pathlib import Path


class LogFile:
    """Log file ``path``, with older ones in ``path.1``, ``path.2`` ..., each of at most ``most_bytes``."""

    def __init__(self, path: Path, most_bytes: int, files: int) -> None:
        self._path = path
        self._most = most_bytes
        self._files = files
        self._file: int | None = None
        self._size = 0

    def write(self, line: str) -> None:
        """Append a line. Raises OSError; the next line is tried again."""
        data = (line + "\n").encode(errors="backslashreplace")
        if self._file is not None and self._size + len(data) > self._most:
            self._rotate()
        if self._file is None:
            self._open()
        assert self._file is not None
        os.write(self._file, data)
        self._size += len(data)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        if self._size >= self._most:
            self._rotate()
            self._open()

    def _rotate(self) -> None:
        self.close()
        for number in range(self._files - 1, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)
        if self._files == 1:
            self._path.unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path
