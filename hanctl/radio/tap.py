"""Where the frames of a dongle can be listened to. While nobody listens, they pass by it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from hanctl.radio.frames import IncomingFrame, Outcome, OutgoingFrame


class FrameListener(Protocol):
    """Told of each frame as it comes and goes; must not block or raise."""

    def received(self, frame: IncomingFrame) -> None: ...

    def sent(self, number: int, frame: OutgoingFrame) -> None:
        """The hub gave a frame to be sent; it may wait its turn."""

    def ended(self, number: int, outcome: Outcome) -> None:
        """What became of the frame with this number."""


class FrameTap:
    """Outlives the radio objects of one hub."""

    def __init__(self) -> None:
        self.listeners: list[FrameListener] = []
        """Empty most of the time, which is all that a frame costs then."""
        self._numbers = itertools.count(1)

    def listen(self, listener: FrameListener) -> Callable[[], None]:
        """Tell this listener from now on; what is returned ends that."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def received(self, frame: IncomingFrame) -> None:
        for listener in self.listeners:
            listener.received(frame)

    def sent(self, frame: OutgoingFrame) -> Callable[[Outcome], None]:
        """Tell of a frame that is about to be sent; what is returned is told what became of it."""
        number = next(self._numbers)
        for listener in self.listeners:
            listener.sent(number, frame)
        return lambda outcome: self._ended(number, outcome)

    def posted(self, frame: OutgoingFrame) -> OutgoingFrame:
        """The same for a frame that nobody waits for: the frame to be sent in its place."""
        ended, outcome = self.sent(frame), frame.outcome

        def both(what: Outcome) -> None:
            ended(what)
            if outcome is not None:
                outcome(what)

        return replace(frame, outcome=both)

    def _ended(self, number: int, outcome: Outcome) -> None:
        for listener in self.listeners:
            listener.ended(number, outcome)
