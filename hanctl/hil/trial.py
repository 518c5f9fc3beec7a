"""One test on a bench: what happened since it began, waiting for what is to happen, and the evidence of what did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hanctl.cli.output import field
from hanctl.hil.api_client import ApiClient, now
from hanctl.hil.driver import Driver

Event = dict[str, Any]
Wanted = Callable[[Event], bool]

PAGE = 1000
SHOWN = 12
"""So many of the last events a failed wait shows."""
_HEAD = frozenset({"id", "time", "type", "level"})


class Expired(AssertionError):
    """What was waited for did not come in time, or can no longer come; the text says what came instead."""


def sentence(event: Event) -> str:
    """Return one event as one line: its number, time and type, and its fields as the commands show them."""
    told = " ".join(
        f"{name}={_brief(name, value)}" for name, value in event.items() if name not in _HEAD and value is not None
    )
    at = datetime.fromisoformat(event["time"])
    return f"#{event['id']} {at:%Y-%m-%d %H:%M:%S} {event['type']} {told}".rstrip()


def _brief(name: str, value: Any) -> str:
    return f"{value[:12]}…" if name.endswith("sha256") else field(name, value)


def in_words(seconds: float) -> str:
    """Return a length of time for a sentence, e.g. "1.5 h"."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:g} s"


class Trial:
    """``began``: the last event before the test. ``evidence``: what was seen, one line each, in order.

    ``gaps``: what the test could not find out, though nothing failed.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.device = driver.device
        self.evidence: list[str] = []
        self.gaps: list[str] = []
        self.files: Path | None = None
        """Where this test's files are kept if it fails."""
        self.began = self.mark()

    @property
    def api(self) -> ApiClient:
        return self.driver.api

    def mark(self) -> int:
        """Return the number of the last event that there is."""
        return int(self.driver.run(self.api.get("/status"))["last_event"])

    def begin_here(self) -> None:
        """Let the test begin here: what came before was to get ready."""
        self.began = self.mark()

    def saw(self, what: str) -> None:
        """Take something to the evidence, once."""
        if what not in self.evidence:
            self.evidence.append(what)

    def saw_event(self, event: Event) -> Event:
        self.saw(sentence(event))
        return event

    def events(self, after: int | None = None, **selection: Any) -> list[Event]:
        """Return the events since the test began, or after another one, oldest first."""
        return self.driver.run(self._events(self.began if after is None else after, selection))

    def wait_for(self, what: str, wanted: Wanted, within_s: float, *, after: int, never: Wanted | None = None) -> Event:
        """Wait for the first event after ``after`` that is ``wanted``. Raises Expired, also if a ``never`` comes first.

        ``what`` completes "… did not come within …".
        """
        return self.saw_event(self.driver.run(self._wait_for(what, wanted, within_s, after, never)))

    async def _events(self, after: int, selection: dict[str, Any]) -> list[Event]:
        found: list[Event] = []
        while page := await self.api.get("/events", after=after, limit=PAGE, **selection):
            found += page
            after = page[-1]["id"]
        return found

    async def _wait_for(self, what: str, wanted: Wanted, within_s: float, after: int, never: Wanted | None) -> Event:
        deadline = now() + within_s
        seen: list[Event] = []
        while True:
            page: list[Event] = await self.api.wait("/events", deadline - now(), after=after, limit=PAGE)
            for event in page:
                seen.append(event)
                after = event["id"]
                if wanted(event):
                    return event
                if never is not None and never(event):
                    raise Expired(f"{what} did not come: {sentence(event)}{_instead(seen)}")
            if not page and now() >= deadline:
                raise Expired(f"{what} did not come within {in_words(within_s)}{_instead(seen)}")


def _instead(seen: Sequence[Event]) -> str:
    if not seen:
        return "; no event came meanwhile"
    shown = seen[-SHOWN:]
    head = f"the last {len(shown)} of {len(seen)} events" if len(seen) > len(shown) else "the events"
    return f"; {head} that came instead:\n" + "\n".join(f"  {sentence(event)}" for event in shown)


def matching(types: str | Iterable[str], fields: dict[str, Any]) -> Wanted:
    """Return a test of whether an event is of one of these types and has these fields."""
    wanted = {types} if isinstance(types, str) else set(types)
    return lambda event: event["type"] in wanted and all(event.get(name) == value for name, value in fields.items())
