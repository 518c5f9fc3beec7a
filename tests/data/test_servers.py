"""What displays get for what they ask, byte by byte: packed by hand, from comms_hub.md appendices B–F."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from household_bench import IHD, NOW, SAMPLE, Household, household, le, seconds

from hanctl.data.catalogue import history
from hanctl.data.snapshots import take_snapshot
from hanctl.han.cluster import DefaultReply, Reply, Request, Status
from hanctl.model.data_events import AttributeWritten, MessageConfirmed, ReportingConfigured

PRICE, METERING, MESSAGING, PREPAYMENT, CALENDAR, MANAGEMENT, EVENTS = 0x700, 0x702, 0x703, 0x705, 0x707, 0x708, 0x709
NOT_FOUND = ["status 8b"]
MALFORMED = ["status 80"]


def at(text: str) -> str:
    return le(seconds(datetime.fromisoformat(text)))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path) as made:
        yield made


@pytest.fixture
def sample(hub: Household) -> Household:
    hub.load(SAMPLE.read_text())
    return hub


# --- attributes


def test_attributes_are_read_with_their_type_and_what_is_not_held_is_unsupported(sample: Household) -> None:
    # CurrentSummationDelivered (u48), MeterSerialNumber (octets), CurrentMaxDemandDelivered (not held).
    (answer,) = sample.send(METERING, "00 TT 00 0000 0803 0200")
    summation = "000000" + "25" + le(4711250, 6)
    serial = "080300" + "41" + "0d" + b"G4A0000000001".hex()
    assert answer == "1801" + summation + serial + "020086"


def test_attributes_are_discovered_with_their_types(sample: Household) -> None:
    (answer,) = sample.send(METERING, "00 TT 0c 0000 03")
    assert answer == "180d" + "00" + "000025" + "140030" + "000125"


def test_nothing_is_held_before_it_is_loaded(hub: Household) -> None:
    assert hub.send(PRICE, "00 TT 00 0103", endpoint=1) == ["1801" + "010386"]
    assert hub.ask(PRICE, 0x00, "00", endpoint=1) == NOT_FOUND
    assert hub.ask(MESSAGING, 0x00) == NOT_FOUND
    assert hub.ask(METERING, 0x00, "00 00000000 04") == [
        "00" + "00000000" + "05" + "02" + "00"  # no intervals available for the requested time
    ]


def test_a_device_may_write_what_is_writable_and_nothing_else(sample: Household) -> None:
    sample.data.set("gas", "prepayment", "ihd_low_credit_warning_level", "300")
    # IHD low credit warning, writable; CreditRemaining, not; a wrong type; an attribute that is not held.
    assert sample.send(PREPAYMENT, f"00 TT 02 3200 23 {le(500)}") == ["180400"]
    assert sample.send(PREPAYMENT, f"00 TT 02 0100 2b {le(500)} 3200 21 0500 8000 41 00") == [
        "1804" + "88" + "0100" + "8d" + "3200" + "86" + "8000"
    ]
    assert sample.send(PREPAYMENT, "00 TT 00 3200 0100") == [
        "1801" + "320000" + "23" + le(500) + "010000" + "2b" + le(1250)
    ]
    (event,) = (recorded.event for recorded in sample.ledger.events(type="attribute.written"))
    assert event == AttributeWritten(device=IHD, endpoint=2, cluster=PREPAYMENT, attribute=0x0032)


def test_an_undivided_write_that_fails_in_part_writes_nothing(sample: Household) -> None:
    sample.data.set("gas", "prepayment", "ihd_low_credit_warning_level", "300")
    assert sample.send(PREPAYMENT, f"00 TT 03 3200 23 {le(500)} 0100 2b {le(500)}") == ["1804" + "88" + "0100"]
    assert sample.send(PREPAYMENT, "00 TT 00 3200") == ["1801" + "320000" + "23" + le(300)]


def test_reporting_is_configured_read_and_ended(sample: Household) -> None:
    # CurrentSummationDelivered every 60 to 3600 s where it changes by 10.
    assert sample.send(METERING, f"00 TT 06 00 0000 25 3c00 100e {le(10, 6)}") == ["180700"]
    assert sample.send(METERING, "00 TT 08 00 0000") == [
        "1809" + "00" + "00" + "0000" + "25" + "3c00" + "100e" + le(10, 6)
    ]
    # Flags have no size of a change; an attribute that is not held cannot be reported.
    assert sample.send(METERING, "00 TT 06 00 0002 18 0000 0000 00 0900 e2 0000 0000 00000000") == [
        "1807" + "86" + "00" + "0900"
    ]
    assert sample.send(METERING, f"00 TT 06 00 0000 25 0000 ffff {le(0, 6)}") == ["180700"]
    assert sample.send(METERING, "00 TT 08 00 0000 00 0900") == ["1809" + "8b" + "00" + "0000" + "86" + "00" + "0900"]
    events = [recorded.event for recorded in sample.ledger.events(type="reporting.configured")]
    assert events[0] == ReportingConfigured(device=IHD, endpoint=2, cluster=METERING, attribute=0, min_s=60, max_s=3600)
    assert len(events) == 3


def test_what_cannot_be_reported_is_refused(sample: Household) -> None:
    # A minimum above the maximum; a data type that is not the attribute's; cut short.
    assert sample.send(METERING, f"00 TT 06 00 0000 25 1000 0f00 {le(0, 6)}") == ["1807" + "87" + "00" + "0000"]
    assert sample.send(METERING, "00 TT 06 00 0000 20 0000 0000 00") == ["1807" + "8d" + "00" + "0000"]
    assert sample.send(METERING, "00 TT 06 00 0000 25 00") == ["180b" + "06" + "80"]
    # What the hub serves of its own accord is not reported.
    assert sample.send(0x0000, "00 TT 06 00 0000 20 0000 0000 00") == ["1807" + "8c" + "00" + "0000"]
    assert sample.ledger.reporting.all() == []


def test_a_device_can_have_so_many_reports_and_no_more(sample: Household) -> None:
    rows = "".join(f"tier_{n}_price_label = 'T'\n" for n in range(1, 49))
    sample.load("[gas.price]\n" + rows)
    for cluster, count in ((PRICE, 48), (METERING, 16)):
        for n in list(sample.ledger.household.read(2, cluster))[:count]:
            kind = sample.ledger.household.read(2, cluster)[n].data_type
            change = "" if kind in (0x41, 0x18, 0x30) else "00" * {0x25: 6, 0x23: 4, 0x22: 3, 0x20: 1}[kind]
            assert sample.send(cluster, f"00 TT 06 00 {le(n, 2)} {kind:02x} 0000 0000 {change}") == ["180700"]
    assert sample.send(PREPAYMENT, f"00 TT 06 00 0100 2b 0000 0000 {le(0)}") == ["1807" + "89" + "00" + "0100"]


# --- price


def price(start: str, minutes: int, amount: int) -> str:
    return f"""
        [[esi.prices]]
        provider_id = 0x1234
        rate_label = "R"
        issuer_event_id = 7
        start_time = {start}
        duration_in_minutes = {minutes}
        price_trailing_digit_and_price_tier = {{ price_tier = 1, trailing_digit = 5 }}
        number_of_price_tiers_and_register_tier = {{ register_tier = 2, number_of_price_tiers = 3 }}
        price = {amount}
        """


def published(start: str, minutes: int, amount: int) -> str:
    return (
        "00"  # Publish Price
        + "34120000"
        + "0152"
        + "07000000"
        + le(seconds(NOW))
        + "00"
        + "0000"
        + "51"
        + "32"
        + at(start)
        + le(minutes, 2)
        + le(amount)
        + "00"
        + "00000000"
        + "00"
    )


FIRST, SECOND, THIRD = "2026-03-02T06:00:00Z", "2026-03-02T07:30:00Z", "2026-03-02T09:00:00Z"


def test_the_current_price_is_the_last_that_began_and_has_not_ended(hub: Household) -> None:
    hub.load(price(FIRST, 0xFFFF, 100) + price(SECOND, 60, 200) + price(THIRD, 60, 300))
    assert hub.ask(PRICE, 0x00, "00", endpoint=1) == [published(SECOND, 60, 200)]
    hub.clock.time = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
    (answer,) = hub.ask(PRICE, 0x00, "00", endpoint=1)
    assert le(100) in answer
    assert hub.ask(PRICE, 0x00, "00", endpoint=2) == NOT_FOUND


def test_scheduled_prices_are_the_one_in_force_and_the_later_ones(hub: Household) -> None:
    hub.load(price(FIRST, 30, 100) + price(SECOND, 60, 200) + price(THIRD, 60, 300))
    everything = [published(SECOND, 60, 200), published(THIRD, 60, 300)]
    assert hub.ask(PRICE, 0x01, "00000000 00", endpoint=1) == everything
    assert hub.ask(PRICE, 0x01, "00000000 01", endpoint=1) == everything[:1]
    assert hub.ask(PRICE, 0x01, at(THIRD) + "00", endpoint=1) == everything[1:]
    assert hub.ask(PRICE, 0x01, at("2026-03-02T10:00:00Z") + "00", endpoint=1) == NOT_FOUND


def test_a_price_that_has_ended_gives_way_to_one_until_changed(hub: Household) -> None:
    hub.load(price(FIRST, 0xFFFF, 100) + price(SECOND, 10, 200))
    assert hub.ask(PRICE, 0x00, "00", endpoint=1) == [published(FIRST, 0xFFFF, 100)]
    assert hub.ask(PRICE, 0x01, "00000000 00", endpoint=1) == [published(FIRST, 0xFFFF, 100)]


def test_a_tariff_comes_with_the_standing_charge_of_its_own(sample: Household) -> None:
    (answer,) = sample.ask(PRICE, 0x06, "00000000 ffffffff 00 00", endpoint=1)
    start = "2026-01-01T00:00:00Z"
    label = b"Two Rates 2026".hex()
    assert answer == (
        "04"
        + le(1101)
        + at(start)
        + le(1)
        + at(start)
        + "00"
        + "0e"
        + label
        + "02"
        + "00"
        + "00"
        + "3a03"
        + "50"
        + le(48210)
        + "ff"
        + "010000"
        + "010000"
    )
    # Of the other direction there is none.
    assert sample.ask(PRICE, 0x06, "00000000 ffffffff 00 01", endpoint=1) == NOT_FOUND


def test_a_tariff_to_come_is_told_with_the_standing_charge_that_comes_with_it(hub: Household) -> None:
    later = "2026-04-01T00:00:00Z"
    hub.load(
        f"[[esi.tariffs]]\nissuer_tariff_id = 1\nstart_time = {later}\n"
        f"[[esi.standing_charges]]\nissuer_tariff_id = 1\nstart_time = {FIRST}\nstanding_charge = 5\n"
        f"[[esi.standing_charges]]\nissuer_tariff_id = 1\nstart_time = {later}\nstanding_charge = 6\n"
        f"[[esi.standing_charges]]\nissuer_tariff_id = 2\nstart_time = {later}\nstanding_charge = 7\n"
    )
    (answer,) = hub.ask(PRICE, 0x06, "00000000 ffffffff 00 00", endpoint=1)
    assert bytes.fromhex(answer)[25:29] == (6).to_bytes(4, "little")


def test_a_price_matrix_and_labels_of_a_tariff(sample: Household) -> None:
    (matrix,) = sample.ask(PRICE, 0x07, le(1), endpoint=1)
    start = at("2026-01-01T00:00:00Z")
    assert matrix == (
        "05" + le(1101) + start + start + le(1) + "00" + "01" + "01" + "01" + le(27400) + "02" + le(13900)
    )
    (labels,) = sample.ask(PRICE, 0x0A, le(1), endpoint=1)
    assert (
        labels
        == "08" + le(1101) + at("2026-03-02T08:00:00Z") + le(1) + "00" + "01" + "02" + "0103446179" + "02054e69676874"
    )
    assert sample.ask(PRICE, 0x07, le(2), endpoint=1) == NOT_FOUND


def test_a_long_price_matrix_comes_in_pages_that_tell_how_many_they_are(hub: Household) -> None:
    rows = ", ".join(f"{{ tier_block_id = {n}, price = {n * 1000} }}" for n in range(1, 49))
    hub.load(f"[[esi.price_matrices]]\nissuer_tariff_id = 5\nstart_time = {FIRST}\npayload = [{rows}]")
    pages = [bytes.fromhex(page)[1:] for page in hub.ask(PRICE, 0x07, le(5), endpoint=1)]
    assert [(page[16], page[17]) for page in pages] == [(0, 2), (1, 2)]
    assert all(len(page) <= 200 for page in pages)
    found = b"".join(page[19:] for page in pages)
    assert found == b"".join(bytes((n,)) + (n * 1000).to_bytes(4, "little") for n in range(1, 49))


def test_block_thresholds_carry_tier_and_count_in_one_byte(hub: Household) -> None:
    hub.load(
        f"""
        [[gas.block_thresholds]]
        issuer_tariff_id = 5
        start_time = {FIRST}
        payload = [{{ tier = 1, block_thresholds = [16, 32] }}, {{ tier = 2, block_thresholds = [48] }}]
        """
    )
    (answer,) = hub.ask(PRICE, 0x08, le(5))
    head = "06" + le(0) + at(FIRST) + at(FIRST) + le(5) + "00" + "01" + "00"
    assert answer == head + "12" + le(16, 6) + le(32, 6) + "21" + le(48, 6)


def test_only_events_from_an_issuer_event_on_are_told(hub: Household) -> None:
    hub.load(
        "".join(
            f"[[gas.calorific_values]]\nstart_time = {start}\nissuer_event_id = {n}\ncalorific_value = {n}\n"
            for n, start in enumerate((FIRST, SECOND, THIRD), 1)
        )
    )
    told = [answer[2:10] for answer in hub.ask(PRICE, 0x05, "00000000 03000000 00")]
    assert told == [le(3)]
    told = [answer[2:10] for answer in hub.ask(PRICE, 0x05, "00000000 ffffffff 00")]
    assert told == [le(2), le(3)]


def test_payments_come_latest_first_up_to_a_time(hub: Household) -> None:
    hub.load(
        "".join(
            f"[[gas.credit_payments]]\ncredit_payment_date = {start}\ncredit_payment = {n}\n"
            for n, start in enumerate((FIRST, SECOND, THIRD), 1)
        )
    )
    amounts = [answer[36:44] for answer in hub.ask(PRICE, 0x0E, "00000000 00")]
    assert amounts == [le(2), le(1)]
    amounts = [answer[36:44] for answer in hub.ask(PRICE, 0x0E, "ffffffff 01")]
    assert amounts == [le(3)]


def test_a_command_cut_short_is_malformed_and_a_longer_one_of_a_later_revision_is_read(
    sample: Household,
) -> None:
    assert sample.ask(PRICE, 0x07, "010000", endpoint=1) == MALFORMED
    assert len(sample.ask(PRICE, 0x07, le(1) + "aabbcc", endpoint=1)) == 1
    assert sample.ask(PRICE, 0x42, "", endpoint=1) == ["status 81"]


# --- messaging


def message(number: int, start: str, minutes: int, text: str, table: str = "messages") -> str:
    return f"""
        [[gas.{table}]]
        message_id = {number}
        message_control = {{ importance = 2, confirmation = 1 }}
        start_time = {start}
        duration_in_minutes = {minutes}
        message = "{text}"
        """


def test_the_last_message_that_has_not_expired_is_told(hub: Household) -> None:
    hub.load(message(1, FIRST, 0xFFFF, "£ 5") + message(2, SECOND, 31, "later", "supplier_messages"))
    told = hub.ask(MESSAGING, 0x00)
    assert told == ["00" + le(2) + "88" + at(SECOND) + le(31, 2) + "05" + b"later".hex()]
    hub.clock.time = datetime(2026, 3, 2, 8, 1, tzinfo=UTC)
    # Two bytes of UTF-8 for the sign: the length counts bytes.
    assert hub.ask(MESSAGING, 0x00) == ["00" + le(1) + "88" + at(FIRST) + "ffff" + "04" + "c2a32035"]


def test_a_confirmation_is_an_event_without_what_was_answered(hub: Household) -> None:
    assert hub.ask(MESSAGING, 0x01, le(9) + le(0) + "02" + "05" + b"maybe".hex()) == []
    (recorded,) = hub.ledger.events(type="message.confirmed")
    assert recorded.event == MessageConfirmed(device=IHD, endpoint=2, message=9)
    assert "maybe" not in str(recorded.as_dict())


def test_a_cancellation_is_told_to_who_asks_from_before_it(hub: Household) -> None:
    hub.load(f"[[gas.message_cancellations]]\nimplementation_date_time = {SECOND}")
    assert hub.ask(MESSAGING, 0x02, "00000000") == ["03" + at(SECOND)]
    assert hub.ask(MESSAGING, 0x02, at(THIRD)) == NOT_FOUND


# --- metering


def test_a_profile_is_the_half_hours_that_ended_by_then_latest_first(sample: Household) -> None:
    # The sample has 2026-03-01, of which the last five hours but one half-hour are nil.
    (answer,) = sample.ask(METERING, 0x00, "00" + at("2026-03-01T09:00:00Z") + "05")
    newest_first = "".join(le(value, 3) for value in (0, 90, 310, 460, 480))
    assert answer == "00" + at("2026-03-01T09:00:00Z") + "00" + "02" + "05" + newest_first


def test_a_profile_that_is_asked_for_within_a_half_hour_ends_with_the_one_before(sample: Household) -> None:
    (answer,) = sample.ask(METERING, 0x00, "00" + at("2026-03-01T09:29:59Z") + "01")
    assert answer == "00" + at("2026-03-01T09:00:00Z") + "00" + "02" + "01" + le(0, 3)


def test_a_profile_up_to_now_ends_with_the_newest_half_hour(sample: Household) -> None:
    (answer,) = sample.ask(METERING, 0x00, "00 00000000 02")
    assert answer == "00" + at("2026-03-02T00:00:00Z") + "00" + "02" + "02" + "000000" * 2


def test_energy_received_is_not_recorded_by_interval(sample: Household) -> None:
    assert [answer[:12] for answer in sample.ask(METERING, 0x00, "01 00000000 02")] == ["00" + "00000000" + "02"]
    assert [answer[:12] for answer in sample.ask(METERING, 0x00, "07 00000000 02")] == ["00" + "00000000" + "01"]


def test_sampled_data_come_earliest_first_with_gaps_marked(hub: Household) -> None:
    hub.load(
        """
        [[gas.half_hours]]
        start = 2026-03-01T00:00:00Z
        values = [1, 2]
        [[gas.half_hours]]
        start = 2026-03-01T01:30:00Z
        values = [4]
        """
    )
    (answer,) = hub.ask(METERING, 0x08, "0000" + at("2026-03-01T00:30:00Z") + "00" + "0a00")
    start = at("2026-03-01T00:30:00Z")
    assert answer == "07" + "0000" + start + "00" + "0807" + "0300" + le(2, 3) + "ffffff" + le(4, 3)
    assert hub.ask(METERING, 0x08, "0000" + at("2026-03-01T02:00:00Z") + "00" + "0a00") == NOT_FOUND
    assert hub.ask(METERING, 0x08, "0900" + "00000000" + "00" + "0a00") == NOT_FOUND


def test_a_year_of_half_hours_is_told_a_frame_at_a_time(hub: Household) -> None:
    values = ", ".join(str(n) for n in range(17_520))
    hub.load(f"[gas.half_hours]\nstart = 2025-03-01T00:00:00Z\nvalues = [{values}]")
    found: list[int] = []
    start = datetime(2025, 3, 1, tzinfo=UTC)
    while len(found) < 17_520:
        (answer,) = hub.ask(METERING, 0x08, "0000" + le(seconds(start)) + "00" + "ffff")
        payload = bytes.fromhex(answer)[1:]
        assert len(payload) <= 200
        samples = [int.from_bytes(payload[at : at + 3], "little") for at in range(11, len(payload), 3)]
        assert len(samples) == int.from_bytes(payload[9:11], "little")
        found += samples
        start += timedelta(minutes=30 * len(samples))
    assert found == list(range(17_520))


def test_snapshots_are_found_by_time_and_cause_and_told_one_at_a_time(sample: Household) -> None:
    # The daily read of the sample: type 4, without a bill; 4 tiers are 31 bytes (comms_hub.md §3.1).
    (answer,) = sample.ask(METERING, 0x06, "00000000" + "ffffffff" + "00" + "ffffffff")
    payload = le(4705300, 6) + "04" + le(4705300, 6) + le(0, 6) * 3
    assert len(payload) == 2 * 31
    (record,) = sample.ledger.household.records(2, "snapshots")
    assert answer == ("06" + le(record.id) + at("2026-03-01T00:00:00Z") + "01" + "00" + "01" + le(1) + "04" + payload)
    assert sample.ask(METERING, 0x06, "00000000" + "ffffffff" + "01" + "ffffffff") == NOT_FOUND
    assert sample.ask(METERING, 0x06, "00000000" + "ffffffff" + "00" + le(0x1000)) == NOT_FOUND
    assert sample.ask(METERING, 0x06, at("2026-03-01T00:00:01Z") + "ffffffff" + "00" + "ffffffff") == NOT_FOUND


def test_a_snapshot_for_a_change_keeps_registers_and_bill_and_the_balance(sample: Household) -> None:
    with sample.ledger.transaction():
        taken = take_snapshot(sample.ledger.household, 2, 0x1000, NOW)
    assert len(taken) == 2
    (answer,) = sample.ask(METERING, 0x06, "00000000" + "ffffffff" + "00" + le(0x1000))
    bill = le(1843) + le(0) * 3 + "00"
    payload = le(4711250, 6) + bill + "01" + le(4711250, 6)
    assert answer == "06" + le(taken[0]) + le(seconds(NOW)) + "01" + "00" + "01" + le(0x1000) + "00" + payload
    (balance,) = sample.ask(PREPAYMENT, 0x07, "00000000" + "ffffffff" + "00" + le(0x1000))
    debts = le(4000) + le(4000) + le(0) * 2
    assert balance == "01" + le(taken[1]) + le(seconds(NOW)) + "01" + "00" + "01" + le(0x1000) + "00" + debts + le(
        500
    ) + le(1250)


def test_a_snapshot_of_an_endpoint_that_holds_nothing_is_none(hub: Household) -> None:
    with hub.ledger.transaction():
        assert take_snapshot(hub.ledger.household, 2, 0x1000, NOW) == ()


def test_fast_polling_is_granted_for_a_quarter_of_an_hour_at_most(hub: Household) -> None:
    assert hub.ask(METERING, 0x03, "02 3c") == ["03" + "05" + le(seconds(NOW) + 15 * 60)]
    assert hub.ask(METERING, 0x03, "02 00") == ["status 87"]


def test_what_a_gate_hides_reads_as_cleared_in_every_way(sample: Household) -> None:
    sample.ledger.household.gate(2, history(), NOW)
    sample.data.changed()
    # PreviousDayAlternativeConsumptionDelivered, u24.
    assert sample.send(METERING, "00 TT 00 030c") == ["1801" + "030c00" + "22" + "ffffff"]
    assert [answer[10:12] for answer in sample.ask(METERING, 0x00, "00 00000000 02")] == ["05"]
    assert sample.ask(METERING, 0x08, "0000 00000000 00 0a00") == NOT_FOUND
    assert sample.ask(METERING, 0x06, "00000000 ffffffff 00 ffffffff") == NOT_FOUND
    assert sample.ask(PREPAYMENT, 0x07, "00000000 ffffffff 00 ffffffff") == NOT_FOUND
    # The register runs on.
    assert sample.send(METERING, "00 TT 00 0000") == ["1801" + "000000" + "25" + le(4711250, 6)]


# --- prepayment


def test_top_ups_and_debt_payments_come_latest_first(hub: Household) -> None:
    hub.load(
        f"""
        [[gas.top_ups]]
        top_up_time = {FIRST}
        top_up_amount = -5
        top_up_code = "111"
        [[gas.top_ups]]
        top_up_time = {SECOND}
        top_up_amount = 7
        top_up_code = "22"
        [[gas.debt_payments]]
        collection_time = {FIRST}
        amount_collected = 3
        debt_type = "Debt2"
        outstanding_debt = 9
        """
    )
    later, earlier = "02" + "3232" + le(7) + at(SECOND), "03" + "313131" + "fbffffff" + at(FIRST)
    assert hub.ask(PREPAYMENT, 0x08, "00000000 00") == ["05" + "00" + "01" + later + earlier]
    assert hub.ask(PREPAYMENT, 0x08, "00000000 01") == ["05" + "00" + "01" + later]
    assert hub.ask(PREPAYMENT, 0x08, at(FIRST) + "05") == ["05" + "00" + "01" + earlier]
    debt = "06" + "00" + "01" + at(FIRST) + le(3) + "01" + le(9)
    assert hub.ask(PREPAYMENT, 0x0A, "00000000 00 ff") == [debt]
    assert hub.ask(PREPAYMENT, 0x0A, "00000000 00 01") == [debt]
    assert hub.ask(PREPAYMENT, 0x0A, "00000000 00 00") == NOT_FOUND


def test_a_long_log_comes_in_numbered_pages(hub: Household) -> None:
    hub.load("".join(f"[[gas.top_ups]]\ntop_up_time = {FIRST}\ntop_up_code = '{n:020}'\n" for n in range(12)))
    pages = [bytes.fromhex(page) for page in hub.ask(PREPAYMENT, 0x08, "00000000 00")]
    assert [(page[1], page[2]) for page in pages] == [(0, 2), (1, 2)]
    assert b"".join(page[3:] for page in pages).count(b"\x14000000") == 12


def test_a_display_moves_no_money(sample: Household) -> None:
    for command in (0x00, 0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0B, 0x0C):
        assert sample.ask(PREPAYMENT, command, "00" * 20) == ["status 81"]


# --- calendar


def test_a_calendar_and_its_parts(sample: Household) -> None:
    start = at("2026-01-01T00:00:00Z")
    stored = at("2026-03-02T08:00:00Z")
    (calendar,) = sample.ask(CALENDAR, 0x00, "00000000 ffffffff 00 ff ffffffff", endpoint=1)
    assert calendar == "00" + le(1101) + start + le(1) + start + "00" + "00" + "09" + b"Two Rates".hex() + "010101"
    (day,) = sample.ask(CALENDAR, 0x01, "ffffffff" + le(1) + "01" + "00", endpoint=1)
    assert day == "01" + le(1101) + stored + le(1) + "01" + "02" + "00" + "01" + "00" + "000002" + "a40101"
    (week,) = sample.ask(CALENDAR, 0x02, le(1101) + le(1) + "01" + "01", endpoint=1)
    assert week == "02" + le(1101) + stored + le(1) + "01" + "01" * 7
    (seasons,) = sample.ask(CALENDAR, 0x03, le(1101) + le(1), endpoint=1)
    # 1 January of every year: year and day of the week are 0xFF.
    assert seasons == "03" + le(1101) + stored + le(1) + "00" + "01" + "ff0101ff" + "01"
    (special,) = sample.ask(CALENDAR, 0x04, "00000000 00 ff ffffffff" + le(1), endpoint=1)
    # 25 December 2026 is a Friday: the year since 1900, month, day, day of the week.
    assert special == "04" + le(1101) + start + le(1) + start + "00" + "01" + "00" + "01" + "7e0c1905" + "01"


def test_a_calendar_of_another_provider_or_type_is_not_told(sample: Household) -> None:
    assert sample.ask(CALENDAR, 0x00, "00000000 ffffffff 00 03 ffffffff", endpoint=1) == NOT_FOUND
    assert sample.ask(CALENDAR, 0x00, "00000000 ffffffff 00 ff" + le(5), endpoint=1) == NOT_FOUND
    assert sample.ask(CALENDAR, 0x03, le(1101) + le(2), endpoint=1) == NOT_FOUND
    assert sample.ask(CALENDAR, 0x05, endpoint=1) == NOT_FOUND


# --- device management


def test_site_id_and_customer_number(sample: Household) -> None:
    start = at("2026-01-01T00:00:00Z")
    assert sample.ask(MANAGEMENT, 0x03, endpoint=1) == ["03" + start + start + le(1101) + "0d" + b"1200012345678".hex()]
    assert sample.ask(MANAGEMENT, 0x05, endpoint=1) == ["06" + start + start + le(1101) + "0b" + b"C-0000-4711".hex()]
    assert sample.ask(MANAGEMENT, 0x03) == NOT_FOUND


def test_a_password_is_told_until_it_runs_out(hub: Household) -> None:
    hub.load(
        f"""
        [[esi.consumer_passwords]]
        implementation_date_time = {FIRST}
        duration_in_minutes = 120
        password = "1234"
        [[esi.service_passwords]]
        implementation_date_time = {FIRST}
        duration_in_minutes = 119
        password = "5678"
        """
    )
    assert hub.ask(MANAGEMENT, 0x02, "02", endpoint=1) == [
        "02" + at(FIRST) + at(FIRST) + "7800" + "02" + "04" + b"1234".hex()
    ]
    assert hub.ask(MANAGEMENT, 0x02, "01", endpoint=1) == NOT_FOUND
    assert hub.ask(MANAGEMENT, 0x02, "03", endpoint=1) == NOT_FOUND


class Pending:
    """Who makes changes: none of tenancy, one of supplier."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def tenancy_asked(self, request: Request) -> DefaultReply:
        self.asked.append(request.destination_endpoint)
        return DefaultReply(Status.NOT_FOUND)

    def supplier_asked(self, request: Request) -> Reply:
        return Reply(0x01, b"\xaa")


