"""Prepayment (0x0705). Source: comms_hub.md appendix D."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import (
    S32,
    U8,
    U16,
    U32,
    U48,
    UTC,
    SmartEnergyCluster,
    command,
    family,
    past_periods,
    read_only,
    writable,
)
from hanctl.han.smart_energy.enumerations import (
    CreditAdjustmentType,
    DebtAmountType,
    DebtRecoveryFrequency,
    DebtRecoveryMethod,
    OriginatingDevice,
    PaymentControlConfiguration,
    PrepaySnapshotPayloadCause,
    PrepaySnapshotPayloadType,
    RepaymentDebtType,
    ResultType,
)
from hanctl.han.smart_energy.types import DebtPayload, OctetString, TopUpPayload, octets


class Prepayment(SmartEnergyCluster):
    """Prepayment (0x0705)."""

    cluster_id = 0x0705
    ep_attribute = "smartenergy_prepayment"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        payment_control_configuration: Final = read_only(0x0000, PaymentControlConfiguration)
        credit_remaining: Final = read_only(0x0001, S32)
        emergency_credit_remaining: Final = read_only(0x0002, S32)
        credit_status: Final = read_only(0x0003, t.bitmap8)
        credit_remaining_timestamp: Final = read_only(0x0004, UTC)
        accumulated_debt: Final = read_only(0x0005, S32)
        overall_debt_cap: Final = read_only(0x0006, S32)
        emergency_credit_limit_allowance: Final = read_only(0x0010, U32)
        emergency_credit_threshold: Final = read_only(0x0011, U32)
        total_credit_added: Final = read_only(0x0020, U48)
        max_credit_limit: Final = read_only(0x0021, U32)
        max_credit_per_top_up: Final = read_only(0x0022, U32)
        friendly_credit_warning: Final = read_only(0x0030, U8)
        low_credit_warning_level: Final = read_only(0x0031, U32)
        ihd_low_credit_warning_level: Final = writable(0x0032, U32)
        interrupt_suspend_time: Final = read_only(0x0033, U8)
        remaining_friendly_credit_time: Final = read_only(0x0034, U16)
        next_friendly_credit_period: Final = read_only(0x0035, UTC)
        cut_off_value: Final = read_only(0x0040, S32)
        token_carrier_id: Final = writable(0x0080, octets(20))
        vars().update(family("top_up_date_time_{}", 0x0100, count=5, step=0x10, type=UTC))
        vars().update(family("top_up_amount_{}", 0x0101, count=5, step=0x10, type=S32))
        vars().update(family("top_up_originating_device_{}", 0x0102, count=5, step=0x10, type=t.enum8))
        vars().update(family("top_up_code_{}", 0x0103, count=5, step=0x10, type=octets(25)))
        vars().update(family("debt_label_{}", 0x0210, count=3, step=0x10, type=octets(12)))
        vars().update(family("debt_amount_{}", 0x0211, count=3, step=0x10, type=U32))
        vars().update(family("debt_recovery_method_{}", 0x0212, count=3, step=0x10, type=t.enum8))
        vars().update(family("debt_recovery_start_time_{}", 0x0213, count=3, step=0x10, type=UTC))
        vars().update(family("debt_recovery_collection_time_{}", 0x0214, count=3, step=0x10, type=U16))
        vars().update(family("debt_recovery_frequency_{}", 0x0216, count=3, step=0x10, type=t.enum8))
        vars().update(family("debt_recovery_amount_{}", 0x0217, count=3, step=0x10, type=U32))
        vars().update(family("debt_recovery_top_up_percentage_{}", 0x0219, count=3, step=0x10, type=U16))
        prepayment_alarm_status: Final = read_only(0x0400, t.bitmap16)
        prepay_generic_alarm_mask: Final = writable(0x0401, t.bitmap16)
        prepay_switch_alarm_mask: Final = writable(0x0402, t.bitmap16)
        prepay_event_alarm_mask: Final = writable(0x0403, t.bitmap16)
        historical_cost_consumption_formatting: Final = read_only(0x0500, t.bitmap8)
        consumption_unit_of_measurement: Final = read_only(0x0501, t.enum8)
        currency_scaling_factor: Final = read_only(0x0502, t.enum8)
        currency: Final = read_only(0x0503, U16)
        current_day_cost_consumption_delivered: Final = read_only(0x051C, U48)
        current_day_cost_consumption_received: Final = read_only(0x051D, U48)
        previous_day_cost_consumption_delivered: Final = read_only(0x051E, U48)
        previous_day_cost_consumption_received: Final = read_only(0x051F, U48)
        vars().update(past_periods(0x0520, "cost_consumption", days=U48, weeks=U48, months=U48))
        historical_freeze_time: Final = read_only(0x055C, U16)

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        select_available_emergency_credit: Final = command(
            0x00,
            {
                "command_issue_date_time": UTC,
                "originating_device": OriginatingDevice,
                "site_id": OctetString,
                "meter_serial_number": OctetString,
            },
        )
        change_debt: Final = command(
            0x02,
            {
                "issuer_event_id": U32,
                "debt_label": OctetString,
                "debt_amount": U32,
                "debt_recovery_method": DebtRecoveryMethod,
                "debt_amount_type": DebtAmountType,
                "debt_recovery_start_time": UTC,
                "debt_recovery_collection_time": U16,
                "debt_recovery_frequency": DebtRecoveryFrequency,
                "debt_recovery_amount": U32,
                "debt_recovery_balance_percentage": U16,
            },
        )
        emergency_credit_setup: Final = command(
            0x03,
            {
                "issuer_event_id": U32,
                "start_time": UTC,
                "emergency_credit_limit": U32,
                "emergency_credit_threshold": U32,
            },
        )
        consumer_top_up: Final = command(0x04, {"originating_device": OriginatingDevice, "top_up_code": OctetString})
        credit_adjustment: Final = command(
            0x05,
            {
                "issuer_event_id": U32,
                "start_time": UTC,
                "credit_adjustment_type": CreditAdjustmentType,
                "credit_adjustment_value": U32,
            },
        )
        change_payment_mode: Final = command(
            0x06,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "implementation_date_time": UTC,
                "proposed_payment_control_configuration": PaymentControlConfiguration,
                "cut_off_value": U32,
            },
        )
        get_prepay_snapshot: Final = command(
            0x07,
            {
                "earliest_start_time": UTC,
                "latest_end_time": UTC,
                "snapshot_offset": U8,
                "snapshot_cause": PrepaySnapshotPayloadCause,
            },
        )
        get_top_up_log: Final = command(0x08, {"latest_end_time": UTC, "number_of_records": U8})
        set_low_credit_warning_level: Final = command(0x09, {"low_credit_warning_level": U32})
        get_debt_repayment_log: Final = command(
            0x0A, {"latest_end_time": UTC, "number_of_debts": U8, "debt_type": RepaymentDebtType}
        )
        set_maximum_credit_limit: Final = command(
            0x0B,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "implementation_date_time": UTC,
                "maximum_credit_level": U32,
                "maximum_credit_per_top_up": U32,
            },
        )
        set_overall_debt_cap: Final = command(
            0x0C,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "implementation_date_time": UTC,
                "overall_debt_cap": U32,
            },
        )

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        publish_prepay_snapshot: Final = command(
            0x01,
            {
                "snapshot_id": U32,
                "snapshot_time": UTC,
                "total_snapshots_found": U8,
                "command_index": U8,
                "total_number_of_commands": U8,
                "snapshot_cause": PrepaySnapshotPayloadCause,
                "snapshot_payload_type": PrepaySnapshotPayloadType,
                "snapshot_payload": t.List[t.uint8_t],
            },
        )
        change_payment_mode_response: Final = command(
            0x02,
            {
                "friendly_credit": t.bitmap8,
                "friendly_credit_calendar_id": U32,
                "emergency_credit_limit": U32,
                "emergency_credit_threshold": U32,
            },
        )
        consumer_top_up_response: Final = command(
            0x03,
            {
                "result_type": ResultType,
                "top_up_value": U32,
                "source_of_top_up": OriginatingDevice,
                "credit_remaining": U32,
            },
        )
        publish_top_up_log: Final = command(
            0x05,
            {"command_index": U8, "total_number_of_commands": U8, "top_up_payload": t.List[TopUpPayload]},
        )
        publish_debt_log: Final = command(
            0x06, {"command_index": U8, "total_number_of_commands": U8, "debt_payload": t.List[DebtPayload]}
        )
