"""Decide which frame goes to the dongle next, and how many may be in flight. Pure, over frames and ``now`` (seconds).

- The HAN's own traffic goes first, in the order it came.
- Bulk frames (the blocks of images) take turns by device: of each endpoint one waits at most, and whoever was served
  goes to the end. A newer one takes the place of one that waits, as its request was made because the answer to the
  last one did not come; and it goes only when the frame on its way that says the same has failed.
- A bounded number is on its way. The bound is found as TCP finds its window: one more for each window confirmed, what
  the dongle was found to hold where it answers that it is full, one less where a confirmation stays away. Frames that
  the dongle did not take are not lost but tried again, after a pause that doubles, or ends with the next confirmation.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from hanctl.radio.frames import OutgoingFrame

RESERVE = 1
"""So many places are kept from bulk frames, so that nothing else waits for their confirmations."""
OWN_ON_THE_WAY = 64
"""As many of the HAN's own frames may be on their way at most."""
FIRST_WINDOW = 8.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.01, 0.2
FRESH_S = 8.0
"""Devices ask again within less: an answer that waited longer is wanted by nobody."""
HELD_S = 8.0
"""So long a frame on its way holds back one that says the same: by then the stack has given it up, after four times
1.6 s, and only the confirmation was lost."""
LOST_S, SLEEPY_LOST_S = 10.0, 60.0
"""A frame of which nothing was heard for so long has left the dongle, one way or another."""
RECENT_S = 5.0

Place = tuple[int, int]
"""Network address and endpoint."""


@dataclass(slots=True, eq=False)
class Parcel:
    """A frame in the queue or in flight; ``queued_at`` and ``sent_at`` in seconds."""

    frame: OutgoingFrame
    queued_at: float
    sent_at: float = 0.0
    number: int | None = None
    """Under which the dongle has it; None: it has not."""
    recovered: bool = False
    """Its route was repaired once already."""

    @property
    def place(self) -> Place:
        return self.frame.destination_nwk, self.frame.destination_endpoint


@dataclass(slots=True)
class SendQueue:
    """Queue of frames. ``most``: the largest window, which is what the dongle is known to hold, or 1 above."""

    most: int
    window: float = FIRST_WINDOW
    _wait_s: float = 0.0
    """How long bulk frames waited, until then."""
    _waited_at: float = float("-inf")
    _own: deque[Parcel] = field(default_factory=deque)
    _bulk: OrderedDict[Place, Parcel] = field(default_factory=OrderedDict)
    _on_the_way: dict[Parcel, None] = field(default_factory=dict)
    _bulk_on_the_way: dict[tuple[Place, int | None], Parcel] = field(default_factory=dict)
    _paused_until: float = 0.0
    _pause_s: float = SHORTEST_PAUSE_S

    def put(self, parcel: Parcel) -> Parcel | None:
        """Queue a frame. Returns the waiting frame that it replaced, if any."""
        if parcel.frame.bulk is None:
            self._own.append(parcel)
            return None
        waiting = self._bulk.get(parcel.place)
        self._bulk[parcel.place] = parcel
        return waiting

    def take(self, now: float) -> Parcel | None:
        """Return the frame to hand to the dongle now; it counts as in flight from here on."""
        if now < self._paused_until:
            return None
        on_the_way = len(self._on_the_way)
        if self._own and on_the_way < OWN_ON_THE_WAY:
            return self._sent(self._own.popleft(), now)
        if self._bulk and on_the_way < max(1, int(self.window) - RESERVE):
            for place, parcel in self._bulk.items():
                same = self._bulk_on_the_way.get((place, parcel.frame.bulk))
                if same is None or now - same.sent_at >= HELD_S:
                    del self._bulk[place]
                    self._wait_s += (now - parcel.queued_at - self._wait_s) / 8
                    self._waited_at = now
                    return self._sent(parcel, now)
        return None

    def _sent(self, parcel: Parcel, now: float) -> Parcel:
        parcel.sent_at = now
        self._on_the_way[parcel] = None
        if parcel.frame.bulk is not None:
            self._bulk_on_the_way[parcel.place, parcel.frame.bulk] = parcel
        return parcel

    @property
    def busy(self) -> bool:
        """Tell whether any frame waits or is in flight."""
        return bool(self._own or self._bulk or self._on_the_way)

    def pause(self, now: float) -> float:
        """Return how many seconds to wait before the next frame, as the dongle was full."""
        return max(0.0, self._paused_until - now)

    def refused(self, parcel: Parcel, now: float) -> Parcel | None:
        """Put back a frame that the full dongle refused, first in line. Returns it if a newer one replaced it."""
        self._gone(parcel)
        self.window = max(1.0, float(len(self._on_the_way)))
        self._paused_until = now + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if parcel.frame.bulk is None:
            self._own.appendleft(parcel)
            return None
        if parcel.place in self._bulk:
            return parcel
        self._bulk[parcel.place] = parcel
        self._bulk.move_to_end(parcel.place, last=False)
        return None

    def ended(self, parcel: Parcel, *, delivered: bool) -> Parcel | None:
        """Take the outcome of a frame. Returns a waiting frame with the same content that is no longer needed."""
        if parcel not in self._on_the_way:
            return None
        full = len(self._on_the_way) >= int(self.window) - RESERVE
        self._gone(parcel)
        self._paused_until, self._pause_s = 0.0, SHORTEST_PAUSE_S
        if full and self.window < self.most:
            self.window = min(float(self.most), self.window + 1 / self.window)
        waiting = self._bulk.get(parcel.place) if delivered and parcel.frame.bulk is not None else None
        if waiting is None or waiting.frame.bulk != parcel.frame.bulk:
            return None
        return self._bulk.pop(parcel.place)

    def stale(self, now: float) -> list[Parcel]:
        """Remove and return frames that waited too long."""
        old = [parcel for parcel in (*self._own, *self._bulk.values()) if now - parcel.queued_at >= FRESH_S]
        for parcel in old:
            if parcel.frame.bulk is None:
                self._own.remove(parcel)
            else:
                del self._bulk[parcel.place]
        return old

    def lost(self, now: float) -> list[Parcel]:
        """Remove and return frames whose confirmation did not come, and shrink the window."""
        gone = [
            parcel
            for parcel in self._on_the_way
            if now - parcel.sent_at >= (SLEEPY_LOST_S if parcel.frame.sleepy else LOST_S)
        ]
        for parcel in gone:
            self._gone(parcel)
            self.window = max(1.0, self.window - 1)
        return gone

    def backlog(self, now: float) -> float:
        """Estimate in seconds how long a bulk frame would wait, from those waiting and those sent lately."""
        lately = self._wait_s if now - self._waited_at < RECENT_S else 0.0
        return max(lately, max((now - parcel.queued_at for parcel in self._bulk.values()), default=0.0))

    def clear(self) -> list[Parcel]:
        """Remove and return all frames that wait or are in flight."""
        everything = [*self._on_the_way, *self._own, *self._bulk.values()]
        self._on_the_way.clear()
        self._bulk_on_the_way.clear()
        self._own.clear()
        self._bulk.clear()
        return everything

    def _gone(self, parcel: Parcel) -> None:
        self._on_the_way.pop(parcel, None)
        key = parcel.place, parcel.frame.bulk
        if self._bulk_on_the_way.get(key) is parcel:
            del self._bulk_on_the_way[key]
