"""Which events a device logs and reports: the client side's attributes of Device Management, by event id.

The ids of events are those of the attributes that configure them. Source: comms_hub.md appendix A.
"""

from __future__ import annotations

from zigpy.zcl.foundation import ZCLAttributeDef

from hanctl.han.smart_energy.definitions import read_only
from hanctl.han.smart_energy.enumerations import EventConfiguration

OUTCOMES = ("received", "actioned", "cancelled", "rejected")

SINGLE: dict[int, str] = {
    0x0100: """
        tou_tariff_activation block_tariff_activated block_tou_tariff_activated single_tariff_rate_activated
        asynchronous_billing_occurred synchronous_billing_occurred tariff_not_supported price_cluster_not_found
        currency_change_passive_activated currency_change_passive_updated price_matrix_passive_activated
        price_matrix_passive_updated tariff_change_passive_activated tariff_change_passive_updated
    """,
    0x0200: """
        check_meter low_battery tamper_detect supply_status supply_quality leak_detect service_disconnect
        reverse_flow_general meter_cover_removed meter_cover_closed strong_magnetic_field
        no_strong_magnetic_field battery_failure program_memory_error ram_error nv_memory_error low_voltage_l1
        high_voltage_l1 low_voltage_l2 high_voltage_l2 low_voltage_l3 high_voltage_l3 over_current_l1
        over_current_l2 over_current_l3 frequency_too_low_l1 frequency_too_high_l1 frequency_too_low_l2
        frequency_too_high_l2 frequency_too_low_l3 frequency_too_high_l3 ground_fault electric_tamper_detect
        incorrect_polarity current_no_voltage under_voltage over_voltage normal_voltage pf_below_threshold
        pf_above_threshold terminal_cover_removed terminal_cover_closed
    """,
    0x0230: """
        burst_detect pressure_too_low pressure_too_high flow_sensor_communication_error
        flow_sensor_measurement_fault flow_sensor_reverse_flow flow_sensor_air_detect pipe_empty
    """,
    0x0250: """
        inlet_temperature_sensor_fault outlet_temperature_sensor_fault
    """,
    0x0260: """
        reverse_flow tilt_tamper battery_cover_removed battery_cover_closed excess_flow tilt_tamper_enabled
    """,
    0x0270: """
        measurement_system_error watchdog_error supply_disconnect_failure supply_connect_failure
        measurement_software_changed dst_enabled dst_disabled clock_adj_backward clock_adj_forward clock_invalid
        communication_error_han communication_ok_han meter_fraud_attempt power_loss unusual_han_traffic
        unexpected_clock_change comms_using_unauthenticated_component metering_error_reg_clear
        metering_alarm_reg_clear unexpected_hw_reset unexpected_program_execution limit_threshold_exceeded
        limit_threshold_ok limit_threshold_changed maximum_demand_exceeded profile_cleared load_profile_cleared
        battery_warn wrong_signature no_signature signature_not_valid unauthorise_action_from_han
        fast_polling_start fast_polling_end meter_reporting_interval_changed disconnect_to_load_limit
        meter_supply_status_register_changed meter_alarm_status_register_changed
        extended_meter_alarm_status_register_changed data_access_via_local_port configure_mirror_success
        configure_mirror_failure configure_notification_flag_scheme_success
        configure_notification_flag_scheme_failure configure_notification_flags_success
        configure_notification_flags_failure stay_awake_request_han stay_awake_request_wan
    """,
    0x02B0: """
        manufacturer_specific_a manufacturer_specific_b manufacturer_specific_c manufacturer_specific_d
        manufacturer_specific_e manufacturer_specific_f manufacturer_specific_g manufacturer_specific_h
        manufacturer_specific_i
    """,
    0x02E4: """
        supply_on supply_armed supply_off disconnected_due_to_tamper_detected manual_disconnect manual_connect
        remote_disconnection remote_connect local_disconnection local_connect
    """,
    0x0300: """
        message_confirmation_sent
    """,
    0x0400: """
        low_credit no_credit credit_exhausted emergency_credit_enabled emergency_credit_exhausted
        ihd_low_credit_warning
    """,
    0x0420: """
        physical_attack_on_the_prepay_meter electronic_attack_on_the_prepay_meter discount_applied
        credit_adjustment credit_adjust_fail debt_adjustment debt_adjust_fail mode_change topup_code_error
        topup_already_used topup_code_invalid topup_accepted_via_remote topup_accepted_via_manual_entry
        friendly_credit_in_use friendly_credit_end_warning friendly_credit_period_end prepay_error_reg_clear
        prepay_alarm_reg_clear prepay_cluster_not_found topup_value_too_large
    """,
    0x0441: """
        mode_credit_2_prepay mode_prepay_2_credit mode_default
    """,
    0x0500: """
        calendar_cluster_not_found calendar_change_passive_activated calendar_change_passive_updated
    """,
    0x0600: """
        password_1_change password_2_change password_3_change password_4_change event_log_cleared
    """,
    0x0610: """
        zigbee_aps_timeout zigbee_ieee_transmission_failure_over_threshold
        zigbee_ieee_frame_check_sequence_threshold error_certificate error_signature error_program_storage
    """,
    0x0700: """
        tunneling_cluster_not_found unsupported_protocol incorrect_protocol
    """,
    0x07C0: """
        request_tunnel_command_received request_tunnel_command_rejected request_tunnel_command_generated
        close_tunnel_command_received close_tunnel_command_rejected close_tunnel_command_generated
        transfer_data_command_received transfer_data_command_rejected transfer_data_command_generated
        transfer_data_error_command_received transfer_data_error_command_rejected
        transfer_data_error_command_generated ack_transfer_data_command_received
        ack_transfer_data_command_rejected ack_transfer_data_command_generated ready_data_command_received
        ready_data_command_rejected ready_data_command_generated get_supported_tunnel_protocols_command_received
        get_supported_tunnel_protocols_command_rejected get_supported_tunnel_protocols_command_generated
    """,
    0x0800: """
        firmware_ready_for_activation firmware_activated firmware_activation_failure patch_ready_for_activation
        patch_activated patch_failure
    """,
    0x08C0: """
        image_notify_command_received image_notify_command_rejected query_next_image_request_generated
        query_next_image_response_received query_next_image_response_rejected image_block_request_generated
        image_page_request_generated image_block_response_received image_block_response_rejected
        upgrade_end_request_generated upgrade_end_response_received upgrade_end_response_rejected
        query_specific_file_request_generated query_specific_file_response_received
        query_specific_file_response_rejected
    """,
}
"""Names of events that follow each other, from the first one's id on. (Appendix A names 0x0701 and 0x0702 alike; the
second is named as §2.2 has it.)"""

