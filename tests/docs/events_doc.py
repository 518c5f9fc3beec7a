"""Generate docs/events.md from the event classes: ``.venv/bin/python tests/docs/events_doc.py > docs/events.md``."""

from __future__ import annotations

import inspect
import pkgutil
import typing
from importlib import import_module

import hanctl.model
from hanctl.model.event import EVENT_TYPES, Event

HEAD = """# Events

The hub records everything that happens as an event. It writes each event to the ledger first, then logs and streams
it (`hanctl events --follow`, `GET /events/stream`); the three notices also go to the webhook. Names and fields are a
stable interface. As JSON, every event has `id` (higher than every earlier one), `time` (ISO 8601, UTC), `type` and
`level`, and then its own fields. A line of the hub's own log names the type `event`; in the journal each field is
`HANCTL_` and its name: `journalctl -u hanctl HANCTL_EVENT=update.failed`.

The ledger keeps events for 365 days, and at most 250 000 of them (`[retention]`). Ids are never used twice. It never
removes the first event, activation notices, events of changes of tenancy and supplier, or notices that the webhook has
not accepted, and it keeps all events of an update until 365 days after its end.

Somebody else can cause some events as often as they like: refusals, key establishments that fail, claims, and what a
device says of itself or configures. Of each such type the hub records the first five for each device with a key, and
for all others together, in full, and counts the rest: `events.counted`, after ten minutes and then at growing
intervals, up to an hour, while it goes on. These events have a limit of their own, a tenth of that of all others:
they never push out another. Those about an open update are told apart, and kept with its other events.

| type | level | meaning | fields |
|---|---|---|---|
"""


def markdown() -> str:
    """Return the whole document."""
    for module in pkgutil.iter_modules(hanctl.model.__path__):
        import_module(f"hanctl.model.{module.name}")
    return HEAD + "".join(_row(kind) for _, kind in sorted(EVENT_TYPES.items()))


def _row(kind: type[Event]) -> str:
    fields = ", ".join(f"`{name}`: {_type(field.annotation)}" for name, field in kind.model_fields.items())
    meaning = " ".join((inspect.getdoc(kind) or "").split())
    return f"| `{kind.type}` | {kind.level} | {meaning} | {fields or '–'} |\n"


def _type(annotation: typing.Any) -> str:
    if annotation is type(None):
        return "null"
    if isinstance(annotation, type):
        return {"int": "integer", "str": "text", "bool": "boolean", "float": "number"}[annotation.__name__]
    if typing.get_origin(annotation) is list:
        return f"list of {_type(typing.get_args(annotation)[0])}"
    words = [
        f'"{part}"' if isinstance(part, str) else str(part) if isinstance(part, int) else _type(part)
        for part in typing.get_args(annotation)
    ]
    return " or ".join(words)


if __name__ == "__main__":
    print(markdown(), end="")
