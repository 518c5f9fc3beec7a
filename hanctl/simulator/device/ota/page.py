"""One page of an image in page mode: which of its blocks have come. Source: comms_hub.md §1.7."""

from __future__ import annotations


class PageBroken(ValueError):
    """The server does not keep to the page: a block of another size, or at another place."""


class PageProgress:
    """Bytes ``start`` to ``start + size`` of the image, in blocks of ``block`` bytes, the last one shorter."""

    def __init__(self, start: int, size: int, block: int) -> None:
        self.start = start
        self.size = size
        self.block = block
        self._blocks: dict[int, bytes] = {}

    @property
    def untouched(self) -> bool:
        return not self._blocks

    @property
    def complete(self) -> bool:
        return not self.missing()

    def missing(self) -> list[int]:
        """Return the file offsets of the blocks that have not come."""
        return [o for o in range(self.start, self.start + self.size, self.block) if o not in self._blocks]

    def take(self, offset: int, data: bytes) -> None:
        """Store a block; a repeated one is stored again. Raises PageBroken."""
        inside = offset - self.start
        if not 0 <= inside < self.size or inside % self.block or len(data) != min(self.block, self.size - inside):
            raise PageBroken(f"{len(data)} bytes at {offset} are not a block of the page at {self.start}")
        self._blocks[offset] = data

    def content(self) -> bytes:
        """Return the page, once complete."""
        return b"".join(self._blocks[o] for o in sorted(self._blocks))
