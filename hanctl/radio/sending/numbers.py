"""Number the frames in flight, whatever their destination."""

from __future__ import annotations

from hanctl.radio.errors import DeliveryFailed


class FrameTags:
    """0 to 255. Z-Stack's confirmations name nothing but this. It is not the ZCL sequence number (zigpy.md §4)."""

    def __init__(self) -> None:
        self._last = 0
        self._taken: set[int] = set()

    def take(self) -> int:
        """Return a number that no frame in flight has. Raises DeliveryFailed if there is none."""
        if len(self._taken) > 0xFF:
            raise DeliveryFailed("256 frames wait for their confirmation already", "try again later")
        while True:
            self._last = (self._last + 1) & 0xFF
            if self._last not in self._taken:
                self._taken.add(self._last)
                return self._last

    def give_back(self, number: int) -> None:
        """Release the number of a frame that is no longer in flight."""
        self._taken.discard(number)
