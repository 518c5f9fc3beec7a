"""The reporting table: reports that devices configured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from hanctl.base.eui64 import Eui64
from hanctl.ledger.rows import Execute, Rows


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One attribute of the hub that one device wants reported; seconds. ``change``: None where it is not a number."""

    device: Eui64
    device_endpoint: int
    endpoint: int
    cluster: int
    attribute: int
    min_s: int
    max_s: int
    change: int | None

    @property
    def key(self) -> tuple[Eui64, int, int, int]:
        """Return the key of the row: device, and the hub's endpoint, cluster and attribute."""
        return self.device, self.endpoint, self.cluster, self.attribute


_COLUMNS = "device, device_endpoint, endpoint, cluster, attribute, min_s, max_s, change"


class ReportingTable:
    """Reports by device, endpoint, cluster and attribute."""

    def __init__(self, execute: Execute, transaction: Callable[[], AbstractContextManager[None]]) -> None:
        self._execute = execute
        self._transaction = transaction
        self._rows = Rows(execute, "data_reporting", ReportRow, "device")

    def all(self, device: Eui64 | None = None) -> list[ReportRow]:
        """Return every report, or every one of a device."""
        return self._rows.select("WHERE ?1 IS NULL OR device = ?1", (device,))

    def get(self, device: Eui64, endpoint: int, cluster: int, attribute: int) -> ReportRow | None:
        wanted = (device, endpoint, cluster, attribute)
        return next((row for row in self.all(device) if row.key == wanted), None)

    def put(self, row: ReportRow) -> None:
        with self._transaction():
            self._execute(
                f"INSERT OR REPLACE INTO data_reporting ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
                (
                    row.device,
                    row.device_endpoint,
                    row.endpoint,
                    row.cluster,
                    row.attribute,
                    row.min_s,
                    row.max_s,
                    row.change,
                ),
            )

    def remove(self, device: Eui64, endpoint: int, cluster: int, attribute: int) -> None:
        with self._transaction():
            self._execute(
                "DELETE FROM data_reporting WHERE device = ? AND endpoint = ? AND cluster = ? AND attribute = ?",
                (device, endpoint, cluster, attribute),
            )

    def forget(self, device: Eui64) -> None:
        """Remove every report of a device."""
        with self._transaction():
            self._execute("DELETE FROM data_reporting WHERE device = ?", (device,))
