"""Keep the reporting configurations of devices, and send attribute reports when they are due."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from hanctl.base.clock import Clock
from hanctl.base.errors import HanctlError, NotFound
from hanctl.base.eui64 import Eui64
from hanctl.han.cluster import ClusterServer, Reporting, ServedAttribute, Status
from hanctl.han.han import Han
from hanctl.han.reporting import NEVER, changed_enough, due_in, is_analog, report
from hanctl.han.zcl import Foundation
from hanctl.ledger.ledger import Ledger
from hanctl.ledger.reporting import ReportRow
from hanctl.model.data_events import ReportingConfigured

log = structlog.get_logger()

MOST_PER_DEVICE = 64
RETRY_S = 60.0
IDLE_S = 3600.0


@dataclass(slots=True)
class _Sent:
    """Last value of an attribute that a device was sent, and when (monotonic seconds)."""

    at: float
    value: bytes


class Reports:
    """Configurations are in the ledger; what was last sent is in memory: after a restart, each is sent once more."""

    def __init__(self, ledger: Ledger, han: Han, clock: Clock) -> None:
        self._ledger = ledger
        self._han = han
        self._clock = clock
        self._sent: dict[tuple[Eui64, int, int, int], _Sent] = {}
        self._woken = asyncio.Event()
        self.servers: dict[tuple[int, int], ClusterServer] = {}
        """By (endpoint, cluster)."""

    def configure(self, device: Eui64, device_endpoint: int, endpoint: int, cluster: int, wanted: Reporting) -> Status:
        """See ``AttributeStore.configure``."""
        key = (device, endpoint, cluster, wanted.attribute)
        rows = self._ledger.reporting.all(device)
        ends = wanted.max_s == NEVER
        if not ends and wanted.max_s and wanted.min_s > wanted.max_s:
            return Status.INVALID_VALUE
        if not ends and len(rows) >= MOST_PER_DEVICE and all(row.key != key for row in rows):
            return Status.INSUFFICIENT_SPACE
        row = ReportRow(
            device, device_endpoint, endpoint, cluster, wanted.attribute, wanted.min_s, wanted.max_s, wanted.change
        )
        with self._ledger.transaction():
            if ends:
                self._ledger.reporting.remove(*key)
            else:
                self._ledger.reporting.put(row)
            self._ledger.note(
                ReportingConfigured(
                    device=device,
                    endpoint=endpoint,
                    cluster=cluster,
                    attribute=wanted.attribute,
                    min_s=wanted.min_s,
                    max_s=wanted.max_s,
                )
            )
        self._sent.pop(key, None)
        self.wake()
        return Status.SUCCESS

    def configured(self, device: Eui64, endpoint: int, cluster: int, attribute: int) -> Reporting | None:
        """Return how the attribute is reported to the device, if it is."""
        row = self._ledger.reporting.get(device, endpoint, cluster, attribute)
        served = self._attributes(endpoint, cluster).get(attribute)
        if row is None or served is None:
            return None
        return _reporting(row, served)

    def wake(self) -> None:
        """Check at once which reports are due, after a value changed."""
        self._woken.set()

    async def run(self) -> None:
        """Send reports until cancelled."""
        while True:
            self._woken.clear()
            wait = await self._send_due()
            try:
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _send_due(self) -> float:
        """Send due reports. Returns the seconds until the next is due."""
        soonest = IDLE_S
        for row in self._ledger.reporting.all():
            served = self._attributes(row.endpoint, row.cluster).get(row.attribute)
            if served is None:
                continue
            wanted = _reporting(row, served)
            before = self._sent.get(row.key)
            changed = changed_enough(wanted, before.value if before is not None else None, served.value)
            since = None if before is None else self._clock.monotonic() - before.at
            due = due_in(wanted, since, changed=changed)
            if due is not None and due <= 0 and not await self._send(row, served):
                due = RETRY_S
            elif due is not None and due <= 0:
                due = due_in(wanted, 0.0, changed=False)
            soonest = min(soonest, IDLE_S if due is None else max(due, 0.1))
        return soonest

    async def _send(self, row: ReportRow, served: ServedAttribute) -> bool:
        try:
            await self._han.send_command(
                row.device,
                cluster=row.cluster,
                command=Foundation.REPORT_ATTRIBUTES,
                payload=report(row.attribute, served.data_type, served.value),
                endpoint=row.device_endpoint,
                source_endpoint=row.endpoint,
                cluster_specific=False,
            )
        except NotFound:
            self._ledger.reporting.forget(row.device)
            return False
        except HanctlError as error:
            log.debug("a report was not delivered", device=row.device, cluster=row.cluster, reason=str(error))
            return False
        self._sent[row.key] = _Sent(self._clock.monotonic(), served.value)
        return True

    def _attributes(self, endpoint: int, cluster: int) -> Mapping[int, ServedAttribute]:
        server = self.servers.get((endpoint, cluster))
        return {} if server is None else server.attributes()


def _reporting(row: ReportRow, served: ServedAttribute) -> Reporting:
    change = (row.change or 0) if is_analog(served.data_type) else None
    return Reporting(row.attribute, served.data_type, row.min_s, row.max_s, change)
