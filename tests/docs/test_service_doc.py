"""docs/service.md says of every section what a reload does with it, and names the places that there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from hanctl.config.sections import Config, Section
from hanctl.install.places import of_system

TEXT = (Path(__file__).parents[2] / "docs" / "service.md").read_text()


def test_the_table_of_what_a_reload_applies() -> None:
    rows = re.findall(r"^\| ((?:`\[\w+\]`(?:, )?)+) \| (.+) \|$", TEXT, re.MULTILINE)
    said = {name: text for names, text in rows for name in re.findall(r"\[(\w+)\]", names)}
    assert set(said) == set(Config.model_fields)
    for name, field in Config.model_fields.items():
        models = [each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type)]
        live = next(model for model in models if issubclass(model, Section)).live
        if isinstance(live, bool):
            assert said[name].startswith("at once" if live else "after a restart"), name
        else:
            assert set(re.findall(r"`(\w+)`", said[name])) == live, name


def test_the_places_of_a_service() -> None:
    one, several = of_system(), of_system("NAME")
    for places in (one, several):
        assert f"`{places.config}`" in TEXT and f"`{places.state}`" in TEXT
    for path in (*one.shared.values(), *one.own.values()):
        assert f"`{path}`" in TEXT
