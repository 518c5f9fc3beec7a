"""Metering (0x0702). Source: comms_hub.md appendix C."""

from __future__ import annotations

from typing import Final

import zigpy.types as t
from zigpy.zcl.foundation import BaseAttributeDefs, BaseCommandDefs

from hanctl.han.smart_energy.definitions import (
    S8,
    S24,
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
    past_periods,
    read_only,
)
from hanctl.han.smart_energy.enumerations import (
    GetProfileStatus,
    IntervalChannel,
    IntervalPeriod,
    MeteringSupplyStatus,
    ProposedSupplyStatus,
    SampleType,
    SnapshotCause,
    SnapshotConfirmation,
    SnapshotPayloadType,
    SupplyStatus,
    UnitOfMeasure,
)
from hanctl.han.smart_energy.types import OctetString, SnapshotResponsePayload, SnapshotSchedulePayload, octets


class Metering(SmartEnergyCluster):
    """Metering (0x0702)."""

    cluster_id = 0x0702
    ep_attribute = "smartenergy_metering"

    class AttributeDefs(BaseAttributeDefs):
        """Server side."""

        current_summation_delivered: Final = read_only(0x0000, U48)
        current_summation_received: Final = read_only(0x0001, U48)
        current_max_demand_delivered: Final = read_only(0x0002, U48)
        current_max_demand_received: Final = read_only(0x0003, U48)
        dft_summation: Final = read_only(0x0004, U48)
        daily_freeze_time: Final = read_only(0x0005, U16)
        power_factor: Final = read_only(0x0006, S8)
        reading_snapshot_time: Final = read_only(0x0007, UTC)
        current_max_demand_delivered_time: Final = read_only(0x0008, UTC)
        current_max_demand_received_time: Final = read_only(0x0009, UTC)
        default_update_period: Final = read_only(0x000A, U8)
        fast_poll_update_period: Final = read_only(0x000B, U8)
        current_block_period_consumption_delivered: Final = read_only(0x000C, U48)
        daily_consumption_target: Final = read_only(0x000D, U24)
        current_block: Final = read_only(0x000E, t.enum8)
        profile_interval_period: Final = read_only(0x000F, IntervalPeriod)
        interval_read_reporting_period: Final = read_only(0x0010, U16)
        preset_reading_time: Final = read_only(0x0011, U16)
        volume_per_report: Final = read_only(0x0012, U16)
        flow_restriction: Final = read_only(0x0013, U8)
        supply_status: Final = read_only(0x0014, MeteringSupplyStatus)
        current_inlet_energy_carrier_summation: Final = read_only(0x0015, U48)
        current_outlet_energy_carrier_summation: Final = read_only(0x0016, U48)
        inlet_temperature: Final = read_only(0x0017, S24)
        outlet_temperature: Final = read_only(0x0018, S24)
        control_temperature: Final = read_only(0x0019, S24)
        current_inlet_energy_carrier_demand: Final = read_only(0x001A, S24)
        current_outlet_energy_carrier_demand: Final = read_only(0x001B, S24)
        previous_block_period_consumption_delivered: Final = read_only(0x001C, U48)
        current_block_period_consumption_received: Final = read_only(0x001D, U48)
        current_block_received: Final = read_only(0x001E, t.enum8)
        dft_summation_received: Final = read_only(0x001F, U48)
        active_register_tier_delivered: Final = read_only(0x0020, t.enum8)
        active_register_tier_received: Final = read_only(0x0021, t.enum8)
        last_block_switch_time: Final = read_only(0x0022, UTC)
        vars().update(family("current_tier_{}_summation_delivered", 0x0100, count=48, step=0x2, type=U48))
        vars().update(family("current_tier_{}_summation_received", 0x0101, count=48, step=0x2, type=U48))
        cpp1_summation_delivered: Final = read_only(0x01FC, U48)
        cpp2_summation_delivered: Final = read_only(0x01FE, U48)
        status: Final = read_only(0x0200, t.bitmap8)
        remaining_battery_life: Final = read_only(0x0201, U8)
        hours_in_operation: Final = read_only(0x0202, U24)
        hours_in_fault: Final = read_only(0x0203, U24)
        extended_status: Final = read_only(0x0204, t.bitmap64)
        remaining_battery_life_in_days: Final = read_only(0x0205, U16)
        current_meter_id: Final = read_only(0x0206, OctetString)
        ambient_consumption_indicator: Final = read_only(0x0207, t.enum8)
        unit_of_measure: Final = read_only(0x0300, UnitOfMeasure)
        multiplier: Final = read_only(0x0301, U24)
        divisor: Final = read_only(0x0302, U24)
        summation_formatting: Final = read_only(0x0303, t.bitmap8)
        demand_formatting: Final = read_only(0x0304, t.bitmap8)
        historical_consumption_formatting: Final = read_only(0x0305, t.bitmap8)
        metering_device_type: Final = read_only(0x0306, t.bitmap8)
        site_id: Final = read_only(0x0307, octets(32))
        meter_serial_number: Final = read_only(0x0308, octets(24))
        energy_carrier_unit_of_measure: Final = read_only(0x0309, t.enum8)
        energy_carrier_summation_formatting: Final = read_only(0x030A, t.bitmap8)
        energy_carrier_demand_formatting: Final = read_only(0x030B, t.bitmap8)
        temperature_unit_of_measure: Final = read_only(0x030C, t.enum8)
        temperature_formatting: Final = read_only(0x030D, t.bitmap8)
        module_serial_number: Final = read_only(0x030E, octets(24))
        operating_tariff_label_delivered: Final = read_only(0x030F, octets(24))
        operating_tariff_label_received: Final = read_only(0x0310, octets(24))
        customer_id_number: Final = read_only(0x0311, octets(24))
        alternative_unit_of_measure: Final = read_only(0x0312, t.enum8)
        alternative_demand_formatting: Final = read_only(0x0313, t.bitmap8)
        alternative_consumption_formatting: Final = read_only(0x0314, t.bitmap8)
        instantaneous_demand: Final = read_only(0x0400, S24)
        current_day_consumption_delivered: Final = read_only(0x0401, U24)
        current_day_consumption_received: Final = read_only(0x0402, U24)
        previous_day_consumption_delivered: Final = read_only(0x0403, U24)
        previous_day_consumption_received: Final = read_only(0x0404, U24)
        current_partial_profile_interval_start_time_delivered: Final = read_only(0x0405, UTC)
        current_partial_profile_interval_start_time_received: Final = read_only(0x0406, UTC)
        current_partial_profile_interval_value_delivered: Final = read_only(0x0407, U24)
        current_partial_profile_interval_value_received: Final = read_only(0x0408, U24)
        current_day_max_pressure: Final = read_only(0x0409, U48)
        current_day_min_pressure: Final = read_only(0x040A, U48)
        previous_day_max_pressure: Final = read_only(0x040B, U48)
        previous_day_min_pressure: Final = read_only(0x040C, U48)
        current_day_max_demand: Final = read_only(0x040D, S24)
        previous_day_max_demand: Final = read_only(0x040E, S24)
        current_month_max_demand: Final = read_only(0x040F, S24)
        current_year_max_demand: Final = read_only(0x0410, S24)
        current_day_max_energy_carrier_demand: Final = read_only(0x0411, S24)
        previous_day_max_energy_carrier_demand: Final = read_only(0x0412, S24)
        current_month_max_energy_carrier_demand: Final = read_only(0x0413, S24)
        current_month_min_energy_carrier_demand: Final = read_only(0x0414, S24)
        current_year_max_energy_carrier_demand: Final = read_only(0x0415, S24)
        current_year_min_energy_carrier_demand: Final = read_only(0x0416, S24)
        vars().update(past_periods(0x0420, "consumption", days=U24, weeks=U24, months=U32))
        historical_freeze_time: Final = read_only(0x045C, U16)
        current_day_max_demand_delivered: Final = read_only(0x045D, U48)
        current_day_max_demand_delivered_time: Final = read_only(0x045E, UTC)
        current_day_max_demand_received: Final = read_only(0x045F, U48)
        current_day_max_demand_received_time: Final = read_only(0x0460, UTC)
        previous_day_max_demand_delivered: Final = read_only(0x0461, U48)
        previous_day_max_demand_delivered_time: Final = read_only(0x0462, UTC)
        previous_day_max_demand_received: Final = read_only(0x0463, U48)
        previous_day_max_demand_received_time: Final = read_only(0x0464, UTC)
        max_number_of_periods_delivered: Final = read_only(0x0500, U8)
        current_demand_delivered: Final = read_only(0x0600, U24)
        demand_limit: Final = read_only(0x0601, U24)
        demand_integration_period: Final = read_only(0x0602, U8)
        number_of_demand_subintervals: Final = read_only(0x0603, U8)
        demand_limit_arm_duration_in_minutes: Final = read_only(0x0604, U16)
        load_limit_supply_state: Final = read_only(0x0605, t.enum8)
        load_limit_counter: Final = read_only(0x0606, U8)
        supply_tamper_state: Final = read_only(0x0607, t.enum8)
        supply_depletion_state: Final = read_only(0x0608, t.enum8)
        supply_uncontrolled_flow_state: Final = read_only(0x0609, t.enum8)
        vars().update(family("current_no_tier_block_{}_summation_delivered", 0x0700, count=16, type=U48))
        vars().update(grid("current_tier_{}_block_{}_summation_delivered", 0x0710, tiers=15, blocks=16, type=U48))
        generic_alarm_mask: Final = read_only(0x0800, t.bitmap16)
        electricity_alarm_mask: Final = read_only(0x0801, t.bitmap32)
        generic_flow_pressure_alarm_mask: Final = read_only(0x0802, t.bitmap16)
        water_specific_alarm_mask: Final = read_only(0x0803, t.bitmap16)
        heat_and_cooling_specific_alarm_mask: Final = read_only(0x0804, t.bitmap16)
        gas_specific_alarm_mask: Final = read_only(0x0805, t.bitmap16)
        extended_generic_alarm_mask: Final = read_only(0x0806, t.bitmap48)
        manufacture_alarm_mask: Final = read_only(0x0807, t.bitmap16)
        vars().update(family("current_no_tier_block_{}_summation_received", 0x0900, count=16, type=U48))
        vars().update(grid("current_tier_{}_block_{}_summation_received", 0x0910, tiers=15, blocks=16, type=U48))
        bill_to_date_delivered: Final = read_only(0x0A00, U32)
        bill_to_date_time_stamp_delivered: Final = read_only(0x0A01, UTC)
        projected_bill_delivered: Final = read_only(0x0A02, U32)
        projected_bill_time_stamp_delivered: Final = read_only(0x0A03, UTC)
        bill_delivered_trailing_digit: Final = read_only(0x0A04, t.bitmap8)
        bill_to_date_received: Final = read_only(0x0A10, U32)
        bill_to_date_time_stamp_received: Final = read_only(0x0A11, UTC)
        projected_bill_received: Final = read_only(0x0A12, U32)
        projected_bill_time_stamp_received: Final = read_only(0x0A13, UTC)
        bill_received_trailing_digit: Final = read_only(0x0A14, t.bitmap8)
        proposed_change_supply_implementation_time: Final = read_only(0x0B00, UTC)
        proposed_change_supply_status: Final = read_only(0x0B01, t.enum8)
        uncontrolled_flow_threshold: Final = read_only(0x0B10, U16)
        uncontrolled_flow_threshold_unit_of_measure: Final = read_only(0x0B11, t.enum8)
        uncontrolled_flow_threshold_multiplier: Final = read_only(0x0B12, U16)
        uncontrolled_flow_threshold_divisor: Final = read_only(0x0B13, U16)
        flow_stabilization_period: Final = read_only(0x0B14, U8)
        flow_measurement_period: Final = read_only(0x0B15, U16)
        alternative_instantaneous_demand: Final = read_only(0x0C00, S24)
        current_day_alternative_consumption_delivered: Final = read_only(0x0C01, U24)
        current_day_alternative_consumption_received: Final = read_only(0x0C02, U24)
        previous_day_alternative_consumption_delivered: Final = read_only(0x0C03, U24)
        previous_day_alternative_consumption_received: Final = read_only(0x0C04, U24)
        current_alternative_partial_profile_interval_start_time_delivered: Final = read_only(0x0C05, UTC)
        current_alternative_partial_profile_interval_start_time_received: Final = read_only(0x0C06, UTC)
        current_alternative_partial_profile_interval_value_delivered: Final = read_only(0x0C07, U24)
        current_alternative_partial_profile_interval_value_received: Final = read_only(0x0C08, U24)
        current_alternative_day_max_pressure: Final = read_only(0x0C09, U48)
        current_alternative_day_min_pressure: Final = read_only(0x0C0A, U48)
        previous_day_alternative_max_pressure: Final = read_only(0x0C0B, U48)
        previous_day_alternative_min_pressure: Final = read_only(0x0C0C, U48)
        current_alternative_day_max_demand: Final = read_only(0x0C0D, S24)
        previous_day_alternative_max_demand: Final = read_only(0x0C0E, S24)
        current_alternative_month_max_demand: Final = read_only(0x0C0F, S24)
        current_alternative_year_max_demand: Final = read_only(0x0C10, S24)
        vars().update(past_periods(0x0C20, "alternative_consumption", days=U24, weeks=U24, months=U32))
        current_day_alternative_max_demand_delivered: Final = read_only(0x0C5C, U48)
        current_day_alternative_max_demand_delivered_time: Final = read_only(0x0C5D, UTC)
        current_day_alternative_max_demand_received: Final = read_only(0x0C5E, U48)
        current_day_alternative_max_demand_received_time: Final = read_only(0x0C5F, UTC)
        previous_day_alternative_max_demand_delivered: Final = read_only(0x0C60, U48)
        previous_day_alternative_max_demand_delivered_time: Final = read_only(0x0C61, UTC)
        previous_day_alternative_max_demand_received: Final = read_only(0x0C62, U48)
        previous_day_alternative_max_demand_received_time: Final = read_only(0x0C63, UTC)
        vars().update(family("current_active_summation_q{}", 0x0D01, count=4, type=U48))
        vars().update(family("current_reactive_summation_q{}", 0x0D05, count=4, type=U48))

    class ClientAttributeDefs(BaseAttributeDefs):
        """Client side."""

        vars().update(family("notification_flags_{}", 0x0001, count=7, first=2, type=t.bitmap32))
        functional_notification_flags: Final = read_only(0x0000, t.bitmap32)

    class ServerCommandDefs(BaseCommandDefs):
        """Client to server."""

        get_profile: Final = command(
            0x00, {"interval_channel": IntervalChannel, "end_time": UTC, "number_of_periods": U8}
        )
        request_mirror_response: Final = command(0x01, {"endpoint_id": U16})
        mirror_removed: Final = command(0x02, {"endpoint_id": U16})
        request_fast_poll_mode: Final = command(0x03, {"fast_poll_update_period": U8, "duration": U8})
        schedule_snapshot: Final = command(
            0x04,
            {
                "issuer_event_id": U32,
                "command_index": U8,
                "command_count": U8,
                "snapshot_schedule_payload": t.List[SnapshotSchedulePayload],
            },
        )
        take_snapshot: Final = command(0x05, {"snapshot_cause": SnapshotCause})
        get_snapshot: Final = command(
            0x06,
            {
                "earliest_start_time": UTC,
                "latest_end_time": UTC,
                "snapshot_offset": U8,
                "snapshot_cause": SnapshotCause,
            },
        )
        start_sampling: Final = command(
            0x07,
            {
                "issuer_event_id": U32,
                "start_sampling_time": UTC,
                "sample_type": SampleType,
                "sample_request_interval": U16,
                "max_number_of_samples": U16,
            },
        )
        get_sampled_data: Final = command(
            0x08,
            {"sample_id": U16, "earliest_sample_time": UTC, "sample_type": SampleType, "number_of_samples": U16},
        )
        mirror_report_attribute_response: Final = command(
            0x09, {"notification_scheme": U8, "notification_flags": t.List[t.bitmap32]}
        )
        reset_load_limit_counter: Final = command(0x0A, {"provider_id": U32, "issuer_event_id": U32})
        change_supply: Final = command(
            0x0B,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "request_date_time": UTC,
                "implementation_date_time": UTC,
                "proposed_supply_status": MeteringSupplyStatus,
                "supply_control_bits": t.bitmap8,
            },
        )
        local_change_supply: Final = command(0x0C, {"proposed_supply_status": ProposedSupplyStatus})
        set_supply_status: Final = command(
            0x0D,
            {
                "issuer_event_id": U32,
                "supply_tamper_state": SupplyStatus,
                "supply_depletion_state": SupplyStatus,
                "supply_uncontrolled_flow_state": SupplyStatus,
                "load_limit_supply_state": SupplyStatus,
            },
        )
        set_uncontrolled_flow_threshold: Final = command(
            0x0E,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "uncontrolled_flow_threshold": U16,
                "unit_of_measure": UnitOfMeasure,
                "multiplier": U16,
                "divisor": U16,
                "stabilisation_period": U8,
                "measurement_period": U16,
            },
        )

    class ClientCommandDefs(BaseCommandDefs):
        """Server to client."""

        get_profile_response: Final = command(
            0x00,
            {
                "end_time": UTC,
                "status": GetProfileStatus,
                "profile_interval_period": IntervalPeriod,
                "number_of_periods_delivered": U8,
                "intervals": t.List[t.uint24_t],
            },
        )
        request_mirror: Final = command(0x01)
        remove_mirror: Final = command(0x02)
        request_fast_poll_mode_response: Final = command(
            0x03, {"applied_update_period": U8, "fast_poll_mode_endtime": UTC}
        )
        schedule_snapshot_response: Final = command(
            0x04, {"issuer_event_id": U32, "snapshot_response_payload": t.List[SnapshotResponsePayload]}
        )
        take_snapshot_response: Final = command(
            0x05, {"snapshot_id": U32, "snapshot_confirmation": SnapshotConfirmation}
        )
        publish_snapshot: Final = command(
            0x06,
            {
                "snapshot_id": U32,
                "snapshot_time": UTC,
                "total_snapshots_found": U8,
                "command_index": U8,
                "total_commands": U8,
                "snapshot_cause": SnapshotCause,
                "snapshot_payload_type": SnapshotPayloadType,
                "snapshot_payload": t.List[t.uint8_t],
            },
        )
        get_sampled_data_response: Final = command(
            0x07,
            {
                "sample_id": U16,
                "sample_start_time": UTC,
                "sample_type": SampleType,
                "sample_request_interval": U16,
                "number_of_samples": U16,
                "samples": t.List[t.uint24_t],
            },
        )
        configure_mirror: Final = command(
            0x08,
            {
                "issuer_event_id": U32,
                "reporting_interval": U24,
                "mirror_notification_reporting": t.Bool,
                "notification_scheme": U8,
            },
        )
        configure_notification_scheme: Final = command(
            0x09, {"issuer_event_id": U32, "notification_scheme": U8, "notification_flag_order": t.bitmap32}
        )
        configure_notification_flags: Final = command(
            0x0A,
            {
                "issuer_event_id": U32,
                "notification_scheme": U8,
                "notification_flag_attribute_id": U16,
                "cluster_id": U16,
                "manufacturer_code": U16,
                "number_of_commands": U8,
                "command_ids": t.List[t.uint8_t],
            },
        )
        get_notified_message: Final = command(
            0x0B,
            {
                "notification_scheme": U8,
                "notification_flag_attribute_id": U16,
                "notification_flags_n": t.bitmap32,
            },
        )
        supply_status_response: Final = command(
            0x0C,
            {
                "provider_id": U32,
                "issuer_event_id": U32,
                "implementation_date_time": UTC,
                "supply_status": MeteringSupplyStatus,
            },
        )
        start_sampling_response: Final = command(0x0D, {"sample_id": U16})
