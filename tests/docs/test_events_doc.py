"""docs/events.md says what the code says."""

from __future__ import annotations

from pathlib import Path

from events_doc import markdown

from hanctl.model.event import EVENT_TYPES

DOCUMENT = Path(__file__).parents[2] / "docs" / "events.md"


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == markdown(), "run: python tests/docs/events_doc.py > docs/events.md"


def test_every_event_is_explained() -> None:
    for kind in EVENT_TYPES.values():
        assert kind.__doc__ and kind.level in {"info", "warning", "error"}
        assert not {"id", "time", "type", "level"} & set(kind.model_fields)