COMMANDS: dict[int, str] = {
    0x01B0: """
        publish_price publish_tariff_information publish_price_matrix publish_block_thresholds
        publish_calorific_value publish_conversion_factor publish_co2_value publish_cpp_event
        publish_tier_labels publish_billing_period publish_consolidated_bill publish_block_period
        publish_credit_payment_info publish_currency_conversion
    """,
    0x02C0: """
        get_profile_command request_mirror_response_command mirror_removed_command get_snapshot_command
        take_snapshot_command mirror_report_attribute_response_command schedule_snapshot_command
        start_sampling_command get_sampled_data_command
    """,
    0x02EE: """
        change_supply local_change_supply publish_uncontrolled_flow_threshold
    """,
    0x03C0: """
        display_message cancel_message
    """,
    0x04C0: """
        select_available_emergency_credit change_debt emergency_credit_setup consumer_topup credit_adjustment
        change_payment_mode get_prepay_snapshot get_topup_log set_low_credit_warning_level get_debt_repay_log
        set_maximum_credit_limit set_overall_debt_cap
    """,
    0x05C0: """
        publish_calendar publish_day_profile publish_week_profile publish_seasons publish_special_days
    """,
    0x06C0: """
        publish_cot publish_cos change_password set_event_configuration update_site_id update_cin
    """,
}
"""Names of commands that follow each other, from the first one's id on; each has four events, one for each of OUTCOMES.
(Appendix A repeats the conversion factor at 0x01E4; named here
as Wireshark has it.)"""


def events() -> dict[str, int]:
    """Return the ids of all events by their names."""
    found: dict[str, int] = {}
    for first, names in SINGLE.items():
        found |= {name: first + n for n, name in enumerate(names.split())}
    for first, names in COMMANDS.items():
        for n, name in enumerate(names.split()):
            found |= {f"{name}_{outcome}": first + len(OUTCOMES) * n + m for m, outcome in enumerate(OUTCOMES)}
    return found


def event_configurations() -> dict[str, ZCLAttributeDef]:
    """Declare the attribute that configures each event; return them by the events' names."""
    return {name: read_only(number, EventConfiguration) for name, number in events().items()}
