"""Let listeners follow the frames of a dongle. Without listeners it costs nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from hanctl.radio.frames import IncomingFrame, Outcome, OutgoingFrame


class FrameListener(Protocol):
    """Listener that is called for each frame received and sent; must not block or raise."""

    def received(self, frame: IncomingFrame) -> None: ...

    def sent(self, number: int, frame: OutgoingFrame) -> None:
        """Note a frame that the hub queued for sending."""

    def ended(self, number: int, outcome: Outcome) -> None:
        """Note the outcome of the frame with this number."""


class FrameTap:
    """Tap of one hub, which outlives its radio objects."""

    def __init__(self) -> None:
        self.listeners: list[FrameListener] = []
        """Empty most of the time, which is all that a frame costs then."""
        self._numbers = itertools.count(1)

    def listen(self, listener: FrameListener) -> Callable[[], None]:
        """Add a listener. Returns the function that removes it."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def received(self, frame: IncomingFrame) -> None:
        for listener in self.listeners:
            listener.received(frame)

    def sent(self, frame: OutgoingFrame) -> Callable[[Outcome], None]:
        """Report a frame about to be sent. Returns the function to call with its outcome."""
        number = next(self._numbers)
        for listener in self.listeners:
            listener.sent(number, frame)
        return lambda outcome: self._ended(number, outcome)

    def posted(self, frame: OutgoingFrame) -> OutgoingFrame:
        """Report a frame that nobody waits for. Returns the frame to send in its place."""
        ended, outcome = self.sent(frame), frame.outcome

        def both(what: Outcome) -> None:
            ended(what)
            if outcome is not None:
                outcome(what)

        return replace(frame, outcome=both)

    def _ended(self, number: int, outcome: Outcome) -> None:
        for listener in self.listeners:
            listener.ended(number, outcome)
