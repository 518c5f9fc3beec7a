"""GET /metrics: what a scraper reads, how it is documented, and what it costs."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest
from hub_fakes import PPMID, configure, running
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from hanctl.api.app import make_app
from hanctl.hub.daemon import Daemon
from hanctl.metrics.counters import BlockCounters
from hanctl.model.event import EVENT_TYPES
from hanctl.model.events import KeyEstablished, KeyFailed

DOCUMENT = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


async def scrape(daemon: Daemon, accept: str = "text/plain") -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(make_app(daemon)), base_url="http://hub") as client:
        response = await client.get("/metrics", headers={"accept": accept})
    assert response.status_code == 200
    return response


async def test_it_is_prometheus_text_and_openmetrics_where_that_is_asked_for(tmp_path: Path) -> None:
    async with running(configure(tmp_path)) as daemon:
        plain = await scrape(daemon)
        open_metrics = await scrape(daemon, "application/openmetrics-text; version=1.0.0")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    names = {family.name for family in parse(plain.text)}
    assert names == {family.name for family in parse_openmetrics(open_metrics.text)}  # type: ignore[no-untyped-call]
    assert {"hanctl_dongle_open", "hanctl_updates", "process_resident_memory_bytes"} <= names


async def test_the_document_lists_every_metric_with_its_kind_and_labels(tmp_path: Path) -> None:
    async with running(configure(tmp_path)) as daemon:
        families = list(daemon.metrics.registry.collect())
    there = set()
    for family in families:
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        there.add((name, family.type, ", ".join(f"`{label}`" for label in sorted(labels)) or "–"))
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]+) \|", DOCUMENT, re.MULTILINE)
    assert {(name, kind, labels.strip()) for name, kind, labels in rows} == there
    assert len(rows) == len(there)


async def test_alerts_in_the_document_name_metrics_that_are_there(tmp_path: Path) -> None:
    async with running(configure(tmp_path)) as daemon:
        text = (await scrape(daemon)).text
    (rules,) = re.findall(r"```yaml\n(groups:.*?)```", DOCUMENT, re.DOTALL)
    named = set(re.findall(r"\b(?:hanctl|process)_\w+", rules))
    assert len(named) > 3
    assert {name for name in named if f"\n{name}{{" not in text and f"\n{name} " not in text} == set()


async def test_a_first_event_of_a_kind_is_a_rise_from_0(tmp_path: Path) -> None:
    async with running(configure(tmp_path)) as daemon:
        before = (await scrape(daemon)).text
        assert all(f'hanctl_events_total{{type="{kind}"}}' in before for kind in EVENT_TYPES)
        assert 'hanctl_key_establishments_total{outcome="failed"} 0.0' in before
        daemon.ledger.record(KeyFailed(device=PPMID, stage="started", reason="silence", status=None))
        daemon.ledger.record(KeyEstablished(device=PPMID, suite=2, seconds=1.5))
        after = (await scrape(daemon)).text
    assert 'hanctl_key_establishments_total{outcome="failed"} 1.0' in after
    assert 'hanctl_key_establishment_seconds_bucket{le="1.0"} 0.0' in after
    assert 'hanctl_key_establishment_seconds_bucket{le="2.0"} 1.0' in after


async def test_no_series_is_of_a_device(tmp_path: Path) -> None:
    async with running(configure(tmp_path)) as daemon:
        daemon.ledger.record(KeyFailed(device=PPMID, stage="started", reason="silence", status=None))
        before = (await scrape(daemon)).text.count("\n")
        for number in range(50):
            device = f"00:0d:6f:00:0a:90:00:{number:02x}"
            daemon.ledger.record(KeyFailed(device=device, stage="started", reason="silence", status=None))
        text = (await scrape(daemon)).text
    assert text.count("\n") == before
    assert "00:0d:6f" not in text


@pytest.mark.slow
def test_a_block_costs_microseconds_to_count() -> None:
    watch = BlockCounters(CollectorRegistry())
    begun = time.perf_counter()
    for _ in range(10_000):
        watch.taken(0.004)
        watch.ended("delivered", 48)
        watch.confirmed(0.02)
    assert (time.perf_counter() - begun) / 10_000 < 50e-6
