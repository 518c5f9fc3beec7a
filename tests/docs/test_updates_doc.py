"""docs/updates.md has the very table of states that the ledger enforces, and every option of the order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import typer.main

from hanctl.cli.main import app
from hanctl.model.event import EVENT_TYPES
from hanctl.model.update_states import TRANSITIONS, UpdateState

TEXT = (Path(__file__).parents[2] / "docs" / "updates.md").read_text()


def test_the_table_of_states() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert {state: set(re.findall(r"`(\w+)`", ways)) for state, ways in rows} == TRANSITIONS
    assert [state for state, _ in rows] == list(get_args(UpdateState))


def test_every_option_of_an_order_is_explained() -> None:
    group = typer.main.get_command(app).commands["update"]  # type: ignore[attr-defined]
    options = {option for parameter in group.commands["start"].params for option in parameter.opts}
    usual = {"--device", "--image", "--type", "--manufacturer", "--running", "--socket", "--config", "-c", "--json"}
    assert [
        option for option in sorted(options - usual - {"--watch"}) if f"`{option}" not in TEXT.replace(", `", "`")
    ] == []


def test_every_event_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:update|ledger|delivery|transfer|activation)\.\w+)`", TEXT))
    assert len(named) > 8
    assert named <= set(EVENT_TYPES)
