"""Types of the Smart Energy clusters: strings, bytes of two fields, structures. Source: comms_hub.md appendix G."""

from __future__ import annotations

from typing import Any

import zigpy.types as t

from hanctl.han.smart_energy.enumerations import (
    EventConfiguration,
    EventLogId,
    RepaymentDebtType,
    SnapshotCause,
    SnapshotPayloadType,
    SnapshotScheduleConfirmation,
)

INVALID_LENGTH = 0xFF


class OctetString(t.LVBytes):
    """Bytes after their length; an invalid string (length 0xFF) is read as an empty one."""

    max_length = 254

    def serialize(self) -> bytes:
        if len(self) > self.max_length:
            raise ValueError(f"{len(self)} bytes are more than {self.max_length}")
        return bytes((len(self),)) + self

    @classmethod
    def deserialize(cls, data: bytes) -> tuple[OctetString, bytes]:
        if data[:1] == bytes((INVALID_LENGTH,)):
            return cls(), data[1:]
        value, rest = super().deserialize(data)  # type: ignore[no-untyped-call]
        return cls(value), rest


def octets(length: int) -> type[OctetString]:
    """Return the type of an octet string of at most ``length`` bytes. A longer one is read all the same."""
    return type(f"OctetString{length}", (OctetString,), {"max_length": length})


class Text(t.CharacterString):
    """A character string of at most 254 bytes of UTF-8. (zigpy's counts characters.)"""

    def serialize(self) -> bytes:
        encoded = self.encode()
        if len(encoded) > 254:
            raise ValueError(f"{len(encoded)} bytes of text are more than 254")
        return bytes((len(encoded),)) + encoded


def counted(name: str) -> Any:
    """Declare a list whose length is told by the field ``name``."""
    return t.StructField(length=lambda entry: getattr(entry, name))


class TrailingDigit(t.Struct):
    """How many of a number's digits follow the decimal point."""

    reserved: t.uint4_t
    digits: t.uint4_t


class PriceTrailingDigitAndPriceTier(t.Struct):
    """Low and high half of one byte."""

    price_tier: t.uint4_t
    trailing_digit: t.uint4_t


class NumberOfPriceTiersAndRegisterTier(t.Struct):
    """Low and high half of one byte."""

    register_tier: t.uint4_t
    number_of_price_tiers: t.uint4_t


class TariffTypeChargingScheme(t.Struct):
    """Low and high half of one byte."""

    tariff_type: t.uint4_t
    charging_scheme: t.uint4_t


class PeriodDurationType(t.Struct):
    """Time base: 0 minutes, 1 days, 2 weeks, 3 months. Control: 0 its start, 1 its end, 2 not specified."""

    timebase: t.uint4_t
    control: t.uint4_t


class MessagingControlMask(t.Struct):
    """Transmission 0–2, importance 0–3, and what the display shall answer."""

    transmission: t.uint2_t
    importance: t.uint2_t
    reserved: t.uint1_t
    enhanced_confirmation: t.uint1_t
    reserved_6: t.uint1_t
    confirmation: t.uint1_t


class EventControlLogId(t.Struct):
    """Which log, and whether in full (1) or without the events' data (0)."""

    log_id: t.uint4_t
    event_control: t.uint4_t


class NumberOfEventsLogPayloadControl(t.Struct):
    """Whether an event crosses the frame's end (1), and how many there are in the frame."""

    log_payload_control: t.uint4_t
    number_of_events: t.uint4_t


class PriceMatrixSubPayload(t.Struct):
    tier_block_id: t.uint8_t
    price: t.uint32_t


class BlockThresholdSubPayload(t.Struct):
    """The thresholds of one tier, or of all."""

    number_of_block_thresholds: t.uint4_t
    tier: t.uint4_t
    block_thresholds: t.List[t.uint48_t] = counted("number_of_block_thresholds")


class TierLabelsPayload(t.Struct):
    tier_id: t.uint8_t
    tier_label: OctetString


class SnapshotResponsePayload(t.Struct):
    snapshot_schedule_id: t.uint8_t
    snapshot_schedule_confirmation: SnapshotScheduleConfirmation


class SnapshotSchedulePayload(t.Struct):
    snapshot_schedule_id: t.uint8_t
    snapshot_start_time: t.UTCTime
    snapshot_schedule: t.bitmap24
    snapshot_payload_type: SnapshotPayloadType
    snapshot_cause: SnapshotCause


class TopUpPayload(t.Struct):
    top_up_code: OctetString
    top_up_amount: t.int32s
    top_up_time: t.UTCTime


class DebtPayload(t.Struct):
    collection_time: t.UTCTime
    amount_collected: t.uint32_t
    debt_type: RepaymentDebtType
    outstanding_debt: t.uint32_t


class ScheduleEntry(t.Struct):
    """Minutes after midnight, and the tier, credit or switch state from then on."""

    start_time: t.uint16_t
    active_price_tier_or_friendly_credit_enable: t.uint8_t


class SeasonEntry(t.Struct):
    season_start_date: t.Date
    week_id_ref: t.uint8_t


class SpecialDay(t.Struct):
    special_day_date: t.Date
    day_id_ref: t.uint8_t


class EventConfigurationPayload(t.Struct):
    event_id: t.uint16_t
    event_configuration: EventConfiguration


class EventLogPayload(t.Struct):
    log_id: EventLogId
    event_id: t.uint16_t
    event_time: t.UTCTime
    event_data: OctetString


class SnapshotTouDelivered(t.Struct):
    """Snapshot payload type 0. Its layout is from memory: with 4 tiers it has the 48 bytes of comms_hub.md §3.1."""

    current_summation: t.uint48_t
    bill_to_date: t.uint32_t
    bill_to_date_time_stamp: t.UTCTime
    projected_bill: t.uint32_t
    projected_bill_time_stamp: t.UTCTime
    bill_trailing_digit: t.bitmap8
    number_of_tiers_in_use: t.uint8_t
    tier_summations: t.List[t.uint48_t] = counted("number_of_tiers_in_use")


class SnapshotTouDeliveredNoBilling(t.Struct):
    """Snapshot payload type 4: the same without the bill; 31 bytes for 4 tiers."""

    current_summation: t.uint48_t
    number_of_tiers_in_use: t.uint8_t
    tier_summations: t.List[t.uint48_t] = counted("number_of_tiers_in_use")


class PrepaySnapshotDebtCredit(t.Struct):
    """Prepayment snapshot payload type 0, 24 bytes. Layout from memory, too."""

    accumulated_debt: t.int32s
    type_1_debt_remaining: t.uint32_t
    type_2_debt_remaining: t.uint32_t
    type_3_debt_remaining: t.uint32_t
    emergency_credit_remaining: t.int32s
    credit_remaining: t.int32s
