"""Queue frames of the HAN as records for readers outside the hub: in order, bounded, with a count of losses."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from hanctl.base.clock import Clock
from hanctl.base.eui64 import Eui64
from hanctl.ledger.rows import time_text
from hanctl.radio.frames import FIRST_BROADCAST, IncomingFrame, Outcome, OutgoingFrame

MOST_WAITING = 2000
"""Records that wait for a slow reader; a transfer makes some hundred a second."""


class Peer(NamedTuple):
    """The device at the other end of a frame; its EUI64 is None if it is not known."""

    nwk: int
    eui64: Eui64 | None


class FrameLog:
    """A listener that keeps records until ``take`` is called.

    ``name``: the device at a network address. ``only``: frames of this device alone.
    """

    def __init__(
        self,
        clock: Clock,
        name: Callable[[int], Eui64 | None],
        only: Eui64 | None = None,
        most: int = MOST_WAITING,
    ) -> None:
        self._clock = clock
        self._name = name
        self._only = only
        self._most = most
        self._records: deque[dict[str, Any]] = deque()
        self._under_way: set[int] = set()
        self._lost = 0
        self.news = asyncio.Event()
        """Set when there is something to take."""

    def take(self) -> list[dict[str, Any]]:
        """Return the records since the last call, and a last one with the number of frames lost after them, if any."""
        self.news.clear()
        records = list(self._records)
        self._records.clear()
        if self._lost:
            records.append({"kind": "lost", "frames": self._lost})
            self._lost = 0
        return records

    # --- FrameListener

    def received(self, frame: IncomingFrame) -> None:
        self._add(
            Peer(frame.source_nwk, self._name(frame.source_nwk)),
            direction="in",
            number=None,
            device_endpoint=frame.source_endpoint,
            hub_endpoint=frame.destination_endpoint,
            profile=frame.profile,
            cluster=frame.cluster,
            payload=frame.payload.hex(),
            aps_encrypted=frame.aps_encrypted,
            aps_counter=frame.aps_counter,
            aps_ack=None,
            broadcast=frame.broadcast,
            lqi=frame.lqi,
            rssi=frame.rssi,
        )

    def sent(self, number: int, frame: OutgoingFrame) -> None:
        added = self._add(
            Peer(frame.destination_nwk, self._name(frame.destination_nwk)),
            direction="out",
            number=number,
            device_endpoint=frame.destination_endpoint,
            hub_endpoint=frame.source_endpoint,
            profile=frame.profile,
            cluster=frame.cluster,
            payload=frame.payload.hex(),
            aps_encrypted=frame.aps_encrypted,
            aps_counter=None,
            aps_ack=frame.aps_ack,
            broadcast=frame.destination_nwk >= FIRST_BROADCAST,
            lqi=None,
            rssi=None,
        )
        if added:
            self._under_way.add(number)

    def ended(self, number: int, outcome: Outcome) -> None:
        if number in self._under_way:
            self._under_way.discard(number)
            # Of a frame that is told its end is told too: it is one record more for each, at most.
            self._put({"kind": "outcome", "number": number, "outcome": outcome})

    # --- inside

    def _add(self, peer: Peer, **fields: Any) -> bool:
        if self._only not in (None, peer.eui64):
            return False
        if len(self._records) >= self._most:
            self._lost += 1
            return False
        self._put(
            {"kind": "frame", "time": time_text(self._clock.now()), "nwk": peer.nwk, "eui64": peer.eui64} | fields
        )
        return True

    def _put(self, record: dict[str, Any]) -> None:
        self._records.append(record)
        self.news.set()
