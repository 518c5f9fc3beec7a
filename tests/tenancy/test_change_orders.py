"""Ordering, re-dating and cancelling changes; GBCS payloads; the contactor rule; clocks."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tenancy_bench import START, House

from hanctl.base.errors import InvalidInput, NotFound, Refused
from hanctl.han.smart_energy.enumerations import ProposedChangeControl
from hanctl.ledger.household import Sample
from hanctl.tenancy import controls, utc2000
from hanctl.tenancy.controls import Wanted, parse_control, publishable
from hanctl.tenancy.payloads import BadPayload, parse_gbcs_payload
from hanctl.tenancy.service import FUTURE_NOTE, RENUMBERED_NOTE, Provider
from hanctl.tenancy.telling.steps import publication
from hanctl.tenancy.utc2000 import from_utc2000, parse_time, to_utc2000

# Published test vectors: gbcs.md §1.8 and §1.7.
GCS09 = "010901010708001409000000000000804A371C00206EC61F00020000"
ECS12 = "D9200003E8000102000100005E2C03020201090C07DE031BFF0F2D20008000FF"
DAY = timedelta(days=1)


def gcs09(*, provider: int = 0, event: int = 0x1C374A80, time: int = 0x1FC66E20, control: int = 0x200) -> str:
    body = provider.to_bytes(4, "little") + event.to_bytes(4, "little") + b"\0" + time.to_bytes(4, "little")
    return (bytes.fromhex("0109010107080014090000") + body + control.to_bytes(4, "little")).hex()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_the_bits_of_a_change_are_those_of_its_frames_and_of_the_class_table() -> None:
    in_frames = {int(bit) for bit in ProposedChangeControl.__members__.values()}
    assert in_frames == {*map(int, controls.Control), controls.CONTACTOR_MASK}


# --- the contactor rule


def test_the_published_payload_is_supply_off_as_it_stands_and_is_not_published_so(house: House) -> None:
    given = parse_gbcs_payload(GCS09)
    assert given.control == 0x00000200
    assert given.at == datetime(2016, 11, 22, 2, 46, 56, tzinfo=UTC)
    assert from_utc2000(given.issuer_event_id or 0) == datetime(2015, 1, 1, tzinfo=UTC)
    change = house.orders.order_gbcs(given)
    assert (change.control, change.contactor_corrected, change.source) == (0x00001A00, True, "GCS09")
    assert controls.CONTACTOR_NOTE in change.notes and FUTURE_NOTE not in change.notes
    assert (change.state, change.at, change.cut_off) == ("done", START, given.at)
    (ordered,) = house.events("change.ordered")
    assert ordered["contactor_corrected"] is True and ordered["control"] == 0x1A00
    (part,) = house.orders.parts(change.id)
    assert part.fuel == "gas"
    assert publication(change, part).payload[-4:] == bytes.fromhex("001A0000")


def test_the_published_date_is_a_cut_off_for_electricity_and_asks_for_no_bit(house: House) -> None:
    given = parse_gbcs_payload(ECS12)
    assert given.at == datetime(2014, 3, 27, 15, 45, 32, tzinfo=UTC)
    change = house.orders.order_gbcs(given)
    assert (change.control, change.source, change.state) == (controls.NOTHING, "ECS12", "done")
    assert (change.at, change.cut_off) == (START, given.at)
    (part,) = house.orders.parts(change.id)
    assert part.fuel == "electricity"
    # Displays are told the date, and to clear what they hold of a consumer: none is known to go by dates.
    published = publication(change, part).payload
    assert published[9:13] == to_utc2000(change.cut_off).to_bytes(4, "little")
    assert published[13:] == bytes.fromhex("001A0000") and controls.TOLD_NOTE in change.notes


@pytest.mark.parametrize("control", [0, 0x200, 0x7FFF & ~0x1800])
def test_no_control_asks_for_supply_off_by_silence(control: int) -> None:
    assert publishable(control) == Wanted(control | 0x1800, contactor_corrected=True)


@pytest.mark.parametrize("state", [0x0800, 0x1000, 0x1800])
def test_a_state_of_the_contactor_that_was_given_stays(state: int) -> None:
    assert publishable(0x200 | state) == Wanted(0x200 | state)


def test_controls_by_name() -> None:
    assert parse_control(["clear-ihd-data-consumer"]) == Wanted(0x1A00)
    assert parse_control(["clear-ihd-data-consumer", "supply-on"]) == Wanted(0x1200)
    assert parse_control(["tenancy-default", "pre-snapshots"]) == Wanted(0x7B9D)
    assert parse_control(["0x200"]) == Wanted(0x1A00, contactor_corrected=True)
    for words in (["0x8000"], ["0x10000"], ["-1"], ["nothing"], ["supply-on", "supply-unchanged"]):
        with pytest.raises(InvalidInput):
            parse_control(words)
    assert controls.names(0x1A00) == ("clear-ihd-data-consumer", "supply-unchanged")


# --- payloads


def test_times_of_a_payload(house: House) -> None:
    later = to_utc2000(START + DAY)
    change = house.orders.order_gbcs(parse_gbcs_payload(gcs09(time=later)))
    assert (change.state, change.at, change.cut_off) == ("done", START, START + DAY)
    assert FUTURE_NOTE in change.notes
    with pytest.raises(NotFound):
        house.orders.order_gbcs(parse_gbcs_payload(gcs09(time=utc2000.CANCEL)))
    now = house.orders.order_gbcs(parse_gbcs_payload(gcs09(time=utc2000.NOW)))
    assert (now.state, now.at, now.cut_off, FUTURE_NOTE in now.notes) == ("done", START, START, False)


def test_a_message_that_an_earlier_version_scheduled_can_be_cancelled_by_one(house: House) -> None:
    part = {"fuel": "gas", "provider_id": 0}
    given = {"kind": "tenancy", "state": "scheduled", "source": "GCS09", "control": 0x1A00}
    times = {"at": START + DAY, "cut_off": START + DAY, "ordered_at": START}
    change = house.ledger.changes.create([part], issuer_event_id=0x1C374A80, **given, **times)
    with pytest.raises(NotFound):
        house.orders.order_gbcs(parse_gbcs_payload(gcs09(time=utc2000.CANCEL, event=0x1C374A81)))
    cancelled = house.orders.order_gbcs(parse_gbcs_payload(gcs09(time=utc2000.CANCEL)))
    assert (cancelled.id, cancelled.state) == (change.id, "cancelled")


def test_a_message_of_another_provider_is_refused(house: House) -> None:
    house.orders.order("supplier", ["gas"], providers={"gas": Provider(0x11, "Gas & Co")})
    with pytest.raises(Refused, match="0x00000022"):
        house.orders.order_gbcs(parse_gbcs_payload(gcs09(provider=0x22)))
    assert house.orders.order_gbcs(parse_gbcs_payload(gcs09(provider=0x11))).state == "done"


def test_issuer_events_only_grow_also_over_a_restart_and_with_a_clock_that_steps_back(house: House) -> None:
    numbers: list[int] = []

    def change(**more: Any) -> None:
        made = house.orders.order("tenancy", **more)
        numbers.extend(part.issuer_event_id for part in house.orders.parts(made.id))

    change()
    house.hands.time -= timedelta(days=400)
    change()
    house.ledger.close()
    house.open()
    change()
    replayed = house.orders.order_gbcs(parse_gbcs_payload(GCS09))
    assert RENUMBERED_NOTE in replayed.notes
    numbers.append(house.orders.parts(replayed.id)[0].issuer_event_id)
    newer = house.orders.order_gbcs(parse_gbcs_payload(gcs09(event=0xEFFFFFFF)))
    numbers.append(house.orders.parts(newer.id)[0].issuer_event_id)
    assert numbers[-1] == 0xEFFFFFFF
    for event in (0xFFFFFFFF, 0xF0000000, 0):
        # One as high as can be would leave no number for any change to come.
        highest = house.orders.order_gbcs(parse_gbcs_payload(gcs09(event=event)))
        assert RENUMBERED_NOTE in highest.notes
        numbers.append(house.orders.parts(highest.id)[0].issuer_event_id)
    assert numbers[-1] == 0xF0000002
    assert numbers == sorted(set(numbers)) and numbers[0] == to_utc2000(START)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "zz",
        GCS09[:-2],
        GCS09 + "00",
        GCS09.replace("0708", "0709"),
        gcs09(control=0x8000),
        GCS09.replace("804A371C00", "804A371C03"),
        ECS12[:-2],
        ECS12.replace("5E2C0302", "5E2C0303"),
        ECS12.replace("07DE031B", "FFFF031B"),
        ECS12.replace("07DE031B", "07DE02FE"),
        ECS12.replace("07DE031B", "07DE021E"),
        ECS12.replace("0F2D20", "182D20"),
        ECS12.replace("07DE031B", "07CF031B"),
        ECS12.replace("008000FF", "007FFFFF"),
    ],
)
def test_what_is_no_such_payload_changes_nothing(payload: str, house: House) -> None:
    with pytest.raises(InvalidInput):
        house.orders.order_gbcs(parse_gbcs_payload(payload))
    assert house.ledger.changes.all() == []


def test_a_dlms_deviation_is_from_local_time_to_utc() -> None:
    assert parse_gbcs_payload(ECS12.replace("008000FF", "00FFC4FF")).at == datetime(2014, 3, 27, 14, 45, 32, tzinfo=UTC)
    with pytest.raises(BadPayload):
        parse_gbcs_payload(ECS12.replace("008000FF", "000500FF"))


# --- moments


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2028-02-29T12:00", "2028-02-29T12:00:00+00:00"),
        ("2026-03-29T00:59:59", "2026-03-29T00:59:59+00:00"),
        ("2026-03-29T02:00", "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T02:00", "2026-10-25T02:00:00+00:00"),
        ("2026-10-25T01:30+01:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T01:30Z", "2026-10-25T01:30:00+00:00"),
        ("2000-01-01T00:00:01Z", "2000-01-01T00:00:01+00:00"),
        ("2136-02-07T06:28:14Z", "2136-02-07T06:28:14+00:00"),
    ],
)
def test_moments_that_there_are(text: str, utc: str) -> None:
    assert parse_time(text) == datetime.fromisoformat(utc)
    assert from_utc2000(to_utc2000(parse_time(text))) == parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2027-02-29T12:00",
        "2100-02-29T12:00Z",
        "2026-03-29T01:30",
        "2026-10-25T01:30",
        "2000-01-01T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2136-02-07T06:28:15Z",
        "0001-01-01T00:00+14:00",
        "tomorrow",
    ],
)
def test_moments_that_there_are_not_or_that_mean_something_else(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_time(text)


def test_the_epoch_has_its_leap_years_where_the_calendar_has_them() -> None:
    assert to_utc2000(datetime(2000, 3, 1, tzinfo=UTC)) == 60 * 86400
    assert to_utc2000(datetime(2100, 3, 1, tzinfo=UTC)) == (100 * 365 + 25 + 59) * 86400
    assert datetime(2136, 2, 7, 6, 28, 14, tzinfo=UTC) == utc2000.LAST


# --- dated changes


def test_a_change_is_redated_and_cancelled_before_its_moment_and_not_after(house: House) -> None:
    change = house.orders.order("tenancy", at=START + DAY)
    assert house.orders.redate(change.id, START + 2 * DAY).at == START + 2 * DAY
    house.hands.pass_(DAY)
    house.orders.catch_up()
    assert house.orders.get(change.id).state == "scheduled"
    with pytest.raises(InvalidInput):
        house.orders.redate(change.id, START)
    house.hands.pass_(DAY)
    house.orders.catch_up()
    assert house.orders.get(change.id).state == "done"
    with pytest.raises(Refused):
        house.orders.cancel(change.id)
    with pytest.raises(Refused):
        house.orders.redate(change.id, START + 9 * DAY)
    other = house.orders.order("tenancy", at=START + 9 * DAY)
    assert house.orders.cancel(other.id).state == "cancelled"
    house.hands.pass_(10 * DAY)
    house.orders.catch_up()
    assert [each["change"] for each in house.events("change.done")] == [change.id]


def test_one_change_of_a_kind_and_fuel_at_a_time_and_others_beside_it(house: House) -> None:
    gas = house.orders.order("tenancy", ["gas"], at=START + DAY)
    with pytest.raises(Refused, match=f"change {gas.id} of tenancy of gas"):
        house.orders.order("tenancy")
    house.orders.order("tenancy", ["electricity"], at=START + DAY)
    new = {"gas": Provider(7, "New"), "electricity": Provider(8, "New")}
    house.orders.order("supplier", at=START + DAY, providers=new)
    house.hands.pass_(DAY)
    house.orders.catch_up()
    assert [change.state for change in house.ledger.changes.all()] == ["done"] * 3
    assert [each["change"] for each in house.events("change.done")] == [1, 2, 3]


def test_an_order_for_a_moment_that_has_passed_is_a_mistake(house: House) -> None:
    with pytest.raises(InvalidInput):
        house.orders.order("tenancy", at=START)
    assert house.ledger.changes.all() == []


def test_a_new_supplier_needs_id_and_name_that_fit(house: House) -> None:
    for provider in (
        Provider(),
        Provider(5),
        Provider(None, "Name"),
        Provider(5, "n" * 17),
        Provider(5, "n", "c" * 19),
    ):
        with pytest.raises(InvalidInput):
            house.orders.order("supplier", ["gas"], providers={"gas": provider})
    change = house.orders.order("supplier", providers={"gas": Provider(5, "One"), "electricity": Provider(6, "One")})
    assert [(part.fuel, part.provider_id) for part in house.orders.parts(change.id)] == [("electricity", 6), ("gas", 5)]
    again = house.orders.order("supplier", ["gas"], providers={"gas": Provider(9, "Two")})
    assert house.orders.parts(again.id)[0].former_provider_id == 5
    assert house.orders.parts(house.orders.order("tenancy", ["gas"]).id)[0].provider_id == 9


def test_what_is_proposed_can_be_read_until_it_is_done_or_cancelled(house: House) -> None:
    def read(attribute: int) -> bytes | None:
        stored = house.ledger.household.read(2, 0x0708).get(attribute)
        return None if stored is None else stored.value

    when = to_utc2000(START + DAY).to_bytes(4, "little")
    change = house.orders.order("supplier", ["gas"], at=START + DAY, providers={"gas": Provider(5, "New")})
    assert (read(0x0110), read(0x0111), read(0x0112)) == (b"\5\0\0\0", b"\3New", when)
    house.orders.cancel(change.id)
    assert (read(0x0110), read(0x0111), read(0x0112)) == (b"\xff" * 4, b"\0", b"\xff" * 4)
    change = house.orders.order("tenancy", ["gas"], at=START + DAY)
    assert read(0x0200) == when
    house.orders.cancel(change.id)
    assert read(0x0200) == b"\xff" * 4


def test_devices_that_ask_what_was_cancelled_are_told_by_number(house: House) -> None:
    house.plant([2])
    house.orders.order("tenancy", ["gas"], control=Wanted(0x1A20))
    household, at = house.ledger.household, to_utc2000(START)
    assert household.records(2, "message_cancellations")[-1].body == {"implementation_date_time": at}
    assert household.records(2, "tariff_cancellations")[-1].body["issuer_tariff_id"] == 303
    assert household.records(2, "calendar_cancellations")[-1].body["calendar_type"] == 3


def test_the_publication_has_the_layout_of_a_published_frame(house: House) -> None:
    """peers.md §5: 19 07 00 aa000000 0100002f 00 0000002f 07000000, of 2024-12-26 11:52:32."""
    house.hands.time = datetime(2024, 12, 26, 11, 52, 32, tzinfo=UTC)
    house.orders.order("supplier", ["gas"], providers={"gas": Provider(0xAA, "A")})
    change = house.orders.order("tenancy", ["gas"], control=Wanted(0x1807))
    (part,) = house.orders.parts(change.id)
    step = publication(change, replace(part, issuer_event_id=0x2F000001))
    assert (step.cluster, step.command) == (0x0708, 0x00)
    assert step.payload.hex() == "aa0000000100002f000000002f07180000"


# --- clocks


def test_a_clock_that_steps_back_undoes_nothing_and_uncovers_nothing(house: House) -> None:
    """Samples that came while the clock was ahead are of before, whatever time they bear."""
    household = house.ledger.household
    household.add_samples(2, "half_hours", [Sample(START - DAY, 1), Sample(START + DAY, 2)])
    house.orders.order("tenancy", ["gas"], control=Wanted(0x1880))
    assert household.samples(2, "half_hours") == []
    house.hands.time -= 30 * DAY
    house.orders.catch_up()
    assert household.samples(2, "half_hours") == []
    assert len(house.events("change.done")) == 1
    household.add_samples(2, "half_hours", [Sample(START + 2 * DAY, 3)])
    assert len(household.samples(2, "half_hours")) == 1


def test_a_change_that_fell_due_while_the_hub_was_off_is_done_before_it_answers(house: House) -> None:
    house.plant([2])
    change = house.orders.order("tenancy", ["gas"], at=START + DAY)
    house.ledger.abandon()
    house.hands.pass_(7 * DAY)
    house.open()
    house.tenancy.catch_up()
    done = house.orders.get(change.id)
    assert (done.state, done.at, done.done_at) == ("done", START + DAY, START + 7 * DAY)
    (part,) = house.orders.parts(change.id)
    assert publication(done, part).payload[9:13] == to_utc2000(START + DAY).to_bytes(4, "little")


# --- a kill at every step


@pytest.mark.parametrize("cut_off", [None, START - timedelta(hours=12)])
def test_a_kill_at_any_statement_leaves_a_change_begun_or_done_and_never_half(
    cut_off: datetime | None, tmp_path: Path
) -> None:
    """The files are copied before each statement, as a kill at that point would leave them."""
    first = tmp_path / "first"
    first.mkdir()
    house = House(first)
    house.add_display(1)
    household = house.ledger.household
    for attribute in (0x0001, 0x0005, 0x0211):
        household.write(2, (0x0705, attribute), 0x2B, b"\x11\0\0\0")
    household.add(2, "messages", START, {"message_id": 9})
    household.add(2, "snapshots", START, {"cause": 1})
    household.add_samples(2, "half_hours", [Sample(START - DAY, 1), Sample(START, 1)])
    household.add(2, "top_ups", START - DAY, {"any": 1})
    untouched, all_shown = house.held(2), house.shown(2)
    copies: list[Path] = []
    connection = house.ledger._connection

    def copy(sql: str) -> None:
        place = tmp_path / f"{len(copies)}"
        place.mkdir()
        for file in first.iterdir():
            if not file.name.endswith("-shm"):
                shutil.copy(file, place)
        copies.append(place)

    connection.set_trace_callback(copy)
    house.orders.order("tenancy", ["gas"], control=Wanted(0x3B9F), cut_off=cut_off)
    connection.set_trace_callback(None)
    copy("")
    done, done_shown = house.held(2), house.shown(2)
    assert done[1]["top_ups"] == 1 and "top_ups" not in done_shown[1]
    assert done_shown[1].get("half_hours", 0) == (0 if cut_off is None else 1)
    settled = {key: value for key, value in done[0].items() if key[0] != 0x0708}
    assert settled != {key: value for key, value in untouched[0].items() if key[0] != 0x0708}
    seen = []
    for place in copies:
        with sqlite3.connect(place / "ledger.sqlite") as raw:
            assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        again = House(place, house.hands)
        changes = again.ledger.changes.all()
        state = changes[0].state if changes else "none"
        seen.append(state)
        held = again.held(2)
        if state == "done":
            assert (held, again.shown(2), len(again.events("change.done"))) == (done, done_shown, 1)
            assert [each.kind for each in again.ledger.changes.evidence(1)] == ["concerned"]
        else:
            assert {key: value for key, value in held[0].items() if key[0] != 0x0708} == untouched[0]
            assert held[1] == untouched[1]
            assert again.shown(2)[1] == all_shown[1]
            assert again.events("change.done") == []
        again.tenancy.catch_up()
        if state != "none":
            assert again.orders.get(1).state == "done"
            assert (again.held(2), again.shown(2)) == (done, done_shown)
            assert again.orders.get(1).cut_off == (cut_off or START)
        again.ledger.close()
    assert seen == sorted(seen, key=["none", "scheduled", "done"].index)
    assert set(seen) == {"none", "scheduled", "done"} and len(seen) > 40
