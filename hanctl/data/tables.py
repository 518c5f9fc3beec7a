"""Define the stored tables: fields of a record, which field dates it, and which fields the hub fills in.

Most records are the fields of the command that publishes them, under the names of comms_hub.md appendices B–F.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import zigpy.types as t

from hanctl.data.catalogue import TABLES as RULES
from hanctl.data.values import struct_to_plain
from hanctl.han.smart_energy.calendar import Calendar
from hanctl.han.smart_energy.device_management import DeviceManagement
from hanctl.han.smart_energy.enumerations import PrepaySnapshotPayloadCause, SnapshotCause
from hanctl.han.smart_energy.messaging import Messaging
from hanctl.han.smart_energy.price import Price
from hanctl.han.smart_energy.types import DebtPayload, EventLogPayload, TopUpPayload

HALF_HOURS = "half_hours"
DAYS = "days"
INTERVALS = {HALF_HOURS: 1800, DAYS: 86400}
"""The tables of samples, and the seconds from one to the next."""


class StandingCharge(t.Struct):
    """Standing charge of one tariff, from a time on."""

    issuer_tariff_id: t.uint32_t
    start_time: t.UTCTime
    standing_charge: t.uint32_t


class SnapshotRecord(t.Struct):
    """Registers as they were at a time. What is published of them depends on the cause."""

    snapshot_time: t.UTCTime
    snapshot_cause: SnapshotCause
    current_summation: t.uint48_t
    tier_summations: t.List[t.uint48_t]
    bill_to_date: t.uint32_t
    bill_to_date_time_stamp: t.UTCTime
    projected_bill: t.uint32_t
    projected_bill_time_stamp: t.UTCTime
    bill_trailing_digit: t.bitmap8


class PrepaySnapshotRecord(t.Struct):
    """Balances as they were at a time."""

    snapshot_time: t.UTCTime
    snapshot_cause: PrepaySnapshotPayloadCause
    accumulated_debt: t.int32s
    type_1_debt_remaining: t.uint32_t
    type_2_debt_remaining: t.uint32_t
    type_3_debt_remaining: t.uint32_t
    emergency_credit_remaining: t.int32s
    credit_remaining: t.int32s


@dataclass(frozen=True, slots=True)
class Table:
    """``schema``: zigpy's structure of a record; ``time``: the field that dates it (None: when it was stored);
    ``filled``: fields of the structure that are not in the record."""

    name: str
    schema: Any
    time: str | None = None
    filled: frozenset[str] = frozenset()

    @property
    def fields(self) -> tuple[str, ...]:
        """Return the names of a record's fields."""
        return tuple(field.name for field in self.schema.fields if field.name not in self.filled)

    def plain(self, given: Any) -> dict[str, Any]:
        """Check a record and convert it to plain JSON. Raises BadValue."""
        return struct_to_plain(self.schema, given, without=self.filled)


PAGES = frozenset({"command_index", "number_of_commands", "total_number_of_commands"})
_PUBLISH_PRICE = Price.ClientCommandDefs
_PUBLISH_CALENDAR = Calendar.ClientCommandDefs
_MANAGE = DeviceManagement.ClientCommandDefs


def _table(name: str, command: Any, time: str | None = None, filled: frozenset[str] = frozenset()) -> Table:
    return Table(name, command.schema, time, filled)


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _table("prices", _PUBLISH_PRICE.publish_price, "start_time", frozenset({"current_time"})),
        _table("tariffs", _PUBLISH_PRICE.publish_tariff_information, "start_time", frozenset({"standing_charge"})),
        Table("standing_charges", StandingCharge, "start_time"),
        _table("price_matrices", _PUBLISH_PRICE.publish_price_matrix, "start_time", PAGES),
        _table("block_thresholds", _PUBLISH_PRICE.publish_block_thresholds, "start_time", PAGES),
        _table("tier_labels", _PUBLISH_PRICE.publish_tier_labels, None, PAGES | {"number_of_labels"}),
        _table("block_periods", _PUBLISH_PRICE.publish_block_period, "block_period_start_time"),
        _table("co2_values", _PUBLISH_PRICE.publish_co2_value, "start_time"),
        _table("cpp_events", _PUBLISH_PRICE.publish_cpp_event, "start_time"),
        _table("conversion_factors", _PUBLISH_PRICE.publish_conversion_factor, "start_time"),
        _table("calorific_values", _PUBLISH_PRICE.publish_calorific_value, "start_time"),
        _table("currency_conversions", _PUBLISH_PRICE.publish_currency_conversion, "start_time"),
        _table("billing_periods", _PUBLISH_PRICE.publish_billing_period, "billing_period_start_time"),
        _table("consolidated_bills", _PUBLISH_PRICE.publish_consolidated_bill, "billing_period_start_time"),
        _table("credit_payments", _PUBLISH_PRICE.publish_credit_payment, "credit_payment_date"),
        _table("tariff_cancellations", _PUBLISH_PRICE.cancel_tariff),
        Table("snapshots", SnapshotRecord, "snapshot_time"),
        Table("prepay_snapshots", PrepaySnapshotRecord, "snapshot_time"),
        Table("top_ups", TopUpPayload, "top_up_time"),
        Table("debt_payments", DebtPayload, "collection_time"),
        _table("messages", Messaging.ClientCommandDefs.display_message, "start_time"),
        _table("supplier_messages", Messaging.ClientCommandDefs.display_message, "start_time"),
        _table("message_cancellations", Messaging.ClientCommandDefs.cancel_all_messages, "implementation_date_time"),
        _table("calendars", _PUBLISH_CALENDAR.publish_calendar, "start_time"),
        _table(
            "day_profiles",
            _PUBLISH_CALENDAR.publish_day_profile,
            None,
            frozenset({"total_number_of_schedule_entries", "command_index", "total_number_of_commands"}),
        ),
        _table("week_profiles", _PUBLISH_CALENDAR.publish_week_profile),
        _table("seasons", _PUBLISH_CALENDAR.publish_seasons, None, PAGES),
        _table(
            "special_days",
            _PUBLISH_CALENDAR.publish_special_days,
            "start_time",
            PAGES | {"total_number_of_special_days"},
        ),
        _table("calendar_cancellations", _PUBLISH_CALENDAR.cancel_calendar),
        Table("event_log", EventLogPayload, "event_time"),
        _table(
            "consumer_passwords",
            _MANAGE.request_new_password_response,
            "implementation_date_time",
            frozenset({"password_type"}),
        ),
        _table(
            "service_passwords",
            _MANAGE.request_new_password_response,
            "implementation_date_time",
            frozenset({"password_type"}),
        ),
        _table("customer_numbers", _MANAGE.update_cin, "implementation_time"),
        _table("site_ids", _MANAGE.update_site_id, "site_id_time"),
    )
}
"""By name. With the samples' tables these are all that the class table names."""

assert TABLES.keys() | INTERVALS.keys() == RULES.keys()
