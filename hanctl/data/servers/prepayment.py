"""Prepayment (0x0705): logs and snapshots. Commands that move money are for meters, not for the hub.

Source: comms_hub.md appendix D and §3.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.data.servers.base import NOT_FOUND, Answer, DataServer, Handler, replies, split
from hanctl.data.snapshots import matching, prepay_payload
from hanctl.data.values import NOW, build
from hanctl.han.cluster import Reply, Request
from hanctl.han.smart_energy.clusters import pack
from hanctl.han.smart_energy.enumerations import PrepaySnapshotPayloadType, RepaymentDebtType
from hanctl.han.smart_energy.prepayment import Prepayment
from hanctl.han.smart_energy.types import DebtPayload, TopUpPayload
from hanctl.ledger.household import Record

GET = Prepayment.ServerCommandDefs
PUBLISH = Prepayment.ClientCommandDefs
MOST_RECORDS = 100
HEAD = 2


class PrepaymentServer(DataServer):
    """Serve top-ups and debt payments, latest first, and snapshots of the balance."""

    cluster = Prepayment.cluster_id

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        return (
            (GET.get_prepay_snapshot, self._snapshot),
            (GET.get_top_up_log, self._top_ups),
            (GET.get_debt_repayment_log, self._debt_payments),
        )

    def _snapshot(self, request: Request, fields: Any) -> Answer:
        found = matching(self.records("prepay_snapshots"), fields)
        if fields.snapshot_offset >= len(found):
            return NOT_FOUND
        record = found[fields.snapshot_offset]
        return Reply(
            int(PUBLISH.publish_prepay_snapshot.id),
            pack(
                PUBLISH.publish_prepay_snapshot,
                snapshot_id=record.id,
                snapshot_time=record.body["snapshot_time"],
                total_snapshots_found=min(len(found), 0xFF),
                command_index=0,
                total_number_of_commands=1,
                snapshot_cause=record.body["snapshot_cause"],
                snapshot_payload_type=PrepaySnapshotPayloadType.DebtCreditStatus,
                snapshot_payload=list(prepay_payload(record.body)),
            ),
        )

    def _top_ups(self, request: Request, fields: Any) -> Answer:
        found = self._latest("top_ups", "top_up_time", fields.latest_end_time, fields.number_of_records)
        return self._log(PUBLISH.publish_top_up_log, "top_up_payload", TopUpPayload, found)

    def _debt_payments(self, request: Request, fields: Any) -> Answer:
        found = self._latest("debt_payments", "collection_time", fields.latest_end_time, 0)
        if fields.debt_type != RepaymentDebtType.AllDebts:
            found = [record for record in found if record.body["debt_type"] == fields.debt_type]
        found = found[: fields.number_of_debts or MOST_RECORDS]
        return self._log(PUBLISH.publish_debt_log, "debt_payload", DebtPayload, found)

    def _latest(self, table: str, time: str, latest_end_time: int, count: int) -> list[Record]:
        """Return records up to a time (0: now), latest first."""
        latest = self.now() if latest_end_time == NOW else latest_end_time
        found = [record for record in self.records(table) if record.body[time] <= latest]
        return found[::-1][: count or MOST_RECORDS]

    @staticmethod
    def _log(command: ZCLCommandDef, field: str, kind: Any, found: list[Record]) -> Answer:
        if not found:
            return NOT_FOUND
        parts = split(kind, [record.body for record in found], HEAD)
        return replies(
            [
                Reply(
                    int(command.id),
                    pack(
                        command,
                        command_index=index,
                        total_number_of_commands=len(parts),
                        **{field: [build(kind, body) for body in part]},
                    ),
                )
                for index, part in enumerate(parts)
            ]
        )
