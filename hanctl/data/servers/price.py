"""Price (0x0700): the Get commands and what is published for each. Source: comms_hub.md appendix B."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from zigpy.zcl.foundation import ZCLCommandDef

from hanctl.data.servers.base import (
    SUCCESS,
    Answer,
    DataServer,
    Handler,
    in_force,
    most,
    of_event,
    publish,
    publish_in_pages,
    replies,
)
from hanctl.han.cluster import Reply, Request
from hanctl.han.smart_energy.price import Price
from hanctl.ledger.household import Record

GET = Price.ServerCommandDefs
PUBLISH = Price.ClientCommandDefs
UNTIL_CHANGED = 0xFFFF
BOTH_DIRECTIONS = 2


class PriceServer(DataServer):
    """Serve prices, tariffs and bills."""

    cluster = Price.cluster_id

    def commands(self) -> Iterable[tuple[ZCLCommandDef, Handler]]:
        dated = partial(partial, self._dated)
        return (
            (GET.get_current_price, self._current_price),
            (GET.get_scheduled_prices, self._scheduled_prices),
            (GET.price_acknowledgement, lambda request, fields: SUCCESS),
            (GET.get_block_periods, self._block_periods),
            (GET.get_conversion_factor, dated("conversion_factors", PUBLISH.publish_conversion_factor)),
            (GET.get_calorific_value, dated("calorific_values", PUBLISH.publish_calorific_value)),
            (GET.get_tariff_information, self._tariffs),
            (GET.get_price_matrix, self._price_matrix),
            (GET.get_block_thresholds, self._block_thresholds),
            (GET.get_co2_value, dated("co2_values", PUBLISH.publish_co2_value)),
            (GET.get_tier_labels, self._tier_labels),
            (GET.get_billing_period, self._billing_periods),
            (GET.get_consolidated_bill, self._consolidated_bills),
            (GET.cpp_event_response, lambda request, fields: SUCCESS),
            (GET.get_credit_payment, self._credit_payments),
            (GET.get_currency_conversion, self._currency_conversion),
            (GET.get_tariff_cancellation, self._tariff_cancellation),
        )

    # --- prices

    def _current_price(self, request: Request, fields: Any) -> Answer:
        now = self.now()
        running = [record for record in self.records("prices") if _runs(record, now)]
        return replies([self._price(record) for record in running[-1:]])

    def _scheduled_prices(self, request: Request, fields: Any) -> Answer:
        start = self.at(fields.start_time)
        prices = self.records("prices")
        running = [record for record in prices if _runs(record, start)]
        wanted = running[-1:] + [record for record in prices if record.body["start_time"] > start]
        return replies([self._price(record) for record in most(wanted, fields.number_of_events)])

    def _price(self, record: Record) -> Reply:
        return publish(PUBLISH.publish_price, record, current_time=self.now())

    # --- what holds from a time on

    def _dated(self, table: str, command: ZCLCommandDef, request: Request, fields: Any) -> Answer:
        found = self._holding(table, "start_time", fields)
        return replies([publish(command, record) for record in most(found, fields.number_of_commands)])

    def _tariffs(self, request: Request, fields: Any) -> Answer:
        found = most(self._holding("tariffs", "start_time", fields), fields.number_of_commands)
        return replies(
            [
                publish(PUBLISH.publish_tariff_information, record, standing_charge=self._standing_charge(record))
                for record in found
            ]
        )

    def _standing_charge(self, tariff: Record) -> int:
        """Return the standing charge of the tariff at its start, or now if that is later; 0 if none is stored."""
        at = max(self.now(), tariff.body["start_time"])
        of_tariff = [
            record
            for record in self.records("standing_charges")
            if record.body["issuer_tariff_id"] == tariff.body["issuer_tariff_id"] and record.body["start_time"] <= at
        ]
        return int(of_tariff[-1].body["standing_charge"]) if of_tariff else 0

    def _block_periods(self, request: Request, fields: Any) -> Answer:
        found = in_force(
            _of_type(self.records("block_periods"), fields.tariff_type),
            "block_period_start_time",
            self.at(fields.start_time),
        )
        return replies(
            [publish(PUBLISH.publish_block_period, record) for record in most(found, fields.number_of_events)]
        )

    def _holding(self, table: str, time: str, fields: Any) -> list[Record]:
        records = of_event(self.records(table), fields.min_issuer_event_id)
        return in_force(
            _of_type(records, getattr(fields, "tariff_type", None)), time, self.at(fields.earliest_start_time)
        )

    # --- parts of a tariff

    def _price_matrix(self, request: Request, fields: Any) -> Answer:
        return self._of_tariff("price_matrices", PUBLISH.publish_price_matrix, fields, "payload")

    def _block_thresholds(self, request: Request, fields: Any) -> Answer:
        return self._of_tariff("block_thresholds", PUBLISH.publish_block_thresholds, fields, "payload")

    def _tier_labels(self, request: Request, fields: Any) -> Answer:
        return self._of_tariff(
            "tier_labels", PUBLISH.publish_tier_labels, fields, "tier_labels_payload", count="number_of_labels"
        )

    def _of_tariff(
        self, table: str, command: ZCLCommandDef, fields: Any, field: str, count: str | None = None
    ) -> Answer:
        found = [record for record in self.records(table) if record.body["issuer_tariff_id"] == fields.issuer_tariff_id]
        if not found:
            return replies([])
        return replies(publish_in_pages(command, found[-1], field, total="number_of_commands", count=count))

    # --- bills

    def _billing_periods(self, request: Request, fields: Any) -> Answer:
        found = self._holding("billing_periods", "billing_period_start_time", fields)
        return replies(
            [publish(PUBLISH.publish_billing_period, record) for record in most(found, fields.number_of_commands)]
        )

    def _consolidated_bills(self, request: Request, fields: Any) -> Answer:
        found = self._holding("consolidated_bills", "billing_period_start_time", fields)
        return replies(
            [publish(PUBLISH.publish_consolidated_bill, record) for record in most(found, fields.number_of_commands)]
        )

    def _credit_payments(self, request: Request, fields: Any) -> Answer:
        latest = self.at(fields.latest_end_time)
        found = [record for record in self.records("credit_payments") if record.body["credit_payment_date"] <= latest]
        newest_first = most(found[::-1], fields.number_of_records)
        return replies([publish(PUBLISH.publish_credit_payment, record) for record in newest_first])

    def _currency_conversion(self, request: Request, fields: Any) -> Answer:
        found = in_force(self.records("currency_conversions"), "start_time", self.now())
        return replies([publish(PUBLISH.publish_currency_conversion, record) for record in found[:1]])

    def _tariff_cancellation(self, request: Request, fields: Any) -> Answer:
        return replies([publish(PUBLISH.cancel_tariff, record) for record in self.records("tariff_cancellations")[-1:]])


def _runs(price: Record, at: int) -> bool:
    start, minutes = price.body["start_time"], price.body["duration_in_minutes"]
    return bool(start <= at and (minutes == UNTIL_CHANGED or at < start + 60 * minutes))


def _of_type(records: list[Record], tariff_type: int | None) -> list[Record]:
    """Select records for energy delivered or received; a record for both matches either."""
    if tariff_type is None:
        return records

    def kind(record: Record) -> int:
        scheme = record.body.get("tariff_type_charging_scheme")
        return int(record.body.get("tariff_type", 0) if scheme is None else scheme["tariff_type"])

    return [record for record in records if kind(record) in (int(tariff_type), BOTH_DIRECTIONS)]