def test_queries_for_changes_are_answered_by_who_makes_them(hub: Household) -> None:
    assert hub.ask(MANAGEMENT, 0x00) == NOT_FOUND
    assert hub.ask(MANAGEMENT, 0x01) == NOT_FOUND
    pending = Pending()
    hub.data.answer_changes(pending)
    assert hub.ask(MANAGEMENT, 0x00) == NOT_FOUND
    assert hub.ask(MANAGEMENT, 0x01) == ["01aa"]
    assert hub.ask(MANAGEMENT, 0x00, endpoint=1) == NOT_FOUND
    assert pending.asked == [2, 1]


# --- events


def test_an_event_log_is_read_by_log_event_and_time(hub: Household) -> None:
    hub.load(
        "".join(
            f"[[gas.event_log]]\nlog_id = {log}\nevent_id = {event}\nevent_time = {start}\nevent_data = 'ab'\n"
            for log, event, start in ((3, 0x0241, FIRST), (4, 0x8F52, SECOND), (3, 0x0242, SECOND))
        )
    )
    newest = "03" + "4202" + at(SECOND) + "026162"
    security = "04" + "528f" + at(SECOND) + "026162"
    oldest = "03" + "4102" + at(FIRST) + "026162"
    everything = "0000" + "00000000" + "00000000" + "00" + "0000"
    assert hub.ask(EVENTS, 0x00, "10" + everything) == ["01" + "0300" + "00" + "01" + "30" + newest + security + oldest]
    assert hub.ask(EVENTS, 0x00, "13" + everything) == ["01" + "0200" + "00" + "01" + "20" + newest + oldest]
    # In short: without data. By event; by time; from the second on.
    assert hub.ask(EVENTS, 0x00, "04" + everything) == ["01" + "0100" + "00" + "01" + "10" + security[:-6] + "00"]
    assert hub.ask(EVENTS, 0x00, "10" + "4102" + everything[4:]) == ["01" + "0100" + "00" + "01" + "10" + oldest]
    assert hub.ask(EVENTS, 0x00, "10" + "0000" + "00000000" + at(FIRST) + "00" + "0000") == [
        "01" + "0100" + "00" + "01" + "10" + oldest
    ]
    assert hub.ask(EVENTS, 0x00, "13" + "0000" + "00000000" + "ffffffff" + "01" + "0100") == [
        "01" + "0200" + "00" + "01" + "10" + oldest
    ]
    assert hub.ask(EVENTS, 0x00, "15" + everything) == NOT_FOUND


def test_a_display_clears_no_log(sample: Household) -> None:
    assert sample.ask(EVENTS, 0x01, "03") == ["status 7e"]
    assert len(sample.ledger.household.records(2, "event_log")) == 1


# --- which endpoint serves what


def test_the_stand_in_for_a_meter_is_there_only_where_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "with").mkdir()
    with household(tmp_path / "without") as hub:
        assert hub.send(METERING, "00 TT 00 0000", endpoint=3) == []
    with household(tmp_path / "with", stand_in=True) as hub:
        hub.load("[meter.metering]\ncurrent_summation_delivered = 5")
        assert hub.send(METERING, "00 TT 00 0000", endpoint=3) == ["1801" + "000000" + "25" + le(5, 6)]
        assert hub.send(METERING, "00 TT 00 0000", endpoint=2) == ["1801" + "000086"]


def test_what_needs_a_key_is_refused_to_devices_without_one(sample: Household) -> None:
    sample.han.keys_required = True
    frames = sample.han._dispatcher
    assert {(2, METERING), (2, PRICE), (1, MANAGEMENT), (1, PRICE)} <= frames.served()
    assert (1, METERING) not in frames.served()
