"""Price (0x0700): tariffs, prices, billing. Source: comms_hub.md appendix B."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import (
    S32,
    U8,
    U16,
    U24,
    U32,
    U48,
    UTC,
    SmartEnergyCluster,
    command,
    family,
    grid,
    read_only,
)
from hanctl.han.smart_energy.enumerations import (
    BlockPeriodControl,
    CalorificValueUnit,
    CO2Unit,
    CppEventResponseCppAuth,
    CppPriceTier,
    CreditPaymentStatus,
    CurrencyChangeControl,
    PriceControlMask,
    PublishCppEventCppAuth,
    TariffResolutionPeriod,
    TariffType,
    TierBlockMode,
    UnitOfMeasure,
)
from hanctl.han.smart_energy.types import (
    BlockThresholdSubPayload,
    NumberOfPriceTiersAndRegisterTier,
    OctetString,
    PeriodDurationType,
    PriceMatrixSubPayload,
    PriceTrailingDigitAndPriceTier,
    TariffTypeChargingScheme,
    TierLabelsPayload,
    TrailingDigit,
    octets,
)


class Price(SmartEnergyCluster):
    """Price (0x0700)."""

    cluster_id = 0x0700
    ep_attribute = "smartenergy_price"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        vars().update(family("tier_{}_price_label", 0x0000, count=48, type=octets(12)))
        vars().update(family("block_{}_threshold", 0x0100, count=15, type=U48))
        block_threshold_count: Final = read_only(0x010F, U8)
        vars().update(grid("tier_{}_block_{}_threshold", 0x0110, tiers=15, blocks=15, type=U48))
        vars().update(family("tier_{}_block_threshold_count", 0x011F, count=15, step=0x10, type=U8))
        start_of_block_period: Final = read_only(0x0200, UTC)
        block_period_duration_minutes: Final = read_only(0x0201, U24)
        threshold_multiplier: Final = read_only(0x0202, U24)
        threshold_divisor: Final = read_only(0x0203, U24)
        block_period_duration_type: Final = read_only(0x0204, t.bitmap8)
        commodity_type: Final = read_only(0x0300, t.enum8)
        standing_charge: Final = read_only(0x0301, U32)
        conversion_factor: Final = read_only(0x0302, U32)
        conversion_factor_trailing_digit: Final = read_only(0x0303, t.bitmap8)
        calorific_value: Final = read_only(0x0304, U32)
        calorific_value_unit: Final = read_only(0x0305, CalorificValueUnit)
        calorific_value_trailing_digit: Final = read_only(0x0306, t.bitmap8)
        vars().update(family("no_tier_block_{}_price", 0x0400, count=16, type=U32))
        vars().update(grid("tier_{}_block_{}_price", 0x0410, tiers=15, blocks=16, type=U32))
        vars().update(family("price_tier_{}", 0x050F, count=33, first=16, type=U32))
        cpp1_price: Final = read_only(0x05FE, U32)
        cpp2_price: Final = read_only(0x05FF, U32)
        tariff_label: Final = read_only(0x0610, octets(24))
        number_of_price_tiers_in_use: Final = read_only(0x0611, U8)
        number_of_block_thresholds_in_use: Final = read_only(0x0612, U8)
        tier_block_mode: Final = read_only(0x0613, TierBlockMode)
        unit_of_measure: Final = read_only(0x0615, UnitOfMeasure)
        currency: Final = read_only(0x0616, U16)
        price_trailing_digit: Final = read_only(0x0617, t.bitmap8)
        tariff_resolution_period: Final = read_only(0x0619, TariffResolutionPeriod)
        co2: Final = read_only(0x0620, U32)
        co2_unit: Final = read_only(0x0621, CO2Unit)
        co2_trailing_digit: Final = read_only(0x0622, t.bitmap8)
        current_billing_period_start: Final = read_only(0x0700, UTC)
        current_billing_period_duration: Final = read_only(0x0701, U24)
        last_billing_period_start: Final = read_only(0x0702, UTC)
        last_billing_period_duration: Final = read_only(0x0703, U24)
        last_billing_period_consolidated_bill: Final = read_only(0x0704, U32)
        credit_payment_due_date: Final = read_only(0x0800, UTC)
        credit_payment_status: Final = read_only(0x0801, CreditPaymentStatus)
        credit_payment_over_due_amount: Final = read_only(0x0802, S32)
        payment_discount: Final = read_only(0x080A, S32)
        payment_discount_period: Final = read_only(0x080B, t.enum8)
        vars().update(family("credit_payment_{}", 0x0810, count=5, step=0x10, type=U32))
        vars().update(family("credit_payment_date_{}", 0x0811, count=5, step=0x10, type=UTC))
        vars().update(family("credit_payment_ref_{}", 0x0812, count=5, step=0x10, type=octets(20)))
        vars().update(family("rx_tier_{}_price_label", 0x8000, count=48, type=octets(12)))
        vars().update(family("rx_block_{}_threshold", 0x8100, count=15, type=U48))
        rx_start_of_block_period: Final = read_only(0x8200, UTC)
        rx_block_period_duration: Final = read_only(0x8201, U24)
        rx_threshold_multiplier: Final = read_only(0x8202, U24)
        rx_threshold_divisor: Final = read_only(0x8203, U24)
        vars().update(family("rx_no_tier_block_{}_price", 0x8400, count=16, type=U32))
        vars().update(grid("rx_tier_{}_block_{}_price", 0x8410, tiers=15, blocks=16, type=U32))
        vars().update(family("rx_price_tier_{}", 0x850F, count=33, first=16, type=U32))
        rx_tariff_label: Final = read_only(0x8610, octets(24))
        rx_number_of_price_tiers_in_use: Final = read_only(0x8611, U8)
        rx_number_of_block_thresholds_in_use: Final = read_only(0x8612, U8)
        rx_tier_block_mode: Final = read_only(0x8613, U8)
        rx_tariff_resolution_period: Final = read_only(0x8615, t.enum8)
        rx_co2: Final = read_only(0x8625, U32)
        rx_co2_unit: Final = read_only(0x8626, t.enum8)
        rx_co2_trailing_digit: Final = read_only(0x8627, t.bitmap8)
        rx_current_billing_period_start: Final = read_only(0x8700, UTC)
        rx_current_billing_period_duration: Final = read_only(0x8701, U24)
        rx_last_billing_period_start: Final = read_only(0x8702, UTC)
        rx_last_billing_period_duration: Final = read_only(0x8703, U24)
        rx_last_billing_period_consolidated_bill: Final = read_only(0x8704, U32)

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

        price_increase_randomize_minutes: Final = read_only(0x0000, U8)
        price_decrease_randomize_minutes: Final = read_only(0x0001, U8)
        commodity_type: Final = read_only(0x0002, t.enum8)

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        get_current_price: Final = command(0x00, {"command_options": t.bitmap8})
        get_scheduled_prices: Final = command(0x01, {"start_time": UTC, "number_of_events": U8})
        price_acknowledgement: Final = command(
            0x02,
            {"provider_id": U32, "issuer_event_id": U32, "price_ack_time": UTC, "control": PriceControlMask},
        )
        get_block_periods: Final = command(0x03, {"start_time": UTC, "number_of_events": U8, "tariff_type": TariffType})
        get_conversion_factor: Final = command(
            0x04, {"earliest_start_time": UTC, "min_issuer_event_id": U32, "number_of_commands": U8}
        )
        get_calorific_value: Final = command(
            0x05, {"earliest_start_time": UTC, "min_issuer_event_id": U32, "number_of_commands": U8}
        )
        get_tariff_information: Final = command(
            0x06,
            {
                "earliest_start_time": UTC,
                "min_issuer_event_id": U32,
                "number_of_commands": U8,
                "tariff_type": TariffType,
            },
        )
        get_price_matrix: Final = command(0x07, {"issuer_tariff_id": U32})
        get_block_thresholds: Final = command(0x08, {"issuer_tariff_id": U32})
        get_co2_value: Final = command(
            0x09,
            {
                "earliest_start_time": UTC,
                "min_issuer_event_id": U32,
                "number_of_commands": U8,
                "tariff_type": TariffType,
            },
        )
        get_tier_labels: Final = command(0x0A, {"issuer_tariff_id": U32})
        get_billing_period: Final = command(
            0x0B,
            {
                "earliest_start_time": UTC,
                "min_issuer_event_id": U32,
                "number_of_commands": U8,
                "tariff_type": TariffType,
            },
        )
        get_consolidated_bill: Final = command(
            0x0C,
            {
                "earliest_start_time": UTC,
                "min_issuer_event_id": U32,
                "number_of_commands": U8,
                "tariff_type": TariffType,
            },
        )
        cpp_event_response: Final = command(0x0D, {"issuer_event_id": U32, "cpp_auth": CppEventResponseCppAuth})
        get_credit_payment: Final = command(0x0E, {"latest_end_time": UTC, "number_of_records": U8})
        get_currency_conversion: Final = command(0x0F)
        get_tariff_cancellation: Final = command(0x10)

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        publish_price: Final = command(
            0x00,
            {
                "provider_id": U32,
                "rate_label": OctetString,
                "issuer_event_id": U32,
                "current_time": UTC,
                "unit_of_measure": UnitOfMeasure,
                "currency": U16,
                "price_trailing_digit_and_price_tier": PriceTrailingDigitAndPriceTier,
                "number_of_price_tiers_and_register_tier": NumberOfPriceTiersAndRegisterTier,
                "start_time": UTC,
                "duration_in_minutes": U16,
                "price": U32,
                "price_ratio": U8,
                "generation_price": U32,
                "generation_price_ratio": U8,
                "alternate_cost_delivered?": U32,
                "alternate_cost_unit?": t.enum8,
                "alternate_cost_trailing_digit?": TrailingDigit,
                "number_of_block_thresholds?": U8,
                "price_control?": PriceControlMask,
                "number_of_generation_tiers?": U8,
                "generation_tier?": t.enum8,
                "extended_number_of_price_tiers?": t.enum8,
                "extended_price_tier?": t.enum8,
                "extended_register_tier?": t.enum8,
            },
        )
        publish_block_period: Final = command(
            0x01,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "block_period_start_time": UTC,
                "block_period_duration": U24,
                "number_of_price_tiers_and_number_of_block_thresholds": t.bitmap8,
                "block_period_control": BlockPeriodControl,
                "block_period_duration_type?": PeriodDurationType,
                "tariff_type?": TariffType,
                "tariff_resolution_period?": TariffResolutionPeriod,
            },
        )
        publish_conversion_factor: Final = command(
            0x02,
            {
                "issuer_event_id": U32,
                "start_time": UTC,
                "conversion_factor": U32,
                "conversion_factor_trailing_digit": TrailingDigit,
            },
        )
        publish_calorific_value: Final = command(
            0x03,
            {
                "issuer_event_id": U32,
                "start_time": UTC,
                "calorific_value": U32,
                "calorific_value_unit": CalorificValueUnit,
                "calorific_value_trailing_digit": TrailingDigit,
            },
        )
        publish_tariff_information: Final = command(
            0x04,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "issuer_tariff_id": U32,
                "start_time": UTC,
                "tariff_type_charging_scheme": TariffTypeChargingScheme,
                "tariff_label": OctetString,
                "number_of_price_tiers_in_use": U8,
                "number_of_block_thresholds_in_use": U8,
                "unit_of_measure": UnitOfMeasure,
                "currency": U16,
                "price_trailing_digit": TrailingDigit,
                "standing_charge": U32,
                "tier_block_mode": TierBlockMode,
                "block_threshold_multiplier": U24,
                "block_threshold_divisor": U24,
            },
        )
        publish_price_matrix: Final = command(
            0x05,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "start_time": UTC,
                "issuer_tariff_id": U32,
                "command_index": U8,
                "number_of_commands": U8,
                "sub_payload_control": t.bitmap8,
                "payload": t.List[PriceMatrixSubPayload],
            },
        )
        publish_block_thresholds: Final = command(
            0x06,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "start_time": UTC,
                "issuer_tariff_id": U32,
                "command_index": U8,
                "number_of_commands": U8,
                "sub_payload_control": t.bitmap8,
                "payload": t.List[BlockThresholdSubPayload],
            },
        )
        publish_co2_value: Final = command(
            0x07,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "start_time": UTC,
                "tariff_type": TariffType,
                "co2_value": U32,
                "co2_value_unit": CO2Unit,
                "co2_value_trailing_digit": TrailingDigit,
            },
        )
        publish_tier_labels: Final = command(
            0x08,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "issuer_tariff_id": U32,
                "command_index": U8,
                "number_of_commands": U8,
                "number_of_labels": U8,
                "tier_labels_payload": t.List[TierLabelsPayload],
            },
        )
        publish_billing_period: Final = command(
            0x09,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "billing_period_start_time": UTC,
                "billing_period_duration": t.bitmap24,
                "billing_period_duration_type": PeriodDurationType,
                "tariff_type": TariffType,
            },
        )
        publish_consolidated_bill: Final = command(
            0x0A,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "billing_period_start_time": UTC,
                "billing_period_duration": t.bitmap24,
                "billing_period_duration_type": PeriodDurationType,
                "tariff_type": TariffType,
                "consolidated_bill": U32,
                "currency": U16,
                "bill_trailing_digit": TrailingDigit,
            },
        )
        publish_cpp_event: Final = command(
            0x0B,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "start_time": UTC,
                "duration_in_minutes": U16,
                "tariff_type": TariffType,
                "cpp_price_tier": CppPriceTier,
                "cpp_auth": PublishCppEventCppAuth,
            },
        )
        publish_credit_payment: Final = command(
            0x0C,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "credit_payment_due_date": UTC,
                "credit_payment_over_due_amount": U32,
                "credit_payment_status": CreditPaymentStatus,
                "credit_payment": U32,
                "credit_payment_date": UTC,
                "credit_payment_ref": OctetString,
            },
        )
        publish_currency_conversion: Final = command(
            0x0D,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "start_time": UTC,
                "old_currency": U16,
                "new_currency": U16,
                "conversion_factor": U32,
                "conversion_factor_trailing_digit": TrailingDigit,
                "currency_change_control_flags": CurrencyChangeControl,
            },
        )
        cancel_tariff: Final = command(0x0E, {"provider_id": U32, "issuer_tariff_id": U32, "tariff_type": TariffType})
