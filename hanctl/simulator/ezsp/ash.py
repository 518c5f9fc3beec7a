"""The dongle's end of an ASH link: sequence numbers, window, acknowledgement, retransmission, reset.

The constants are those of an EmberZNet UART NCP. Timers run on the event loop's time.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hanctl.simulator.ezsp.ash_frames import (
    Ack,
    AshError,
    Data,
    Error,
    Frame,
    Nak,
    ResetCode,
    Rst,
    RstAck,
    Splitter,
    decode,
    encode,
)

WINDOW = 5
ACK_TIMEOUTS = 4
T_RX_ACK_INIT = 1.6
T_RX_ACK_MIN = 0.4
T_RX_ACK_MAX = 3.2
T_REMOTE_NOT_READY = 1.0


class LinkState(Enum):
    """State of a link: one that booted is connected at once; a failed one answers ERROR until it is reset."""

    DOWN = "down"
    CONNECTED = "connected"
    FAILED = "failed"


class LinkUser(Protocol):
    """Interface of what is above the link."""

    def frame_received(self, payload: bytes) -> None:
        """Handle an EZSP frame; frames come in order and once."""

    def reset_requested(self) -> None:
        """Reboot, as the host sent RST, then call ``AshLink.restart``."""

    def link_failed(self) -> None:
        """Take note that the host stopped acknowledging."""

    def fault(self, reason: str, detail: str) -> None:
        """Take note of bytes on the line that made no sense."""


@dataclass(slots=True)
class LineNoise:
    """Faults put on outgoing frames: probabilities that one is dropped, or has a bit flipped."""

    rng: random.Random
    drop: float = 0.0
    corrupt: float = 0.0

    def apply(self, data: bytes) -> bytes:
        """Return the bytes that arrive of ``data``."""
        if self.rng.random() < self.drop:
            return b""
        if self.rng.random() < self.corrupt:
            at = self.rng.randrange(len(data))
            return data[:at] + bytes([data[at] ^ 1 << self.rng.randrange(8)]) + data[at + 1 :]
        return data


@dataclass(slots=True)
class _Pending:
    number: int
    payload: bytes
    sent_at: float


class AshLink:
    """The dongle's (NCP's) end of an ASH link. ``write`` puts bytes on the line."""

    def __init__(self, user: LinkUser, write: Callable[[bytes], None], noise: LineNoise) -> None:
        self.state = LinkState.DOWN
        self.noise = noise
        self._user = user
        self._write = write
        self._splitter = Splitter()
        self._timer: asyncio.TimerHandle | None = None
        self._ready_timer: asyncio.TimerHandle | None = None
        self._clear()

    def _clear(self) -> None:
        self._cancel_timers()
        self._splitter.clear()
        self._next_tx = 0
        self._expected = 0
        self._rejecting = False
        self._ack_due = False
        self._host_ready = True
        self._timeouts = 0
        self._t_rx_ack = T_RX_ACK_INIT
        self._unacked: deque[_Pending] = deque()
        self._replies: deque[bytes] = deque()
        self._callbacks: deque[bytes] = deque()

    # --- life

    def start(self) -> None:
        """Connect the link on the dongle's side, as the dongle has booted."""
        self._clear()
        self.state = LinkState.CONNECTED

    def restart(self, code: int) -> None:
        """Connect the link, as the dongle has booted, and say so to the host (RSTACK)."""
        self.start()
        self._put(RstAck(code))

    def stop(self) -> None:
        """Take the link down while the dongle has no power or boots: it neither hears nor sends."""
        self._clear()
        self.state = LinkState.DOWN

    def fail(self, code: int) -> None:
        """Give up: ERROR now, and to whatever comes, until RST."""
        self._clear()
        self.state = LinkState.FAILED
        self._put(Error(code))

    # --- sending

    def send(self, payload: bytes, *, callback: bool = False) -> None:
        """Queue an EZSP frame. Callbacks wait while the host says that it is not ready."""
        if self.state is not LinkState.CONNECTED:
            return
        (self._callbacks if callback else self._replies).append(payload)
        self._pump()

    def _pump(self) -> None:
        while len(self._unacked) < WINDOW:
            if self._replies:
                payload = self._replies.popleft()
            elif self._callbacks and self._host_ready:
                payload = self._callbacks.popleft()
            else:
                break
            pending = _Pending(self._next_tx, payload, self._now())
            self._next_tx = (self._next_tx + 1) % 8
            self._unacked.append(pending)
            self._put_data(pending, again=False)
            if self._timer is None:
                self._start_timer()

    def _put_data(self, pending: _Pending, *, again: bool) -> None:
        self._ack_due = False
        self._put(Data(pending.number, self._expected, pending.payload, again))

    def _put(self, frame: Frame) -> None:
        data = self.noise.apply(encode(frame))
        if data:
            self._write(data)

    def _flush_ack(self) -> None:
        if self._ack_due:
            self._ack_due = False
            self._put(Ack(self._expected))

    # --- receiving

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the line, cut anywhere."""
        if self.state is LinkState.DOWN:
            return
        for piece in self._splitter.feed(data):
            if isinstance(piece, AshError):
                self._malformed(piece)
                continue
            try:
                frame = decode(piece)
            except AshError as error:
                self._malformed(error)
                continue
            self._frame(frame)

    def _malformed(self, error: AshError) -> None:
        self._user.fault("ash-malformed", str(error))
        if error.data_frame:
            self._reject()

    def _reject(self) -> None:
        if self.state is LinkState.CONNECTED and not self._rejecting:
            self._rejecting = True
            self._put(Nak(self._expected))

    def _frame(self, frame: Frame) -> None:
        if isinstance(frame, Rst):
            self._user.reset_requested()
        elif self.state is LinkState.DOWN:
            return
        elif isinstance(frame, RstAck | Error):
            self._user.fault("ash-direction", f"the host sent {type(frame).__name__}")
        elif self.state is LinkState.FAILED:
            self._put(Error(ResetCode.ACK_TIMEOUTS))
        elif isinstance(frame, Data):
            self._acknowledged(frame.ack)
            self._data(frame)
        else:
            self._readiness(frame.not_ready)
            self._acknowledged(frame.ack)
            if isinstance(frame, Nak):
                self._retransmit()
            self._pump()

    def _data(self, frame: Data) -> None:
        if frame.number == self._expected:
            self._expected = (self._expected + 1) % 8
            self._rejecting = False
            self._ack_due = True
            # The reply normally leaves at once and carries the acknowledgement.
            self._user.frame_received(frame.payload)
            self._pump()
            self._flush_ack()
        elif frame.retransmitted:
            # A copy of what was already executed: the acknowledgement was lost or late.
            self._put(Ack(self._expected))
        else:
            self._user.fault("ash-sequence", f"DATA {frame.number} where {self._expected} was expected")
            self._reject()

    def _readiness(self, not_ready: bool) -> None:
        if self._ready_timer is not None:
            self._ready_timer.cancel()
            self._ready_timer = None
        self._host_ready = not not_ready
        if not_ready:
            self._ready_timer = asyncio.get_running_loop().call_later(T_REMOTE_NOT_READY, self._assume_ready)

    def _assume_ready(self) -> None:
        self._ready_timer = None
        self._host_ready = True
        self._pump()

    def _acknowledged(self, ack: int) -> None:
        numbers = [p.number for p in self._unacked]
        if not numbers or ack == numbers[0]:
            return
        count = (ack - numbers[0]) % 8
        if count > len(numbers):
            self._user.fault("ash-acknowledgement", f"ack {ack} outside the window {numbers}")
            return
        for _ in range(count):
            newest = self._unacked.popleft()
        self._timeouts = 0
        self._set_timeout(self._t_rx_ack * 7 / 8 + (self._now() - newest.sent_at) / 2)
        self._cancel_timer()
        if self._unacked:
            self._start_timer()
        self._pump()

    def _retransmit(self) -> None:
        for pending in self._unacked:
            pending.sent_at = self._now()
            self._put_data(pending, again=True)
        if self._unacked:
            self._cancel_timer()
            self._start_timer()

    # --- timers

    def _timed_out(self) -> None:
        self._timer = None
        self._timeouts += 1
        if self._timeouts >= ACK_TIMEOUTS:
            self.fail(ResetCode.ACK_TIMEOUTS)
            self._user.link_failed()
            return
        self._set_timeout(2 * self._t_rx_ack)
        self._retransmit()

    def _set_timeout(self, seconds: float) -> None:
        self._t_rx_ack = min(T_RX_ACK_MAX, max(T_RX_ACK_MIN, seconds))

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._t_rx_ack, self._timed_out)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cancel_timers(self) -> None:
        self._cancel_timer()
        if self._ready_timer is not None:
            self._ready_timer.cancel()
            self._ready_timer = None

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
