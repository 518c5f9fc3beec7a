"""Count events from the event stream, and blocks, which are too many to be events."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from hanctl.ledger.ledger import Recorded
from hanctl.model.event import EVENT_TYPES
from hanctl.model.events import DongleLost, DongleOpened, JoinClosed, KeyEstablished, KeyFailed, NoticeDelivered
from hanctl.model.update_events import UpdateCancelled, UpdateConfirmed, UpdateFailed, UpdateRefused, UpdateSuperseded
from hanctl.radio.frames import Outcome

BLOCK_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
KEY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)

_ENDS = {
    UpdateConfirmed: "confirmed",
    UpdateFailed: "failed",
    UpdateRefused: "refused",
    UpdateCancelled: "cancelled",
    UpdateSuperseded: "superseded",
}
_JOINS = ("joined", "timed out", "cancelled", "dongle lost")


class EventCounters:
    """Counters of events; ``count`` is subscribed to the ledger. Every series starts at 0, so a first one is a rise."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"hanctl_{name}", text, labels, registry=registry)

        self._events = counter("events", "Events recorded, by type (docs/events.md).", "type")
        self._joins = counter("joins", "Join windows that ended, by how.", "outcome")
        self._keys = counter("key_establishments", "Key establishments that ended, by how.", "outcome")
        self._updates = counter("updates_ended", "Updates that ended, by how.", "outcome")
        self._losses = counter("dongle_losses", "Times that the dongle was lost: unplugged, reset, or silent.")
        self._openings = counter("dongle_openings", "Times that the dongle was opened.")
        self._delivered = counter("notices_delivered", "Notices that the webhook accepted.")
        self._key_seconds = Histogram(
            "hanctl_key_establishment_seconds",
            "From the first message of a key establishment until both sides had proved the key.",
            buckets=KEY_SECONDS,
            registry=registry,
        )
        for metric, values in (
            (self._events, tuple(EVENT_TYPES)),
            (self._joins, _JOINS),
            (self._keys, ("established", "failed")),
            (self._updates, tuple(_ENDS.values())),
        ):
            for value in values:
                metric.labels(value)

    def count(self, recorded: Recorded) -> None:
        """Count one event."""
        event = recorded.event
        self._events.labels(type(event).type).inc()
        match event:
            case JoinClosed():
                self._joins.labels(event.reason).inc()
            case KeyEstablished():
                self._keys.labels("established").inc()
                self._key_seconds.observe(event.seconds)
            case KeyFailed():
                self._keys.labels("failed").inc()
            case DongleLost():
                self._losses.inc()
            case DongleOpened():
                self._openings.inc()
            case NoticeDelivered():
                self._delivered.inc()
            case _ if type(event) in _ENDS:
                self._updates.labels(_ENDS[type(event)]).inc()


class BlockCounters:
    """The ``BlockWatch`` of delivery: called hundreds of times a second, so all series are looked up beforehand."""

    def __init__(self, registry: CollectorRegistry) -> None:
        blocks = Counter(
            "hanctl_blocks", "Blocks of images sent, by what became of them.", ("outcome",), registry=registry
        )
        outcomes: tuple[Outcome, ...] = ("delivered", "failed", "dropped")
        self._outcomes = {outcome: blocks.labels(outcome) for outcome in outcomes}
        self._bytes = Counter("hanctl_block_bytes", "Bytes of images in delivered blocks.", registry=registry)
        self._again = Counter(
            "hanctl_blocks_asked_again", "Requests for a block that was served before.", registry=registry
        )
        self._taken = Histogram(
            "hanctl_block_response_seconds",
            "From the request for a block until the dongle had taken the answer.",
            buckets=BLOCK_SECONDS,
            registry=registry,
        )
        self._confirmed = Histogram(
            "hanctl_block_confirmation_seconds",
            "From the request for a block until its delivery was confirmed.",
            buckets=BLOCK_SECONDS,
            registry=registry,
        )

    def asked_again(self) -> None:
        self._again.inc()

    def taken(self, seconds: float) -> None:
        self._taken.observe(seconds)

    def ended(self, outcome: Outcome, size: int) -> None:
        self._outcomes[outcome].inc()
        if outcome == "delivered":
            self._bytes.inc(size)

    def confirmed(self, seconds: float) -> None:
        self._confirmed.observe(seconds)
