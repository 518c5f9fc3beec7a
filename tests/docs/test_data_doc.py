"""docs/data.md says what the class table says."""

from __future__ import annotations

from pathlib import Path

from data_doc import document

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_document_is_up_to_date() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert document(text) == text, "run: python tests/docs/data_doc.py"
    assert "`half_hours`" in text
