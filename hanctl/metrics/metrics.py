"""All metrics of one hub, in a registry of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.exposition import choose_encoder

from hanctl.metrics.counters import BlockCounters, EventCounters
from hanctl.metrics.gauges import ProcessGauges, StateGauges

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon

# A series more for each, that says when the hub started: process_start_time_seconds says that once.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """Metrics of one daemon: counters begin at 0 here; gauges are read from ``daemon`` on request."""

    def __init__(self, daemon: Daemon) -> None:
        self.registry = CollectorRegistry()
        daemon.ledger.subscribe(EventCounters(self.registry).count)
        daemon.updates.delivery.watch = BlockCounters(self.registry)
        self.registry.register(StateGauges(daemon))
        self.registry.register(ProcessGauges(daemon.clock.now().timestamp()))

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics as the Accept header asks (Prometheus text or OpenMetrics), and the content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
