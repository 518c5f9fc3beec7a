"""One radio channel, and the radios on it: unslotted CSMA-CA, acknowledgements and retries of the MAC.

Source: IEEE 802.15.4-2006 §7.5.1.4, §7.5.6.4.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from hanctl.simulator.air.agenda import Agenda
from hanctl.simulator.air.constants import (
    ACK_US,
    ACK_WAIT_US,
    BACKOFF_US,
    CCA_US,
    MAX_BE,
    MAX_CSMA_BACKOFFS,
    MAX_FRAME_RETRIES,
    MIN_BE,
    TURNAROUND_US,
    on_air_us,
    spacing_us,
)


class Transmission(Protocol):
    """A MAC frame of ``length`` bytes that a radio sends, and the calls that tell what becomes of it."""

    length: int
    receiver: Transceiver | None
    """Who acknowledges it; None: it is a broadcast."""

    def can_go(self) -> bool:
        """Tell whether its sender still has power."""

    def shown(self) -> None:
        """Take note that it is on air, perhaps not for the first time."""

    def heard(self) -> bool:
        """Tell whether it reaches its receiver, as it did not collide; asked once for each time it was sent."""

    def received(self) -> None:
        """Take note that it has arrived; called each time that it does."""

    def acknowledgement_shown(self) -> None: ...

    def acknowledgement_heard(self) -> bool: ...

    def over(self, delivered: bool) -> None:
        """Take note that its radio is done with it, and whether it was delivered."""


@dataclass(slots=True, eq=False)
class _Signal:
    """A signal on air: when it ends (microseconds), and whether it collided."""

    ends: int
    collided: bool = False


@dataclass(slots=True)
class AirCounts:
    """Counts of what happened on the channel. ``busy``: frames given up because the channel was never free."""

    frames: int = 0
    collisions: int = 0
    retries: int = 0
    busy: int = 0
    used_us: int = 0


class Channel:
    """The channel: the signals on air, and until when it is busy."""

    def __init__(self, agenda: Agenda, rng: random.Random) -> None:
        self.agenda = agenda
        self.rng = rng
        self.counts = AirCounts()
        self.free_at = 0
        self._signals: list[_Signal] = []

    def emit(self, duration: int) -> _Signal:
        """Begin a signal of ``duration`` microseconds; all signals that overlap are lost."""
        now = self.agenda.now
        self._signals = [signal for signal in self._signals if signal.ends > now]
        signal = _Signal(now + duration, collided=bool(self._signals))
        for other in self._signals:
            other.collided = True
        self.counts.collisions += signal.collided
        self.counts.used_us += max(0, signal.ends - max(now, self.free_at))
        self._signals.append(signal)
        self.free_at = max(self.free_at, signal.ends)
        return signal


@dataclass(slots=True)
class _Sending:
    """A frame that is being sent. ``backoffs``: how often the channel was busy in this try."""

    parcel: Transmission
    tries: int = 0
    backoffs: int = 0


@dataclass(eq=False)
class Transceiver:
    """The radio of one node. It sends one frame after the other."""

    channel: Channel
    _queue: deque[Transmission] = field(default_factory=deque)
    _sending: _Sending | None = None
    _free_at: int = 0
    """It begins with nothing new before: it acknowledges, or leaves the space that follows a frame."""
    _acknowledges_until: int = 0

    def send(self, parcel: Transmission, *, first: bool = False) -> None:
        """Send after all that waits, or ``first``."""
        if first:
            self._queue.appendleft(parcel)
        else:
            self._queue.append(parcel)
        if self._sending is None:
            self._next()

    def clear(self) -> None:
        """Forget what waits, and tell nobody."""
        self._queue.clear()

    def _next(self) -> None:
        if self._queue:
            self._sending = _Sending(self._queue.popleft())
            self._contend(self._sending)

    def _contend(self, sending: _Sending) -> None:
        sending.backoffs = 0
        self._back_off(sending, max(self.channel.agenda.now, self._free_at))

    def _back_off(self, sending: _Sending, since: int) -> None:
        exponent = min(MIN_BE + sending.backoffs, MAX_BE)
        wait = self.channel.rng.randrange(1 << exponent) * BACKOFF_US
        self.channel.agenda.at(since + wait + CCA_US, lambda: self._assess(sending))

    def _assess(self, sending: _Sending) -> None:
        """Transmit if the channel was free while it was listened to; else back off once more, or give up."""
        now = self.channel.agenda.now
        if max(self.channel.free_at, self._acknowledges_until) <= now - CCA_US:
            self.channel.agenda.at(now + TURNAROUND_US, lambda: self._transmit(sending))
            return
        sending.backoffs += 1
        if sending.backoffs <= MAX_CSMA_BACKOFFS:
            self._back_off(sending, now)
        else:
            self.channel.counts.busy += 1
            self._over(sending, delivered=False)

    def _transmit(self, sending: _Sending) -> None:
        parcel, channel = sending.parcel, self.channel
        if not parcel.can_go():
            self._over(sending, delivered=False)
            return
        sending.tries += 1
        channel.counts.frames += 1
        channel.counts.retries += sending.tries > 1
        parcel.shown()
        signal = channel.emit(on_air_us(parcel.length))
        channel.agenda.at(signal.ends, lambda: self._transmitted(sending, signal))

    def _transmitted(self, sending: _Sending, signal: _Signal) -> None:
        parcel, agenda = sending.parcel, self.channel.agenda
        heard = not signal.collided and parcel.heard()
        if heard and parcel.receiver is not None:
            parcel.receiver.acknowledge(self, sending)
        if heard:
            parcel.received()
        if parcel.receiver is None:
            self._over(sending, delivered=heard)
        elif not heard:
            agenda.at(agenda.now + ACK_WAIT_US, lambda: self._missed(sending))

    def acknowledge(self, sender: Transceiver, sending: _Sending) -> None:
        """Acknowledge what ``sender`` is sending, as soon as the radio has turned around."""
        agenda = self.channel.agenda
        begins = agenda.now + TURNAROUND_US
        self._acknowledges_until = begins + ACK_US
        self._free_at = max(self._free_at, self._acknowledges_until)

        def begin() -> None:
            sending.parcel.acknowledgement_shown()
            signal = self.channel.emit(ACK_US)
            agenda.at(signal.ends, lambda: sender.acknowledged(sending, signal))

        agenda.at(begins, begin)

    def acknowledged(self, sending: _Sending, signal: _Signal) -> None:
        """Handle the end of an acknowledgement: the frame is delivered if it was heard, else it was missed."""
        agenda = self.channel.agenda
        if not signal.collided and sending.parcel.acknowledgement_heard():
            self._over(sending, delivered=True)
        else:
            frame_ended = agenda.now - ACK_US - TURNAROUND_US
            agenda.at(frame_ended + ACK_WAIT_US, lambda: self._missed(sending))

    def _missed(self, sending: _Sending) -> None:
        if sending.tries > MAX_FRAME_RETRIES:
            self._over(sending, delivered=False)
        else:
            self._contend(sending)

    def _over(self, sending: _Sending, *, delivered: bool) -> None:
        if sending.tries:
            self._free_at = max(self._free_at, self.channel.agenda.now + spacing_us(sending.parcel.length))
        self._sending = None
        sending.parcel.over(delivered)
        if self._sending is None:
            self._next()
