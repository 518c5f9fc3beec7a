"""Gauges of the state at the time of a scrape."""

from __future__ import annotations

import os
import platform
import resource
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

import hanctl
from hanctl.model.records import DeviceState
from hanctl.model.update_states import UpdateState

if TYPE_CHECKING:
    from hanctl.hub.daemon import Daemon


class StateGauges(Collector):
    """Gauges of the hub. No series is about a single device, and none holds household data."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def collect(self) -> Iterator[Metric]:
        daemon, ledger = self._daemon, self._daemon.ledger
        network, directory = daemon.network, daemon.config.hub.state_dir
        info = GaugeMetricFamily(
            "hanctl_build_info", "Always 1; the labels say what runs.", labels=("version", "python")
        )
        info.add_metric((hanctl.__version__, platform.python_version()), 1)
        yield info
        yield _gauge("dongle_open", "1 while the dongle is open and its network runs, else 0.", network is not None)
        yield _by(
            "devices",
            "Devices on record, by state.",
            "state",
            get_args(DeviceState),
            Counter(device.state for device in ledger.devices.all()),
        )
        yield _by("updates", "Updates on record, by state.", "state", get_args(UpdateState), ledger.updates.counts())
        yield _gauge("joins_open", "Devices that may join just now.", len(daemon.han.join_windows()))
        yield _gauge("notices_pending", "Notices that the webhook has not accepted yet.", len(ledger.outbox.pending()))
        yield _gauge(
            "send_backlog_seconds", "How long a block waits for its turn on the air.", daemon.han.bulk.backlog()
        )
        yield _gauge("ledger_bytes", "Size of the ledger's files.", _ledger_bytes(directory))
        yield _gauge(
            "ledger_full", "1 while the ledger cannot be written for want of room.", ledger.full_since is not None
        )
        disk = os.statvfs(directory)
        yield _gauge("disk_free_bytes", "Room on the disk of the state directory.", disk.f_bavail * disk.f_frsize)


class ProcessGauges(Collector):
    """Gauges of the process, with the usual names; the library's own need /proc/stat, which the unit hides."""

    def __init__(self, started_at: float) -> None:
        self._started_at = started_at

    def collect(self) -> Iterator[Metric]:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        yield CounterMetricFamily(
            "process_cpu_seconds", "CPU time of the process.", value=usage.ru_utime + usage.ru_stime
        )
        yield GaugeMetricFamily(
            "process_resident_memory_bytes", "Memory of the process.", value=pages * resource.getpagesize()
        )
        yield GaugeMetricFamily(
            "process_open_fds",
            "Open descriptors of the process.",
            value=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        )
        yield GaugeMetricFamily(
            "process_start_time_seconds", "When the hub started, Unix time.", value=self._started_at
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"hanctl_{name}", text, value=float(value))


def _by(name: str, text: str, label: str, values: tuple[str, ...], counts: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"hanctl_{name}", text, labels=(label,))
    for value in values:
        family.add_metric((value,), counts.get(value, 0))
    return family


def _ledger_bytes(directory: Path) -> int:
    files = (directory / f"ledger.sqlite{tail}" for tail in ("", "-wal", "-shm"))
    return sum(file.stat().st_size for file in files if file.exists())
