"""The images table: what the firmware store holds, and how each file was read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from hanctl.ledger.rows import Execute, Rows
from hanctl.model.records import Image


class Images:
    """Images by ``file_sha256``."""

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._transaction = transaction
        self._rows = Rows(execute, "images", Image, "file_sha256")

    def get(self, file_sha256: str) -> Image | None:
        return self._rows.get(file_sha256)

    def all(self) -> list[Image]:
        """Return every image, in the order they were added."""
        return self._rows.select("ORDER BY added_at, file_sha256")

    def put(self, image: Image) -> None:
        with self._transaction():
            self._rows.upsert(image)

    def remove(self, file_sha256: str) -> None:
        with self._transaction():
            self._rows.delete(file_sha256)
