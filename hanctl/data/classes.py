"""Define the class of each item of data, the control bits of a change that clear it, and why.

One table for attributes, one for stored records. Source of what is cleared: comms_hub.md §3.8, and §2.4 where that
leaves it open; of what a datum is: §3.1–3.7. What §3.8 does not name stays. The same bits count for both changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hanctl.han.smart_energy.enumerations import ProposedChangeControl as Bit

DataClass = Literal["consumer", "supplier", "tariff", "credit", "device"]
Neutral = Literal["unknown", "zero"]
"""What an attribute reads after it was cleared. ``unknown``: the type's non-value (all ones; 0x80... signed), which
displays show as dashes; strings empty, flags 0. ``zero``: amounts of money and counts are 0, the rest as before."""

NOTHING = Bit(0)  # type: ignore[no-untyped-call]
CREDIT = Bit.ResetCreditRegister
DEBT = Bit.ResetDebitRegister
BILLING = Bit.ResetBillingPeriod
TARIFF = Bit.ClearTariffPlan
STANDING = Bit.ClearStandingCharge
HISTORY = Bit.ClearHistoricalLoadProfileInformation
CONSUMER = Bit.ClearIhdDataConsumer
SUPPLIER = Bit.ClearIhdDataSupplier
TRANSACTIONS = Bit.ClearTransactionLog
PREPAYMENT = Bit.ClearPrepaymentLog

PRICE, METERING, MESSAGING, PREPAY, CALENDAR, DEVICE_MANAGEMENT, EVENTS = (
    0x700,
    0x702,
    0x703,
    0x705,
    0x707,
    0x708,
    0x709,
)


@dataclass(frozen=True, slots=True)
class AttributeRule:
    """Attributes ``first`` to ``last`` of one cluster; an attribute belongs to the first rule that names it."""

    cluster: int
    first: int
    last: int
    data_class: DataClass
    bits: Bit
    reason: str
    neutral: Neutral = "unknown"


@dataclass(frozen=True, slots=True)
class TableRule:
    """One table of stored records. ``cluster``: the one that serves it."""

    name: str
    cluster: int
    data_class: DataClass
    bits: Bit
    reason: str


_STAYS = "belongs to the meter or its installation and tells of no person"
_REGISTER = "a register of the meter that runs on through tenancies: a bill begins from it"
_LIVE = "tells of this moment, not of before the change"
_MONEY = "what the last tenant had paid and may still use"
_TARIFF_DATA = "the supplier's tariff"
_RECEIVED = "the supplier's tariff for energy received"

ATTRIBUTE_RULES: tuple[AttributeRule, ...] = (
    # Price: comms_hub.md §3.3
    AttributeRule(PRICE, 0x0000, 0x00FF, "tariff", TARIFF | SUPPLIER, "names of tiers: " + _TARIFF_DATA),
    *(
        AttributeRule(PRICE, n, n, "tariff", TARIFF | SUPPLIER, "count of thresholds: " + _TARIFF_DATA, "zero")
        for n in range(0x010F, 0x0200, 0x10)
    ),
    AttributeRule(PRICE, 0x0100, 0x01FF, "tariff", TARIFF | SUPPLIER, "thresholds: " + _TARIFF_DATA),
    AttributeRule(PRICE, 0x0200, 0x02FF, "tariff", TARIFF | SUPPLIER, "block period: " + _TARIFF_DATA),
    AttributeRule(PRICE, 0x0300, 0x0300, "device", NOTHING, _STAYS),
    AttributeRule(PRICE, 0x0301, 0x0301, "tariff", STANDING | SUPPLIER, "the supplier's standing charge", "zero"),
    AttributeRule(PRICE, 0x0302, 0x0306, "device", NOTHING, "physical: how volume becomes energy"),
    AttributeRule(PRICE, 0x0400, 0x05FF, "tariff", TARIFF | SUPPLIER, "prices: " + _TARIFF_DATA),
    AttributeRule(PRICE, 0x0611, 0x0612, "tariff", TARIFF | SUPPLIER, "counts: " + _TARIFF_DATA, "zero"),
    AttributeRule(PRICE, 0x0600, 0x06FF, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    AttributeRule(PRICE, 0x0704, 0x0704, "consumer", BILLING, "the last tenant's bill", "zero"),
    AttributeRule(PRICE, 0x0700, 0x07FF, "consumer", BILLING, "the last tenant's billing periods"),
    AttributeRule(PRICE, 0x0800, 0x08FF, "consumer", BILLING | CONSUMER, "the last tenant's payments", "zero"),
    AttributeRule(PRICE, 0x8611, 0x8612, "tariff", TARIFF | SUPPLIER, "counts: " + _RECEIVED, "zero"),
    AttributeRule(PRICE, 0x8000, 0x86FF, "tariff", TARIFF | SUPPLIER, _RECEIVED),
    AttributeRule(PRICE, 0x8704, 0x8704, "consumer", BILLING, "the last tenant's bill for energy received", "zero"),
    AttributeRule(PRICE, 0x8700, 0x87FF, "consumer", BILLING, "the last tenant's billing periods, energy received"),
    # Metering: §3.1
    AttributeRule(METERING, 0x000D, 0x000D, "consumer", CONSUMER, "a target that the last tenant had set"),
    AttributeRule(METERING, 0x0000, 0x0004, "device", NOTHING, _REGISTER),
    AttributeRule(METERING, 0x000C, 0x000C, "device", NOTHING, _REGISTER),
    AttributeRule(METERING, 0x001C, 0x001D, "device", NOTHING, _REGISTER),
    AttributeRule(METERING, 0x001F, 0x001F, "device", NOTHING, _REGISTER),
    AttributeRule(METERING, 0x0000, 0x00FF, "device", NOTHING, _STAYS),
    AttributeRule(METERING, 0x0100, 0x01FF, "device", NOTHING, _REGISTER),
    AttributeRule(METERING, 0x0207, 0x0207, "device", NOTHING, _LIVE),
    AttributeRule(METERING, 0x0200, 0x02FF, "device", NOTHING, _STAYS),
    AttributeRule(METERING, 0x030F, 0x0310, "tariff", NOTHING, "labels of the tariff in use; §3.8 names no bit"),
    AttributeRule(METERING, 0x0311, 0x0311, "consumer", CONSUMER, "the last tenant's number with the supplier"),
    AttributeRule(METERING, 0x0300, 0x03FF, "device", NOTHING, "identifies premises and meter, or gives units"),
    AttributeRule(METERING, 0x0401, 0x0464, "consumer", HISTORY, "when and how much the last tenant consumed"),
    AttributeRule(METERING, 0x0400, 0x0400, "device", NOTHING, _LIVE),
    AttributeRule(METERING, 0x0500, 0x0500, "device", NOTHING, _STAYS),
    AttributeRule(METERING, 0x0600, 0x06FF, "device", NOTHING, "limits and the state of the supply"),
    AttributeRule(METERING, 0x0700, 0x07FF, "device", NOTHING, _REGISTER),
    AttributeRule(METERING, 0x0800, 0x08FF, "device", NOTHING, _STAYS),
    AttributeRule(METERING, 0x0900, 0x09FF, "device", NOTHING, _REGISTER),
    AttributeRule(METERING, 0x0A00, 0x0A14, "consumer", BILLING, "what the last tenant owes so far", "zero"),
    AttributeRule(METERING, 0x0B00, 0x0BFF, "device", NOTHING, "limits and the state of the supply"),
    AttributeRule(METERING, 0x0C01, 0x0C63, "consumer", HISTORY, "the same history in other units"),
    AttributeRule(METERING, 0x0C00, 0x0C00, "device", NOTHING, _LIVE),
    AttributeRule(METERING, 0x0D00, 0x0DFF, "device", NOTHING, _REGISTER),
    # Prepayment: §3.2
    AttributeRule(PREPAY, 0x0001, 0x0004, "credit", CREDIT, _MONEY, "zero"),
    AttributeRule(PREPAY, 0x0005, 0x0005, "credit", DEBT, "what the last tenant owed", "zero"),
    AttributeRule(PREPAY, 0x0020, 0x0020, "credit", CREDIT, _MONEY, "zero"),
    AttributeRule(PREPAY, 0x0080, 0x0080, "credit", NOTHING, "the card that the supplier gave out; §3.8 names no bit"),
    AttributeRule(PREPAY, 0x0000, 0x00FF, "credit", NOTHING, "how the supplier has set the meter's prepayment up"),
    AttributeRule(PREPAY, 0x0100, 0x0143, "credit", CREDIT | PREPAYMENT, "the last tenant's top-ups"),
    AttributeRule(PREPAY, 0x0210, 0x0239, "credit", DEBT, "what the last tenant owed", "zero"),
    AttributeRule(PREPAY, 0x0400, 0x04FF, "device", NOTHING, "alarms, and which are raised"),
    AttributeRule(PREPAY, 0x0500, 0x0503, "device", NOTHING, "units of the costs"),
    AttributeRule(PREPAY, 0x051C, 0x055B, "consumer", HISTORY, "what the last tenant's consumption had cost"),
    AttributeRule(PREPAY, 0x055C, 0x055C, "device", NOTHING, _STAYS),
    # Calendar: §3.5
    AttributeRule(CALENDAR, 0x0000, 0x00FF, "device", NOTHING, "names of the load switches; §3.8 names no bit"),
    # Device Management: §3.7
    AttributeRule(DEVICE_MANAGEMENT, 0x0101, 0x0102, "supplier", SUPPLIER, "who supplies, and how to reach them"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0111, 0x0111, "supplier", SUPPLIER, "who is to supply"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0114, 0x0114, "supplier", SUPPLIER, "how to reach who is to supply"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0121, 0x0122, "supplier", SUPPLIER, "who takes the energy received"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0131, 0x0131, "supplier", SUPPLIER, "who is to take the energy received"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0134, 0x0134, "supplier", SUPPLIER, "how to reach them"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0100, 0x01FF, "supplier", NOTHING, "numbers and dates: the change writes them"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0200, 0x02FF, "device", NOTHING, "tells of the change itself"),
    AttributeRule(DEVICE_MANAGEMENT, 0x0300, 0x04FF, "device", NOTHING, _STAYS),
)

_PROFILE = "when and how much the last tenant consumed"

TABLE_RULES: tuple[TableRule, ...] = (
    TableRule("half_hours", METERING, "consumer", HISTORY, _PROFILE),
    TableRule("days", METERING, "consumer", HISTORY, _PROFILE),
    TableRule("snapshots", METERING, "consumer", HISTORY, "registers at past moments: " + _PROFILE),
    TableRule("prepay_snapshots", PREPAY, "consumer", HISTORY, "balances at past moments"),
    TableRule("top_ups", PREPAY, "credit", PREPAYMENT, "the last tenant's top-ups, with their codes"),
    TableRule("debt_payments", PREPAY, "credit", PREPAYMENT, "what was collected from the last tenant, and when"),
    TableRule("messages", MESSAGING, "consumer", CONSUMER, "what the last tenant was told"),
    TableRule(
        "supplier_messages", MESSAGING, "supplier", CONSUMER | SUPPLIER, "what the supplier told the last tenant"
    ),
    TableRule("prices", PRICE, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    TableRule("tariffs", PRICE, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    TableRule("standing_charges", PRICE, "tariff", STANDING | SUPPLIER, "the supplier's standing charge"),
    TableRule("price_matrices", PRICE, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    TableRule("block_thresholds", PRICE, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    TableRule("tier_labels", PRICE, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    TableRule("block_periods", PRICE, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    TableRule("co2_values", PRICE, "tariff", TARIFF | SUPPLIER, _TARIFF_DATA),
    TableRule("cpp_events", PRICE, "tariff", TARIFF | SUPPLIER, "critical peak prices: " + _TARIFF_DATA),
    TableRule("conversion_factors", PRICE, "device", NOTHING, "physical: how volume becomes energy"),
    TableRule("calorific_values", PRICE, "device", NOTHING, "physical: how volume becomes energy"),
    TableRule("currency_conversions", PRICE, "device", NOTHING, "the same for everybody"),
    TableRule("billing_periods", PRICE, "consumer", BILLING, "the last tenant's billing periods"),
    TableRule("consolidated_bills", PRICE, "consumer", BILLING, "the last tenant's bills"),
    TableRule("credit_payments", PRICE, "consumer", BILLING | CONSUMER, "the last tenant's payments"),
    TableRule("tariff_cancellations", PRICE, "device", NOTHING, "tells displays what is withdrawn: numbers alone"),
    TableRule("calendars", CALENDAR, "tariff", TARIFF | SUPPLIER, "when which price applies: " + _TARIFF_DATA),
    TableRule("day_profiles", CALENDAR, "tariff", TARIFF | SUPPLIER, "part of a calendar: " + _TARIFF_DATA),
    TableRule("week_profiles", CALENDAR, "tariff", TARIFF | SUPPLIER, "part of a calendar: " + _TARIFF_DATA),
    TableRule("seasons", CALENDAR, "tariff", TARIFF | SUPPLIER, "part of a calendar: " + _TARIFF_DATA),
    TableRule("special_days", CALENDAR, "tariff", TARIFF | SUPPLIER, "part of a calendar: " + _TARIFF_DATA),
    TableRule("calendar_cancellations", CALENDAR, "device", NOTHING, "tells displays what is withdrawn: numbers alone"),
    TableRule("message_cancellations", MESSAGING, "device", NOTHING, "tells displays what is withdrawn: numbers alone"),
    TableRule(
        "event_log", EVENTS, "device", TRANSACTIONS, "what happened at the meter while the last tenant was there"
    ),
    TableRule("consumer_passwords", DEVICE_MANAGEMENT, "consumer", CONSUMER, "opens the last tenant's menu"),
    TableRule(
        "service_passwords", DEVICE_MANAGEMENT, "device", NOTHING, "opens the service menu: none of the tenant's"
    ),
    TableRule(
        "customer_numbers", DEVICE_MANAGEMENT, "consumer", CONSUMER, "the last tenant's number with the supplier"
    ),
    TableRule("site_ids", DEVICE_MANAGEMENT, "device", NOTHING, "identifies the premises"),
)
