"""Files of household data: what they may say, and that a bad one is told by its line, without its value."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from household_bench import SAMPLE, Household, household
from hypothesis import given
from hypothesis import strategies as st

from hanctl.base.errors import HanctlError, NotFound
from hanctl.base.places import line_of
from hanctl.data.catalogue import TABLES as RULES
from hanctl.data.errors import BadData
from hanctl.data.files import read_csv, read_household
from hanctl.model.data_events import DataLoaded

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SECRET = "MARMALADE-4711"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Household]:
    with household(tmp_path) as made:
        yield made


BAD = [
    ("[gas.metering]\n\ncurrent_summation_delivered = 'MARMALADE-4711'", 3, "is not a number"),
    ("[gas.metering]\ncurrent_summation_delivered = 281474976710656", 2, "does not fit 48 bits"),
    ("[gas.metering]\ncurrent_summation_delivered = -1", 2, "does not fit 48 bits"),
    ("[gas.metering]\ncurrent_summation_delivered = 1.5", 2, "is not a whole number"),
    ("[gas.metering]\nsite_id = 'MARMALADE-4711 MARMALADE-4711 MARMALADE'", 2, "has 39 bytes, and 32 are the most"),
    ("[gas.metering]\nunit_of_measure = 'MARMALADE'", 2, "is none of: KiloWattHours"),
    ("[gas.metering]\nmarmalade = 1", 2, "is not an attribute of this cluster"),
    ("[gas.marmalade]\nx = 1", 1, "is neither a cluster nor a table"),
    ("[water.metering]\nx = 1", 1, "is no endpoint of this hub; there are: esi, gas"),
    ("[meter.metering]\nx = 1", 1, "is no endpoint of this hub; there are: esi, gas"),
    ("[[gas.messages]]\nstart_time = 2026-03-01T00:00:00\nmessage = 'x'", 2, "is a time without an offset"),
    ("[[gas.messages]]\nmessage = 'x'", 1, "is missing: it dates the record"),
    ("[[gas.messages]]\nstart_time = 0xFFFFFFFF", 2, "cannot be without a time"),
    ("[[gas.messages]]\nstart_time = 1999-12-31T23:59:59Z", 2, "is a time before 2000"),
    ("[[gas.messages]]\nstart_time = 2136-02-07T06:28:15Z", 2, "after 2136-02-07T06:28:14Z"),
    ("[[gas.messages]]\nstart_time = 0\nmarmalade = 3", 3, "is not known here; there are: message_id"),
    ("[[gas.messages]]\nstart_time = 0\n[[gas.messages]]\nstart_time = 'soon'", 4, "is not a time"),
    ("[[gas.messages]]\nstart_time = 0\nmessage_control = { importance = 4 }", 3, "does not fit 2 bits"),
    (
        "[[gas.special_days]]\nstart_time = 0\nspecial_day_entries = [{ special_day_date = '2026-02-29' }]",
        3,
        "is not a date",
    ),
    ("[gas.half_hours]\nstart = 2026-03-01T00:10:00Z\nvalues = [1]", 3, "does not begin with a half-hour of UTC"),
    ("[gas.half_hours]\nstart = 2026-03-01T00:00:00Z\nvalues = [1, -1]", 3, "is not a whole number from 0"),
    ("[gas.half_hours]\nstart = 2026-03-01T00:00:00Z\nvalues = [16777215]", 3, "is not a whole number from 0"),
    ("[gas.days]\nstart = 2026-03-01T01:00:00Z\nvalues = [1]", 3, "does not begin with a day of UTC"),
    ("[gas.half_hours]\nvalues = [1]", 1, "is not of the form"),
    ("gas = 5", 1, "is not a table"),
    ("[gas]\nmessages = 5", 2, "is not a list of records"),
]


@pytest.mark.parametrize(("text", "line", "reason"), BAD)
def test_a_bad_file_is_told_by_line_and_reason_and_loads_nothing(
    hub: Household, text: str, line: int, reason: str
) -> None:
    good = "[gas.device_management]\nprovider_id = 5\n" if not text.startswith("gas =") else ""
    offset = good.count("\n")
    with pytest.raises(BadData) as caught:
        hub.load(good + text)
    assert f"household.toml, line {line + offset}: " in str(caught.value)
    assert reason in str(caught.value)
    assert "MARMALADE-4711" not in str(caught.value) + caught.value.hint
    assert hub.data.show() == []
    assert hub.ledger.events() == []


def test_a_file_that_is_not_toml_or_json_is_told_by_line(hub: Household) -> None:
    with pytest.raises(BadData, match=r"household\.toml is not TOML at line 2"):
        hub.load("[gas.metering]\nsite_id = MARMALADE")
    with pytest.raises(BadData, match=r"h.json is not JSON at line 2"):
        hub.data.load('{"gas":\n MARMALADE}', "h.json")
    with pytest.raises(BadData, match="is not a table of endpoints"):
        hub.data.load("[]", "h.json")
    for text, name in (("[" * 100_000, "h.json"), ("x = " + "9" * 5000, "h.toml")):
        with pytest.raises(BadData, match="a number is too long, or it nests too deep"):
            hub.data.load(text, name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("".join(f"[a{n}]\n" for n in range(30_000)), "h.toml"),
        ("a." * 100_000 + "a = 1", "h.toml"),
        ("".join("a." * 30 + f"b{n} = 1\n" for n in range(2_000)), "h.toml"),
        ("[gas.half_hours]\nstart = 2020-01-01T00:00:00Z\nvalues = [" + "1," * 500_000 + "]", "h.toml"),
        ("[gas.half_hours]\nstart = 2020-01-01T00:00:00Z\nvalues = [" + "1," * 100_001 + "]", "h.toml"),
        ("[" + "{}," * 300_000 + "{}]", "h.json"),
    ],
    ids=["tables", "one name", "names", "values", "samples", "json"],
)
def test_a_file_that_would_take_too_long_or_too_much_memory_is_refused(hub: Household, text: str, name: str) -> None:
    with pytest.raises(BadData, match="more than") as caught:
        hub.data.load(text, name)
    assert "nothing was loaded" in caught.value.hint
    assert hub.ledger.events() == []


def test_a_consumption_file_has_a_limit(hub: Household) -> None:
    with pytest.raises(BadData, match="more than 100000 samples"):
        hub.data.load_csv("2026-03-01T00:00:00Z,1\n" * 100_001, "c.csv", "gas", "half_hours")


def test_a_bad_json_file_is_told_by_line(hub: Household) -> None:
    text = json.dumps(
        {"gas": {"messages": [{"start_time": 0, "message": "a"}, {"start_time": 0, "message": 5}]}}, indent=1
    )
    with pytest.raises(BadData) as caught:
        hub.data.load(text, "h.json")
    line = next(n for n, row in enumerate(text.splitlines(), 1) if '"message": 5' in row)
    assert str(caught.value) == f"h.json, line {line}: gas.messages.1.message is not a text"


def test_the_sample_says_the_same_in_json(tmp_path: Path) -> None:
    tree = tomllib.loads(SAMPLE.read_text())
    again = json.dumps(tree, default=lambda value: value.isoformat())
    assert read_household(again, "h.json", (1, 2), NOW) == read_household(SAMPLE.read_text(), "h.toml", (1, 2), NOW)


def test_a_load_is_one_event_for_each_endpoint_with_counts_alone(hub: Household) -> None:
    hub.load(f"[gas.metering]\nsite_id = '{SECRET}'\n[[gas.messages]]\nstart_time = 0\nmessage = '{SECRET}'\n")
    (recorded,) = hub.ledger.events()
    assert recorded.event == DataLoaded(endpoint=2, attributes=1, records=1, tables="messages 1")


def test_loading_a_file_again_changes_nothing(hub: Household) -> None:
    hub.load(SAMPLE.read_text())
    once = hub.data.show(values=True)
    hub.load(SAMPLE.read_text())
    assert hub.data.show(values=True) == once
    assert len(once) > 75


def test_a_table_that_is_loaded_replaces_what_was_in_it_and_leaves_others_alone(hub: Household) -> None:
    hub.load("[[gas.messages]]\nstart_time = 0\nmessage = 'a'\n[[gas.top_ups]]\ntop_up_time = 0\n")
    hub.load("[[gas.messages]]\nstart_time = 0\nmessage = 'b'\n[[gas.messages]]\nstart_time = 0\nmessage = 'c'\n")
    held = hub.ledger.household
    assert [record.body["message"] for record in held.records(2, "messages")] == ["b", "c"]
    assert len(held.records(2, "top_ups")) == 1


def test_what_names_no_provider_is_the_suppliers_and_what_names_no_event_is_as_old_as_its_time(hub: Household) -> None:
    hub.load(
        "[esi.device_management]\nprovider_id = 1101\n"
        "[[esi.tariffs]]\nstart_time = 2026-01-01T00:00:00Z\n"
        "[[esi.tariffs]]\nstart_time = 2026-02-01T00:00:00Z\nprovider_id = 7\nissuer_event_id = 9\n"
    )
    bodies = [record.body for record in hub.ledger.household.records(1, "tariffs")]
    assert [(body["provider_id"], body["issuer_event_id"]) for body in bodies] == [(1101, 820540800), (7, 9)]


def test_what_an_endpoint_does_not_serve_is_refused(hub: Household) -> None:
    with pytest.raises(BadData, match="endpoint 1 does not serve Metering"):
        hub.load("[esi.metering]\ncurrent_summation_delivered = 1")
    with pytest.raises(BadData, match="endpoint 1 does not serve Metering, to which half_hours belong"):
        hub.data.load_csv("2026-03-01T00:00:00Z,1", "c.csv", "esi", "half_hours")


@pytest.mark.parametrize(
    ("endpoint", "attribute", "value"),
    [
        ("gas", "metering.current_summation_delivered", "0x10"),
        ("2", "metering.site_id", "0123"),
        ("gas", "metering.bill_to_date_time_stamp_delivered", "2026-03-01T00:00:00+01:00"),
        ("gas", "prepayment.credit_remaining", "-5"),
    ],
)
def test_an_attribute_is_set_from_what_a_person_writes(
    hub: Household, endpoint: str, attribute: str, value: str
) -> None:
    cluster, name = attribute.split(".")
    hub.data.set(endpoint, cluster, name, value)
    (item,) = hub.data.show("gas", values=True)
    expected = {"0x10": 16, "2026-03-01T00:00:00+01:00": "2026-02-28T23:00:00Z", "-5": -5}.get(value, value)
    assert item.value == expected
    assert hub.data.show("gas")[0].value is None


def test_a_setting_that_is_wrong_is_refused_without_its_value(hub: Household) -> None:
    with pytest.raises(BadData, match=r"the value of metering\.multiplier is not a number") as caught:
        hub.data.set("gas", "metering", "multiplier", SECRET)
    assert SECRET not in str(caught.value)
    for endpoint, cluster, name in (("gas", "metering", "x"), ("gas", "x", "x"), ("esi", "metering", "multiplier")):
        with pytest.raises(NotFound):
            hub.data.set(endpoint, cluster, name, "1")
    with pytest.raises(NotFound, match="the hub has no such endpoint"):
        hub.data.set("meter", "metering", "multiplier", "1")


def test_every_table_can_be_loaded_and_shows_its_class(hub: Household) -> None:
    from hanctl.data.tables import INTERVALS, TABLES

    for table in TABLES.values():
        time = f"{table.time} = 2026-03-01T00:00:00Z\n" if table.time else ""
        clusters = {2: {0x700, 0x702, 0x703, 0x705, 0x707, 0x708, 0x709}}
        assert RULES[table.name].cluster in clusters[2]
        hub.load(f"[[gas.{table.name}]]\n{time}")
    for name in INTERVALS:
        hub.load(f"[gas.{name}]\nstart = 2026-03-01T00:00:00Z\nvalues = [1]")
    shown = {item.name: item.data_class for item in hub.data.show()}
    assert shown == {name: rule.data_class for name, rule in RULES.items()}


# --- CSV


def test_a_csv_file_with_offsets(hub: Household) -> None:
    text = "time,Wh\n2026-03-01T00:00:00Z,1\n2026-03-01T01:30:00+01:00,2\n\n2026-03-01T01:00:00Z, 3\n"
    loaded = hub.data.load_csv(text, "c.csv", "gas", "half_hours")
    assert loaded.records == {"half_hours": 3}
    assert [sample.value for sample in hub.ledger.household.samples(2, "half_hours")] == [1, 2, 3]


BAD_CSV = [
    ("2026-03-01T00:00:00Z,1\n2026-03-01T00:30:00Z,1,2\n", 2, "has 3 columns"),
    ("2026-03-01T00:00:00Z,1\n2026-03-01T00:00:00Z,2\n", 2, "came before"),
    ("2026-03-01T00:00:00Z,MARMALADE-4711\n", 1, "is not a whole number"),
    ("2026-03-01T00:00:00Z,-4\n", 1, "is not a whole number"),
    ("2026-03-01T00:15:00Z,4\n", 1, "does not begin with a half-hour"),
    ("time,value\nyesterday 1,4\n", 2, "is not a time"),
    ("2026-03-01T00:00:00,4\n", 1, "without an offset; write it with Z, or name the zone"),
    ("2000-01-01T00:00:00Z,4\n", 1, "is a time before 2000-01-01T00:00:01Z"),
]


@pytest.mark.parametrize(("text", "line", "reason"), BAD_CSV)
def test_a_bad_csv_file_is_told_by_line_and_loads_nothing(hub: Household, text: str, line: int, reason: str) -> None:
    with pytest.raises(BadData) as caught:
        hub.data.load_csv(text, "c.csv", "gas", "half_hours")
    assert f"c.csv, line {line}: " in str(caught.value)
    assert reason in str(caught.value)
    assert "MARMALADE" not in str(caught.value)
    assert hub.data.show() == []


def test_a_csv_file_without_samples_or_with_an_unknown_zone_is_refused() -> None:
    with pytest.raises(BadData, match="has no samples"):
        read_csv("time,value\n", "c.csv", "half_hours")
    with pytest.raises(BadData, match="there is no such time zone"):
        read_csv("2026-03-01T00:00:00,1", "c.csv", "half_hours", "Europe/Marmalade")
    with pytest.raises(BadData, match="there is no such time zone"):
        read_csv("2026-03-01T00:00:00,1", "c.csv", "half_hours", "/etc/passwd")


# --- whatever is in a file


@given(st.text(max_size=200))
def test_no_text_makes_more_than_a_named_error(text: str) -> None:
    for name in ("h.toml", "h.json"):
        try:
            read_household(text, name, (1, 2), NOW)
        except HanctlError as error:
            assert str(error)
    try:
        read_csv(text, "c.csv", "half_hours", "Europe/London")
    except HanctlError as error:
        assert str(error)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["gas", "price", "messages", "half_hours", "start_time", "values", "x"]), inner
        )
    ),
    max_leaves=10,
)


@given(PLAIN)
def test_no_tree_makes_more_than_a_named_error(tree: Any) -> None:
    try:
        read_household(json.dumps({"gas": tree}), "h.json", (1, 2), NOW)
    except HanctlError as error:
        assert "line" in str(error)


def test_lines_of_nested_values() -> None:
    text = '[a]\nx = 1\n[[a.b]]\ny = 2\n[[a.b]]\n"z" = 3\n[a.b.c]\nw = [\n 1]\n'
    assert line_of(text, ("a", "x"), "toml") == 2
    assert line_of(text, ("a", "b", 0, "y"), "toml") == 4
    assert line_of(text, ("a", "b", 1, "z"), "toml") == 6
    assert line_of(text, ("a", "b", 1, "c", "w", 0), "toml") == 8
    assert line_of(text, ("q",), "toml") is None
